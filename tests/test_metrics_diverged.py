"""Metrics of sets in which a few rows lie very far off, or hold huge or tiny values."""

import warnings
from functools import partial

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from skvae import metrics
from skvae.metrics import (
    frechet_distance,
    kernel_distance,
    maximum_mean_discrepancy,
    median_bandwidth,
    precision_recall_density_coverage,
)

PAIRS = [
    metrics.frechet_distance,
    metrics.kernel_distance,
    metrics.maximum_mean_discrepancy,
    metrics.improved_precision_recall,
    metrics.density_coverage,
    metrics.precision_recall_density_coverage,
    metrics.one_nearest_neighbour_accuracy,
    metrics.precision_recall_distribution,
]


def two_sets(n=100, d=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(n, d))


def exact_discrepancy(kernel, X, Y, unbiased=True):
    """Squared discrepancy from differences of rows, no pair subtracted again."""
    within = [kernel(A, A) for A in (X, Y)]
    if unbiased:
        for K in within:
            np.fill_diagonal(K, 0.0)
    sums = [K.sum() / (len(K) * (len(K) - unbiased)) for K in within]
    return sum(sums) - 2 * kernel(X, Y).mean()


def rbf(bandwidth):
    return lambda X, Y: np.exp(-cdist(X, Y, "sqeuclidean") / (2 * bandwidth**2))


def cubic(X, Y):
    return (X @ Y.T / X.shape[1] + 1) ** 3


@pytest.mark.parametrize("in_reference", [False, True])
@pytest.mark.parametrize("estimator", ["biased", "unbiased"])
@pytest.mark.parametrize("far", [1e6, 1e8, 1e9, 1e12, 1e20, 1e100])
def test_discrepancy_is_that_of_differences(far, estimator, in_reference):
    for seed in range(5):
        X, Y = two_sets(seed=seed)
        (X if in_reference else Y)[0] = far * np.array([1, 0.7, 0.3])
        result = maximum_mean_discrepancy(X, Y, bandwidth=2.0, estimator=estimator)
        expected = exact_discrepancy(rbf(2.0), X, Y, estimator == "unbiased")
        assert result.value == pytest.approx(expected, abs=1e-9)


def test_discrepancy_of_diverged_rows_that_lie_close_together():
    X, Y = two_sets()
    Y[:40] += 1e9
    expected = exact_discrepancy(rbf(2.0), X, Y)
    value = maximum_mean_discrepancy(X, Y, bandwidth=2.0).value
    assert value == pytest.approx(expected, abs=1e-7)


def test_discrepancy_of_a_bandwidth_that_is_small_beside_the_offset():
    X, Y = two_sets()
    X, Y = X * 1e-6 + 10, Y * 1e-6 + np.repeat([[10], [-10]], 50, axis=0)
    expected = exact_discrepancy(rbf(1e-6), X, Y)
    value = maximum_mean_discrepancy(X, Y, bandwidth=1e-6).value
    assert value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kernel", ["rbf", "polynomial"])
@pytest.mark.parametrize("shift", [0, 0.5])
def test_p_value_with_a_diverged_row_is_that_of_brute_force(kernel, shift):
    X, Y = two_sets(20)
    Y += shift
    Y[0] = 1e9
    options = {"kernel": kernel, "n_permutations": 99, "random_state": 0}
    options["bandwidth"] = 2.0 if kernel == "rbf" else None
    result = maximum_mean_discrepancy(X, Y, **options)
    function, rng = (rbf(2.0) if kernel == "rbf" else cubic), np.random.RandomState(0)
    Z, labels, reached = np.vstack([X, Y]), np.zeros((40, 100), dtype=bool), 1
    labels[:20] = True
    for label in labels.T[1:]:
        rng.shuffle(label)
        reached += exact_discrepancy(function, Z[label], Z[~label]) >= result.value
    assert result.p_value == pytest.approx(reached / 100, abs=1e-12)


def test_kernel_distance_with_a_diverged_row_is_that_of_brute_force():
    X, Y = two_sets(60)
    Y[0] = 1e8
    expected = exact_discrepancy(cubic, X, Y)
    assert maximum_mean_discrepancy(X, Y, kernel="polynomial").value == pytest.approx(
        expected, rel=1e-9
    )
    assert kernel_distance(X, Y, n_subsets=2).value == pytest.approx(expected, rel=1e-9)


def test_median_bandwidth_with_a_diverged_row_is_the_median_distance():
    X, _ = two_sets(101)
    X[7] = 1e12
    distances = cdist(X, X)[np.triu_indices(101, k=1)]
    assert median_bandwidth(X) == pytest.approx(np.median(distances), rel=1e-9)


def test_median_bandwidth_does_not_depend_on_how_rows_alternate():
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(4000, 2))
    Z[1::2] += 20  # two kinds of rows, in turn
    distances = cdist(Z[::4], Z[1::4])
    assert median_bandwidth(Z) == pytest.approx(np.quantile(distances, 0.0), abs=3)


def test_median_bandwidth_of_mostly_equal_rows_is_of_the_pairs_that_differ():
    X = np.zeros((50, 2))
    X[:5] = [[3, 4]]
    assert median_bandwidth(X) == pytest.approx(5)


