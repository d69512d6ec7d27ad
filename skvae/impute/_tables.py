"""Frames with categories, whose gaps are filled as they are."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from skvae._utils.columns import Column, is_frame, read_columns


def has_categories(X: Any) -> bool:
    """Tell whether X is a frame with categories other than booleans."""
    return is_frame(X) and not all(map(_is_number, read_columns(X)))


def with_columns(X: Any, names: Any, columns: NDArray[Any]) -> Any:
    """Return a copy of a frame of pandas or polars with more columns."""
    if hasattr(X, "with_columns"):  # of polars
        own = type(X)(dict(zip(names, columns.T, strict=True)))
        return X.with_columns(own[name] for name in own.columns)
    return X.assign(**dict(zip(names, columns.T, strict=True)))


def _is_number(column: Column) -> bool:
    if column.kind == "number":
        return True
    return all(value is None or isinstance(value, bool) for value in column.values)
