"""The latent density of a fit, and another one for a fitted estimator."""

import inspect
import pickle

import numpy as np
import pytest
from conftest import DENSITIES, ESTIMATORS, assert_same, describe, outputs, small
from linear_gaussian import draw
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

import skvae
from skvae.diagnostics import posterior_moments

WITH_DENSITY = [
    cls for cls in ESTIMATORS if "latent_density" in inspect.signature(cls).parameters
]


@pytest.mark.parametrize("density", DENSITIES, ids=describe)
def test_refitted_density_is_that_of_a_fit(X, density):
    once = small(latent_density=density).fit(X)
    other = GaussianMixture(3) if density is None else None
    twice = small(latent_density=other).fit(X).set_params(latent_density=density)
    assert_same(outputs(twice.fit_latent_density(X), X), outputs(once, X))


@pytest.mark.parametrize("cls", WITH_DENSITY)
def test_every_estimator_can_change_its_density(cls, X):
    model = small(cls).fit(X)
    before = outputs(model, X)
    model.set_params(latent_density=KernelDensity(bandwidth=0.1))
    after = outputs(model.fit_latent_density(X), X)
    assert isinstance(model.latent_density_, KernelDensity)
    changed = {k for k in before if not np.array_equal(before[k], after[k])}
    assert {"sample", "noisy"} <= changed <= {"sample", "noisy", "score"}
    assert_same(after, outputs(clone(model).fit(X), X))


def test_rows_may_be_others_than_those_of_the_fit(X, fitted):
    model = pickle.loads(pickle.dumps(fitted))
    model.set_params(latent_density=GaussianMixture(1))
    model.fit_latent_density(X[:20])
    Z = model.transform(X[:20])
    # Draws scatter around the means, so that the mean of the draws is theirs; of 20
    # rows there are ten draws each.
    deviations = posterior_moments(model, X[:20])[1]
    standard_error = np.sqrt(np.mean(deviations**2, 0) / 200)
    error = np.abs(model.latent_density_.means_[0] - Z.mean(0))
    np.testing.assert_array_less(error, 4 * standard_error)


def test_failure_leaves_the_density_as_it_was(X):
    model = small().fit(X)
    before = model.latent_density_
    with pytest.raises(TypeError, match=r"'latent_density' parameter.*Got 'mixture'"):
        model.set_params(latent_density="mixture").fit_latent_density(X)
    model.set_params(latent_density=GaussianMixture(10))
    with pytest.raises(ValueError, match="5 features"):
        model.fit_latent_density(X[:, :3])
    assert model.latent_density_ is before


def test_unfitted():
    with pytest.raises(NotFittedError):
        small().fit_latent_density(np.zeros((3, 2)))


def test_second_stage_is_no_such_density(X):
    model = small(skvae.TwoStageVAE)
    assert not hasattr(model, "fit_latent_density")
    with pytest.raises(AttributeError) as error:
        model.fit_latent_density(X)
    reason = f"{error.value} {error.value.__cause__}"
    assert "TwoStageVAE has no parameter `latent_density`" in reason


def test_latent_density_is_fitted_to_draws_not_to_means():
    # q(z|x) = N(0, I) for all x: means would give a point, draws give N(0, I).
    X = draw(300)
    model = small(
        latent_density=GaussianMixture(1),
        beta=1e4,
        kl_warmup=0.0,
        max_epochs=60,
        learning_rate=1e-2,
    ).fit(X)
    np.testing.assert_allclose(
        model.latent_density_.covariances_[0], np.eye(2), atol=0.1
    )
