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
from skvae._utils.columns import Column, is_frame, read_columns
from skvae._utils.validation import named
from skvae.metrics._columns import check_names
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
    return _rows_of(as_numbers(sets), min_rows)


def as_sets_by_column(
    *, min_rows: int = 1, **sets: Any
) -> tuple[list[FloatArray], dict[Any, slice]]:
    """Read sets as `as_sets` does; return also which features stand for which column.

    Columns are those of the first set, 0, 1, ... if it is an array.
    """
    features = _features_for(sets)
    rows = _rows_of(_mapped(sets, features), min_rows)
    if features is not None:
        return rows, features.slices_
    first = next(iter(sets.values()))
    names = first.columns if is_frame(first) else range(rows[0].shape[1])
    return rows, {name: slice(j, j + 1) for j, name in enumerate(names)}


def as_numbers(sets: dict[str, Any]) -> dict[str, Any]:
    """Turn frames with categories or gaps into features, by the first of the sets.

    Frames of numbers are returned as frames, with their columns in the order of the
    reference; all else is returned as it is.
    """
    return _mapped(sets, _features_for(sets))


def _features_for(sets: dict[str, Any]) -> TableFeatures | None:
    """Return features fitted to the first set, None if all sets are of numbers."""
    if not any(is_table(X, name) for name, X in sets.items()):
        return None
    for name, X in sets.items():
        _check_frame(X, name)
    reference, X = next(iter(sets.items()))
    with named(reference):
        return TableFeatures().fit(X)


def _mapped(sets: dict[str, Any], features: TableFeatures | None) -> dict[str, Any]:
    """Return the features of sets, or sets of numbers with columns in one order."""
    if features is None:
        first = next(iter(sets.values()))
        return {name: _in_order(X, first, name) for name, X in sets.items()}
    found = {}
    for name, X in sets.items():
        with named(name):
            found[name] = features.transform(X)
    return found


def _rows_of(sets: dict[str, Any], min_rows: int) -> list[FloatArray]:
    """Read sets of numbers, and check that they have the same columns."""
    rows = {name: as_rows(X, name, min_rows=min_rows) for name, X in sets.items()}
    (reference, X), *others = rows.items()
    for name, Y in others:
        check_same_width(X.shape[1], Y.shape[1], (reference, name))
        check_not_tiny(X, Y, (reference, name))
    return list(rows.values())


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
