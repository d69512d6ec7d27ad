"""Statistics of chunks, merged, are those of all rows."""

from fractions import Fraction
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skvae._utils.rows import Statistics, summarise


@st.composite
def cut_rows(draw):
    """Return rows with an offset, gaps and equal values, and where they are cut."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_rows, n_features = draw(st.integers(1, 60)), draw(st.integers(1, 4))
    X = rng.normal(size=(n_rows, n_features))
    X = X * 10.0 ** draw(st.integers(-3, 3)) + draw(st.sampled_from([0, 1e3, -1e9]))
    if draw(st.booleans()):
        X = np.round(X)
    X[rng.random(X.shape) < draw(st.sampled_from([0, 0.3, 1]))] = np.nan
    X = X.astype(draw(st.sampled_from([np.float32, np.float64])))
    cuts = sorted(draw(st.lists(st.integers(0, n_rows), max_size=5)))
    return X, [chunk for chunk in np.split(X, cuts) if len(chunk)]


def exact_moments(values):
    """Return the mean and the root of the sum of squared deviations, by fractions."""
    values = [Fraction(float(v)) for v in values]
    if not values:
        return 0.0, 0.0
    mean = sum(values) / len(values)
    return float(mean), float(sum((v - mean) ** 2 for v in values)) ** 0.5


@given(cut_rows())
def test_statistics_of_chunks_are_those_of_all_rows(rows_and_chunks):
    X, chunks = rows_and_chunks
    merged = reduce(Statistics.merged, map(Statistics.of, chunks))
    columns = [column[~np.isnan(column)] for column in X.T]
    mean, root = np.transpose([exact_moments(values) for values in columns])
    rounding = 2e-16 * np.max(np.abs(X), initial=1, where=~np.isnan(X))
    count = np.broadcast_to(merged.count, len(columns))
    np.testing.assert_array_equal(count, [len(values) for values in columns])
    np.testing.assert_allclose(merged.mean, mean, atol=8 * rounding)
    atol = 8 * rounding * len(X) ** 0.5
    np.testing.assert_allclose(np.sqrt(merged.m2), root, rtol=1e-12, atol=atol)
    for name, end in {"lows": np.min, "highs": np.max}.items():
        exact = [end(values) if len(values) else np.nan for values in columns]
        np.testing.assert_array_equal(getattr(merged.ends, name), exact)
    assert merged.summary().bounds == summarise(X).bounds
    assert (merged.n_rows, merged.dtype) == (len(X), X.dtype)


@pytest.mark.parametrize("n_chunks", [1, 2, 7])
def test_bounds_of_chunks_are_those_of_all_rows(n_chunks):
    X = np.random.default_rng(0).integers(0, 4, (210, 3)) / 3
    chunks = np.array_split(np.sort(X, axis=0), n_chunks)
    merged = reduce(Statistics.merged, map(Statistics.of, chunks))
    assert merged.summary().bounds == (0, 1)
    assert (merged.ends.n_low, merged.ends.n_high) == ((X == 0).sum(), (X == 1).sum())
