from itertools import combinations

import numpy as np
import pytest
import scipy.stats
from basic_data import two_sets
from scipy.spatial.distance import cdist
from scipy.special import gamma

from skvae.metrics import (
    energy_distance,
    sliced_wasserstein_distance,
)


def brute_force(X, Y, estimator):
    left_out = estimator == "unbiased"
    n, m = len(X), len(Y)
    within_x = cdist(X, X).sum() / (n * (n - left_out))
    within_y = cdist(Y, Y).sum() / (m * (m - left_out))
    return 2 * cdist(X, Y).mean() - within_x - within_y


@pytest.fixture(params=[1, 30, 2**22])
def _block_entries(request, monkeypatch):
    monkeypatch.setattr("skvae._utils.rows.BLOCK_ENTRIES", request.param)


@pytest.mark.usefixtures("_block_entries")
@pytest.mark.parametrize("estimator", ["biased", "unbiased"])
@pytest.mark.parametrize("far", [0.0, 1e6])
def test_energy_distance_is_the_double_sum(estimator, far):
    X, Y = two_sets(0)
    result = energy_distance(X + far, Y + far, estimator=estimator)
    expected = brute_force(X, Y, estimator)
    assert result.value == pytest.approx(expected, abs=1e-9 if far else 1e-13)
    assert result[2:] == (12, 9)
    assert np.isnan(result.p_value)


def test_energy_distance_of_one_feature_is_the_square_of_scipys():
    X, Y = two_sets(1, d=1)
    expected = scipy.stats.energy_distance(X[:, 0], Y[:, 0]) ** 2
    found = energy_distance(X, Y, estimator="biased").value
    assert found == pytest.approx(expected, rel=1e-12)


def test_energy_distance_of_normals_is_the_closed_form_on_average():
    # E|N(a, s^2)| is the mean of a folded normal distribution.
    rng, shift = np.random.RandomState(0), 0.8
    values = [
        energy_distance(rng.normal(size=(20, 1)), shift + rng.normal(size=(15, 1)))
        for _ in range(600)
    ]
    values = [result.value for result in values]
    scale = np.sqrt(2)
    across = scipy.stats.foldnorm(shift / scale, scale=scale).mean()
    within = scipy.stats.foldnorm(0, scale=scale).mean()
    error = np.std(values) / np.sqrt(len(values))
    assert np.mean(values) == pytest.approx(2 * across - 2 * within, abs=4 * error)


def test_only_the_biased_energy_distance_is_zero_for_equal_sets():
    X = two_sets(2)[0]
    assert energy_distance(X, X[::-1], estimator="biased").value == pytest.approx(
        0, abs=1e-12
    )
    assert energy_distance(X, X[::-1]).value < -1e-3


@pytest.mark.parametrize("estimator", ["biased", "unbiased"])
def test_p_value_of_energy_counts_every_split(estimator):
    X, Y = two_sets(5, n=3, m=2)
    Z = np.vstack([X, Y])

    def value(rows):
        rest = [i for i in range(5) if i not in rows]
        return brute_force(Z[list(rows)], Z[rest], estimator)

    observed = value((0, 1, 2))
    share = np.mean([value(c) >= observed - 1e-9 for c in combinations(range(5), 3)])
    found = energy_distance(
        X, Y, estimator=estimator, n_permutations=2000, random_state=0
    )
    assert found.p_value == pytest.approx(share, abs=0.05)


def by_scipy(x, y, order):
    """Wasserstein distance of numbers, to its power, by quantile functions."""
    if order == 1:
        return scipy.stats.wasserstein_distance(x, y)
    grid = (np.arange(len(x) * len(y)) + 0.5) / (len(x) * len(y))
    quantiles = [np.quantile(a, grid, method="inverted_cdf") for a in (x, y)]
    return np.mean((quantiles[0] - quantiles[1]) ** 2)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("sizes", [(12, 9), (10, 10), (4, 12), (1, 7)])
def test_wasserstein_distance_of_one_feature_is_that_of_quantile_functions(
    order, sizes
):
    X, Y = two_sets(1, *sizes, d=1)
    found = sliced_wasserstein_distance(X, Y, order=order)
    expected = by_scipy(X[:, 0], Y[:, 0], order) ** (1 / order)
    assert found.value == pytest.approx(expected, rel=1e-12)
    assert found.projection_error == 0
    assert found[-2:] == sizes


