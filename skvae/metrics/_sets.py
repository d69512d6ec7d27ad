"""Sets of rows as a user passes them: arrays, or frames with categories and gaps."""

from __future__ import annotations

from typing import Any

from skvae._utils.arrays import (
    FloatArray,
    as_rows,
    check_not_tiny,
    check_same_width,
    column_names,
)
from skvae._utils.validation import named
from skvae.metrics._columns import Column, check_names, is_frame, read_columns
from skvae.metrics.tables import TableFeatures


def as_sets(*, min_rows: int = 1, **sets: Any) -> list[FloatArray]:
    """Read sets of rows that have the same columns.

    Parameters
    ----------
    min_rows : int, default=1
        Smallest number of rows that is enough.
    **sets : array-like, Tensor or data frame
        The reference first, under the names that users know them by.

    Returns
    -------
    sets : list of ndarray of shape (n, n_features), float64
        The rows as they are, if all are numbers, in the order of columns of the
        reference. Otherwise their `TableFeatures`, fitted to the reference.

    Raises
    ------
    TypeError
        If a set has values that are neither numbers nor, in frames, categories.
    ValueError
        If a set has too few rows or arrays have NaN; or if columns differ in number,
        or in name.
    """
    sets = as_numbers(sets)
    rows = {name: as_rows(X, name, min_rows=min_rows) for name, X in sets.items()}
    (reference, X), *others = rows.items()
    for name, Y in others:
        check_same_width(X.shape[1], Y.shape[1], (reference, name))
        check_not_tiny(X, Y, (reference, name))
    return list(rows.values())


def as_numbers(sets: dict[str, Any]) -> dict[str, Any]:
    """Turn frames with categories or gaps into features, by the first of the sets.

    Frames of numbers are returned as frames, with their columns in the order of the
    reference; all else is returned as it is.
    """
    if any(is_table(X, name) for name, X in sets.items()):
        for name, X in sets.items():
            _check_frame(X, name)
        features = TableFeatures()
        reference, X = next(iter(sets.items()))
        with named(reference):
            features.fit(X)
        return {name: transformed(features, X, name) for name, X in sets.items()}
    first = next(iter(sets.values()))
    return {name: _in_order(X, first, name) for name, X in sets.items()}


def transformed(features: TableFeatures, X: Any, name: str) -> FloatArray:
    """Compute features, naming the argument in errors."""
    with named(name):
        return features.transform(X)


def is_table(X: Any, name: str = "X") -> bool:
    """Tell whether X is a frame that has gaps, or categories other than booleans."""
    if not is_frame(X):
        return False
    return not all(map(_is_numeric, read_columns(X, name)))


def _is_numeric(column: Column) -> bool:
    if column.gaps.any():
        return False
    return column.kind == "number" or all(isinstance(v, bool) for v in column.values)


def _check_frame(X: Any, name: str) -> None:
    if not is_frame(X):
        raise TypeError(
            f"{name} must be a data frame, since another set is one with categories "
            f"or gaps, but is of type {type(X).__name__}. Pass it as a frame with the "
            "same columns."
        )


def _in_order(X: Any, first: Any, name: str) -> Any:
    names, expected = column_names(X), column_names(first)
    if X is first or not (names and expected) or len(names) != len(expected):
        return X
    check_names(names, expected, name)
    return X[expected]


def columns_of_features(*sets: Any) -> dict[Any, slice]:
    """Return which features of `as_sets` stand for which column of the first set."""
    if any(map(is_table, sets)):
        return TableFeatures().fit(sets[0]).slices_
    (X,) = as_sets(X=sets[0])
    names = list(sets[0].columns) if is_frame(sets[0]) else range(X.shape[1])
    return {name: slice(j, j + 1) for j, name in enumerate(names)}