@pytest.mark.parametrize("far", [1e3, 1e9, 1e12, 1e20, 1e100])
@pytest.mark.parametrize("in_reference", [False, True])
def test_one_diverged_row_counts_as_one_row_among_neighbours(far, in_reference):
    X, Y = two_sets(200, 8)
    expected = precision_recall_density_coverage(X, Y)
    (X if in_reference else Y)[0] = far
    result = precision_recall_density_coverage(X, Y)
    assert result[:4] == pytest.approx(expected[:4], abs=0.03)


def test_one_diverged_row_leaves_most_of_the_curve_of_precision_and_recall():
    X, Y = two_sets(200, 8)
    expected = metrics.precision_recall_distribution(X, Y, random_state=0)
    for far in (1e9, 1e12, 1e100):
        Y[0] = far
        result = metrics.precision_recall_distribution(X, Y, random_state=0)
        assert result.f_8 == pytest.approx(expected.f_8, abs=0.06)
        assert result.f_1_8 == pytest.approx(expected.f_1_8, abs=0.06)


@pytest.mark.parametrize("metric", PAIRS)
def test_values_whose_squares_overflow_are_refused_by_name(metric):
    for value in (1e150, 1e200, -1.7e308, np.inf, np.nan):
        X, Y = two_sets(30)
        Y[2, 1] = value
        with pytest.raises(ValueError, match=r"X_generated .*row 2, column 1"):
            metric(X, Y)
        with pytest.raises(ValueError, match=r"X_real .*row 2, column 1"):
            metric(Y, X)


@pytest.mark.parametrize("metric", PAIRS)
@pytest.mark.parametrize("unit", [1e-139, 1e-100, 1e-30, 1e23, 1e44, 1e138])
def test_any_unit_gives_finite_figures_or_a_refusal(metric, unit):
    X, Y = two_sets(60)
    if metric is kernel_distance and unit > 1e24:
        with pytest.raises(ValueError, match="polynomial kernel needs rows"):
            metric(unit * X, unit * Y)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = metric(unit * X, unit * Y)
    value = getattr(result, "value", getattr(result, "f_8", result))
    assert np.isfinite(value[0] if isinstance(value, tuple) else value)


@pytest.mark.parametrize("metric", PAIRS[3:7])
def test_values_whose_squares_vanish_are_refused(metric):
    X, Y = two_sets(30)
    with pytest.raises(ValueError, match=r"must have values above 1e-140.* Rescale"):
        metric(1e-200 * X, 1e-200 * Y)


def test_a_diverged_row_is_in_the_frechet_distance_as_it_is():
    X, Y = two_sets(50, 2)
    Y[0] = 1e9
    shift, deviations = Y.mean(0) - X.mean(0), [np.cov(A.T) for A in (X, Y)]
    total = shift @ shift + sum(map(np.trace, deviations))
    assert frechet_distance(X, Y) == pytest.approx(total, rel=1e-6)


def test_bandwidths_whose_squares_vanish_or_overflow_are_refused():
    for bandwidth in (1e-200, 1e200, np.inf):
        with pytest.raises(ValueError, match=r"bandwidth.*float in"):
            maximum_mean_discrepancy(*two_sets(), bandwidth=bandwidth)


@pytest.mark.parametrize("metric", PAIRS)
def test_masked_values_are_refused(metric):
    X, Y = two_sets(30)
    hidden = np.ma.masked_greater(Y, 1.0)
    with pytest.raises(ValueError, match="X_generated must have no masked values"):
        metric(X, hidden)


@pytest.mark.parametrize("metric", PAIRS)
def test_columns_of_frames_are_found_by_name(metric):
    pandas = pytest.importorskip("pandas")
    X, Y = (pandas.DataFrame(A, columns=list("abc")) for A in two_sets(30))
    if metric is metrics.precision_recall_distribution:
        metric = partial(metric, random_state=0)
    np.testing.assert_equal(metric(X, Y[["c", "b", "a"]]), metric(X, Y))
    with pytest.raises(ValueError, match=r"X_generated must.*lacks 'c' and has 'd'"):
        metric(X, Y.rename(columns={"c": "d"}))


@pytest.mark.parametrize("kernel", ["rbf", "imq"])
@pytest.mark.parametrize("unit", [1e-200, 1e-160])
def test_a_reference_whose_spread_vanishes_when_squared_is_refused(kernel, unit):
    X, Y = two_sets(20)
    with pytest.raises(ValueError, match="X_real must have spread"):
        maximum_mean_discrepancy(unit * X, Y, kernel=kernel)


@pytest.mark.parametrize(
    "metric",
    [
        partial(metrics.nearest_neighbour_distances, random_state=0),
        partial(metrics.data_copying_test, min_share=0, random_state=0),
        partial(metrics.exact_copies, random_state=0),
        lambda train, test, new: metrics.authenticity(train, new, X_test=test),
    ],
)
def test_columns_of_three_frames_are_found_by_name(metric):
    pandas = pytest.importorskip("pandas")
    rows = np.random.default_rng(0).normal(size=(3, 50, 3))
    train, test, new = (pandas.DataFrame(A, columns=list("abc")) for A in rows)
    expected = metric(train, test, new)
    for sets in (
        (train, test, new[["b", "a", "c"]]),
        (train, test[["b", "a", "c"]], new),
    ):
        np.testing.assert_equal(metric(*sets), expected)
    other = {"a": "d"}
    for sets in (
        (train, test, new.rename(columns=other)),
        (train, test.rename(columns=other), new),
    ):
        with pytest.raises(ValueError, match=r"must have the columns.*lacks 'a'"):
            metric(*sets)
