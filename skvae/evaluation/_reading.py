"""Training and held-out rows as `evaluate` takes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from skvae._utils.arrays import as_pair
from skvae._utils.columns import is_frame, names_of
from skvae.metrics import FeatureMap
from skvae.metrics._columns import check_names
from skvae.pipeline._abilities import as_fitted
from skvae.pipeline._tables import features_for, table_of
from skvae.scorers._reference import to_array

_NAMES = ("X_train", "X_test")
_MIN_ROWS = 6


def read_rows(
    estimator: Any, X_train: Any, X_test: Any, features: FeatureMap | None
) -> tuple[Any, Any, FeatureMap | None]:
    """Check two sets of rows, and return them with the features they are compared by.

    Data frames keep their names, in the fitted order. Rows of categories are left to
    the feature map, which is `TableFeatures` of the training rows by default.
    """
    train, test = (
        as_fitted(estimator, X, name) if is_frame(X) else to_array(X)
        for X, name in zip((X_train, X_test), _NAMES, strict=True)
    )
    test = in_order_of(train, test, _NAMES[1])
    features = features_for([estimator], features, X_train=train, X_test=test)
    if table_of(features) is None and all(is_numeric(X) for X in (train, test)):
        as_pair(train, test, _NAMES, min_rows=_MIN_ROWS)
    for X, name in zip((train, test), _NAMES, strict=True):
        if len(X) < _MIN_ROWS:
            raise ValueError(
                f"{name} must have at least {_MIN_ROWS} rows, got {len(X)}. Pass a "
                "larger sample."
            )
    return train, test, features


def in_order_of(first: Any, X: Any, name: str) -> Any:
    """Return a frame with the columns of another, in the order of that."""
    names, expected = names_of(X), names_of(first)
    if names is None or expected is None or names == expected:
        return X
    check_names(names, expected, name)
    return X[expected]


def as_numbers(*sets: Any) -> tuple[Any, ...]:
    """Return sets of rows whose categories have become codes, the same in all sets.

    Gaps are a value, too.
    """
    arrays = [to_array(X) for X in sets]
    if not any(map(_has_more_than_numbers, arrays)):
        return tuple(arrays)
    columns = map(_codes, np.concatenate(arrays).T)
    ends = np.cumsum([len(X) for X in arrays])[:-1]
    return tuple(np.split(np.stack(list(columns), axis=1), ends))


def _has_more_than_numbers(X: np.ndarray) -> bool:
    return X.dtype == object or (X.dtype.kind == "f" and bool(np.isnan(X).any()))


def _codes(column: np.ndarray) -> np.ndarray:
    """Return a column's numbers, or the ranks of its values if it has others."""
    try:
        numbers = column.astype(np.float64)
    except (TypeError, ValueError):
        numbers = np.unique(column.astype(str), return_inverse=True)[1]
        return numbers.astype(np.float64)
    gaps = np.isnan(numbers)
    beyond = numbers[~gaps].max(initial=0) + 1  # which no row has
    return np.where(gaps, beyond, numbers)


def repeat(X: Any) -> bool:
    """Tell whether rows, such as those of categories, are half repetitions or more."""
    (numbers,) = as_numbers(X)
    return 2 * len({row.tobytes() for row in numbers}) <= len(numbers)


def is_numeric(X: Any) -> bool:
    """Tell whether rows hold numbers only."""
    return to_array(X).dtype != object
