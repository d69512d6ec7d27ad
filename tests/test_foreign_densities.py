"""Latent densities of the user's own that cannot work, or return what is wrong."""

import numpy as np
import pytest
from conftest import make_data, small
from sklearn.base import BaseEstimator
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.neighbors import KernelDensity

from skvae import RAE, VAE

X = make_data(30)


class Bad(BaseEstimator):
    """A density that returns whatever it is told to."""

    def __init__(self, drawn=None, scored=None):
        self.drawn, self.scored = drawn, scored

    def fit(self, Z, y=None):
        pass  # returns None, which is no reason to lose it

    def sample(self, n_samples=1, random_state=None):
        return self.drawn(n_samples)

    def score_samples(self, Z):
        return self.scored(len(Z))


DRAWN = {
    "too few": (lambda n: np.zeros((n - 1, 2)), r"shape \(3, 2\)"),
    "too wide": (lambda n: np.zeros((n, 7)), r"shape \(4, 7\)"),
    "1-d": (lambda n: np.zeros(n), r"shape \(4,\)"),
    "None": (lambda n: None, r"shape \(\)"),
    "NaN": (lambda n: np.full((n, 2), np.nan), "NaN or infinity"),
    "infinite": (lambda n: np.full((n, 2), np.inf), "NaN or infinity"),
}
SCORED = {
    "too few": (lambda n: np.zeros(n - 1), r"shape \(\d+,\)"),
    "a column": (lambda n: np.zeros((n, 1)), r"shape \(\d+, 1\)"),
    "one number": (lambda n: 0.0, r"shape \(\)"),
    "NaN": (lambda n: np.full(n, np.nan), "NaN"),
}


@pytest.mark.parametrize(("drawn", "found"), DRAWN.values(), ids=DRAWN)
def test_wrong_draws_are_told_by_the_name_of_the_density(drawn, found):
    model = small(latent_density=Bad(drawn)).fit(X)
    message = rf"`sample` of the latent density Bad .*\(4, 2\), but has .*{found}.*Mend"
    with pytest.raises(ValueError, match=message):
        model.sample(4)


@pytest.mark.parametrize(("scored", "found"), SCORED.values(), ids=SCORED)
def test_wrong_scores_are_told_by_the_name_of_the_density(scored, found):
    model = small(latent_density=Bad(scored=scored)).fit(X)
    message = rf"`score_samples` of the latent density Bad .*but has .*{found}.*Mend"
    with pytest.raises(ValueError, match=message):
        model.score_samples(X[:4])


class NoParameters:
    """A density that scikit-learn cannot clone."""

    def fit(self, Z):
        return self

    def sample(self, n):
        return np.zeros((n, 2))


class Changes(BaseEstimator):
    """A density whose constructor changes its parameter."""

    def __init__(self, widths=None):
        self.widths = [*(widths or [1.0])]

    def fit(self, Z):
        return self

    def sample(self, n):
        return np.zeros((n, 2))


BEFORE_TRAINING = {
    "no parameters": (VAE, NoParameters(), TypeError, "can be cloned.*BaseEstimator"),
    "changed parameters": (VAE, Changes(), TypeError, "can be cloned.*__init__"),
    "no components": (VAE, GaussianMixture(0), ValueError, "'n_components'.*Got 0"),
    "no such type": (
        *(VAE, GaussianMixture(covariance_type="nonsense")),
        *(ValueError, "'covariance_type'.*Got 'nonsense'"),
    ),
    "bandwidth": (VAE, KernelDensity(bandwidth=-1), ValueError, "'bandwidth'.*Got -1"),
    "more than codes": (
        *(RAE, GaussianMixture(40)),
        *(ValueError, "at least 40 codes, but n_samples = 30 gives 30.*fewer"),
    ),
    "Bayesian": (RAE, BayesianGaussianMixture(n_components=31), ValueError, "31 codes"),
    "more than draws": (
        *(VAE, GaussianMixture(301)),
        *(ValueError, "at least 301 codes, but n_samples = 30 gives 300"),
    ),
}


@pytest.mark.parametrize(
    ("cls", "density", "error", "message"),
    BEFORE_TRAINING.values(),
    ids=BEFORE_TRAINING,
)
def test_density_that_cannot_be_fitted_is_refused_before_training(
    cls, density, error, message, monkeypatch
):
    monkeypatch.setattr("skvae._training.fit.Fit.run", None)  # would be an error
    with pytest.raises(error, match=message):
        small(cls, latent_density=density).fit(X)


def test_one_row_is_too_few_for_the_default_of_rae(monkeypatch):
    monkeypatch.setattr("skvae._training.fit.Fit.run", None)
    with pytest.raises(ValueError, match="at least 2 codes, but n_samples = 1 gives 1"):
        RAE().fit(X[:1])


def test_as_many_components_as_codes_are_taken():
    assert small(RAE, latent_density=GaussianMixture(30)).fit(X).sample(2).shape
