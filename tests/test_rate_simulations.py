"""Rates of many samples of normal codes: intervals, and the bias of few rows."""

import numpy as np
import pytest
from test_rate_decomposition import KL_PARTS, exact_parts

from skvae.evaluation._aggregate import estimate, mean_log_densities
from skvae.evaluation.rate import _divergences


def normal_codes(n, correlation, scale, rng):
    """Return draws, means and deviations of codes whose aggregate is N(0, C)."""
    C = np.array([[1.0, correlation], [correlation, 1.0]])
    means = rng.multivariate_normal([0, 0], C - scale**2 * np.eye(2), n)
    Z = means + scale * rng.standard_normal((n, 2))
    return Z[:, None], means, np.full((n, 2), scale)


@pytest.mark.parametrize(
    ("n", "correlation", "scale"), [(50, 0.5, 0.5), (200, 0.3, 0.8), (150, 0.5, 0.15)]
)
def test_intervals_hold_in_most_of_many_samples(n, correlation, scale):
    rng = np.random.default_rng(0)
    found = {name: [] for name in KL_PARTS}
    for _ in range(400):
        Z, means, deviations = normal_codes(n, correlation, scale, rng)
        terms = _divergences(Z + 0.5, means + 0.5, deviations)
        for name, statistic in terms.items():
            found[name].append(estimate(statistic))
    for name, estimates in found.items():
        values, errors = np.array(estimates).T
        covered = np.abs(values - values.mean()) < 1.96 * errors
        assert 0.9 < covered.mean() < 0.985, (name, covered.mean())


def test_intervals_are_too_long_rather_than_too_short_at_zero():
    rng = np.random.default_rng(0)
    for name in ("total_correlation", "dimension_wise_kl", "marginal_kl"):
        estimates = [
            estimate(_divergences(*normal_codes(60, 0.0, 0.5, rng))[name])
            for _ in range(300)
        ]
        values, errors = np.array(estimates).T
        assert np.mean(np.abs(values - values.mean()) < 1.96 * errors) > 0.93, name


def test_mutual_information_is_too_low_by_what_the_notes_say():
    rng = np.random.default_rng(0)
    exact = exact_parts(np.zeros(2), np.array([[1, 0.5], [0.5, 1]]), 0.09 * np.eye(2))
    exact, found = exact["mutual_information"], {}
    for n in (20, 100, 1000):
        values = [
            _divergences(*normal_codes(n, 0.5, 0.3, rng))["mutual_information"][0]
            for _ in range(6000 // n)
        ]
        found[round(n / np.exp(exact))] = np.mean(values) - exact
    assert list(found) == [2, 10, 104]
    assert found[2] < -0.3
    assert -0.2 < found[10] < -0.05
    assert abs(found[104]) < 0.04


def test_mutual_information_is_at_most_that_of_rows_told_apart():
    far = 100 * np.arange(50.0)[:, None]
    noise = np.random.default_rng(0).standard_normal((50, 2, 1))
    own, aggregate = mean_log_densities(far[:, None] + noise, far, np.ones((50, 1)))
    assert (own - aggregate)[0] == pytest.approx(np.log(50))
    same = np.zeros((50, 1))
    own, aggregate = mean_log_densities(noise, same, np.ones((50, 1)))
    np.testing.assert_allclose(own - aggregate, 0, atol=1e-12)
