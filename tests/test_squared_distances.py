"""Intervals of squared distances cover, in simulation, what they are of."""

import numpy as np
import pytest
from scipy.stats import binomtest, ncx2, norm

from skvae import metrics
from skvae._utils import squared_distances
from skvae._utils.intervals import upper_quantile

UPPER = norm.ppf(0.975)


def ends_of_chi_square(x, k):
    """Interval of a squared norm of k unit normals with any mean, from one draw."""
    return squared_distances.of_squared_distance(x, k, 4 * x, 2 * k, UPPER)


@pytest.mark.parametrize("k", [1, 2, 5, 50, 1000])
@pytest.mark.parametrize("distance", [0, 0.5, 2, 10, 1000])
def test_cover_noncentral_chi_squares(k, distance):
    # Both central and far from it: weights of 1 / 200 on the quantiles.
    levels = (np.arange(200) + 0.5) / 200
    draws = ncx2.ppf(levels, k, distance)
    low, high = np.transpose([ends_of_chi_square(x, k) for x in draws])
    covered = np.mean((low <= k + distance) & (k + distance <= high))
    assert 0.93 <= covered <= 0.985


def test_are_no_longer_than_the_shorter_of_two_tests():
    # Of many components alike, sqrt(2) shorter than by the difference of halves.
    low, high = ends_of_chi_square(1000.0, 1000)
    assert (high - low) / 2 == pytest.approx(UPPER * np.sqrt(2000), rel=0.1)
    low, high = ends_of_chi_square(1e6, 10)
    assert (high - low) / 2 == pytest.approx(UPPER * 2000, rel=0.01)


def test_hold_the_bias_where_two_sets_happen_to_agree():
    low, high = squared_distances.of_squared_distance(0.0, 1.0, 0.0, 2.0, UPPER)
    assert low == 0
    assert 2 < high < 5


def test_of_sets_far_apart_are_those_of_a_mean():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(60, 1)), rng.normal(size=(90, 1)) + 100
    value = squared_norm(X, Y)
    low, high = squared_distances.by_half_samples(
        squared_norm, value, (X, Y), 2000, np.random.RandomState(0)
    )
    error = np.sqrt(X.var(ddof=1) / 60 + Y.var(ddof=1) / 90)
    expected = 2 * np.sqrt(value) * error * upper_quantile(1000, 60)
    assert (high - low) / 2 == pytest.approx(expected, rel=0.06)


def test_hold_the_value_and_stay_above_zero():
    for value in (0.0, 1e-9, 1.0, 1e30):
        for parts in ((0, 0, 0), (1, 0, 0), (0, 1, 1), (1, 0, 2), (1e-300, 1, 0)):
            low, high = squared_distances.of_squared_distance(value, *parts, 2.0)
            assert 0 <= low <= value * (1 + 1e-9)
            assert high >= value * (1 - 1e-9)
    none = squared_distances.of_squared_distance(-1e-17, -1e-3, 0.0, 0.0, 2.0)
    assert none == (0, 0)


def squared_norm(X, Y):
    return np.array([np.square(X.mean(axis=0) - Y.mean(axis=0)).sum()])


def frechet(X, Y):
    return np.array([metrics.frechet_distance(X, Y)])


def discrepancy(X, Y):
    options = {"bandwidth": 5.0, "estimator": "biased"}
    return np.array([metrics.maximum_mean_discrepancy(X, Y, **options).value])


def covered(function, draw, n_runs):
    """Count how often the interval holds the mean over the runs."""
    values, ends = [], []
    for seed in range(n_runs):
        sets = draw(np.random.default_rng(seed))
        values.append(function(*sets))
        rng = np.random.RandomState(seed)
        ends.append(
            squared_distances.by_half_samples(function, values[-1], sets, 40, rng)
        )
    low, high = np.transpose(np.array(ends)[..., 0])
    truth = np.mean(values)
    return int(np.sum((low <= truth) & (truth <= high)))


def assert_is_95(count, n_runs):
    """Assert that a coverage is not significantly outside of 0.92 to 0.98."""
    assert binomtest(count, n_runs, 0.92, "less").pvalue > 0.05
    assert binomtest(count, n_runs, 0.98, "greater").pvalue > 0.05


@pytest.mark.parametrize(("d", "shift"), [(1, 0), (1, 0.3), (40, 0), (40, 0.1)])
@pytest.mark.parametrize(("n", "m"), [(60, 60), (20, 200)])
def test_cover_squared_norms(d, shift, n, m):
    def draw(rng):
        return rng.normal(size=(n, d)), rng.normal(size=(m, d)) + shift

    assert_is_95(covered(squared_norm, draw, 200), 200)


def modes(rng, n):
    """Three modes in a row: one direction has nearly all of the variance."""
    return rng.normal(size=(n, 2)) + 4 * rng.integers(-1, 2, size=(n, 1))


@pytest.mark.slow
@pytest.mark.parametrize("function", [frechet, discrepancy])
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: (modes(rng, 200), modes(rng, 200)),
        lambda rng: (modes(rng, 200), modes(rng, 200) + 1),
        lambda rng: tuple(rng.normal(size=(2, 100, 20))),
        lambda rng: (rng.normal(size=(20, 3)), rng.normal(size=(200, 3))),
    ],
    ids=["modes", "modes apart", "20 features", "20 rows"],
)
def test_cover_the_distances_of_samples(function, draw):
    assert_is_95(covered(function, draw, 300), 300)


@pytest.mark.parametrize(("n", "n_resamples"), [(19, 40), (60, 3)])
def test_there_are_none_of_few_rows_or_halves(n, n_resamples):
    sets = np.zeros((n, 2)), np.ones((60, 2))
    ends = squared_distances.by_half_samples(
        squared_norm, squared_norm(*sets), sets, n_resamples, None
    )
    assert np.isnan(ends).all()
