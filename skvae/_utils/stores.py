"""Rows of HDF5, zarr, dask and arrow, known by what their objects can do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skvae._utils.sources import MappedRows, StoredRows, is_memory_mapped


def as_stored(X: Any, name: str = "X") -> StoredRows | None:
    """Return rows that are stored elsewhere, None for anything else.

    Parameters
    ----------
    X : object
        A data set of h5py, an array of zarr or dask, a frame of dask, a table or record
        batch of pyarrow, a ParquetFile or a pyarrow.dataset, or a memory-mapped array
        that is not small. No library is imported, and no row is read, except that dask
        counts those of a frame.
    name : str, default="X"
        For error messages.

    Raises
    ------
    TypeError
        If X does not hold real numbers.
    ValueError
        If the number of its rows is not known, or if it is a single value.
    """
    if isinstance(X, StoredRows):
        return X
    if hasattr(X, "iloc") and not hasattr(X, "npartitions"):  # of pandas
        return None
    if isinstance(X, np.ndarray):
        if not is_memory_mapped(X) or X.ndim < 2 or X.dtype.kind not in "buif":
            return None
        if isinstance(X, np.ma.MaskedArray):  # the mask of which is in memory
            return None
        rows = MappedRows(X)
        if rows.is_small:
            return None
    elif _is_frame_of_dask(X):
        rows = _frame_of_dask(X, name)
    elif hasattr(X, "npartitions") and hasattr(X, "chunks"):
        _check_is_array(X, name)
        rows = DaskRows(X, name)
    elif hasattr(X, "read_row_group") and hasattr(X, "schema_arrow"):
        rows = _of_parquet(X, name)
    elif hasattr(X, "get_fragments") and hasattr(X, "count_rows"):
        rows = _of_dataset(X, name)
    elif all(hasattr(X, a) for a in ("num_rows", "column_names", "slice", "schema")):
        rows = _of_table(X, name)
    elif _is_array_of_file(X):
        _check_is_array(X, name)
        rows = ChunkedRows(X)
    else:
        return None
    if rows.stored_type.kind not in "buif":
        raise TypeError(
            f"{name} must hold real numbers, but is stored as {rows.stored_type}. "
            "Store them as numbers, for example as float32."
        )
    return rows


class ChunkedRows(StoredRows):
    """Rows of an array that can do nothing but read, as those of h5py and zarr.

    Parameters
    ----------
    array : object with ``shape``, ``dtype``, ``chunks`` and slices
    """

    def __init__(self, array: Any) -> None:
        together = getattr(array, "shards", None) or array.chunks or (1,)
        super().__init__(array.shape, array.dtype, int(together[0]))
        self.array = array

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        return _without_mask(self.array[start:stop])


class DaskRows(StoredRows):
    """Rows of an array of dask, of which chunks are computed when they are read."""

    def __init__(self, array: Any, name: str, head: Any = None) -> None:
        if any(np.isnan(n) for n in array.shape):
            raise ValueError(
                f"{name} must have a known number of rows, but has the shape "
                f"{array.shape}. Let dask count them: {name}.compute_chunk_sizes()."
            )
        edges = np.cumsum([0, *array.chunks[0]]) if array.ndim else 1
        super().__init__(array.shape, array.dtype, edges)
        self.array, self.head = array, head

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        return _without_mask(self.array[start:stop].compute())


class RowsOfParts(StoredRows):
    """Rows of arrow in parts, such as row groups, which are read one by one.

    Parameters
    ----------
    read_part : callable, int -> table
    lengths : sequence of int
        Numbers of rows of the parts.
    schema : pyarrow.Schema
    name : str
        For error messages.
    in_memory : bool, default=False
        Whether a part costs nothing to read, so that blocks may tear it apart.
    """

    def __init__(
        self,
        read_part: Callable[[int], Any],
        lengths: Sequence[int],
        schema: Any,
        name: str,
        *,
        in_memory: bool = False,
    ) -> None:
        self.ends = np.cumsum([0, *lengths])
        shape = self.ends[-1], len(schema.names)
        chunks = 1 if in_memory else self.ends
        super().__init__(shape, _common_type(schema, name), chunks)
        self.read_part, self.head = read_part, schema.empty_table()

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        first = int(np.searchsorted(self.ends, start, side="right")) - 1
        last = int(np.searchsorted(self.ends, stop, side="left"))
        rows = np.empty((stop - start, self.shape[1]), self.dtype)
        for i in range(first, last):
            begin = max(start, self.ends[i])
            end = min(stop, self.ends[i + 1])
            part = self.read_part(i).slice(begin - self.ends[i], end - begin)
            for j in range(rows.shape[1]):
                values = part.column(j).to_numpy(zero_copy_only=False)
                rows[begin - start : end - start, j] = values
        return rows


def _is_array_of_file(X: Any) -> bool:
    """Tell whether X is as the arrays of h5py and zarr, which can only read."""
    has_all = all(hasattr(X, a) for a in ("chunks", "shape", "dtype", "__getitem__"))
    return has_all and not hasattr(X, "__array_ufunc__")


def _check_is_array(X: Any, name: str) -> None:
    if not X.shape:
        raise ValueError(
            f"{name} must have shape (n_samples, n_features), but is {X!r}."
        )


def _without_mask(rows: Any) -> Any:
    if np.ma.is_masked(rows):
        raise ValueError(
            "X has masked values. Fill them, with NaN if they are missing: "
            "dask.array.ma.filled(X, np.nan)."
        )
    return rows


def _is_frame_of_dask(X: Any) -> bool:
    return hasattr(X, "npartitions") and hasattr(X, "to_dask_array")


def _frame_of_dask(X: Any, name: str) -> DaskRows:
    if getattr(X, "ndim", 2) != 2:
        raise TypeError(f"{name} must have columns, but is one. Use {name}.to_frame().")
    for column, dtype in X.dtypes.items():
        if not (isinstance(dtype, np.dtype) and dtype.kind in "buif"):
            _refuse_column(name, column, dtype, f"{name}.compute()")
    return DaskRows(X.to_dask_array(lengths=True), name, X.columns.to_frame().T)


def _of_table(X: Any, name: str) -> RowsOfParts:
    return RowsOfParts(lambda i: X, [X.num_rows], X.schema, name, in_memory=True)


def _of_parquet(X: Any, name: str) -> RowsOfParts:
    groups = range(X.num_row_groups)
    lengths = [X.metadata.row_group(i).num_rows for i in groups]
    return RowsOfParts(X.read_row_group, lengths, X.schema_arrow, name)


def _of_dataset(X: Any, name: str) -> RowsOfParts:
    parts, lengths = [], []
    for fragment in X.get_fragments():
        if hasattr(fragment, "split_by_row_group"):
            groups = fragment.split_by_row_group()
            lengths += [group.row_groups[0].num_rows for group in groups]
        else:
            groups = [fragment]
            lengths += [fragment.count_rows()]
        parts += groups

    def read(i: int) -> Any:
        return parts[i].to_table(schema=X.schema)

    return RowsOfParts(read, lengths, X.schema, name)


def _common_type(schema: Any, name: str) -> np.dtype[Any]:
    """Return the type that holds the numbers of all columns, with gaps as NaN."""
    types = []
    for column in (names := schema.names):
        if names.count(column) > 1:
            raise ValueError(
                f"{name} must have columns of different names, but has "
                f"{names.count(column)} named {column!r}. Rename them."
            )
    for field in schema:
        try:
            dtype = np.dtype(field.type.to_pandas_dtype())
        except (NotImplementedError, TypeError):
            dtype = np.dtype(object)
        if dtype.kind not in "buif":
            _refuse_column(name, field.name, field.type, f"{name}.to_pandas()")
        # Whole numbers with gaps are read as float64.
        types.append(np.dtype(np.float64) if dtype.kind in "bui" else dtype)
    return np.result_type(*types) if types else np.dtype(np.float64)


def _refuse_column(name: str, column: Any, dtype: Any, frame: str) -> None:
    raise TypeError(
        f"{name} must hold numbers where it is read by blocks, but column {column!r} "
        f"holds {dtype}. Leave it out, or pass the table as a data frame of pandas, "
        f"{frame}, if it fits into memory."
    )
