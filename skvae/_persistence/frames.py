"""Frames of pandas and polars without rows: names, types and categories of columns."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from skvae._persistence.arrays import dtype_of, name_of_dtype
from skvae._utils.columns import is_frame, library_of

_PANDAS = re.compile(r"U?Int(8|16|32|64)|Float(32|64)|boolean")
_ARROW = re.compile(r"u?int(8|16|32|64)|halffloat|float|double|bool|(large_)?string")
_POLARS = re.compile(r"U?Int(8|16|32|64|128)|Float(32|64)|Boolean|String|Null")


def is_head(value: Any) -> bool:
    """Tell whether an object is a frame of pandas or polars."""
    return is_frame(value) and library_of(value) in ("pandas", "polars")


def described(frame: Any) -> dict[str, Any]:
    """Return what a frame without rows is made of, in plain values.

    Raises
    ------
    TypeError
        If a column has a type that a file cannot hold.
    """
    if library_of(frame) == "polars":
        columns = [[name, _described_polars(t)] for name, t in frame.schema.items()]
        return {"library": "polars", "columns": columns}
    types = [_described_pandas(dtype) for dtype in frame.dtypes]
    return {"library": "pandas", "index": _index(frame.columns), "types": types}


def rebuilt(description: dict[str, Any]) -> Any:
    """Return the frame that `described` was given.

    Raises
    ------
    ImportError
        If the library of the frame is not installed, or one that it needs.
    """
    library = description["library"]
    try:
        make = _polars_frame if library == "polars" else _pandas_frame
        return make(description)
    except ImportError as error:
        raise ImportError(
            f"The model was fitted to a frame of {library}, which must be installed to "
            f"load it, with all that its columns need ({error})."
        ) from error


def _polars_frame(description: dict[str, Any]) -> Any:
    import polars

    columns = {name: _polars_type(t) for name, t in description["columns"]}
    return polars.DataFrame(schema=columns)


def _pandas_frame(description: dict[str, Any]) -> Any:
    import pandas

    types = [_pandas_type(dtype) for dtype in description["types"]]
    columns = [pandas.Series([], dtype=dtype) for dtype in types]
    frame = pandas.concat(columns, axis=1)
    frame.columns = _rebuilt_index(description["index"])
    return frame


def _index(index: Any) -> dict[str, Any]:
    import pandas

    if isinstance(index, pandas.RangeIndex):
        ends = [index.start, index.stop, index.step]
        return {"range": ends, "name": index.name}
    if isinstance(index, pandas.MultiIndex):
        return {"tuples": index.tolist(), "names": list(index.names)}
    if isinstance(index, pandas.IntervalIndex):
        ends = np.asarray(index.left), np.asarray(index.right)
        return {"intervals": ends, "closed": index.closed, "name": index.name}
    if isinstance(index.dtype, pandas.CategoricalDtype):
        raise TypeError("it has names of columns that are categories")
    described = _described_pandas(index.dtype)
    return {"labels": index.tolist(), "dtype": described, "name": index.name}


def _rebuilt_index(description: dict[str, Any]) -> Any:
    import pandas

    if "range" in description:
        return pandas.RangeIndex(*description["range"], name=description["name"])
    if "tuples" in description:
        tuples, names = description["tuples"], description["names"]
        return pandas.MultiIndex.from_tuples(tuples, names=names)
    if "intervals" in description:
        ends, closed = description["intervals"], description["closed"]
        make = pandas.IntervalIndex.from_arrays
        return make(*ends, closed=closed, name=description["name"])
    options = {"name": description["name"], "tupleize_cols": False}
    dtype = _pandas_type(description["dtype"])
    return pandas.Index(description["labels"], dtype=dtype, **options)


def _described_pandas(dtype: Any) -> Any:
    import pandas

    if isinstance(dtype, pandas.CategoricalDtype):
        categories = None if dtype.categories is None else _index(dtype.categories)
        return {"categories": categories, "ordered": dtype.ordered}
    if isinstance(dtype, pandas.StringDtype):
        return {"storage": dtype.storage, "has_nan": dtype.na_value is np.nan}
    if isinstance(dtype, pandas.ArrowDtype):
        name = str(dtype.pyarrow_dtype)
        described = {"arrow": name} if _ARROW.fullmatch(name) else None
    elif isinstance(dtype, np.dtype):
        described = name_of_dtype(dtype)
    else:
        described = str(dtype) if _PANDAS.fullmatch(str(dtype)) else None
    if described is None:
        raise TypeError(f"it has a column of {dtype}")
    return described


def _pandas_type(description: Any) -> Any:
    import pandas

    if isinstance(description, str):
        if not _PANDAS.fullmatch(description):
            return dtype_of(description)
        return pandas.api.types.pandas_dtype(description)
    if "categories" in description:
        found = description["categories"]
        categories = None if found is None else _rebuilt_index(found)
        return pandas.CategoricalDtype(categories, ordered=description["ordered"])
    if "storage" in description:
        missing = np.nan if description["has_nan"] else pandas.NA
        return pandas.StringDtype(description["storage"], na_value=missing)
    import pyarrow

    return pandas.ArrowDtype(pyarrow.type_for_alias(_known(_ARROW, description)))


def _known(pattern: re.Pattern[str], description: dict[str, str]) -> str:
    name = description["arrow"]
    if not pattern.fullmatch(name):
        raise ValueError(f"{name!r} is no type of a column that a file may have.")
    return name


def _described_polars(dtype: Any) -> Any:
    import polars

    if isinstance(dtype, polars.Enum):
        return {"enum": dtype.categories.to_list()}
    name = str(dtype)
    if dtype != polars.Categorical() and not _POLARS.fullmatch(name):
        raise TypeError(f"it has a column of {dtype}")
    return name


def _polars_type(description: Any) -> Any:
    import polars

    if isinstance(description, dict):
        return polars.Enum(description["enum"])
    if description == "Categorical":
        return polars.Categorical()
    if not _POLARS.fullmatch(description):
        raise ValueError(
            f"{description!r} is no type of a column that a file may have."
        )
    return getattr(polars, description)()
