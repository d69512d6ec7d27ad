"""Estimators whose latent density has classes: what labels do, and samples of each."""

import numpy as np
import pytest
from conftest import ESTIMATORS, accepted, assert_same, describe, outputs, small
from labelled_models import (
    CLASSES,
    SHARP,
    X,
    Y,
    make_judge,
    small_labelled_estimators,
    trained,
    two_sharp_stages,
)
from scipy import stats
from sklearn.base import clone
from sklearn.mixture import GaussianMixture
from sklearn.utils import get_tags

from skvae import TwoStageVAE
from skvae.densities import ClassConditionalDensity

LABELLED = small_labelled_estimators()


@pytest.fixture(scope="module")
def model():
    return trained().fit(X, Y)


@pytest.fixture(scope="module")
def judge():
    return make_judge()


@pytest.mark.parametrize("cls", ESTIMATORS, ids=describe)
@pytest.mark.parametrize("way", ["fit", "partial_fit"])
def test_y_changes_nothing_where_the_density_has_no_classes(cls, way):
    y = np.linspace(0.1, 0.9, len(X))  # no labels at all
    without, given = small(cls), small(cls)
    for part in np.array_split(np.arange(len(X)), 1 if way == "fit" else 2):
        getattr(without, way)(X[part])
        getattr(given, way)(X[part], y[part])
    assert_same(outputs(given, X[:9]), outputs(without, X[:9]))
    assert given._sample.labels is None
    assert not get_tags(given).target_tags.required
    for name in ("of_class", "classes_", "class_prior_"):
        assert not hasattr(given, name)


@pytest.mark.parametrize("estimator", LABELLED, ids=describe)
def test_networks_do_not_depend_on_the_labels(estimator):
    fitted = clone(estimator).fit(X, Y)
    if isinstance(estimator, TwoStageVAE):
        second = clone(estimator.second_stage).set_params(latent_density=None)
        plain = clone(estimator).set_params(second_stage=second).fit(X)
    else:
        plain = clone(estimator).set_params(latent_density=None).fit(X)
    np.testing.assert_array_equal(fitted.transform(X), plain.transform(X))


@pytest.mark.parametrize("estimator", LABELLED, ids=describe)
def test_estimators_know_their_classes(estimator):
    assert get_tags(estimator).target_tags.required
    fitted = clone(estimator).fit(X, Y)
    assert fitted.classes_.tolist() == CLASSES
    shares = [np.mean(label == Y) for label in CLASSES]
    np.testing.assert_allclose(fitted.class_prior_, shares)
    assert fitted.sample(4, "mid", random_state=0).shape == (4, 5)
    again = clone(estimator).fit(X, Y)
    assert_same(outputs(again, X[:9]), outputs(fitted, X[:9]))


def test_the_density_is_that_of_draws_from_the_posteriors_of_each_class(model):
    density = model.latent_density_
    counts = [np.sum(label == Y) for label in CLASSES]
    assert density.class_count_.tolist() == counts
    codes = model.transform(X)
    for label in CLASSES:
        mean, few = codes[label == Y].mean(0), np.sum(label == Y)
        error = np.abs(density.of_class(label).mean_ - mean)
        assert (error < 4 / np.sqrt(10 * few)).all()  # posteriors are narrower than 1


def test_samples_of_a_class_are_of_that_class(model, judge):
    for label in CLASSES:
        for mean in (True, False):
            rows = model.sample(200, label, mean=mean, random_state=0)
            assert np.mean(judge.predict(rows) == label) > 0.97


def test_samples_have_the_class_of_each_label(model, judge):
    y = np.random.default_rng(0).permutation(np.repeat(CLASSES, [10, 50, 140]))
    rows = model.sample(200, y, random_state=0)
    assert np.mean(judge.predict(rows) == y) > 0.97
    np.testing.assert_array_equal(rows, model.sample(200, list(y), random_state=0))
    assert not np.array_equal(rows, model.sample(200, y, random_state=1))


@pytest.mark.parametrize("priors", [None, [0.1, 0.2, 0.7]])
def test_classes_are_sampled_by_their_priors(judge, priors):
    fitted = trained(latent_density=ClassConditionalDensity(priors=priors)).fit(X, Y)
    found = judge.predict(fitted.sample(1000, random_state=0))
    counts = [np.sum(found == label) for label in CLASSES]
    shares = priors or [np.mean(label == Y) for label in CLASSES]
    assert stats.chisquare(counts, 1000 * np.array(shares)).pvalue > 1e-3


@pytest.mark.parametrize("cls", [c for c in ESTIMATORS if c is not TwoStageVAE])
def test_every_family_samples_classes(cls, judge):
    options = accepted(cls, **SHARP)
    fitted = small(cls, latent_density=ClassConditionalDensity(), **options)
    rows = fitted.fit(X, Y).sample(100, "top", random_state=0)
    assert np.mean(judge.predict(rows) == "top") > 0.95


@pytest.mark.slow
def test_two_stages_have_classes_in_the_second(judge):
    fitted = two_sharp_stages().fit(X, Y)
    y = np.repeat(CLASSES, 50)
    assert np.mean(judge.predict(fitted.sample(150, y, random_state=0)) == y) > 0.95
    scores = [fitted.score_samples(X, label) for label in CLASSES]
    assert np.mean(np.array(CLASSES)[np.argmax(scores, 0)] == Y) > 0.97


def test_images_come_out_of_a_class():
    images = X[:, :4].reshape(-1, 2, 2)
    fitted = small(latent_density=ClassConditionalDensity()).fit(images, Y)
    assert fitted.sample(3, "top").shape == (3, 2, 2)


def test_rows_without_a_label_train_the_networks_only():
    y = Y.astype(object)
    y[::2] = None
    some = trained().fit(X, y)
    np.testing.assert_array_equal(some.transform(X), trained().fit(X, Y).transform(X))
    known = Y[1::2]
    counts = [np.sum(known == label) for label in CLASSES]
    assert some.latent_density_.class_count_.tolist() == counts


def test_a_class_of_one_row_is_sampled_around_it():
    first = np.flatnonzero(Y == "top")[0]
    keep = (Y != "top") | (np.arange(len(Y)) == first)
    fitted = trained().fit(X[keep], Y[keep])
    codes, code = fitted.transform(X[keep]), fitted.transform(X[[first]])[0]
    drawn = fitted.latent_density_.sample(500, "top", random_state=0)
    within = np.mean([codes[Y[keep] == label].var(0) for label in CLASSES[:2]], 0)
    np.testing.assert_allclose(drawn.mean(0), code, atol=0.2)
    np.testing.assert_allclose(drawn.var(0), within, rtol=0.3)


def test_rare_classes_are_named_at_the_line_of_the_user():
    rare = np.flatnonzero(Y == "top")[:4]
    keep = np.concatenate([np.flatnonzero(Y != "top"), rare])
    density = ClassConditionalDensity(GaussianMixture(2))
    with pytest.warns(UserWarning, match="6 rows of a class, but 'top' has 4") as found:
        small(latent_density=density).fit(X[keep], Y[keep])
    assert found[0].filename == __file__
