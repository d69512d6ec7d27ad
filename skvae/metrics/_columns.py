"""Columns of several sets of rows, in the order and the kinds of the first."""

from __future__ import annotations

from typing import Any

from skvae._utils.arrays import check_same_width
from skvae._utils.columns import Column, as_kind, is_frame, read_columns


def as_columns(**sets: Any) -> list[list[Column]]:
    """Read sets of rows column by column, in the order and kinds of the first set."""
    (first, X), *others = sets.items()
    reference = read_columns(X, first)
    found = [reference]
    for name, Y in others:
        if is_frame(X) and not is_frame(Y):
            raise TypeError(
                f"{name} must be a data frame, since {first} is one, but is of type "
                f"{type(Y).__name__}. Pass it as a frame with the same columns."
            )
        columns = read_columns(Y, name)
        if not is_frame(X):
            check_same_width(len(reference), len(columns), (first, name))
        found.append(as_reference(columns, reference, name))
    return found


def as_reference(columns: list[Column], reference: list[Column], name: str) -> list:
    """Bring columns into the order and the kinds of reference columns.

    Parameters
    ----------
    columns, reference : list of Column
    name : str
        Of the set that has `columns`, for error messages.

    Returns
    -------
    columns : list of Column

    Raises
    ------
    ValueError
        If columns are missing or surplus.
    TypeError
        If a column that should hold numbers does not.
    """
    by_name = {column.name: column for column in columns}
    check_names(list(by_name), [column.name for column in reference], name)
    return [as_kind(by_name[c.name], c, name) for c in reference]


def check_names(names: list[Any], expected: list[Any], name: str) -> None:
    """Raise ValueError unless both lists have the same names, in whatever order."""
    missing = [column for column in expected if column not in names]
    surplus = [column for column in names if column not in expected]
    if missing or surplus:
        found = [f"lacks {missing[0]!r}"] if missing else []
        found += [f"has {surplus[0]!r}"] if surplus else []
        raise ValueError(
            f"{name} must have the columns of the reference rows, but "
            f"{' and '.join(found)}. Rename or select columns; their order does not "
            "matter."
        )
