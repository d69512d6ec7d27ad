"""How any density is sampled as a latent one, and what stays as it was."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.mixture import GaussianMixture

from skvae.densities._adapter import fit_density, sample_density, score_density
from skvae.metrics import active_components


class Told(BaseEstimator):
    """Keeps the options that its methods are given."""

    def fit(self, Z, y=None):
        return self

    def sample(self, n_samples=1, *, mean=True, random_state=None):
        self.options = {"mean": mean, "random_state": random_state}
        return np.zeros((n_samples, 2))

    def score_samples(self, Z, n_importance_samples=100):
        self.options = {"n_importance_samples": n_importance_samples}
        return np.zeros(len(Z))


def test_a_model_is_asked_for_its_noise_and_given_the_seed():
    density = Told()
    sample_density(density, 3, seed=7)
    assert density.options == {"mean": False, "random_state": 7}


def test_an_importance_sampler_takes_one_draw():
    density = Told()
    score_density(density, np.zeros((3, 2)))
    assert density.options == {"n_importance_samples": 1}


@pytest.fixture
def mixture():
    Z = np.concatenate([np.zeros((50, 1)), np.full((50, 1), 100.0)])
    Z += np.random.default_rng(0).normal(size=Z.shape)
    return GaussianMixture(2, random_state=3).fit(Z)


def test_first_draws_are_like_all_others(mixture):
    """A mixture sorts its draws by component."""
    Z = sample_density(mixture, 200, seed=0)
    assert 0.2 < np.mean(Z[:50] > 50) < 0.8


def test_a_density_is_left_as_it_is(mixture):
    draws = [sample_density(mixture, 5, seed=seed) for seed in (0, 1, 0)]
    assert mixture.random_state == 3
    np.testing.assert_array_equal(draws[0], draws[2])
    assert not np.array_equal(draws[0], draws[1])


def test_only_a_density_without_a_seed_gets_one():
    Z = np.random.default_rng(0).normal(size=(20, 1))
    assert fit_density(GaussianMixture(1), Z, 11).random_state == 11
    own = GaussianMixture(1, random_state=4)
    fitted = fit_density(own, Z, 11)
    assert fitted.random_state == 4
    assert fitted is not own


@pytest.mark.parametrize(("variance", "active"), [(0.011, True), (0.009, False)])
def test_a_mean_is_active_above_a_hundredth(variance, active):
    means = np.sqrt(variance) * np.array([[-1.0], [1.0]])
    assert active_components(means, 1.0).by_mean.tolist() == [active]


@pytest.mark.parametrize(("scale", "active"), [(0.7, True), (0.72, False)])
def test_a_scale_is_active_below_half_the_priors_variance(scale, active):
    assert active_components(np.zeros((2, 1)), scale).by_scale.tolist() == [active]
