"""Statistics of training data against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skvae._utils.rows import extremes, summarise


@settings(max_examples=40, deadline=None)
@given(
    n_samples=st.integers(1, 200),
    offset=st.floats(-1e6, 1e6),
    spread=st.floats(1e-3, 1e3),
    seed=st.integers(0, 100),
)
def test_statistics_are_numpys(n_samples, offset, spread, seed):
    rng = np.random.default_rng(seed)
    X = offset + spread * rng.standard_normal((n_samples, 3))
    summary = summarise(X)
    np.testing.assert_allclose(summary.mean, X.mean(0), rtol=1e-9)
    rounding = 1000 * np.finfo(np.float64).eps * abs(X.mean(0))
    expected = np.where(X.std(0) > rounding, X.std(0), 0)
    np.testing.assert_allclose(
        summary.std, expected, rtol=1e-6, atol=1e-9 * abs(offset)
    )


def test_statistics_over_many_blocks_are_numpys(monkeypatch):
    monkeypatch.setattr("skvae._utils.rows.BLOCK_ENTRIES", 3 * 7)
    X = 1e4 + np.random.default_rng(0).standard_normal((100, 3))
    summary = summarise(X)
    np.testing.assert_allclose(summary.mean, X.mean(0), rtol=1e-12)
    np.testing.assert_allclose(summary.std, X.std(0), rtol=1e-9)
    lows, highs = extremes(X)
    np.testing.assert_array_equal(lows, X.min(0))
    np.testing.assert_array_equal(highs, X.max(0))


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1e6 + 0.1, -7e-5])
@pytest.mark.parametrize("n_samples", [1, 3, 7, 50, 1000])
def test_constant_data_have_the_scale_one(value, n_samples):
    summary = summarise(np.full((n_samples, 4), value))
    assert summary.total_scale == 1.0
    np.testing.assert_array_equal(summary.feature_scale, np.ones(4))
