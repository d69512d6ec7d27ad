"""Rows and columns of arrays and of data frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse

from skvae._utils.columns import (
    codes_of,
    levels_of,
    objects_of,
    read_column,
    take_rows,
)
from skvae._utils.containers import as_array_like


def as_table(X: Any) -> Any:
    """Return rows as an array or a data frame, whatever the types of its columns.

    Raises
    ------
    ValueError
        If X has no axis of rows, or none of columns.
    """
    X = as_array_like(X)
    if issparse(X):
        return X.tocsr()  # which has rows; the density decides whether it takes them
    X = X if hasattr(X, "shape") else np.asarray(X)
    if len(X.shape) < 2:
        raise ValueError(
            f"X must have shape (n_samples, n_features), got {X.shape}. Reshape your "
            "data: X.reshape(-1, 1) if it is one feature, X.reshape(1, -1) if it is "
            "one row."
        )
    return X


def column(X: Any, j: int) -> Any:
    """Return a column, as an array or a series of its own type."""
    return X.iloc[:, j] if hasattr(X, "iloc") else X[:, j]


def has_columns(X: Any) -> bool:
    """Whether X is a table, and no stack of images and not sparse."""
    return len(X.shape) == 2 and not issparse(X)


def with_column(X: Any, j: int, values: Any) -> Any:
    """Return a copy of X that has other values in a column."""
    if hasattr(X, "with_columns"):  # of polars
        return X.with_columns(type(column(X, j))(X.columns[j], values))
    if hasattr(X, "isetitem"):  # of pandas
        X = X.copy()
        X.isetitem(j, getattr(values, "array", values))
        return X
    values = np.asarray(values)
    X = np.array(X, dtype=np.result_type(X, values))
    X[:, j] = values
    return X


def typical_values(values: Any, n_values: int) -> Any:
    """Take values of a column at evenly spaced ranks, none if there are none.

    Categories have the ranks of their order, or of that of their names; gaps have none.
    """
    ranked = _ranked(values)
    places = np.flatnonzero(~np.isnan(ranked))
    places = places[np.argsort(ranked[places], kind="stable")]
    ranks = (np.arange(n_values) + 0.5) / n_values * len(places)
    return take_rows(values, places[ranks.astype(int)] if len(places) else places)


def _ranked(values: Any) -> np.ndarray:
    """Return numbers that are in the order of the values of a column, nan for gaps."""
    if not hasattr(values, "to_list"):  # of pandas or polars
        array = np.asarray(values)
        if array.dtype.kind in "biuf":
            return array.astype(np.float64)
        found = objects_of(array, "")
    else:
        found = read_column(values, "", "X")
    if found.kind == "number":
        return found.values
    levels = levels_of(found)
    codes = codes_of(found, levels)
    return np.where(codes < len(levels), codes, np.nan)
