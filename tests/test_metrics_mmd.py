from itertools import combinations

import numpy as np
import pytest
import torch
from basic_data import two_sets
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from skvae.metrics import (
    kernel_distance,
    maximum_mean_discrepancy,
    median_bandwidth,
)

KERNELS = ["rbf", "imq", "polynomial"]


def kernel_of_two(kernel, x, y, b):
    squared = sum((x - y) ** 2)
    if kernel == "rbf":
        return np.exp(-squared / (2 * b**2))
    if kernel == "imq":
        scales = [c * 2 * len(x) * b**2 for c in (0.1, 0.2, 0.5, 1, 2, 5, 10)]
        return sum(c / (c + squared) for c in scales)
    return (x @ y / len(x) + 1) ** 3


def double_loop(X, Y, kernel, b, estimator):
    def mean(A, B, same):
        left_out = same and estimator == "unbiased"
        values = [
            kernel_of_two(kernel, x, y, b)
            for i, x in enumerate(A)
            for j, y in enumerate(B)
            if not (left_out and i == j)
        ]
        return np.mean(values)

    return mean(X, X, True) + mean(Y, Y, True) - 2 * mean(X, Y, False)


@pytest.fixture(params=[1, 30, 2**22])
def _block_entries(request, monkeypatch):
    monkeypatch.setattr("skvae._utils.rows.BLOCK_ENTRIES", request.param)


@pytest.mark.usefixtures("_block_entries")
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("estimator", ["biased", "unbiased"])
def test_value_is_the_double_loop(kernel, estimator):
    X, Y = two_sets(0)
    b = None if kernel == "polynomial" else 0.7
    result = maximum_mean_discrepancy(
        X, Y, kernel=kernel, bandwidth=b, estimator=estimator
    )
    expected = double_loop(X, Y, kernel, b, estimator)
    scale = np.mean([kernel_of_two(kernel, x, x, b) for x in X])
    assert result.value == pytest.approx(expected, abs=1e-13 * scale)
    assert (result.n_real, result.n_generated) == (12, 9)
    assert np.isnan(result.p_value)


def test_two_pairs_by_hand():
    # Within each set the rows are 2 apart, across they are 1, sqrt(5), 1, sqrt(5).
    X, Y = np.array([[0.0, 0], [2, 0]]), np.array([[0.0, 1], [2, 1]])
    e = np.exp([-0.5, -2, -2.5])
    unbiased = 2 * e[1] - 2 * (e[0] + e[2]) / 2
    biased = (1 + e[1]) - (e[0] + e[2])
    for estimator, expected in [("unbiased", unbiased), ("biased", biased)]:
        result = maximum_mean_discrepancy(X, Y, bandwidth=1, estimator=estimator)
        assert result.value == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("kernel", KERNELS)
def test_biased_estimate_is_zero_for_equal_sets_and_unbiased_below(kernel):
    X = two_sets(1)[0]
    biased = maximum_mean_discrepancy(X, X[::-1], kernel=kernel, estimator="biased")
    assert biased.value == pytest.approx(0, abs=1e-12)
    assert maximum_mean_discrepancy(X, X[::-1], kernel=kernel).value < -1e-3


def test_unbiased_over_all_splits_of_a_population():
    # E over samples without replacement is known: it is the same for each half.
    Z = two_sets(2, n=6)[0]
    values = [
        maximum_mean_discrepancy(
            Z[list(c)], Z[[i for i in range(6) if i not in c]], bandwidth=1
        ).value
        for c in combinations(range(6), 3)
    ]
    assert np.mean(values) == pytest.approx(0, abs=1e-15)


@given(st.integers(0, 2**31), st.floats(1e-3, 1e3))
@settings(max_examples=20, deadline=None)
def test_symmetry_scale_rotation_translation_permutation(seed, scale):
    X, Y = two_sets(seed)
    rotation = ortho_group.rvs(3, random_state=seed)
    shuffled = np.random.RandomState(seed).permutation(X)
    for kernel in ("rbf", "imq"):

        def mmd(A, B, b, kernel=kernel):
            return maximum_mean_discrepancy(A, B, kernel=kernel, bandwidth=b).value

        expected = pytest.approx(mmd(X, Y, 1), abs=1e-11)
        assert mmd(Y, X, 1) == expected
        assert mmd(shuffled, Y, 1) == expected
        moved = scale * (X @ rotation + 5), scale * (Y @ rotation + 5)
        assert mmd(*moved, scale) == expected


def test_a_far_origin_changes_nothing():
    X, Y = (np.round(A * 64) for A in two_sets(3))
    near, far = (
        maximum_mean_discrepancy(X + c, Y + c, bandwidth=50).value for c in (0, 2.0**30)
    )
    assert far == pytest.approx(near, abs=1e-12)


