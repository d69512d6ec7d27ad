"""Training and held-out rows as `evaluate` takes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from skvae._utils.arrays import as_pair, check_same_columns
from skvae.pipeline._abilities import as_fitted
from skvae.scorers._reference import to_array

_NAMES = ("X_train", "X_test")
_MIN_ROWS = 6


def read_rows(estimator: Any, X_train: Any, X_test: Any) -> tuple[Any, Any]:
    """Check two sets of rows; data frames keep their names, in the fitted order.

    Rows of categories are left to the feature map.
    """
    train, test = (
        as_fitted(estimator, X, name) if hasattr(X, "columns") else to_array(X)
        for X, name in zip((X_train, X_test), _NAMES, strict=True)
    )
    check_same_columns(train, test, _NAMES)
    if all(is_numeric(X) for X in (train, test)):
        as_pair(train, test, _NAMES, min_rows=_MIN_ROWS)
    for X, name in zip((train, test), _NAMES, strict=True):
        if len(X) < _MIN_ROWS:
            raise ValueError(
                f"{name} must have at least {_MIN_ROWS} rows, got {len(X)}. Pass a "
                "larger sample."
            )
    return train, test


def as_numbers(*sets: Any) -> tuple[Any, ...]:
    """Return sets of rows whose categories have become codes, the same in all sets."""
    if all(map(is_numeric, sets)):
        return sets
    arrays = [to_array(X) for X in sets]
    columns = map(_codes, np.concatenate(arrays).T)
    ends = np.cumsum([len(X) for X in arrays])[:-1]
    return tuple(np.split(np.stack(list(columns), axis=1), ends))


def _codes(column: np.ndarray) -> np.ndarray:
    """Return a column's numbers, or the ranks of its values if it has others."""
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError):
        return np.unique(column.astype(str), return_inverse=True)[1].astype(np.float64)


def repeat(X: np.ndarray) -> bool:
    """Tell whether rows, such as those of categories, are half repetitions or more."""
    (numbers,) = as_numbers(X)
    return 2 * len({row.tobytes() for row in numbers}) <= len(numbers)


def is_numeric(X: Any) -> bool:
    """Tell whether rows hold numbers only."""
    return to_array(X).dtype != object
