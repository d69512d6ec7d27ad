import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skvae.metrics import _screening
from skvae.metrics._screening import Pairs, nearest, nearest_others, within


def direct(X, Y):
    return ((X[:, None] - Y[None]) ** 2).sum(axis=2)


def smallest_others(X, k):
    D = direct(X, X)
    np.fill_diagonal(D, np.inf)
    return np.sort(D, axis=1)[:, :k]


def sets(seed, kind, d):
    rng = np.random.RandomState(seed)
    X, Y = rng.normal(size=(40, d)), rng.normal(size=(30, d))
    if kind == "quantised":
        X, Y = np.round(X), np.round(Y)
    elif kind == "nearly equal":  # apart by less than float32 can tell
        X, Y = 1 + 1e-9 * X, 1 + 1e-9 * Y
    elif kind == "one far off":
        X[0] *= 1e6
    elif kind == "offset":
        X, Y = X + 1e5, Y + 1e5
    elif kind == "duplicated":
        X, Y = np.repeat(X[:10], 4, axis=0), np.repeat(X[:10], 3, axis=0)
    elif kind == "constant":
        X, Y = np.full_like(X, 0.1), np.full_like(Y, 0.1)
    return X, Y


KINDS = (
    "normal",
    "quantised",
    "nearly equal",
    "one far off",
    "offset",
    "duplicated",
    "constant",
)


@given(
    st.integers(0, 2**31),
    st.sampled_from(KINDS),
    st.sampled_from([1, 5, 300]),
    st.sampled_from([1, 100, 2**22]),
    st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_screening_decides_as_direct_differences(seed, kind, d, block_entries, few):
    X, Y = sets(seed, kind, d)
    D, smallest = direct(X, Y), smallest_others(X, 3)
    step = np.where(np.arange(40) % 2, 1e-9, -1e-9)
    threshold = (D.min(axis=1) * (1 + step))[:, None]
    # Whole blocks in float64 round as their largest rows do.
    tolerance = {"rtol": 1e-6, "atol": 0 if few else 1e-13 * np.var(X) * X.size}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skvae._utils.rows.BLOCK_ENTRIES", block_entries)
        if few:  # small sets would always go the way of many ties
            patch.setattr(_screening, "_FEW", 2.0)
            patch.setattr(_screening, "_MANY", 1e9)
        np.testing.assert_allclose(nearest_others(X, 3), smallest, **tolerance)
        indices, distances = nearest(X, Y)
        pairs, inside = Pairs(X, Y), np.empty(D.shape, dtype=bool)
        for rows, screened in pairs.blocks():
            error = np.abs(screened - pairs.scaled(D[rows]))
            assert error.max() <= pairs.slack
            inside[rows] = within(pairs, rows, screened, threshold[rows])
    if few:
        np.testing.assert_array_equal(indices, D.argmin(axis=1))
        np.testing.assert_array_equal(inside, threshold >= D)
    np.testing.assert_allclose(distances**2, D.min(axis=1), **tolerance)
