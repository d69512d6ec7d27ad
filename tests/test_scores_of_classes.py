"""Log-likelihoods of rows given their class."""

import numpy as np
import pytest
from conftest import describe
from labelled_models import (
    CLASSES,
    X,
    Y,
    make_rows,
    small_labelled_estimators,
    trained,
)
from linear_gaussian import (
    N_FEATURES,
    SCALE,
    B,
    D,
    W,
    estimator_around,
    linear_gaussian,
)
from scipy import stats
from scipy.special import logsumexp
from sklearn.base import clone

from skvae import RAE
from skvae.densities import ClassConditionalDensity
from skvae.estimators._scoring import ImportanceSampler

LABELLED = small_labelled_estimators()
SCORING = [e for e in LABELLED if not isinstance(e, RAE)]


@pytest.fixture(scope="module")
def model():
    return trained().fit(X, Y)


def normals_of_classes(seed=2):
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], [3000, 1000])
    codes = np.where(y[:, None] == 0, [-1.0, 0.5], [1.5, 0.0])
    return codes + [0.7, 0.5] * rng.standard_normal((4000, D)), y


@pytest.fixture(scope="module")
def linear():
    """Return a linear-Gaussian model, whose classes have normal codes."""
    fitted = estimator_around(linear_gaussian(widen=1.3))
    fitted.latent_density_ = ClassConditionalDensity().fit(*normals_of_classes())
    return fitted


def exact_scores(linear, X):
    """Return log p(x|y) of rows, shape (n, 2), in closed form."""
    scores = []
    for normal in linear.latent_density_.densities_:
        covariance = W @ normal.covariance_ @ W.T + SCALE**2 * np.eye(N_FEATURES)
        mean = B + W @ normal.mean_
        scores.append(stats.multivariate_normal(mean, covariance).logpdf(X))
    return np.stack(scores, 1)


def linear_rows(n):
    rng = np.random.default_rng(3)
    codes, y = normals_of_classes(seed=4)
    some = rng.permutation(len(y))[:n]
    noise = SCALE * rng.standard_normal((n, N_FEATURES))
    return (codes[some] @ W.T + B + noise).astype(np.float32), y[some]


def test_scores_of_a_class_are_exact_up_to_their_error(linear):
    X, y = linear_rows(80)
    exact = exact_scores(linear, X)
    for asked, expected in (
        *((label, exact[:, label]) for label in (0, 1)),
        (y, exact[np.arange(len(X)), y]),
        (None, logsumexp(exact + np.log([0.75, 0.25]), 1)),
    ):
        errors = linear.score_samples(X, asked, n_importance_samples=100) - expected
        bias = -errors.var() / 2  # of a logarithm, to second order
        assert abs(errors.mean() - bias) < 4 * errors.std() / np.sqrt(len(X)) + 1e-3
        assert abs(errors).mean() < 0.2


def test_score_of_all_classes_is_the_mean_of_theirs_for_draws_of_q(linear, monkeypatch):
    def never(sampler, of_mode, scores, sizes, X):
        return np.zeros(len(scores), bool)

    monkeypatch.setattr(ImportanceSampler, "_is_better", never)
    X, _ = linear_rows(60)
    by_class = [linear.score_samples(X, label) for label in (0, 1)]
    joint = np.stack(by_class, 1) + np.log(linear.class_prior_)
    np.testing.assert_allclose(logsumexp(joint, 1), linear.score_samples(X), rtol=1e-6)


def test_scores_do_not_depend_on_who_else_is_asked_for(linear):
    X, y = linear_rows(64)
    both, sizes = linear.score_samples(X, y, return_effective_sample_size=True)
    for label in (0, 1):
        alone = linear.score_samples(X[y == label], label)
        np.testing.assert_allclose(both[y == label], alone, rtol=1e-5)
    assert ((sizes >= 1) & (sizes <= 64)).all()


def test_far_rows_are_scored_under_the_components_of_their_class(linear):
    X = linear_rows(8)[0] + 30 * W[:, 0]
    found = np.stack([linear.score_samples(X, label) for label in (0, 1)], 1)
    np.testing.assert_allclose(found, exact_scores(linear, X), rtol=0.01)
    every = logsumexp(exact_scores(linear, X) + np.log([0.75, 0.25]), 1)
    np.testing.assert_allclose(linear.score_samples(X), every, rtol=0.01)


@pytest.mark.parametrize("estimator", SCORING, ids=describe)
def test_a_class_has_a_model_of_its_own(estimator):
    fitted = clone(estimator).fit(X, Y)
    of_class = fitted.of_class("top")
    assert type(of_class) is type(fitted)
    np.testing.assert_allclose(
        of_class.score_samples(X[:40]), fitted.score_samples(X[:40], "top"), rtol=1e-6
    )
    np.testing.assert_array_equal(of_class.transform(X), fitted.transform(X))
    assert not hasattr(of_class, "of_class")
    with pytest.raises(ValueError, match=r"of classes, but .* is not"):
        of_class.sample(2, "top")
    assert fitted.classes_.tolist() == CLASSES  # it is left as it was


def test_bayes_rule_tells_the_class_of_new_rows(model):
    rows, y = make_rows(300, seed=5)
    scores = np.stack([model.score_samples(rows, label) for label in CLASSES], 1)
    posterior = scores + np.log(model.class_prior_)
    assert np.mean(model.classes_[posterior.argmax(1)] == y) > 0.98
