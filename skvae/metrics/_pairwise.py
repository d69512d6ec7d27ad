"""Squared Euclidean distances between rows, in blocks of bounded memory.

The squares come from ``|x|^2 + |y|^2 - 2 x.y``, which cancels when the data lie
far from the origin: callers centre both sets first, with `centred`.
"""

from collections.abc import Iterator

import numpy as np

from skvae._utils.arrays import FloatArray
from skvae._utils.rows import row_slices

# Entries that stay in a core's cache between two passes over them.
CACHE_ENTRIES = 2**15


def centred(X: FloatArray, *others: FloatArray) -> tuple[FloatArray, ...]:
    """Subtract the mean row of `X`, the reference, from every set."""
    mean = X.mean(axis=0)
    return tuple(A - mean for A in (X, *others))


def squared_norms(X: FloatArray) -> FloatArray:
    """Squared Euclidean norm of every row."""
    return np.einsum("ij,ij->i", X, X)


def squared_distance_blocks(
    X: FloatArray, Y: FloatArray
) -> Iterator[tuple[slice, FloatArray]]:
    """Squared distances from rows of `X` to all rows of `Y`, block by block.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    Y : ndarray of shape (m, n_features)

    Yields
    ------
    rows : slice
        Rows of `X` in this block.
    squared : ndarray of shape (len(rows), m)
        A fresh array, which the caller may overwrite. Rounding can leave values
        a little below zero.
    """
    y_squared = squared_norms(Y)
    for rows in row_slices(len(X), len(Y)):
        yield rows, squared_distances(X[rows], Y, y_squared)


def squared_distance_triangle(
    X: FloatArray,
) -> Iterator[tuple[slice, FloatArray]]:
    """Squared distances within a set, each pair once.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)

    Yields
    ------
    rows : slice
        Rows of `X` in this block.
    squared : ndarray of shape (len(rows), n - rows.start)
        Distances to the rows of `X` from ``rows.start`` on, so that the leading
        square holds the pairs inside the block (twice) and the rest the pairs with
        later rows.
    """
    x_squared = squared_norms(X)
    for rows in row_slices(len(X), len(X)):
        later = slice(rows.start, None)
        yield rows, squared_distances(X[rows], X[later], x_squared[later])


def squared_distances(
    X: FloatArray, Y: FloatArray, y_squared: FloatArray | None = None
) -> FloatArray:
    """Squared distances of all pairs at once; `y_squared` spares the norms of `Y`."""
    squared = (-2.0 * X) @ Y.T
    squared += squared_norms(X)[:, None]
    squared += squared_norms(Y) if y_squared is None else y_squared
    return squared
