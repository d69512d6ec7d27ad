"""Differences of figures: intervals, p-values and their correction."""

import numpy as np
import pytest
from scipy import stats

from skvae._utils.intervals import variances_by_parts
from skvae.evaluation._differences import (
    Error,
    difference_of,
    error_of_mean,
    errors_of_fits,
    holm,
)


def test_without_skewness_it_is_the_t_test():
    values = np.random.default_rng(0).normal(0.4, 1, size=12)
    test = stats.ttest_1samp(values, 0)
    error = error_of_mean(values)._replace(third=0.0)
    found = difference_of(values.mean(), [error])
    assert found.p_value == pytest.approx(test.pvalue, rel=1e-12)
    assert (found.low, found.high) == pytest.approx(test.confidence_interval())


def test_errors_of_two_groups_of_fits_are_welch_s():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.5, 1, size=4), rng.normal(0, 3, size=7)
    test = stats.ttest_ind(a, b, equal_var=False)
    found = difference_of(a.mean() - b.mean(), errors_of_fits([a, b]))
    assert found.p_value == pytest.approx(test.pvalue, rel=1e-12)
    assert (found.low, found.high) == pytest.approx(test.confidence_interval())
    assert errors_of_fits([a[:1], b[:1]]) == []


def test_moments_of_a_mean():
    values = np.random.default_rng(0).exponential(size=50)
    error = error_of_mean(values)
    assert error.variance == pytest.approx(stats.sem(values) ** 2)
    assert error.df == 49
    assert error.third == pytest.approx(stats.moment(values, 3) / 50**2)


@pytest.mark.parametrize("skewness", [-1.5, -0.1, -1e-9, 0.0, 1e-9, 0.1, 1.5])
def test_intervals_and_p_values_agree(skewness):
    error = Error(4.0, 15.0, skewness * 8)
    for value in np.linspace(-30, 30, 401):
        found = difference_of(value, [error])
        assert found.low < value < found.high
        assert (found.p_value > 0.05) == (found.low < 0 < found.high)


def test_intervals_lean_to_where_the_values_have_their_tail():
    found = difference_of(0.0, [Error(1.0, 20.0, 0.5)])
    assert found.high > -found.low
    mirrored = difference_of(0.0, [Error(1.0, 20.0, -0.5)])
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))


@pytest.mark.parametrize("n", [10, 20, 50])
def test_intervals_hold_for_skewed_values(n):
    # Log-likelihoods under N(0, 1) less those under N(0, 4), whose mean is known.
    rng = np.random.default_rng(0)
    expected = np.log(2) + 1 / 8 - 1 / 2
    x = rng.normal(size=(1000, n))
    held = 0
    for values in np.log(2) - 3 / 8 * x**2:
        found = difference_of(values.mean(), [error_of_mean(values)])
        held += found.low <= expected <= found.high
    # Student's t without a correction holds in 86, 89 and 92 %.
    assert held / 1000 > {10: 0.9, 20: 0.92, 50: 0.93}[n]


def test_what_has_no_error_and_what_has_an_unknown_one():
    assert difference_of(0.0, [Error(0.0, 5.0)]) == (0, 0, 0, 1)
    assert difference_of(2.0, [Error(0.0, 5.0)]) == (2, 2, 2, 0)
    unknown = difference_of(2.0, [Error(np.nan, 5.0), Error(1.0, 5.0)])
    assert unknown.value == 2
    assert np.isnan(unknown[1:]).all()
    assert np.isnan(error_of_mean(np.ones(1)).variance)


def test_variances_of_halves_are_those_of_means():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(400, 3)), rng.normal(0, 2, size=(100, 3))

    def means(X, Y):
        return X.mean(axis=0) - Y.mean(axis=0)

    found = variances_by_parts(means, [X, Y], 1600, rng)
    expected = X.var(axis=0, ddof=1) / 400 + Y.var(axis=0, ddof=1) / 100
    np.testing.assert_allclose(found, expected, rtol=0.2)


@pytest.mark.parametrize(("n", "factor"), [(400, 2.0), (40, 1.0)])
def test_variances_that_do_not_fall_with_the_rows_are_found(n, factor):
    X = np.random.default_rng(0).normal(size=(n, 1))

    def shrinks_slowly(X):
        # Of one variance, however many rows there are.
        return np.sqrt(len(X)) * X.mean(axis=0)

    found = variances_by_parts(shrinks_slowly, [X], 800, np.random.RandomState(0))
    # Half of the variance of halves, and twice that where quarters have shown it.
    assert found == pytest.approx(factor / 2 * X.var(ddof=1), rel=0.25)


def test_what_two_figures_share_cancels_in_halves():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 1))

    def difference(X):
        return (X + 5).mean(axis=0) - X.mean(axis=0)

    assert variances_by_parts(difference, [X], 10, rng) == pytest.approx(0, abs=1e-20)


def test_holm_s_correction():
    p_values = np.array([0.01, np.nan, 0.04, 0.03, 0.9])
    # 4 * 0.01; then 3 * 0.03, and for 0.04 no less than that; then 0.9.
    np.testing.assert_allclose(holm(p_values), [0.04, np.nan, 0.09, 0.09, 0.9])
    np.testing.assert_array_equal(holm(np.array([0.6, 0.7])), [1, 1])
    assert np.isnan(holm(np.full(2, np.nan))).all()


def test_holm_s_correction_keeps_the_rate_of_any_error():
    p_values = np.random.default_rng(0).uniform(size=(4000, 5))
    wrong = np.mean([holm(p).min() <= 0.05 for p in p_values])
    assert 0.04 < wrong < 0.06
