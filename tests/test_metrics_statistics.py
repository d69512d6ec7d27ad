"""Statistics and weights that callers pass are checked like rows."""

import warnings

import numpy as np
import pytest

from skvae.metrics import (
    FrechetStatistics,
    active_components,
    bits_per_dimension,
    frechet_distance,
    frechet_distance_infinity,
    optimal_decoder_weights,
    prd_from_histograms,
    typical_set_gap,
)

STANDARD = FrechetStatistics(np.zeros(2), np.eye(2))


@pytest.mark.parametrize(
    ("sigma", "match"),
    [
        ([[1, 5.0], [0, 1]], r"sigma must be symmetric.*5 in row 0, column 1 and 0 in"),
        (-np.eye(2), r"semidefinite.*eigenvalue -1\. Use"),
        ([[1, 2.0], [2, 1]], r"semidefinite.*eigenvalue -1\. Use"),
        (np.diag([1.0, -1e-3]), r"semidefinite.*eigenvalue -0.001\. Use"),
        ([[np.nan, 0], [0, 1]], "must be finite"),
        (np.diag([1e200, 1.0]), "between -1e.140 and 1e.140"),
        (np.eye(3), r"sigma of shape \(d, d\), got \(2,\) and \(3, 3\)"),
    ],
)
def test_covariances_that_are_none_are_refused(sigma, match):
    wrong = FrechetStatistics(np.zeros(2), np.asarray(sigma))
    for pair, name in [((wrong, STANDARD), "X_real"), ((STANDARD, wrong), "X_gener")]:
        with pytest.raises(ValueError, match=rf"{name}.*{match}"):
            frechet_distance(*pair)
    with pytest.raises(ValueError, match=rf"X_real.*{match}"):
        frechet_distance_infinity(wrong, np.eye(2)[[0, 1, 0, 1, 0, 1]], min_size=2)


@pytest.mark.parametrize("n", [0, 1, -5])
def test_numbers_of_rows_that_have_no_covariance_are_refused(n):
    wrong = FrechetStatistics(np.zeros(2), np.eye(2), n)
    with pytest.raises(ValueError, match=r"'n' .*X_real must be an integer >= 2"):
        frechet_distance(wrong, STANDARD)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_covariances_of_any_rows_are_accepted(dtype):
    # Singular ones too, whose smallest eigenvalues rounding makes negative.
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(400, 3)) @ rng.normal(size=(3, 60))).astype(dtype)
    mean = X.mean(axis=0)
    statistics = FrechetStatistics(mean, (X - mean).T @ (X - mean) / dtype(399))
    assert np.linalg.eigvalsh(statistics.sigma).min() < 0
    scale = np.trace(statistics.sigma)
    assert abs(frechet_distance(X, statistics)) < 1e-3 * scale


def test_weights_that_sum_to_infinity_are_shares_all_the_same():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        huge = prd_from_histograms([1e139, 1e139], [1e139, 0])
        tiny = prd_from_histograms([1e-320, 1e-320], [1.0, 0])
    for curve in (huge, tiny):
        np.testing.assert_allclose(curve, prd_from_histograms([1, 1], [1, 0]))


@pytest.mark.parametrize("weights", [[1e308, 1e308], [1.0, np.nan], [1 + 1j, 1]])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises((ValueError, TypeError), match="weights_generated must"):
        prd_from_histograms([0.5, 0.5], weights)


@pytest.mark.parametrize("deviation", [0.0, -1.0, 1e-200, 1e200, np.inf, np.nan])
def test_deviations_whose_squares_vanish_or_overflow_are_refused(deviation):
    means, deviations = np.zeros((3, 2)), np.array([[1.0, deviation]])
    for call in (
        lambda: active_components(means, deviations),
        lambda: typical_set_gap(means, means, deviations),
        lambda: optimal_decoder_weights(means, means, deviations, means),
    ):
        with pytest.raises(ValueError, match="standard_deviations must"):
            call()


def test_divisors_that_are_none_are_refused():
    for divisor in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="divisor must"):
            bits_per_dimension(1.0, 2, divisor=divisor)
