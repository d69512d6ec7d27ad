"""What a user may pass as rows: taken as an array, or refused with a remedy."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from scipy.sparse import issparse
from torch.utils.data import DataLoader, Dataset, IterableDataset

from skvae._utils.sources import is_stored

# By these NumPy takes an object as an array. Any other object with a length it would
# read item by item, which does not end where items never run out.
_ARRAY_PROTOCOLS = ("__array__", "__array_interface__", "__array_struct__")
_OF_ESTIMATORS = (
    "Estimators read rows block by block from HDF5 (h5py), zarr, dask, parquet "
    "(pyarrow) and memory-mapped arrays."
)


def as_array_like(X: Any, name: str = "X") -> Any:
    """Return what NumPy and scikit-learn read as they should; raise for all else.

    Parameters
    ----------
    X : object
        Arrays of NumPy and frames are returned as they are; tensors, also of other
        libraries, and lists of tensors or pictures as NumPy arrays.
    name : str, default="X"
        Name of the argument, for error messages.

    Returns
    -------
    X : ndarray, data frame, sparse array, list, tuple or scalar

    Raises
    ------
    TypeError
        If X is no array, such as a Dataset, a dict or a path.
    ValueError
        If X has masked values, or pictures of several sizes.
    """
    if isinstance(X, torch.Tensor):
        return _from_tensor(X)
    if isinstance(X, list | tuple):
        return _from_sequence(X, name)
    _refuse_lazy(X, name)
    if isinstance(X, np.ndarray):
        return _from_ndarray(X, name)
    if _is_frame(X) or issparse(X) or X is None or (np.isscalar(X) and not _is_path(X)):
        _refuse_dates(X, name)
        _refuse_repeated_names(X, name)
        return X
    if any(hasattr(X, protocol) for protocol in _ARRAY_PROTOCOLS) or _is_buffer(X):
        return _from_ndarray(np.asarray(X), name)
    if hasattr(X, "numpy"):  # of tensors of other libraries
        return as_array_like(X.numpy(), name)
    raise TypeError(
        f"{name} must be an array, but is {_described(X)}. {_remedy(X, name)}"
    )


def with_nan(X: Any) -> Any:
    """Return X with NaN where a value is masked, or NA of pandas in Python objects."""
    if np.ma.is_masked(X) and X.dtype.kind in "buifO":
        return X.astype(np.result_type(X, np.float16)).filled(np.nan)
    pandas = sys.modules.get("pandas")  # without it, nobody has its NA
    if pandas is None or hasattr(X, "collect"):  # lazy frames are refused later
        return X
    if isinstance(X, list) and X and isinstance(X[0], list | tuple):
        return [
            [np.nan if x is pandas.NA else x for x in row]
            if isinstance(row, list | tuple)
            else row
            for row in X
        ]
    dtypes = X.dtypes if hasattr(X, "columns") else [getattr(X, "dtype", None)]
    if "object" not in map(str, dtypes) or getattr(X, "ndim", 2) < 2:
        return X
    missing = pandas.isna(X)
    return (
        X.mask(missing, np.nan) if hasattr(X, "mask") else np.where(missing, np.nan, X)
    )


def _from_tensor(X: torch.Tensor) -> np.ndarray:
    X = X.detach().cpu()
    return (X.float() if X.dtype == torch.bfloat16 else X).resolve_conj().numpy()


def _from_ndarray(X: np.ndarray, name: str) -> Any:
    if np.ma.is_masked(X):
        raise ValueError(
            f"{name} has {np.ma.count_masked(X)} masked values. Impute them, for "
            "example with X.filled(X.mean(0)), or leave out their rows."
        )
    _refuse_dates(X, name)
    if X.dtype.names:
        raise TypeError(
            f"{name} must be an array of numbers, but has the fields {X.dtype.names}. "
            "Use numpy.lib.recfunctions.structured_to_unstructured(X)."
        )
    if X.ndim == 1 and X.dtype.kind in "OSU":
        return _from_sequence(X.tolist(), name)
    return X


def _from_sequence(X: list[Any] | tuple[Any, ...], name: str) -> Any:
    """Stack arrays; return nested lists of numbers as they are."""
    item = X[0] if len(X) else 0.0
    if isinstance(item, list | tuple):
        while isinstance(item, list | tuple) and len(item):
            item = item[0]
        is_plain = _is_number(item) or isinstance(item, str)
        return X if is_plain else [_from_sequence(x, name) for x in X]
    if _is_number(item):
        return X
    if _is_path(item) or isinstance(item, Mapping):
        raise TypeError(
            f"{name} must be an array, but its first item is {_described(item)}. "
            f"{_remedy(item, f'{name}[i]')}"
        )
    arrays = [np.asarray(as_array_like(x, f"{name}[{i}]")) for i, x in enumerate(X)]
    _check_pictures(X, arrays, name)
    return np.stack(arrays)


def _check_pictures(items: Any, arrays: list[np.ndarray], name: str) -> None:
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1:
        raise ValueError(
            f"All items of {name} must have one shape, but there are {shapes[0]} and "
            f"{shapes[1]}. Crop or scale pictures to one size first; of a pair (X, y) "
            "pass X."
        )
    if any(getattr(item, "mode", None) == "P" for item in items):
        raise ValueError(
            f"{name} has pictures whose pixels are numbers of colours in a palette. "
            f"Convert them: [picture.convert('L') for picture in {name}]."
        )


def _refuse_lazy(X: Any, name: str) -> None:
    """Raise TypeError for what would be loaded or computed as a whole, unasked."""
    if hasattr(X, "collect"):  # of polars and of Spark
        whole = f"{name}.collect()"
    elif hasattr(X, "npartitions") or is_stored(X):
        whole = f"{name}.compute()"
    elif getattr(X, "chunks", None) is not None or _is_stored(X):
        whole = f"np.asarray({name})"
    else:
        return
    raise TypeError(
        f"{name} must be in memory here, but is {_described(X)}, which is not. Pass "
        f"{whole} if it fits into memory, or some of its rows. {_OF_ESTIMATORS}"
    )


def _refuse_dates(X: Any, name: str) -> None:
    columns = list(getattr(X, "columns", [None]))
    dtypes = X.dtypes if hasattr(X, "dtypes") else [getattr(X, "dtype", None)]
    for column, dtype in zip(columns, dtypes, strict=True):
        is_of_polars = getattr(dtype, "is_temporal", bool)()
        if is_of_polars or getattr(dtype, "kind", "f") in "mM":
            held = name if column is None else f"{name}[{column!r}]"
            zone = f", {dtype.tz}" if getattr(dtype, "tz", None) else ""
            unit = f"astype('{_temporal_name(dtype)}[s{zone}]').astype('int64')"
            raise TypeError(
                f"{name} must hold numbers, but {held} holds {dtype}. Say in which "
                f"unit, for example {held}."
                f"{'to_physical()' if is_of_polars else unit}."
            )


def _temporal_name(dtype: Any) -> str:
    is_difference = str(dtype).lower().startswith(("timedelta", "duration"))
    return "timedelta64" if is_difference else "datetime64"


def _refuse_repeated_names(X: Any, name: str) -> None:
    """Raise ValueError for a frame with two columns of one name."""
    names = list(getattr(X, "columns", []))
    repeated = [column for column in dict.fromkeys(names) if names.count(column) > 1]
    if repeated:
        raise ValueError(
            f"{name} must have columns of different names, but has "
            f"{names.count(repeated[0])} named {repeated[0]!r}. Rename them, or pass "
            f"{name}.to_numpy(), whose columns have no names."
        )


def _is_stored(X: Any) -> bool:
    """Tell whether X is a file's array, as of h5py, which can do nothing but read."""
    return hasattr(X, "chunks") and not hasattr(X, "__array_ufunc__")


