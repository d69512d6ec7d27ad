import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

from skvae.metrics import (
    authenticity,
    data_copying_test,
    density_coverage,
    improved_precision_recall,
    one_nearest_neighbour_accuracy,
    precision_recall_density_coverage,
)
from skvae.metrics._nearest import Frame, nearest, pairs_within
from skvae.metrics._pairwise import squared_distance_blocks

# --------------------------------------------------------- oracles: all differences


def squared(X, Y):
    return cdist(X, Y, "sqeuclidean")


def squared_to_others(X):
    D = squared(X, X)
    np.fill_diagonal(D, np.inf)
    return np.sort(D, axis=1)


def balls_by_cdist(X, Y, k, k_density):
    D, own_x, own_y = squared(X, Y), squared_to_others(X), squared_to_others(Y)
    dense = own_x[:, [k_density - 1]] >= D
    return (
        (own_x[:, [k - 1]] >= D).any(axis=0).mean(),
        (own_y[:, k - 1] >= D).any(axis=1).mean(),
        dense.sum() / (k_density * len(Y)),
        dense.any(axis=1).mean(),
    )


def accuracy_by_cdist(X, Y):
    D = squared(X, Y)
    to_own, to_other = squared_to_others(X)[:, 0], D.min(axis=1)
    real = np.mean((to_own < to_other) + 0.5 * (to_own == to_other))
    to_own, to_other = squared_to_others(Y)[:, 0], D.min(axis=0)
    return real, np.mean((to_own < to_other) + 0.5 * (to_own == to_other))


def authenticity_by_cdist(train, Y):
    D = squared(Y, train)
    return np.mean(squared_to_others(train)[D.argmin(axis=1), 0] < D.min(axis=1))


def data_copying_by_cdist(train, test, Y):
    ranks = rankdata(np.concatenate([squared(A, train).min(axis=1) for A in (Y, test)]))
    n, m = len(test), len(Y)
    u = ranks[:m].sum() - m * (m + 1) / 2
    variance = n * m * ranks.var(ddof=1) / (n + m)
    return (u - n * m / 2) / np.sqrt(variance) if variance > 0 else 0.0


# ----------------------------------------------------------------------- whole numbers

OFFSETS = (0, 12_345, -(10**7))
TROUBLES = ("none", "outlier", "duplicates", "collapse", "copies")


def whole_sets(seed, d, steps, offset, trouble):
    rng = np.random.RandomState(seed)
    train, test, Y = (rng.randint(-steps, steps + 1, size=(n, d)) for n in (24, 15, 21))
    if trouble == "outlier":
        (Y, train)[seed % 2][0] = 10**6
    elif trouble == "duplicates":
        train, Y = train[rng.randint(6, size=24)], Y[rng.randint(4, size=21)]
    elif trouble == "collapse":
        Y[:] = Y[0]
    elif trouble == "copies":
        Y[:15] = train[:15]
    return [(A + offset).astype(float) for A in (train, test, Y)]


@given(
    st.integers(0, 2**31),
    st.integers(1, 6),
    st.sampled_from([1, 2, 8, 100]),
    st.sampled_from(OFFSETS),
    st.sampled_from(TROUBLES),
)
@settings(max_examples=2000, deadline=None, derandomize=True, database=None)
def test_whole_numbers_give_what_cdist_gives_ties_included(
    seed, d, steps, offset, trouble
):
    train, test, Y = whole_sets(seed, d, steps, offset, trouble)
    balls = precision_recall_density_coverage(train, Y)
    assert balls[:4] == balls_by_cdist(train, Y, 3, 5)
    accuracy = one_nearest_neighbour_accuracy(train[: len(Y)], Y)
    assert accuracy[1:3] == accuracy_by_cdist(train[: len(Y)], Y)
    assert authenticity(train, Y).value == authenticity_by_cdist(train, Y)
    copying = data_copying_test(train, test, Y, n_cells=1)
    assert copying.value == data_copying_by_cdist(train, test, Y)


def test_a_distant_generated_row_moves_no_tie():
    rng = np.random.RandomState(0)
    X, Y = rng.randint(0, 5, size=(2, 300, 2)).astype(float)
    Y[0] = 1e6
    expected = balls_by_cdist(X, Y, 3, 5)
    assert improved_precision_recall(X, Y)[:2] == expected[:2]
    assert density_coverage(X, Y)[:2] == expected[2:]


