"""Columns of tables: numbers with gaps, and categories."""

from __future__ import annotations

import importlib
from collections.abc import Container, Hashable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from skvae._utils.arrays import FloatArray, as_rows
from skvae._utils.containers import as_array_like

Kind = Literal["number", "ordered", "category"]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : hashable
    kind : {"number", "ordered", "category"}
    values : ndarray of shape (n,)
        Numbers in float64, nan for gaps; or categories as objects, None for gaps.
    levels : tuple
        Categories in their order, if they have one that was declared.
    """

    name: Hashable
    kind: Kind
    values: NDArray[Any]
    levels: tuple[Any, ...] = ()

    @property
    def gaps(self) -> NDArray[np.bool_]:
        """Where there is no value."""
        if self.kind == "number":
            return np.isnan(self.values)
        return np.array([value is None for value in self.values], dtype=bool)


def is_frame(X: Any) -> bool:
    """Tell whether X is a data frame, whose columns have names and types."""
    return hasattr(X, "columns") and hasattr(X, "dtypes")


def library_of(X: Any) -> str:
    """Return the name of the library that a frame is of."""
    return type(X).__module__.partition(".")[0]


def read_columns(
    X: Any,
    name: str = "X",
    told: Container[Hashable] | None = None,
    names: Sequence[Hashable] | None = None,
) -> list[Column]:
    """Read a frame of pandas or polars, or an array of numbers, column by column.

    Parameters
    ----------
    X : data frame or array-like
        Columns of numbers are numbers, and ordered categoricals of pandas are ordered.
        All others, such as booleans, strings and categoricals, are categories. So are
        columns of objects, unless all of them are numbers. The columns of an array are
        numbers.
    name : str, default="X"
        For error messages.
    told : container of hashable, optional
        Names of columns that hold categories, whatever their type. Where they are
        given, none or some, an array may have gaps, and objects in these columns.
    names : sequence of hashable, optional
        Names of the columns of an array; 0, 1, ... by default.

    Returns
    -------
    columns : list of Column

    Raises
    ------
    TypeError
        If X has dates or values that cannot be categories, such as lists.
    ValueError
        If X has no rows or no columns, repeated names or infinite values; or if it is
        an array with NaN.
    """
    if not is_frame(X) and told is not None:
        return _columns_of_array(X, name, told, names)
    if not is_frame(X):
        rows = as_rows(X, name)
        return [Column(j, "number", column) for j, column in enumerate(rows.T)]
    as_array_like(X, name)  # refuses dates, repeated names and what is not in memory
    if min(X.shape) == 0:
        raise ValueError(
            f"{name} must have at least 1 row and 1 column, got shape {X.shape}. "
            "Pass a larger sample."
        )
    columns = [read_column(X[column], column, name) for column in X.columns]
    return [
        Column(c.name, "category", as_objects(X[c.name], c.name, name))
        if c.kind == "number" and c.name in (told or ())
        else c
        for c in columns
    ]


def _columns_of_array(
    X: Any,
    name: str,
    told: Container[Hashable],
    names: Sequence[Hashable] | None,
) -> list[Column]:
    """Read an array of which some columns are told to be categories."""
    columns = np.asarray(X).reshape(len(X), -1).T
    names = range(len(columns)) if names is None else names
    return [
        objects_of(values, column)
        if column in told
        else as_numbers(_floats_of(values, column, name), column, name)
        for column, values in zip(names, columns, strict=True)
    ]


def objects_of(values: NDArray[Any], column: Hashable) -> Column:
    """Return values of an array as categories, None for gaps."""
    found = np.empty(len(values), dtype=object)
    found[:] = [None if v is None or v != v else v for v in values.tolist()]
    return Column(column, "category", found)


def _floats_of(values: NDArray[Any], column: Hashable, name: str) -> FloatArray:
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"Column {column!r} of {name} must hold numbers, as it is not among "
            f"categorical_features, but {error}. List it there, or pass a data frame."
        ) from error


def gaps_of(X: Any) -> NDArray[np.bool_]:
    """Tell where an array or a frame has no value, shape (n_samples, n_columns)."""
    if is_frame(X):
        columns = read_columns(X)
    elif X.dtype.kind in "biuf":
        return np.isnan(X)
    else:
        columns = read_columns(X, told=range(X.shape[1]))
    return np.stack([column.gaps for column in columns], axis=1)


def as_array(X: Any) -> NDArray[Any]:
    """Return a frame as an array of its numbers, or else of objects, None for gaps."""
    array = np.asarray(X)
    if array.dtype.kind in "biuf":
        return array
    columns = [as_objects(X[column], column, "X") for column in X.columns]
    array = np.empty((len(X), len(columns)), dtype=object)
    for j, column in enumerate(columns):
        array[:, j] = column
    return numbers_or_objects(array)


def numbers_or_objects(array: NDArray[Any]) -> NDArray[Any]:
    """Return objects as float64, None as nan, unless some of them are no numbers."""
    if any(isinstance(value, str) for value in array.flat):  # digits are no numbers
        return array
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError):
        return array


def take_rows(X: Any, rows: Any) -> Any:
    """Return rows of an array or of a frame of pandas or polars."""
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def take_columns(X: Any, places: Any) -> Any:
    """Return columns, by their places, of an array or a frame of pandas or polars."""
    return X.iloc[:, places] if hasattr(X, "iloc") else X[:, places]


def joined(sets: Sequence[Any]) -> Any:
    """Return arrays, or frames of one library, one below the other."""
    if not is_frame(sets[0]):
        return np.concatenate(sets)
    return importlib.import_module(library_of(sets[0])).concat(sets)


def names_of(X: Any) -> list[Hashable] | None:
    """Return the names of the columns of a frame, None for all else."""
    return list(X.columns) if is_frame(X) else None


def read_column(series: Any, column: Hashable, name: str) -> Column:
    """Read one column of a frame of pandas or polars; see `read_columns`."""
    dtype = series.dtype
    is_numeric = getattr(dtype, "is_numeric", bool)()  # of polars
    if is_numeric or getattr(dtype, "kind", None) in ("i", "u", "f"):
        return as_numbers(_as_floats(series), column, name)
    values = as_objects(series, column, name)
    if getattr(dtype, "ordered", False):
        return Column(column, "ordered", values, tuple(dtype.categories))
    present = [value for value in values if value is not None]
    if _is_object(dtype) and present and all(map(_is_number, present)):
        return as_numbers(values.astype(np.float64), column, name)
    return Column(column, "category", values)


def _is_object(dtype: Any) -> bool:
    """Tell whether a column of pandas holds any objects, with no type declared."""
    return getattr(dtype, "kind", "") == "O" and not hasattr(dtype, "categories")


def _as_floats(series: Any) -> FloatArray:
    if hasattr(series, "isna"):
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    return series.cast(float).to_numpy()


def as_objects(series: Any, column: Hashable, name: str) -> NDArray[Any]:
    """Return the values of a column as hashable objects, None for gaps."""
    is_gap = series.isna() if hasattr(series, "isna") else series.is_null()
    values = np.empty(len(series), dtype=object)
    for i, (value, gap) in enumerate(zip(series.to_list(), is_gap, strict=True)):
        if not isinstance(value, Hashable):
            raise TypeError(
                f"{name} must have numbers or categories in every column, but column "
                f"{column!r} has {value!r} (a {type(value).__name__}) in row {i}. "
                "Leave that column out, or turn it into several."
            )
        values[i] = None if gap else value
    return values


def as_numbers(values: FloatArray, column: Hashable, name: str) -> Column:
    """Return a column of numbers; raise ValueError if a value is infinite."""
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        raise ValueError(
            f"{name} must be finite, but column {column!r} has {len(infinite)} "
            f"infinite values, the first ({values[infinite[0]]}) in row "
            f"{infinite[0]}. Remove or impute those rows."
        )
    return Column(column, "number", values)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real | Decimal) and not isinstance(value, bool | np.bool_)


def levels_of(column: Column) -> tuple[Any, ...]:
    """Categories in the order that was declared, or else sorted where they can be."""
    if column.kind == "ordered":
        return column.levels
    found = dict.fromkeys(value for value in column.values if value is not None)
    try:
        return tuple(sorted(found))
    except TypeError:  # of several types
        return tuple(
            sorted(found, key=lambda value: (type(value).__name__, str(value)))
        )


def codes_of(column: Column, levels: tuple[Any, ...]) -> NDArray[np.intp]:
    """Position among the levels; behind them one for gaps and one for all others."""
    n = len(levels)
    position = {level: i for i, level in enumerate(levels)} | {None: n}
    return np.array([position.get(v, n + 1) for v in column.values], dtype=np.intp)


def as_kind(column: Column, reference: Column, name: str) -> Column:
    """Return a column as one of the kind of another; raise TypeError if it is none."""
    if column.kind == reference.kind:
        return column
    if reference.kind != "number":
        values = column.values.astype(object)
        values[column.gaps] = None
        return Column(column.name, reference.kind, values)
    present = column.values[~column.gaps]
    wrong = [value for value in present if not isinstance(value, Real | Decimal)]
    if wrong:
        raise TypeError(
            f"Column {column.name!r} of {name} must hold numbers, as it did in the "
            f"first rows, but holds {wrong[0]!r} (a "
            f"{type(wrong[0]).__name__}). Give both the same type, for example by "
            "pandas.to_numeric."
        )
    return as_numbers(column.values.astype(np.float64), column.name, name)
