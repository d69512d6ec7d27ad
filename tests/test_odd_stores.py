"""Stored rows that cannot be read, or not as they are, are refused with the rule."""

import dask
import dask.array
import dask.dataframe
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import zarr
from conftest import make_data, small

from skvae import VAE

X = make_data(60)
pytestmark = pytest.mark.filterwarnings("ignore:X is stored in chunks")


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "X.h5", "w") as opened:
        yield opened


def hdf5(values):
    return lambda file: file.create_dataset("X", data=values)


SINGLE = {
    "hdf5": hdf5(3.0),
    "hdf5, empty": hdf5(h5py.Empty("f4")),
    "zarr": lambda _: zarr.array(3.0),
    "dask": lambda _: dask.array.from_array(X).sum(),
}
WITHOUT_ROWS = {
    "hdf5": hdf5(X[:0]),
    "zarr": lambda _: zarr.array(X[:0]),
    "dask": lambda _: dask.array.from_array(X)[:0],
    "arrow": lambda _: pa.table({"a": pa.array([], "f4")}),
}


@pytest.mark.parametrize("make", SINGLE.values(), ids=SINGLE)
def test_single_value_is_refused(make, file):
    with pytest.raises(ValueError, match=r"shape \(n_samples, n_features\), but is"):
        VAE(2).fit(make(file))


@pytest.mark.parametrize("make", WITHOUT_ROWS.values(), ids=WITHOUT_ROWS)
def test_no_rows_are_too_few(make, file):
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        VAE(2).fit(make(file))


def test_column_of_a_frame_of_dask_is_refused():
    column = dask.dataframe.from_pandas(pd.DataFrame({"a": X[:, 0]}), 2).a
    with pytest.raises(TypeError, match=r"Use X.to_frame\(\)"):
        VAE(2).fit(column)


def test_columns_of_one_name_are_refused():
    table = pa.table([X[:, 0], X[:, 1]], names=["a", "a"])
    with pytest.raises(ValueError, match="different names, but has 2 named 'a'"):
        VAE(2).fit(table)


def test_mask_of_a_memory_mapped_array_counts(tmp_path, small_blocks):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    masked = np.ma.masked_array(mapped, mask=np.median(X) < X)
    expected = small().fit(masked.copy()).score_samples(X)
    np.testing.assert_array_equal(small().fit(masked).score_samples(X), expected)


def test_masked_values_of_dask_are_refused(small_blocks):
    masked = dask.array.ma.masked_greater(dask.array.from_array(X), np.median(X))
    with pytest.raises(ValueError, match=r"X has masked values\. Fill them"):
        small().fit(masked)
    filled = dask.array.ma.filled(masked, np.nan)
    assert np.isfinite(small().fit(filled).score_samples(X)).all()
