"""Rows in files of every kind, and rows that note how they are read."""

import weakref

import dask.array
import dask.dataframe
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import zarr

from skvae._utils import sources


def _hdf5(X, folder, **options):
    file = h5py.File(folder / "X.h5", "w")
    return file.create_dataset("X", data=X, **options)


def _memory_mapped(X, folder):
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode="r")


def _table(X):
    return pa.table({f"column {j}": X[:, j] for j in range(X.shape[1])})


def _parquet(X, folder):
    path = folder / "X.parquet"
    pa.parquet.write_table(_table(X), path, row_group_size=37)
    return path


def _dataset(X, folder):
    (folder / "parts").mkdir()
    for i, part in enumerate(np.array_split(X, 3)):
        pa.parquet.write_table(
            _table(part), folder / "parts" / f"{i}.parquet", row_group_size=37
        )
    return pa.dataset.dataset(folder / "parts")


ARRAYS = {
    "hdf5": _hdf5,
    "hdf5 in chunks": lambda X, folder: _hdf5(X, folder, chunks=(7, *X.shape[1:])),
    "hdf5, compressed": lambda X, folder: _hdf5(
        X, folder, compression="gzip", chunks=(20, *X.shape[1:])
    ),
    "zarr": lambda X, folder: zarr.array(X, chunks=(11, *(n for n in X.shape[1:]))),
    "zarr in columns": lambda X, folder: zarr.array(
        X, chunks=(13, 2, *X.shape[2:]), store=folder / "X.zarr"
    ),
    "dask": lambda X, folder: dask.array.from_array(X, chunks=(17, *X.shape[1:])),
    "dask, uneven": lambda X, folder: dask.array.concatenate(
        [dask.array.from_array(X[:5]), dask.array.from_array(X[5:], chunks=(41, -1))]
    ),
    "memory-mapped": _memory_mapped,
    "memory-mapped, some rows": lambda X, folder: _memory_mapped(
        np.vstack([X[:3], X]), folder
    )[3:],
    "memory-mapped, big-endian": lambda X, folder: _memory_mapped(
        X.astype(X.dtype.newbyteorder(">")), folder
    ),
    "memory-mapped, Fortran": lambda X, folder: _memory_mapped(
        np.asfortranarray(X), folder
    ),
}
TABLES = {
    "arrow table": lambda X, folder: _table(X),
    "arrow batch": lambda X, folder: _table(X).combine_chunks().to_batches()[0],
    "parquet": lambda X, folder: pa.parquet.ParquetFile(_parquet(X, folder)),
    "parquet data set": _dataset,
    "dask frame": lambda X, folder: dask.dataframe.from_pandas(
        pd.DataFrame(X, columns=[f"column {j}" for j in range(X.shape[1])]), 3
    ),
}
SOURCES = ARRAYS | TABLES


class Recorded(sources.StoredRows):
    """An array that notes which rows are read, and how many of them are held."""

    def __init__(self, X, fails_at=None):
        super().__init__(X.shape, X.dtype)
        self.array, self.fails_at = X, fails_at
        self.reads, self.n_held, self.most_held = [], 0, 0

    def _read(self, start, stop):
        self.reads.append((start, stop))
        if len(self.reads) == self.fails_at:
            raise OSError("the disk is gone")
        return self.array[start:stop]

    def read(self, start, stop):
        rows = super().read(start, stop)
        self.n_held += len(rows)
        self.most_held = max(self.most_held, self.n_held)
        weakref.finalize(rows, self._release, len(rows))
        return rows

    def _release(self, n_rows):
        self.n_held -= n_rows

    @property
    def n_read(self):
        return sum(stop - start for start, stop in self.reads)