@pytest.mark.usefixtures("_block_entries")
@pytest.mark.parametrize("order", [1, 2])
def test_sliced_distance_is_the_mean_over_directions(order):
    X, Y = two_sets(3)
    found = sliced_wasserstein_distance(
        X, Y, order=order, n_projections=7, random_state=4
    )
    directions = np.random.RandomState(4).normal(size=(7, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    powers = np.array([by_scipy(X @ u, Y @ u, order) for u in directions])
    assert found.value == pytest.approx(np.mean(powers) ** (1 / order), rel=1e-12)
    jackknife = [np.delete(powers, i).mean() ** (1 / order) for i in range(7)]
    error = np.sqrt(6 / 7 * np.sum((jackknife - np.mean(jackknife)) ** 2))
    assert found.projection_error == pytest.approx(error, rel=0.1)
    one = sliced_wasserstein_distance(X, Y, n_projections=1)
    assert np.isnan(one.projection_error)


@pytest.mark.parametrize("order", [1, 2])
def test_sliced_distance_of_moved_rows_is_the_closed_form(order):
    # Of a translation by t, the projections differ by t.u: E|t.u|^p on the sphere.
    X, d = two_sets(6, n=50, d=5)[0], 5
    shift = np.array([3.0, 0, 4, 0, 0])
    found = sliced_wasserstein_distance(
        X, X + shift, order=order, n_projections=2000, random_state=0
    )
    mean = gamma(d / 2) / (np.sqrt(np.pi) * gamma((d + 1) / 2))
    expected = 5 * (mean if order == 1 else 1 / np.sqrt(d))
    assert found.value == pytest.approx(expected, abs=4 * found.projection_error)
    assert 0 < found.projection_error < 0.05 * expected


@pytest.mark.parametrize("order", [1, 2])
def test_p_value_and_floor_of_sliced_distance_count_every_split(order):
    X, Y = two_sets(5, n=3, m=2)
    Z, options = np.vstack([X, Y]), {"order": order, "random_state": 0}
    splits = list(combinations(range(5), 3))
    values = [
        sliced_wasserstein_distance(
            Z[list(c)], Z[[i for i in range(5) if i not in c]], **options
        ).value
        for c in splits
    ]
    found = sliced_wasserstein_distance(X, Y, n_permutations=4000, **options)
    # Medians of rows, and so rounding, differ between splits.
    share = np.mean(np.array(values) >= found.value - 1e-9)
    assert found.p_value == pytest.approx(share, abs=0.04)
    floor = np.mean(np.array(values) ** order) ** (1 / order)
    assert found.floor == pytest.approx(floor, rel=0.03)


def test_floor_is_the_distance_of_sets_that_are_alike():
    rng = np.random.RandomState(0)
    values, floors = np.transpose(
        [
            sliced_wasserstein_distance(
                rng.normal(size=(60, 3)),
                rng.normal(size=(40, 3)),
                n_projections=20,
                n_permutations=20,
                random_state=rng,
            )[:2]
            for _ in range(100)
        ]
    )
    error = np.std(values) / 10
    assert np.sqrt(np.mean(values**2)) == pytest.approx(
        np.sqrt(np.mean(floors**2)), abs=4 * error
    )


@pytest.mark.parametrize("metric", [energy_distance, sliced_wasserstein_distance])
def test_distances_are_in_the_unit_of_the_features(metric):
    X, Y = two_sets(8)
    found = metric(2 * X, 2 * Y, random_state=0).value
    assert found == pytest.approx(2 * metric(X, Y, random_state=0).value, rel=1e-12)


@pytest.mark.parametrize(
    ("metric", "options", "match"),
    [
        (energy_distance, {"estimator": "u"}, "'unbiased', 'biased'. Got 'u'"),
        (energy_distance, {"n_permutations": -1}, "an integer >= 0. Got -1"),
        (sliced_wasserstein_distance, {"order": 3}, "one of 1, 2. Got 3"),
        (sliced_wasserstein_distance, {"n_projections": 0}, ">= 1. Got 0"),
        (sliced_wasserstein_distance, {"n_permutations": -1}, ">= 0. Got -1"),
    ],
)
def test_bad_options(metric, options, match):
    with pytest.raises(ValueError, match=match):
        metric(*two_sets(9), **options)


def test_too_few_rows():
    X, Y = two_sets(10)
    with pytest.raises(ValueError, match="X_generated must have at least 2 rows"):
        energy_distance(X, Y[:1])
    assert energy_distance(X, Y[:1], estimator="biased").value == pytest.approx(
        brute_force(X, Y[:1], "biased")
    )
