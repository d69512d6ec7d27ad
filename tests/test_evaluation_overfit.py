"""Overfitting is told by Gaussians that are fitted to the same rows."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm
from sklearn.base import BaseEstimator
from sklearn.covariance import LedoitWolf
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from skvae import evaluate
from skvae.evaluation._held_out import _compare_gaussians

LINE = np.array([[3.0, 3.0], [0.0, 0.1]])


class Normal(BaseEstimator):
    """The standard normal density."""

    def fit(self, X, y=None):
        self.X_ = np.asarray(X)
        return self

    def sample(self, n_samples=1, random_state=None):
        rng = np.random.RandomState(random_state)
        return rng.normal(size=(n_samples, self.X_.shape[1]))


def kinds(model, train, test, **options):
    found = evaluate(model.fit(train), train, test, n_bootstrap=0, **options).findings
    return [text.partition(":")[0] for text in found]


def on_a_line(n, seed):
    return np.random.default_rng(seed).normal(size=(n, 2)) @ LINE


def test_gaussians_are_those_of_scipy():
    rng = np.random.default_rng(0)
    train, part, test = (
        rng.normal(size=(n, 3)) @ rng.normal(size=(3, 3)) for n in (80, 30, 40)
    )
    scores = norm.logpdf(test).sum(axis=1)
    one, full = _compare_gaussians(part, test, train, scores)
    variance = train.var(axis=0).mean()
    for found, covariance in [
        (one, variance * np.eye(3)),
        (full, LedoitWolf().fit(train).covariance_),
    ]:
        density = multivariate_normal(train.mean(axis=0), covariance)
        assert found.test == pytest.approx(density.logpdf(test).mean())
        assert found.train == pytest.approx(density.logpdf(part).mean())
        ratio = np.exp(np.sum(density.logpdf(test) - scores))
        assert found.p_value == pytest.approx(min(1, 2 / ratio))


def test_a_single_column_has_one_gaussian():
    X = np.random.default_rng(0).normal(size=(60, 1))
    assert len(_compare_gaussians(X, X, X, np.zeros(60))) == 1


def test_constant_columns_upset_no_comparison():
    X = np.random.default_rng(0).normal(size=(200, 3)) * [1, 1, 0]
    model = GaussianMixture(1, reg_covar=0.1, random_state=0)
    assert kinds(model, X[:100], X[100:]) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_narrow_kernel_density_along_a_line_is_found(seed):
    model = KernelDensity(bandwidth=0.02)
    train, test = on_a_line(200, seed), on_a_line(200, seed + 100)
    assert "Overfit" in kinds(model, train, test, random_state=seed)


def test_a_model_that_is_poor_has_not_overfitted():
    class Poor(Normal):
        def score_samples(self, X):
            return np.full(len(X), -50.0)

    train, test = on_a_line(200, 0), on_a_line(200, 1)
    assert "Overfit" not in kinds(Poor(), train, test)


def test_the_truth_has_not_overfitted():
    class Truth(Normal):
        def sample(self, n_samples=1, random_state=None):
            return super().sample(n_samples, random_state) @ LINE

        def score_samples(self, X):
            return multivariate_normal(np.zeros(2), LINE.T @ LINE).logpdf(X)

    for seed in range(20):
        train, test = on_a_line(40, seed), on_a_line(200, seed + 100)
        assert "Overfit" not in kinds(Truth(), train, test, random_state=seed)


@pytest.mark.parametrize(("n_test", "found"), [(58, []), (62, ["Overfit"])])
def test_overfit_needs_a_likelihood_ratio_of_400(n_test, found):
    class Worse(Normal):
        """A tenth of a nat worse than one Gaussian, and better on training rows."""

        def score_samples(self, X):
            scale = np.sqrt(self.X_.var(axis=0).mean())
            gaussian = norm(self.X_.mean(axis=0), scale).logpdf(X).sum(axis=1)
            return gaussian + np.where(np.isin(X[:, 0], self.X_[:, 0]), 1, -0.1)

    rng = np.random.default_rng(1)
    train, test = (rng.normal(size=(n, 3)) for n in (100, n_test))
    assert kinds(Worse(), train, test, n_samples=100) == found
    assert np.exp(0.1 * 58) < 400 < np.exp(0.1 * 62)
