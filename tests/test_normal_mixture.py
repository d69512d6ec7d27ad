"""Mixtures of normal densities of codes are those of scikit-learn, in torch."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from skvae.densities import StandardNormal
from skvae.estimators._normal_mixture import (
    components_of,
    moments_of,
    standard_normal,
)

RNG = np.random.default_rng(0)
SPREAD = RNG.normal(size=(200, 3)) @ RNG.normal(size=(3, 3))
Z = np.r_[SPREAD, RNG.normal(5, 0.3, (80, 3))]


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_mixtures_have_the_density_of_scikit_learn(kind):
    density = GaussianMixture(3, covariance_type=kind, random_state=0).fit(Z)
    mixture = components_of(density)
    points = np.r_[Z[:50], 100 * Z[:5]]
    found = mixture.log_prob(torch.from_numpy(points))
    np.testing.assert_allclose(found, density.score_samples(points), rtol=1e-9)
    np.testing.assert_allclose(
        mixture.log_prob(torch.from_numpy(points.reshape(5, 11, 3))),
        found.reshape(5, 11),
    )


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_precision_is_that_of_the_components_a_code_may_be_from(kind):
    density = GaussianMixture(3, covariance_type=kind, random_state=0).fit(Z)
    found = components_of(density).precision(torch.from_numpy(Z[:20]))
    precisions = {
        "full": lambda p: p,
        "tied": lambda p: np.broadcast_to(p, (3, 3, 3)),
        "diag": lambda p: np.stack([np.diag(row) for row in p]),
        "spherical": lambda p: p[:, None, None] * np.eye(3),
    }[kind](density.precisions_)
    expected = np.einsum("nk,kij->nij", density.predict_proba(Z[:20]), precisions)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_other_densities_have_none():
    assert components_of(StandardNormal()) is None


def test_normal_densities_have_their_moments():
    z = torch.from_numpy(Z)
    np.testing.assert_allclose(
        standard_normal(3).log_prob(z), multivariate_normal(np.zeros(3)).logpdf(Z)
    )
    law = multivariate_normal(Z.mean(0), np.cov(Z.T) + 0.1 * np.eye(3))
    found = moments_of(Z, 0.1)
    np.testing.assert_allclose(found.log_prob(z), law.logpdf(Z))
    np.testing.assert_allclose(found.precision(z)[0], np.linalg.inv(law.cov), rtol=1e-9)


def test_components_of_no_weight_stay_finite():
    density = GaussianMixture(2, random_state=0).fit(Z)
    density.weights_ = np.array([1.0, 0.0])
    z = torch.from_numpy(Z)
    assert components_of(density).log_prob(z).isfinite().all()
    assert components_of(density).precision(z).isfinite().all()