def test_bandwidth_is_fixed_on_the_reference():
    X, Y = two_sets(4)
    differences = [np.linalg.norm(x - y) for x, y in combinations(X, 2)]
    assert median_bandwidth(X) == pytest.approx(np.median(differences), rel=1e-12)
    for Z in (Y, 9 * Y):
        assert maximum_mean_discrepancy(X, Z).bandwidth == median_bandwidth(X)
    imq = maximum_mean_discrepancy(X, Y, kernel="imq").bandwidth
    assert imq == pytest.approx(np.sqrt(X.var(axis=0).mean()), rel=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("estimator", ["biased", "unbiased"])
def test_p_value_counts_every_split(kernel, estimator):
    # With all ten splits known, the p-value converges to the share of those reached.
    X, Y = two_sets(5, n=3, m=2)
    Z = np.vstack([X, Y])
    b = None if kernel == "polynomial" else 1.0

    def value(rows):
        rest = [i for i in range(5) if i not in rows]
        return double_loop(Z[list(rows)], Z[rest], kernel, b, estimator)

    observed = value((0, 1, 2))
    share = np.mean([value(c) >= observed - 1e-9 for c in combinations(range(5), 3)])
    result = maximum_mean_discrepancy(
        X,
        Y,
        kernel=kernel,
        bandwidth=b,
        estimator=estimator,
        n_permutations=2000,
        random_state=0,
    )
    assert result.p_value == pytest.approx(share, abs=0.05)


def test_random_state():
    X, Y = two_sets(6, n=8, m=8)
    before = np.random.get_state()[1].copy()

    def p(seed):
        return maximum_mean_discrepancy(
            X, Y, n_permutations=500, random_state=seed
        ).p_value

    assert p(3) == p(3)
    assert len({p(None) for _ in range(4)}) > 1
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_tensors_and_images():
    X, Y = two_sets(7, d=4)
    expected = maximum_mean_discrepancy(X, Y)
    images = torch.from_numpy(X).reshape(12, 1, 2, 2), torch.from_numpy(Y)
    assert maximum_mean_discrepancy(*images) == pytest.approx(expected, nan_ok=True)


def test_a_constant_set():
    X, _ = two_sets(8)
    constant = np.ones((5, 3))
    expected = double_loop(X, constant, "rbf", 2, "unbiased")
    result = maximum_mean_discrepancy(X, constant, bandwidth=2)
    assert result.value == pytest.approx(expected, abs=1e-14)
    for kernel in ("rbf", "imq"):
        with pytest.raises(ValueError, match=r"5 rows is 0.* Pass bandwidth"):
            maximum_mean_discrepancy(constant, X, kernel=kernel)
    with pytest.raises(ValueError, match=r"X_real must have spread"):
        median_bandwidth(constant * 1e8 + 0.1)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"kernel": "gaussian"}, "'rbf', 'imq', 'polynomial'. Got 'gaussian'"),
        ({"estimator": "u"}, "'unbiased', 'biased'. Got 'u'"),
        ({"bandwidth": -2}, r"bandwidth.* of maximum_mean.* in \(0, inf\). Got -2"),
        ({"bandwidth": 1, "kernel": "polynomial"}, "which has none, got 1"),
        ({"n_permutations": -1}, "n_permutations.* an integer >= 0. Got -1"),
    ],
)
def test_bad_options(options, match):
    with pytest.raises(ValueError, match=match):
        maximum_mean_discrepancy(*two_sets(9), **options)


def test_bad_rows():
    X, Y = two_sets(10)
    with pytest.raises(ValueError, match="X_generated must have at least 2 rows"):
        maximum_mean_discrepancy(X, Y[:1])
    one = maximum_mean_discrepancy(X, Y[:1], estimator="biased", bandwidth=1)
    expected = double_loop(X, Y[:1], "rbf", 1, "biased")
    assert one.value == pytest.approx(expected, abs=1e-14)
    with pytest.raises(ValueError, match="got 3 and 2"):
        maximum_mean_discrepancy(X, Y[:, :2])


@pytest.mark.parametrize("n_subsets", [1, 2, 40])
def test_kernel_distance_is_the_mean_over_its_subsets(n_subsets):
    # Few subsets go one by one, many through the whole kernels.
    X, Y = two_sets(11)
    result = kernel_distance(
        X, Y, n_subsets=n_subsets, subset_size=4, random_state=np.random.RandomState(5)
    )
    rng = np.random.RandomState(5)
    values = [
        double_loop(
            X[rng.choice(12, 4, False)],
            Y[rng.choice(9, 4, False)],
            "polynomial",
            None,
            "unbiased",
        )
        for _ in range(n_subsets)
    ]
    assert result.value == pytest.approx(np.mean(values), rel=1e-11)
    std = np.std(values) if n_subsets > 1 else np.nan
    assert result.subset_std == pytest.approx(std, rel=1e-9, abs=1e-11, nan_ok=True)
    assert result[2:] == (n_subsets, 4, 12, 9)


def test_kernel_distance_of_whole_sets_is_the_polynomial_discrepancy():
    X, Y = two_sets(12, n=9)
    result = kernel_distance(X, Y, n_subsets=3)
    expected = maximum_mean_discrepancy(X, Y, kernel="polynomial").value
    assert result.subset_size == 9
    assert result.value == pytest.approx(expected, rel=1e-12)
    assert np.isnan(result.subset_std)  # all subsets are one


def test_kernel_distance_is_unbiased():
    # Closed form in one feature: E (xy + 1)^3 = 1 + 3 E x E y + 3 E x^2 E y^2 + ...
    rng = np.random.RandomState(0)
    values = [
        kernel_distance(
            rng.normal(size=(20, 1)), rng.normal(1, 1, size=(20, 1)), n_subsets=1
        ).value
        for _ in range(400)
    ]
    x, y = np.array([1, 0, 1, 0]), np.array([1, 1, 2, 4])  # moments 0 to 3
    expected = np.sum(np.array([1, 3, 3, 1]) * (x - y) ** 2)
    error = np.std(values) / np.sqrt(len(values))
    assert np.mean(values) == pytest.approx(expected, abs=4 * error)


def test_kernel_distance_bad_input():
    X, Y = two_sets(13)
    with pytest.raises(ValueError, match=r"subset_size.* an integer >= 2. Got 1"):
        kernel_distance(X, Y, subset_size=1)
    with pytest.raises(TypeError, match=r"n_subsets.* >= 1. Got 2\.5"):
        kernel_distance(X, Y, n_subsets=2.5)
    with pytest.raises(ValueError, match="X_real must have at least 2 rows, got 1"):
        kernel_distance(X[:1], Y)
