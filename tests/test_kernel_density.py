"""Log densities of Gaussian kernels, and a KernelDensity of codes."""

import time

import numpy as np
import pytest
from conftest import make_data, small
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KernelDensity

from skvae._distributions.kernels import kernel_log_density
from skvae.densities import StandardNormal
from skvae.densities._adapter import score_density


def brute_force(X, centres, h):
    d = X.shape[1]
    exponents = -0.5 * cdist(X, centres, "sqeuclidean") / h**2
    norm = np.log(len(centres)) + d * np.log(h * np.sqrt(2 * np.pi))
    return logsumexp(exponents, axis=1) - norm


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("h", [1e-3, 0.05, 0.3, 1.0, 100.0])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (1000, 2), (500, 16), (200, 200)])
def test_kernels_are_summed_as_by_brute_force(n, d, h, offset):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(n, d)) + offset
    X = np.vstack([rng.normal(size=(150, d)), 30 * rng.normal(size=(20, d))]) + offset
    X[0] = centres[0]
    # Differences of numbers beside the offset are known to so many digits only.
    rtol = 1e-6 if offset == 0 else 1e-5
    np.testing.assert_allclose(
        kernel_log_density(X, centres, h), brute_force(X, centres, h), rtol, 1e-5
    )


def test_scores_of_a_kernel_density_are_right_where_those_of_the_tree_are_not():
    rng = np.random.default_rng(0)
    centres, X = rng.normal(size=(10_000, 16)), rng.normal(size=(100, 16))
    density = KernelDensity(bandwidth=0.3).fit(centres)
    exact = brute_force(X, centres, 0.3)
    np.testing.assert_allclose(score_density(density, X), exact, 1e-6)
    # The reason for sums of our own; if this fails, they are no longer needed.
    assert np.abs(density.score_samples(X) - exact).max() > 1


def test_equal_rows_have_equal_bits_wherever_they_stand():
    rng = np.random.default_rng(0)
    centres, row = rng.normal(size=(300, 5)), rng.normal(size=(1, 5))
    for n in (1, 3, 64, 65, 150):
        X = np.vstack([rng.normal(size=(n, 5)), row])
        assert kernel_log_density(X, centres, 0.3)[-1:] == kernel_log_density(
            row, centres, 0.3
        )


@pytest.mark.parametrize("bandwidth", [0.5, "scott", "silverman"])
def test_bandwidth_is_that_of_the_density(bandwidth):
    centres = make_data(50, 3).astype(float)
    density = KernelDensity(bandwidth=bandwidth).fit(centres)
    np.testing.assert_allclose(
        score_density(density, centres[:9]), density.score_samples(centres[:9]), 1e-6
    )


@pytest.mark.parametrize(
    "density",
    [KernelDensity(kernel="tophat"), KernelDensity(metric="manhattan")],
)
def test_other_kernels_and_metrics_score_themselves(density):
    Z = make_data(50, 3).astype(float)
    expected = density.fit(Z).score_samples(Z)
    np.testing.assert_array_equal(score_density(density, Z), expected)


@pytest.mark.slow
def test_scoring_with_kernels_is_bearable():
    X = make_data(1000, 20)
    model = small(n_components=16, latent_density=KernelDensity(bandwidth=0.5)).fit(X)
    start = time.process_time()
    model.score_samples(X[:100])
    assert time.process_time() - start < 4  # 0.5 s; and 7 s by the tree


# --------------------------------------------------------------- the standard normal


def test_the_standard_normal_must_be_fitted():
    with pytest.raises(NotFittedError):
        StandardNormal().sample(3)
    with pytest.raises(NotFittedError):
        StandardNormal().score_samples(np.zeros((1, 2)))


@pytest.mark.parametrize("shape", [(3, 1), (3, 3), (2,), (3, 2, 1)])
def test_the_standard_normal_has_a_width(shape):
    density = StandardNormal().fit(np.zeros((1, 2)))
    with pytest.raises(ValueError, match=r"features|dim|1D"):
        density.score_samples(np.zeros(shape))


@pytest.mark.parametrize("n_samples", [0, -1, 2.5])
def test_the_standard_normal_draws_a_number_of_rows(n_samples):
    density = StandardNormal().fit(np.zeros((1, 2)))
    with pytest.raises((ValueError, TypeError), match=r"'n_samples'.*integer >= 1"):
        density.sample(n_samples)