@pytest.mark.parametrize("divisor", [16, 255, 3e-7])
def test_ties_survive_a_change_of_units(divisor):
    rng = np.random.RandomState(0)
    for d, steps in ((1, 20), (2, 5), (5, 1)):
        X, Y = rng.randint(0, steps + 1, size=(2, 60, d)).astype(float)
        scaled = X / divisor, Y / divisor
        expected = precision_recall_density_coverage(X, Y)
        assert precision_recall_density_coverage(*scaled) == expected
        expected = one_nearest_neighbour_accuracy(X, Y)
        assert one_nearest_neighbour_accuracy(*scaled) == expected


# ------------------------------------------------------------------------ any numbers

KINDS = (
    "normal",
    "quantised",
    "nearly equal",
    "one far off",
    "two far clusters",
    "offset",
    "duplicated",
    "constant",
)


def sets(seed, kind, d):
    rng = np.random.RandomState(seed)
    X, Y = rng.normal(size=(40, d)), rng.normal(size=(30, d))
    if kind == "quantised":
        X, Y = np.round(X) / 10, np.round(Y) / 10
    elif kind == "nearly equal":
        X, Y = 1 + 1e-9 * X, 1 + 1e-9 * Y
    elif kind == "one far off":
        X[0] *= 1e6
    elif kind == "two far clusters":  # products alone see no distances within one
        X[::2] += 1e9
        Y[::2] += 1e9
    elif kind == "offset":
        X, Y = X + 1e5, Y + 1e5
    elif kind == "duplicated":
        X, Y = np.repeat(X[:10], 4, axis=0), np.repeat(X[:10], 3, axis=0)
    elif kind == "constant":
        X, Y = np.full_like(X, 0.1), np.full_like(Y, 0.1)
    return X, Y


@given(
    st.integers(0, 2**31),
    st.sampled_from(KINDS),
    st.sampled_from([1, 5, 300]),
    st.sampled_from([1, 100, 2**22]),
)
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
def test_any_numbers_are_decided_by_differences(seed, kind, d, block_entries):
    X, Y = sets(seed, kind, d)
    D = squared(X, Y)
    step = np.where(np.arange(40) % 2, 1e-9, -1e-9)
    by_row = (D.min(axis=1) * (1 + step))[:, None]
    by_column = (D.min(axis=0) * (1 + step[:30]))[None]
    inside = [np.zeros(D.shape, dtype=bool) for _ in range(2)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skvae._utils.rows.BLOCK_ENTRIES", block_entries)
        indices, to_nearest = nearest(X, Y)
        _, to_others = nearest(X, X, 3, own=np.arange(40))
        for rows, masks in pairs_within(X, Y, [by_row, by_column]):
            for whole, mask in zip(inside, masks, strict=True):
                whole[rows] = mask
    if kind != "quantised":  # whose ties are ties of decimal fractions
        np.testing.assert_array_equal(indices[:, 0], D.argmin(axis=1))
    np.testing.assert_allclose(to_nearest[:, 0], D.min(axis=1), rtol=1e-13)
    np.testing.assert_allclose(to_others, squared_to_others(X)[:, :3], rtol=1e-13)
    np.testing.assert_array_equal(inside[0], by_row >= D)
    np.testing.assert_array_equal(inside[1], by_column >= D)


@given(st.integers(0, 2**31), st.sampled_from(KINDS), st.sampled_from([1, 5, 300]))
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_rounding_of_products_is_bounded(seed, kind, d):
    X, Y = sets(seed, kind, d)
    frame, D = Frame(X, Y), squared(X, Y)
    bound = frame.rounding(frame.x_norms[:, None], D)
    for rows, products in squared_distance_blocks(frame.x, frame.y):
        assert (np.abs(products - D[rows]) <= bound[rows]).all()


def test_nearest_of_a_copy_is_exactly_zero_far_from_the_origin():
    Y = np.random.RandomState(0).normal(size=(30, 5)) + 1e6
    indices, distances = nearest(Y[::-1], Y)
    np.testing.assert_array_equal(indices[:, 0], np.arange(30)[::-1])
    np.testing.assert_array_equal(distances, 0)


def test_nearest_leaves_out_the_row_itself_among_many_copies():
    Y = np.array([[0.0], [1.0], [5.0]])
    indices, distances = nearest(Y, Y, own=np.arange(3))
    assert indices[:, 0].tolist() == [1, 0, 1]
    assert distances[:, 0].tolist() == [1, 1, 16]
    Y = np.full((9, 2), 0.1)
    indices, distances = nearest(Y, Y, own=np.arange(9))
    assert indices[:, 0].tolist() == [1, *[0] * 8]
    assert not distances.any()
    _, distances = nearest(Y, Y, 8, own=np.arange(9))
    assert distances.shape == (9, 8)
