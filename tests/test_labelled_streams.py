"""Labels in streams and pickles, in other densities, and in pipelines."""

import pickle

import numpy as np
import pytest
from conftest import assert_same, describe, outputs, small
from labelled_models import (
    CLASSES,
    LABELLED_DENSITIES,
    X,
    Y,
    in_chunks,
    make_judge,
    small_labelled_estimators,
    trained,
    two_sharp_stages,
)
from sklearn.base import clone
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import TwoStageVAE
from skvae.densities import ClassConditionalDensity, StandardNormal
from skvae.pipeline import sample_pipeline

LABELLED = small_labelled_estimators()


@pytest.fixture(scope="module")
def model():
    return trained().fit(X, Y)


@pytest.fixture(scope="module")
def judge():
    return make_judge()


@pytest.mark.parametrize("estimator", LABELLED, ids=describe)
def test_a_stream_keeps_the_labels_of_its_rows(estimator):
    fitted = in_chunks(clone(estimator), X, Y)
    assert fitted.classes_.tolist() == CLASSES
    if not isinstance(estimator, TwoStageVAE):
        np.testing.assert_allclose(
            fitted.class_prior_, [np.mean(label == Y) for label in CLASSES]
        )
    assert (
        fitted._sample.labels.tolist()
        == np.concatenate([Y[i::3] for i in range(3)]).tolist()
    )


def test_labels_stay_with_their_rows_in_a_long_stream(monkeypatch):
    monkeypatch.setattr("skvae._training.stream.MOST_ROWS", 50)
    fitted = in_chunks(small(latent_density=ClassConditionalDensity()), X, Y, 6)
    labels = dict(zip(map(bytes, X), Y, strict=True))
    rows = fitted._sample.rows
    assert len(rows) == len(fitted._sample.labels) == 50
    assert [labels[bytes(row)] for row in rows] == fitted._sample.labels.tolist()


@pytest.mark.slow
def test_labels_of_second_stages_are_those_of_the_rows_that_are_drawn(monkeypatch):
    monkeypatch.setattr("skvae._training.fit._MIN_OF_STREAM", 60)
    fitted = in_chunks(two_sharp_stages(), X, Y)
    scores = [fitted.score_samples(X, label) for label in CLASSES]
    assert np.mean(np.array(CLASSES)[np.argmax(scores, 0)] == Y) > 0.9


@pytest.mark.filterwarnings("ignore:In feature 1, half of these rows")
def test_a_chunk_may_lack_classes_and_labels():
    order = np.argsort(Y)
    fitted = small(latent_density=ClassConditionalDensity())
    fitted.partial_fit(X[order[:80]], [None] * 80)
    for part in np.array_split(order, 4):
        fitted.partial_fit(X[part], Y[part])
    assert fitted.classes_.tolist() == CLASSES
    counts = [np.sum(label == Y) for label in CLASSES]
    assert fitted.latent_density_.class_count_.tolist() == counts


def test_a_stream_may_begin_without_classes():
    fitted = in_chunks(small(), X, Y)
    fitted.set_params(latent_density=ClassConditionalDensity())
    fitted.partial_fit(X, Y)
    counts = [np.sum(label == Y) for label in CLASSES]
    assert fitted.latent_density_.class_count_.tolist() == counts


def test_pickles_sample_classes_and_go_on_with_draws_of_each(model, judge):
    loaded = pickle.loads(pickle.dumps(model))
    assert loaded._sample.labels is None
    np.testing.assert_array_equal(
        loaded.sample(5, "mid", random_state=0), model.sample(5, "mid", random_state=0)
    )
    np.testing.assert_array_equal(
        loaded.score_samples(X[:9], "mid"), model.score_samples(X[:9], "mid")
    )
    loaded.partial_fit(X[:10], Y[:10])
    labels = loaded._sample.labels
    assert len(labels) == len(X) + 10
    assert np.mean(judge.predict(loaded._sample.rows[:-10]) == labels[:-10]) > 0.95
    assert loaded.classes_.tolist() == CLASSES


@pytest.mark.parametrize("density", LABELLED_DENSITIES, ids=describe)
def test_another_density_may_be_fitted_with_labels(density):
    once = small(latent_density=density).fit(X, Y)
    twice = small().fit(X).set_params(latent_density=density)
    assert_same(outputs(twice.fit_latent_density(X, Y), X[:9]), outputs(once, X[:9]))
    twice.set_params(latent_density=StandardNormal()).fit_latent_density(X)
    assert not hasattr(twice, "of_class")


def test_an_interrupted_fit_has_its_classes(monkeypatch):
    fitted = small(latent_density=ClassConditionalDensity())

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ClassConditionalDensity, "fit", interrupt)
        with pytest.raises(KeyboardInterrupt), pytest.warns(RuntimeWarning):
            fitted.fit(X, Y)
    assert fitted.classes_.tolist() == CLASSES


def test_many_rows_keep_their_labels(monkeypatch):
    monkeypatch.setattr("skvae._training.latents._MAX_ENCODED", 100)
    fitted = trained().fit(X, Y)
    some = Y[::3]  # every third
    counts = [np.sum(some == label) for label in CLASSES]
    assert fitted.latent_density_.class_count_.tolist() == counts
    scores = [fitted.score_samples(X, label) for label in CLASSES]
    assert np.mean(np.array(CLASSES)[np.argmax(scores, 0)] == Y) > 0.97


def test_pipelines_pass_labels_on(judge):
    pipeline = make_pipeline(StandardScaler(), trained()).fit(X, Y)
    y = np.repeat(CLASSES, 50)
    rows = sample_pipeline(pipeline, 150, y, random_state=0)
    assert np.mean(judge.predict(rows) == y) > 0.95
    nested = make_pipeline(StandardScaler(), pipeline)
    nested = nested.fit(X, Y)
    assert np.mean(judge.predict(sample_pipeline(nested, 99, "mid")) == "mid") > 0.95
    of_density = make_pipeline(StandardScaler(), ClassConditionalDensity()).fit(X, Y)
    rows = sample_pipeline(of_density, 150, y, random_state=0)
    assert np.mean(judge.predict(rows) == y) > 0.95
    assert pipeline.classes_.tolist() == CLASSES


@pytest.mark.parametrize("last", [small(), GaussianMixture(1)], ids=describe)
def test_pipelines_without_classes_refuse_a_label(last):
    pipeline = make_pipeline(StandardScaler(), last).fit(X)
    with pytest.raises(ValueError, match="takes y only where"):
        sample_pipeline(pipeline, 2, "mid")
