"""Tables: the columns of the rows of `fit`, and the numbers that stand for them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skvae._utils.columns import (
    Column,
    as_kind,
    codes_of,
    is_frame,
    levels_of,
    library_of,
    read_columns,
)
from skvae._utils.containers import as_array_like, with_nan
from skvae._utils.selection import ColumnsOfRows, is_from_dtype, told_categories
from skvae._utils.warn import warn

_MOST_DECIMALS, _MOST_ROWS = 9, 100_000  # of which decimals are counted
_WHOLE = 2**53  # up to which float64 has all whole numbers
_MANY_LEVELS = 50, 0.5  # and share of rows, of a column that may well name these


def is_table(X: Any, categorical_features: Any) -> bool:
    """Tell whether rows have columns of several kinds, as those of frames may have."""
    return is_frame(X) or not is_from_dtype(categorical_features)


def read_table(X: Any, categorical_features: Any) -> tuple[Table, NDArray[np.float64]]:
    """Return what is known of the columns of rows, and the rows as numbers.

    Parameters
    ----------
    X : data frame of pandas or polars, or array-like of shape (n_samples, n_features)
    categorical_features : "from_dtype", or names, positions or a mask of columns
    """
    X = _checked(X)
    columns = read_columns(X, told=told_categories(X, categorical_features))
    table = Table(X, columns)
    return table, table.rows_of(columns)


class Table:
    """Columns of rows, with their names, kinds, types and categories.

    A table is read as rows of float64: numbers as they are, categories as their places
    among those of `fit`, and NaN for gaps and for categories that `fit` has not seen.

    Parameters
    ----------
    X : data frame of pandas or polars, or ndarray of shape (n_samples, n_features)
        The rows of `fit`.
    columns : list of Column
        The same, column by column.

    Attributes
    ----------
    names : list of hashable
        Positions, if X is an array.
    kinds : list of {"number", "ordered", "category"}
    levels : list of tuple or None
        Categories by column.
    """

    def __init__(self, X: Any, columns: list[Column]) -> None:
        self.head = X.head(0) if is_frame(X) else X[:0]
        self.names = [column.name for column in columns]
        self.kinds = [column.kind for column in columns]
        self.levels = [None if c.kind == "number" else levels_of(c) for c in columns]
        self.decimals = [
            _decimals(c, t) for c, t in zip(columns, self.types, strict=True)
        ]
        self.is_empty = [bool(column.gaps.all()) for column in columns]
        self._warn_of(columns)

    @property
    def library(self) -> str | None:
        """The name of the library that X is a frame of, None if X is an array."""
        return library_of(self.head) if is_frame(self.head) else None

    @property
    def types(self) -> list[Any]:
        """The types of the columns."""
        if self.library is None:
            return [self.head.dtype] * len(self.names)
        return list(self.head.dtypes)

    @property
    def has_categories(self) -> bool:
        """Whether there are columns of other things than numbers."""
        return any(kind != "number" for kind in self.kinds)

    @property
    def columns_of_rows(self) -> ColumnsOfRows:
        """The columns as likelihoods know them."""
        head = self.head if self.library else None
        return ColumnsOfRows(self.names, self.kinds, head)

    def ordered(self, X: Any) -> Any:
        """Return rows with their columns in the order of `fit`, if they have names.

        Frames of numbers alone stay as they are if their names are strings:
        scikit-learn asks that another order than that of `fit` be refused.
        """
        X = _checked(X)
        by_name = self.has_categories or not all(isinstance(n, str) for n in self.names)
        is_other = by_name and is_frame(X) and list(X.columns) != self.names
        return X[self.names] if is_other and set(X.columns) == set(self.names) else X

    def read(self, X: Any) -> NDArray[np.float64]:
        """Return rows of numbers, shape (n_samples, n_features).

        Parameters
        ----------
        X : data frame, or array-like with as many columns
            In the order of `fit`.
        """
        pairs = zip(self.names, self.kinds, strict=True)
        told = [name for name, kind in pairs if kind != "number"]
        names = None if is_frame(X) else self.names
        columns = read_columns(X, told=told, names=names)
        parts = zip(columns, self.names, self.kinds, strict=True)
        return self.rows_of(
            [
                as_kind(c, Column(name, kind, c.values[:0]), "X")
                for c, name, kind in parts
            ]
        )

    def rows_of(self, columns: list[Column]) -> NDArray[np.float64]:
        """Return rows of numbers of columns that have been read."""
        numbers = [self._numbers_of(column, j) for j, column in enumerate(columns)]
        return np.stack(numbers, axis=1)

    def _numbers_of(self, column: Column, j: int) -> NDArray[np.float64]:
        if column.kind == "number":
            return column.values
        codes = codes_of(column, self.levels[j])
        _warn_of_unseen(column.name, column.values[codes > len(self.levels[j])])
        return np.where(codes < len(self.levels[j]), codes, np.nan)

    def write(
        self,
        rows: NDArray[np.floating],
        like: Any = None,
        is_new: NDArray[np.bool_] | None = None,
    ) -> Any:
        """Return rows of numbers as what X was in `fit`.

        Numbers are rounded to as many decimals as those of `fit` have.

        Parameters
        ----------
        rows : ndarray of shape (n_samples, n_features)
        like : object, optional
            If it has an index, as frames of pandas do, the rows have the same.
        is_new : ndarray of bool of shape (n_samples, n_features), optional
            Which values are to be rounded; all by default.
        """
        rows = np.asarray(rows, dtype=np.float64)
        is_new = np.ones(rows.shape, dtype=bool) if is_new is None else is_new
        d = len(self.names)
        values = [self._values(rows[:, j], is_new[:, j], j) for j in range(d)]
        if self.library is None:
            return np.stack(values, axis=1).astype(self.head.dtype)
        library, types = importlib.import_module(self.library), self.types
        if self.library == "polars":
            parts = zip(self.names, values, types, strict=True)
            frame = library.DataFrame([_polars_series(library, *p) for p in parts])
        else:
            index = like.index if isinstance(like, library.DataFrame) else None
            parts = zip(values, types, strict=True)
            series = [library.Series(_typed(library, *p), index, p[1]) for p in parts]
            frame = library.concat(series, axis=1)
            frame.columns = self.head.columns
        return frame if is_new.all() else self._with_observed(frame, like, is_new)

    def _with_observed(self, frame: Any, like: Any, is_new: NDArray[np.bool_]) -> Any:
        """Return a frame with the very values of another, unless they are new.

        Float64 would lose digits of large integers and of objects.
        """
        if not isinstance(like, type(frame)):
            return frame
        like = self.ordered(like)
        for j, (name, own) in enumerate(zip(self.names, like.columns, strict=True)):
            found, given = frame[name], like[own]
            if given.dtype != found.dtype:
                continue
            if self.library == "polars":
                mask = type(found)(is_new[:, j])
                frame = frame.with_columns(found.zip_with(mask, given).alias(name))
            else:
                frame[name] = found.where(is_new[:, j], given)
        return frame

    def _values(
        self, column: NDArray[np.float64], is_new: NDArray[np.bool_], j: int
    ) -> NDArray[Any]:
        """Return the values of a column; of categories as objects, None for gaps."""
        if self.is_empty[j]:
            column = np.full(len(column), np.nan)
        if self.kinds[j] == "number":
            if self.decimals[j] is None:
                return column
            rounded = np.round(column, self.decimals[j]) + 0.0  # no -0.0
            rounded = rounded.clip(*_limits(self.types[j]))
            return np.where(is_new, rounded, column)
        n = len(self.levels[j])
        levels = np.empty(n + 1, dtype=object)
        levels[:n] = self.levels[j]
        codes = np.rint(column).clip(0, max(n - 1, 0))
        return levels[np.where(np.isnan(codes), n, codes).astype(int)]

    def _warn_of(self, columns: list[Column]) -> None:
        most, share = _MANY_LEVELS
        parts = zip(columns, self.levels, self.types, strict=True)
        for column, levels, dtype in parts:
            n, is_whole = len(column.values), np.isfinite(_limits(dtype)[1])
            if column.gaps.all():
                warn(
                    f"Column {column.name!r} of X has no values, so that nothing is "
                    "learned of it: it stays empty in all rows. Leave it out."
                )
            elif column.kind == "number":
                if not is_whole or np.nanmax(np.abs(column.values)) <= _WHOLE:
                    continue
                warn(
                    f"Column {column.name!r} of X has numbers beyond 2**53, of which "
                    "float64 loses the last digits, and samples lack them. Subtract a "
                    "constant, or leave the column out if it names rows."
                )
            elif column.kind == "category" and len(levels) > max(most, share * n):
                warn(
                    f"Column {column.name!r} of X has {len(levels)} categories in {n} "
                    "rows. If these are names of rows, leave it out: they say nothing "
                    "of new rows, and samples repeat them."
                )


def _checked(X: Any) -> Any:
    """Return a frame, or an array of two dimensions and of values of any type."""
    if is_frame(X):
        X = as_array_like(X)
    else:
        given, X = X, np.asarray(as_array_like(with_nan(X)))
        if X.dtype.kind in "US" and not isinstance(given, np.ndarray):
            X = np.asarray(given, dtype=object)  # numbers in lists stay numbers
        if X.ndim != 2:
            raise ValueError(
                "Where `fit` has a data frame or categorical_features, X must be a "
                "frame or an array of shape (n_samples, n_features), but it has shape "
                f"{X.shape}. Pass a single column as frame[[name]]."
            )
    for n, what in zip(X.shape, ("sample", "feature"), strict=True):
        if n == 0:
            raise ValueError(
                f"Found array with 0 {what}(s) (shape={X.shape}) while a minimum of 1 "
                "is required. X must have rows and columns."
            )
    return X


def _decimals(column: Column, dtype: Any) -> int | None:
    """Return how many decimals suffice for all numbers of a column, None for many."""
    if column.kind != "number":
        return None
    values = column.values[~column.gaps]
    values = values[:: -(-max(len(values), 1) // _MOST_ROWS)]
    is_single = "32" in str(dtype).lower()
    # With more digits than the type has, any number would do.
    largest = np.abs(values).max(initial=1e-9)
    most = int(np.log10(2.0 ** (20 if is_single else 50) / largest))
    for decimals in range(min(_MOST_DECIMALS, most) + 1):
        rounded = np.round(values, decimals)
        if is_single:
            rounded = rounded.astype(np.float32)
        if np.array_equal(rounded, values):
            return decimals
    return None


def _limits(dtype: Any) -> tuple[float, float]:
    """Return the least and the greatest number of a type of pandas or polars."""
    name = str(dtype).lower()
    if not re.fullmatch("u?int(8|16|32|64)", name):
        return -np.inf, np.inf
    return np.iinfo(name).min, np.iinfo(name).max


def _warn_of_unseen(name: Hashable, values: NDArray[Any]) -> None:
    if not len(values):
        return
    n, rows = len(set(values)), "row" if len(values) == 1 else "rows"
    what = "a category" if n == 1 else f"one of {n} categories"
    warn(
        f"Column {name!r} of X has {values[0]!r}, {what} that `fit` has not seen, so "
        f"that it counts as missing in {len(values)} {rows}. If it should be known, "
        "look at the spelling and the type of the column."
    )


def _typed(pandas: Any, values: NDArray[Any], dtype: Any) -> Any:
    """Return values that a Series of pandas takes with this type."""
    if values.dtype == object:
        is_categorical = hasattr(dtype, "categories")
        return pandas.Categorical(values, dtype=dtype) if is_categorical else values
    kind = getattr(dtype, "kind", "f")
    if kind in "iu" and not isinstance(dtype, np.dtype):
        return pandas.array(np.where(np.isnan(values), None, values), dtype=dtype)
    if kind in "iu":
        return values.astype(dtype)
    if kind == "O" and (values == np.rint(values)).all():
        return values.astype(np.int64).astype(object)
    return values


def _polars_series(polars: Any, name: str, values: NDArray[Any], dtype: Any) -> Any:
    if values.dtype == object:
        return polars.Series(name, values.tolist(), dtype=dtype)
    series = polars.Series(name, values, nan_to_null=True)
    return series.cast(dtype)
