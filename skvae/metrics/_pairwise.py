"""Squared Euclidean distances between rows, in blocks of bounded memory.

The squares come from ``|x|^2 + |y|^2 - 2 x.y``, which cancels when the data lie
far from the origin: callers centre both sets first. Pairs whose squares are lost in
the rounding all the same, as those of two rows far out are, can be measured again.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from skvae._utils.arrays import FloatArray, IntArray
from skvae._utils.rows import row_slices

EPS = float(np.finfo(np.float64).eps)
# Entries that stay in a core's cache between two passes over them.
CACHE_ENTRIES = 2**15
_ROWS_FOR_MEDIAN = 100
# Of more pairs than this share of a block, differences of all are computed faster.
_MANY = 1 / 4


def median_row(X: FloatArray) -> tuple[FloatArray, float]:
    """Median of some rows, which outliers do not move, and median square about it."""
    rows = X[:: 1 + len(X) // _ROWS_FOR_MEDIAN]
    centre = np.median(rows, axis=0)
    return centre, float(np.median(squared_norms(rows - centre)))


def centred(X: FloatArray, *others: FloatArray) -> tuple[FloatArray, ...]:
    """Subtract a median row of `X`, the reference, from every set."""
    centre, _ = median_row(X)
    return tuple(A - centre for A in (X, *others))


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


def rounding_factor(n_features: int) -> float:
    """Bound the error of a squared distance, over the sum of the two squared norms.

    Summing d products, in whatever order, is wrong by ``d eps / 2`` of the sum of their
    absolute values at most. For two norms, a scalar product and a difference of rows,
    these errors add up to ``2 d eps (|x|^2 + |y|^2)``; the rest of the factor is for
    subtracting the centre, the last sums and a root.
    """
    return (2 * n_features + 16) * EPS


def sharpen(
    squared: FloatArray, X: FloatArray, Y: FloatArray, tolerance: float, scale: float
) -> None:
    """Measure pairs again whose squared distances from products are too inexact.

    Parameters
    ----------
    squared : ndarray of shape (n, m)
        Overwritten where needed.
    X : ndarray of shape (n, n_features)
    Y : ndarray of shape (m, n_features)
    tolerance : float
        Error allowed, in relation to the squared distance plus `scale`.
    scale : float
    """
    x, y = (rounding_factor(X.shape[1]) / tolerance * squared_norms(A) for A in (X, Y))
    if x.max() + y.max() > scale:
        measure(X, Y, squared, x[:, None] + y > squared + scale)


def measure(
    X: FloatArray, Y: FloatArray, squared: FloatArray, unsure: NDArray[np.bool_]
) -> None:
    """Replace unsure squared distances by those of differences."""
    if not unsure.any():
        return
    i, j = np.nonzero(unsure)
    if len(i) > _MANY * squared.size:
        squared[:] = cdist(X, Y, "sqeuclidean")
    else:
        squared[i, j] = by_differences(X, Y, i, j)


def by_differences(
    X: FloatArray, Y: FloatArray, i: IntArray, j: IntArray
) -> FloatArray:
    """Squared distances of pairs of rows."""
    squared = np.empty(len(i))
    for part in row_slices(len(i), X.shape[1], CACHE_ENTRIES):
        squared[part] = squared_norms(X[i[part]] - Y[j[part]])
    return squared
