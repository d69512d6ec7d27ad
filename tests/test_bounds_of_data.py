"""Which bounds X itself shows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import MinMaxScaler

from skvae._utils import rows as rows_module
from skvae._utils.rows import summarise


def found(X):
    return summarise(X).bounds


def with_ends(n_low, n_high, shape=(1000, 4), low=-1.0, high=2.0):
    """Return values between 0 and 1 with so many at either end."""
    X = np.random.default_rng(0).random(shape).ravel()
    X[:n_low], X[len(X) - n_high :] = low, high
    return X.reshape(shape)


@pytest.mark.parametrize(
    ("shape", "least"), [((1000, 4), 8), ((50_000, 4), 20), ((100, 30), 60)]
)
def test_bounds_are_values_taken_again_and_again(shape, least):
    # More than one value in ten thousand, and more than two per feature.
    enough = least + 1
    assert found(with_ends(enough, enough, shape)) == (-1, 2)
    assert found(with_ends(least, enough, shape)) is None
    assert found(with_ends(enough, least, shape)) is None


@given(
    arrays(
        st.sampled_from([np.int8, np.int16, np.int64, np.float32, np.float64, bool]),
        st.tuples(st.integers(2, 40), st.integers(1, 4)),
        elements=st.integers(0, 1),
    ),
    st.booleans(),
    st.integers(1, 50),
)
def test_bounds_do_not_depend_on_blocks_or_layout(X, is_fortran, block):
    X = np.asfortranarray(X) if is_fortran else X
    values = X.astype(float)
    ends = values.min(), values.max()
    counts = [np.sum(values == end) for end in ends]
    enough = min(counts) > max(2 * X.shape[1], 1e-4 * X.size) and ends[0] < ends[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows_module, "BLOCK_ENTRIES", block)
        assert found(X) == (ends if enough else None)


@pytest.mark.parametrize("sign", [-1, 1])
def test_an_end_that_is_passed_once_bounds_nothing(sign, monkeypatch):
    X = sign * with_ends(30, 30)
    monkeypatch.setattr(rows_module, "BLOCK_ENTRIES", 400)
    assert found(X) == tuple(sorted((-sign, 2 * sign)))
    X[-1, -1] = 3 * sign
    assert found(X) is None
    X[-1, -1] = -3 * sign
    assert found(X) is None


def test_bounds_of_memory_mapped_rows(tmp_path):
    X = with_ends(30, 30)
    np.save(tmp_path / "X.npy", X)
    assert found(np.load(tmp_path / "X.npy", mmap_mode="r")) == (-1, 2)
    (X.astype(np.float32)).tofile(tmp_path / "X.dat")
    shape = {"shape": X.shape, "order": "F", "mode": "r"}
    assert found(np.memmap(tmp_path / "X.dat", np.float32, **shape)) == (-1, 2)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint64, np.float16, float])
def test_whole_numbers_up_to_255_are_those_of_bytes(dtype):
    X = np.arange(3, 103).reshape(50, 2).astype(dtype)
    assert found(X) is None
    X[0, 0] = 255
    assert found(X) == (0, 255)
    for value in (254, 200):
        X[0, 0] = value
        assert found(X) is None


@pytest.mark.parametrize("value", [0.5, -1, 256])
@pytest.mark.parametrize("row", [1, 49])
def test_other_numbers_up_to_255_are_not(value, row, monkeypatch):
    X = np.arange(100.0).reshape(50, 2)
    X[0, 0] = 255
    X[row, 1] = value
    assert found(X) is None
    monkeypatch.setattr(rows_module, "BLOCK_ENTRIES", 10)
    assert found(X) is None


def test_scalings_to_a_range_show_no_bounds():
    X = np.random.default_rng(0).normal(size=(300, 6))
    assert found(MinMaxScaler().fit_transform(X)) is None
    assert found(np.tanh(X)) is None
    assert found(np.ones((300, 6))) is None


def test_columns_in_units_of_their_own_have_no_bounds_in_common():
    rng = np.random.default_rng(0)
    binary = rng.integers(2, size=1000)
    clipped = rng.normal(500, 600, size=1000).clip(0, 1000)
    X = np.column_stack([binary, clipped, rng.random(1000) + 1])
    assert summarise(X).bounds is None
    assert summarise(X[:, 1:2]).bounds == (0, 1000)
