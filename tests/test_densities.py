"""Latent densities: the standard normal, and draws of fitted ones against codes."""

import copy

import numpy as np
import pytest
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.neighbors import KernelDensity

from skvae import IWAE, RAE, VAE, WAE
from skvae.densities import StandardNormal
from skvae.densities._adapter import sample_density
from skvae.diagnostics import posterior_moments
from skvae.metrics import maximum_mean_discrepancy, one_nearest_neighbour_accuracy
from skvae.networks import MLP

N_TEST = 500
OPTIONS = {
    "network": MLP(hidden_layer_sizes=(32,)),
    "batch_size": 64,
    "max_epochs": 8,
    "device": "cpu",
    "random_state": 0,
}
MIXTURE = GaussianMixture(10, max_iter=100)
BAYESIAN = BayesianGaussianMixture(
    n_components=10, weight_concentration_prior=0.1, max_iter=100, tol=1e-2
)
KERNEL = KernelDensity(bandwidth=0.1)


class Subset(BaseEstimator):
    """A density of one's own: it draws some of the training codes again."""

    def fit(self, X, y=None):
        self.X_ = X
        return self

    def sample(self, n_samples, random_state=None):
        rng = np.random.default_rng(random_state)
        return self.X_[rng.choice(len(self.X_), n_samples, replace=False)]


def name(density):
    return type(density).__name__


def make_clusters(n_samples, seed):
    """Return rows around three points of a plane in five dimensions."""
    rng = np.random.default_rng(seed)
    plane = np.random.default_rng(0).normal(size=(2, 5))
    centres = np.array([[0, 3], [2.5, -1.5], [-2.5, -1.5]])
    H = centres[rng.integers(3, size=n_samples)] + 0.4 * rng.normal(size=(n_samples, 2))
    return (H @ plane + 0.3 * rng.normal(size=(n_samples, 5))).astype(np.float32)


def make_normal(n_samples, seed):
    """Return rows from one normal distribution whose codes are far from N(0, I)."""
    rng = np.random.default_rng(seed)
    plane = np.random.default_rng(0).normal(size=(2, 5))
    H = rng.normal(size=(n_samples, 2)) * [4, 1]
    return (H @ plane + 0.3 * rng.normal(size=(n_samples, 5)) + 5).astype(np.float32)


def two_sample_tests(model, X):
    """Compare draws of the latent density with draws z ~ q(z|x) of held-out rows."""
    means, deviations = posterior_moments(model, X)
    noise = np.random.default_rng(1).normal(size=means.shape)
    encoded = means + deviations * noise
    drawn = sample_density(model.latent_density_, len(X), seed=2)
    test = maximum_mean_discrepancy(encoded, drawn, n_permutations=199, random_state=3)
    return test.p_value, one_nearest_neighbour_accuracy(encoded, drawn).value


@pytest.fixture(scope="module", params=[VAE, IWAE, WAE, RAE])
def fitted(request):
    return request.param(2, **OPTIONS).fit(make_clusters(4000, 1))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Best performing initialization did not converge")
@pytest.mark.parametrize("density", [MIXTURE, BAYESIAN, KERNEL, Subset()], ids=name)
def test_drawn_latents_are_not_told_from_encoded_ones(fitted, density):
    model = copy.copy(fitted).set_params(latent_density=density)
    model.fit_latent_density(make_clusters(4000, 1))
    p_value, accuracy = two_sample_tests(model, make_clusters(N_TEST, 2))
    assert p_value > 0.05
    assert abs(accuracy - 0.5) < 0.06


def test_one_normal_density_is_enough_for_normal_codes():
    linear = {**OPTIONS, "network": MLP(hidden_layer_sizes=())}
    model = RAE(2, latent_density=GaussianMixture(1), **linear)
    p_value, accuracy = two_sample_tests(
        model.fit(make_normal(4000, 1)), make_normal(N_TEST, 2)
    )
    assert p_value > 0.05
    assert abs(accuracy - 0.5) < 0.06


@pytest.mark.parametrize("density", [StandardNormal(), GaussianMixture(1)], ids=name)
def test_a_density_that_does_not_fit_the_codes_is_told(density):
    # Codes that start at principal components are nearly normal.
    options = {**OPTIONS, "network": MLP((32,), skip=False)}
    plain = RAE(
        2, latent_penalty=0, regularizer=None, latent_density=density, **options
    )
    p_value, accuracy = two_sample_tests(
        plain.fit(make_clusters(4000, 1)), make_clusters(N_TEST, 2)
    )
    assert p_value == 1 / 200
    assert accuracy > 0.6


def test_standard_normal_density_is_scipys():
    Z = np.random.default_rng(0).standard_normal((20, 4))
    density = StandardNormal().fit(Z)
    np.testing.assert_allclose(
        density.score_samples(Z), stats.norm.logpdf(Z).sum(1), rtol=1e-12
    )
    assert density.score(Z) == pytest.approx(density.score_samples(Z).mean())
    draws = density.sample(40_000, random_state=0)
    assert stats.kstest(draws.ravel()[:5000], "norm").pvalue > 1e-3
    np.testing.assert_allclose(np.cov(draws.T), np.eye(4), atol=0.05)
