"""Splits of labelled rows for experiments on generative models."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length

from skvae._utils.random import draw_seed


class HeldOutClassSplit(NamedTuple):
    """Rows to train on without and with a class, and new rows of that class."""

    X_without: NDArray[Any]
    """Training rows of all other classes."""
    y_without: NDArray[Any]
    """Their labels."""
    X_with: NDArray[Any]
    """As many training rows, drawn from all classes."""
    y_with: NDArray[Any]
    """Their labels."""
    X_held_out: NDArray[Any]
    """Test rows of the held-out class."""
    y_held_out: NDArray[Any]
    """Their labels."""


def held_out_class_split(
    X_train: ArrayLike,
    X_test: ArrayLike,
    y_train: ArrayLike,
    y_test: ArrayLike,
    *,
    held_out: Any,
    random_state: Any = None,
) -> HeldOutClassSplit:
    """Hold a class out of the training rows, and keep its test rows.

    A generative model that was fitted without a class and still reconstructs it has
    learned more than to match its training rows. The model to compare it with has seen
    the class, but is fitted to as many rows.

    Parameters
    ----------
    X_train, X_test : array-like of shape (n_train, ...) and (n_test, ...)
    y_train, y_test : array-like of shape (n_train,) and (n_test,)
        Labels. The order of the four is that of
        `sklearn.model_selection.train_test_split`.
    held_out : label or list of labels
        The class, or several.
    random_state : int, RandomState instance or None, default=None
        Draws the rows of `X_with`, without replacement.

    Returns
    -------
    split : HeldOutClassSplit
        Named tuple (X_without, y_without, X_with, y_with, X_held_out, y_held_out). Rows
        stay in their order.

    Raises
    ------
    ValueError
        If a held-out class is not in both parts, or no other class is in `y_train`.

    References
    ----------
    Bozkurt et al., "Can VAEs generate novel examples?", 2018, section 4.
    https://arxiv.org/abs/1812.09624

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from skvae.datasets import held_out_class_split
    >>> digits = train_test_split(*load_digits(return_X_y=True), random_state=0)
    >>> split = held_out_class_split(*digits, held_out=9, random_state=0)
    >>> 9 in split.y_without, 9 in split.y_with, set(split.y_held_out.tolist())
    (False, True, {9})
    """
    X_train, X_test, y_train, y_test = map(
        np.asarray, (X_train, X_test, y_train, y_test)
    )
    check_consistent_length(X_train, y_train)
    check_consistent_length(X_test, y_test)
    labels = np.atleast_1d(held_out)
    for name, y in (("y_train", y_train), ("y_test", y_test)):
        _check_labels(labels, name, y)
    without = np.flatnonzero(~np.isin(y_train, labels))
    if not len(without):
        raise ValueError(
            f"y_train needs a class that is not held out, but held_out = {held_out!r} "
            f"are all its classes. Hold out fewer."
        )
    rng = np.random.default_rng(draw_seed(random_state))
    among_all = np.sort(rng.choice(len(y_train), len(without), replace=False))
    of_class = np.isin(y_test, labels)
    return HeldOutClassSplit(
        *(X_train[without], y_train[without]),
        *(X_train[among_all], y_train[among_all]),
        *(X_test[of_class], y_test[of_class]),
    )


def _check_labels(labels: NDArray[Any], name: str, y: NDArray[Any]) -> None:
    missing = labels[~np.isin(labels, y)]
    if len(missing):
        raise ValueError(
            f"held_out must be in {name}, but {missing.tolist()} is not among its "
            f"classes {np.unique(y).tolist()}."
        )