def _is_frame(X: Any) -> bool:
    return hasattr(X, "columns") or hasattr(X, "__dataframe__")


def _is_number(item: Any) -> bool:
    return item is None or (np.isscalar(item) and not _is_path(item))


def _is_path(X: Any) -> bool:
    return isinstance(X, str | bytes | PurePath)


def _is_buffer(X: Any) -> bool:
    return isinstance(X, memoryview | bytearray) or hasattr(X, "typecode")


def _described(X: Any) -> str:
    text = repr(X) if _is_path(X) else f"of type {type(X).__name__}"
    return text if len(text) < 80 else text[:77] + "..."


def _remedy(X: Any, name: str) -> str:
    """Say how an object that is no array is made one."""
    if _is_path(X):
        return "Load the file first, for example with np.load or pandas.read_csv."
    if isinstance(X, Mapping) or (hasattr(X, "keys") and hasattr(X, "attrs")):
        example = "data" if "data" in X else next(iter(X), "name")
        return f"Pass an array, such as {name}[{example!r}], or pandas.DataFrame(X)."
    if isinstance(X, DataLoader):
        whole = f"torch.cat([x for x, *_ in {name}])"
    elif isinstance(X, IterableDataset):
        whole = f"np.stack([x for x, *_ in {name}])"
    elif hasattr(X, "with_format") and hasattr(X, "column_names"):  # of Hugging Face
        columns = f"{name}.with_format('numpy')[c] for c in {name}.column_names"
        whole = f"np.stack([{columns}], axis=1)"
    elif isinstance(X, Dataset) or hasattr(X, "__getitem__"):
        row = f"{name}[i][0]" if isinstance(X, Dataset) else f"{name}[i]"
        whole = f"np.stack([{row} for i in range(len({name}))])"
    else:
        whole = f"np.stack(list({name}))"
    return (
        f"Pass {whole}, if it ends and fits into memory. If not, write its rows to a "
        "file, one batch after the other, or call partial_fit with each batch. "
        f"{_OF_ESTIMATORS}"
    )
