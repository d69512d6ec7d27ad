"""What scikit-learn does not tell a scorer: which rows a model was trained on."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from skvae._utils.columns import take_rows
from skvae._utils.warn import running
from skvae.pipeline.sampling import chosen_model
from skvae.scorers._reference import to_array

# scikit-learn's cross-validation and searches, but not `score` of a fitted search.
_CROSS_VALIDATION = "sklearn.model_selection._validation"


def rows_of_fit(estimator: Any) -> Any:
    """Return the rows on which a cross-validation has fitted an estimator.

    scikit-learn tells scorers nothing of them, so they are read from the function that
    has fitted the estimator and now calls the scorer. None outside of one, and for a
    model that is frozen, which was fitted before.
    """
    for variables in running(_CROSS_VALIDATION):
        fitted = variables.get("estimator")
        if chosen_model(fitted) is estimator and "X_train" in variables:
            return None if _is_frozen(fitted) else variables["X_train"]
    return None


def _is_frozen(estimator: Any) -> bool:
    """Tell whether `fit` leaves the model at the end as it is."""
    while isinstance(estimator, Pipeline):
        estimator = estimator[-1]
    return isinstance(estimator, FrozenEstimator)


def is_scorer_of_search(scorer: Any) -> bool:
    """Tell whether a cross-validation was given this scorer, not what calls it."""
    return any(found.get("scorer") is scorer for found in running(_CROSS_VALIDATION))


def training_rows(train: Any, held_out: Any) -> Any:
    """Take held-out rows out of training rows that hold all of them.

    A row that is held out twice is taken out twice, whatever the number of its copies.
    Training rows that do not hold all held-out rows are those of another split, and
    stay as they are: what they share are repeats.

    Parameters
    ----------
    train : ndarray or data frame of shape (n, ...)
    held_out : ndarray or data frame of shape (m, ...)

    Returns
    -------
    rows : ndarray or data frame of shape (n - m, ...) or (n, ...)

    Raises
    ------
    ValueError
        If nothing is left.
    """
    kept, n_found = _without(*map(_flat, map(to_array, (train, held_out))))
    if n_found < len(held_out):
        return train
    if not kept.any():
        raise ValueError(
            f"X_train must have rows that are not held out, but all {len(train)} are "
            "rows of X. Pass the rows that the model was trained on."
        )
    return take_rows(train, np.flatnonzero(kept))


def _without(train: NDArray[Any], held_out: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Mask what is left of `train`, and count the rows of `held_out` found in it.

    Rows that are not equal in float64 may be so in a narrower type, in which a model
    may have been given them.
    """
    kept, missing = np.arange(len(train)), np.arange(len(held_out))
    for dtype in _types(train, held_out):
        ours, theirs = _keys(train[kept], dtype), _keys(held_out[missing], dtype)
        kept = kept[_unmatched(ours, theirs)]
        missing = missing[_unmatched(theirs, ours)]
    mask = np.zeros(len(train), dtype=bool)
    mask[kept] = True
    return mask, len(held_out) - len(missing)


def _unmatched(keys: list[Any], others: list[Any]) -> NDArray[np.bool_]:
    """Mask the keys that are left if each of the others takes an equal one away."""
    left, mask = Counter(others), np.ones(len(keys), dtype=bool)
    for i, key in enumerate(keys):
        if left[key]:
            left[key] -= 1
            mask[i] = False
    return mask


def _types(*sets: NDArray[Any]) -> list[type]:
    if any(X.dtype == object for X in sets):
        return [object]
    halves = [np.float16] * any(X.dtype == np.float16 for X in sets)
    return [np.float64, np.float32, *halves]


def _keys(rows: NDArray[Any], dtype: type) -> list[Any]:
    if dtype is object:
        return [tuple(row) for row in rows.tolist()]
    with np.errstate(over="ignore"):
        rows = rows.astype(dtype) + dtype(0)  # -0.0 is 0.0
    return [row.tobytes() for row in rows]


def _flat(X: NDArray[Any]) -> NDArray[Any]:
    return X.reshape(len(X), -1)
