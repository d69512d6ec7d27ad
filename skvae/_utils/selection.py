"""Which columns of a table are meant."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skvae._utils.columns import names_of


@dataclass(frozen=True)
class ColumnsOfRows:
    """What is known of the columns of rows, beside their values.

    Attributes
    ----------
    names : list of hashable
        Positions, where the rows have been an array.
    kinds : list of {"number", "ordered", "category"}
    head : data frame or None
        The frame that the rows come from, without any row.
    """

    names: list[Hashable]
    kinds: list[str]
    head: Any = None

    @classmethod
    def of_array(cls, n_features: int) -> ColumnsOfRows:
        """Return the columns of an array of numbers."""
        return cls(list(range(n_features)), ["number"] * n_features)

    def of(self, places: Sequence[int]) -> ColumnsOfRows:
        """Return some of the columns."""
        names, kinds = [self.names[j] for j in places], [self.kinds[j] for j in places]
        return replace(self, names=names, kinds=kinds)


FROM_DTYPE = "from_dtype"


def is_from_dtype(categorical_features: Any) -> bool:
    """Tell whether it is the types of columns that say which are categories."""
    return isinstance(categorical_features, str) and categorical_features == FROM_DTYPE


def told_categories(X: Any, categorical_features: Any) -> list[Hashable]:
    """Return the names of the columns that are told to be categories.

    Parameters
    ----------
    X : data frame or array-like of two dimensions
    categorical_features : "from_dtype", or names, positions or a mask of columns
    """
    if is_from_dtype(categorical_features):
        return []
    names = names_of(X)
    head = None if names is None else X
    columns = ColumnsOfRows(names or list(range(np.shape(X)[1])), [], head)
    places = selected(categorical_features, columns, "categorical_features")
    return [columns.names[j] for j in places]


def selected(wanted: Any, columns: ColumnsOfRows, owner: str) -> list[int]:
    """Return the positions of columns that are named as in `ColumnTransformer`.

    Raises
    ------
    TypeError
        If columns can not be named by such an object.
    ValueError
        If there is no such column.
    """
    if callable(wanted):
        if columns.head is None:
            raise ValueError(
                f"The columns of {owner!r} are a callable, which needs a data frame, "
                "but X is an array. Give positions."
            )
        wanted = wanted(columns.head)
    n = len(columns.names)
    if isinstance(wanted, slice):
        ends = [
            _end(wanted.start, columns, owner, 0),
            _end(wanted.stop, columns, owner, 1),
        ]
        return list(range(n))[slice(*ends, wanted.step)]
    if isinstance(wanted, str) or np.isscalar(wanted):
        wanted = [wanted]
    if not isinstance(wanted, Iterable):
        raise TypeError(
            f"The columns of {owner!r} must be names, positions, a slice, a mask or a "
            f"callable. Got {wanted!r} instead; [] names none."
        )
    wanted = list(wanted)
    if wanted and all(isinstance(w, bool | np.bool_) for w in wanted):
        if len(wanted) != n:
            raise ValueError(
                f"The mask of {owner!r} must have an entry for each of the {n} columns "
                f"of X, but has {len(wanted)}."
            )
        return np.flatnonzero(wanted).tolist()
    return [_position(w, columns, owner) for w in wanted]


def _end(end: Any, columns: ColumnsOfRows, owner: str, added: int) -> Any:
    """Return an end of a slice; one of names includes the last."""
    return _position(end, columns, owner) + added if isinstance(end, str) else end


def _position(wanted: Any, columns: ColumnsOfRows, owner: str) -> int:
    n = len(columns.names)
    if isinstance(wanted, int | np.integer) and -n <= wanted < n:
        return int(wanted) % n
    if isinstance(wanted, str) and wanted in columns.names:
        return columns.names.index(wanted)
    raise ValueError(
        f"X must have the columns of {owner!r}, but has no column {wanted!r}. It has "
        f"{', '.join(map(repr, columns.names[:8]))}{', ...' if n > 8 else ''}."
    )
