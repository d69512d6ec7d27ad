"""Labels of rows, whatever they are passed in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_labels(y: Any, n_rows: int, owner: str) -> NDArray[Any]:
    """Return the labels of rows as an array.

    Parameters
    ----------
    y : array-like of shape (n_rows,) or (n_rows, 1)
        Integers, strings, booleans or categories. None, NaN and pandas.NA say that a
        row has no label.
    n_rows : int
    owner : str
        What needs the labels, for error messages.

    Returns
    -------
    labels : ndarray of shape (n_rows,)
        Of the type of the labels; of objects if some are missing, which are None.

    Raises
    ------
    ValueError
        If there is not one label for each row, or if labels are fractions.
    TypeError
        If some labels are strings and others are not.
    """
    if y is None:
        raise ValueError(
            f"{owner} requires y to be passed, but the target y is None. Pass a label "
            "for each row, and None for a row whose label is not known."
        )
    # NumPy would make a string of a number beside strings.
    labels = np.asarray(y, dtype=object if isinstance(y, list | tuple) else None)
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.shape != (n_rows,):
        raise ValueError(
            f"{owner} needs one label for each of {n_rows} rows, but y has the shape "
            f"{labels.shape}."
        )
    if labels.dtype == object:
        labels = _from_objects(labels, owner)
    elif labels.dtype.kind == "f" and np.isnan(labels).any():
        labels = np.where(np.isnan(labels), None, labels)
    _refuse_fractions(labels[is_labelled(labels)].tolist(), owner)
    return labels


def is_labelled(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which rows have a label."""
    return np.array([label is not None for label in labels.tolist()], dtype=bool)


def encode(labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return all classes, sorted, and the number of that of each row; -1 if missing."""
    known, index = is_labelled(labels), np.full(len(labels), -1)
    classes, index[known] = np.unique(
        np.array(labels[known].tolist()), return_inverse=True
    )
    return classes, index


def _from_objects(labels: NDArray[Any], owner: str) -> NDArray[Any]:
    """Return an array of the labels' own type, if none of them is missing."""
    missing = np.array([_is_missing(label) for label in labels.tolist()], dtype=bool)
    known = labels[~missing].tolist()
    if len({isinstance(label, str) for label in known}) > 1:
        text = next(label for label in known if isinstance(label, str))
        other = next(label for label in known if not isinstance(label, str))
        raise TypeError(
            f"{owner} needs labels that are all strings or all numbers, but y has "
            f"{text!r} and {other!r}. Convert them, for example by y.astype(str)."
        )
    return np.where(missing, None, labels) if missing.any() else np.array(known)


def _is_missing(label: Any) -> bool:
    is_equal = label is not None and label == label  # NaN is not, pandas.NA is NA
    return not (isinstance(is_equal, bool | np.bool_) and is_equal)


def _refuse_fractions(known: list[Any], owner: str) -> None:
    for label in known:
        if isinstance(label, float) and not label.is_integer():
            raise ValueError(
                f"{owner} needs labels of classes, but y has the value {label!r}. Put "
                "numbers into classes first, for example by pandas.cut(y, 5)."
            )
