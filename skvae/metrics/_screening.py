"""Nearest rows and balls around rows: float32 screens the pairs, float64 decides.

A product in float32 takes half the time and the memory of one in float64. Once both
sets lie in the unit ball, the error of its squared distances has a bound. The few pairs
that come as near as that to a decision are measured again, from the difference of their
rows, so that the results are those of float64.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from skvae._utils.arrays import FloatArray, IntArray
from skvae.metrics._pairwise import (
    CACHE_ENTRIES,
    centred,
    keep_smallest,
    norms_about,
    row_slices,
    smallest_squared_distances,
    squared_distances,
    squared_norms,
)

Screened = NDArray[np.float32]
_EPS = float(np.finfo(np.float32).eps)
# Beyond this share of pairs near a decision, a whole block in float64 is cheaper.
_FEW = 1 / 500
# More candidates for nearest rows than so many times their number are ties.
_MANY = 40


class Pairs:
    """
    All pairs of rows of two sets.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    Y : ndarray of shape (m, n_features)
        May be `X` itself.

    Attributes
    ----------
    slack : float
        Largest error of a screened distance. In the unit ball, the terms of its sum
        have absolute values of at most 4 together, and summing ``n_features + 2`` of
        them in any order is wrong by ``4 (n_features + 2)`` half units in the last
        place at most; the rest is for rounding the rows, norms and thresholds.
    """

    def __init__(self, X: FloatArray, Y: FloatArray) -> None:
        self.X, self.Y = X, Y
        self.mean = Y.mean(axis=0)
        largest = max(norms_about(self.mean, A).max() for A in (X, Y))
        self.radius = float(np.sqrt(largest)) or 1.0
        self.unit_y = _into_unit_ball(Y, self.mean, self.radius)
        self.unit_x = self.unit_y
        if X is not Y:
            self.unit_x = _into_unit_ball(X, self.mean, self.radius)
        self.slack = (2 * X.shape[1] + 10) * _EPS

    def blocks(self) -> Iterator[tuple[slice, Screened]]:
        """Screened distances from rows of `X` to all rows of `Y`, block by block."""
        for rows in row_slices(len(self.X), len(self.Y)):
            yield rows, self.screened(rows, slice(None))

    def screened(self, rows: slice, columns: slice) -> Screened:
        """Squared distances in the unit ball, wrong by `slack` at most."""
        left = self.unit_x[rows].copy()
        left[:, :-2] *= -2
        left[:, -2:] = left[:, :-3:-1]
        return left @ self.unit_y[columns].T

    def scaled(self, squared: FloatArray) -> FloatArray:
        """Bring squared distances to the scale of the screened ones."""
        return squared / self.radius / self.radius

    def measured(self, i: IntArray, j: IntArray) -> FloatArray:
        """Squared distances of pairs of rows, from their differences."""
        squared = np.empty(len(i))
        for part in row_slices(len(i), self.X.shape[1], CACHE_ENTRIES):
            difference = self.X[i[part]] - self.Y[j[part]]
            squared[part] = np.einsum("ij,ij->i", difference, difference)
        return squared

    def measured_block(self, rows: slice) -> FloatArray:
        """Squared distances of rows of `X` to all of `Y`, as in `_pairwise`."""
        return squared_distances(self.X[rows] - self.mean, self.Y - self.mean)


def within(
    pairs: Pairs, rows: slice, screened: Screened, threshold: FloatArray
) -> NDArray[np.bool_]:
    """
    Find the pairs of a block whose squared distance is within a threshold.

    Parameters
    ----------
    pairs : Pairs
    rows : slice
        Rows of the block.
    screened : ndarray of shape (len(rows), m)
    threshold : ndarray of shape (len(rows), 1) or (1, m)
        Squared distances.

    Returns
    -------
    inside : ndarray of shape (len(rows), m)
    """
    scaled = pairs.scaled(threshold)
    inside = screened <= (scaled - pairs.slack).astype(np.float32)
    possible = screened <= (scaled + pairs.slack).astype(np.float32)
    i, j = np.nonzero(inside != possible)
    if len(i) > _FEW * screened.size:
        return pairs.measured_block(rows) <= threshold
    limits = np.broadcast_to(threshold, screened.shape)[i, j]
    inside[i, j] = pairs.measured(rows.start + i, j) <= limits
    return inside


def nearest(
    X: FloatArray, Y: FloatArray, *, exclude: IntArray | None = None
) -> tuple[IntArray, FloatArray]:
    """
    Nearest row of `Y` for every row of `X`.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    Y : ndarray of shape (m, n_features)
    exclude : ndarray of shape (n,), optional
        Row of `Y` that may not be chosen, for each row of `X`.

    Returns
    -------
    indices : ndarray of shape (n,)
        The first of several that are equally near.
    distances : ndarray of shape (n,)
        From the difference of the two rows, hence exactly 0 for copies.
    """
    pairs, indices = Pairs(X, Y), np.empty(len(X), dtype=np.intp)
    for rows, screened in pairs.blocks():
        if exclude is not None:
            screened[np.arange(len(screened)), exclude[rows]] = np.inf
        limit = screened.min(axis=1, keepdims=True) + np.float32(2 * pairs.slack)
        i, j = np.nonzero(screened <= limit)
        if len(i) > _FEW * screened.size + 8 * len(screened):
            squared = pairs.measured_block(rows)
            if exclude is not None:
                squared[np.arange(len(squared)), exclude[rows]] = np.inf
            indices[rows] = squared.argmin(axis=1)
        else:
            order, first = _ranked(i, pairs.measured(rows.start + i, j), len(screened))
            indices[rows] = j[order[first]]
    return indices, np.sqrt(pairs.measured(np.arange(len(X)), indices))


def nearest_others(X: FloatArray, k: int) -> FloatArray:
    """
    Squared distances of every row to its `k` nearest other rows.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        n > k.
    k : int

    Returns
    -------
    squared : ndarray of shape (n, k)
        In ascending order.
    """
    pairs, n = Pairs(X, X), len(X)
    best = np.full((n, k), np.inf, dtype=np.float32)
    found: list[tuple[NDArray, ...]] = []
    for rows in row_slices(n, n):
        screened = pairs.screened(rows, slice(rows.start, n))
        np.fill_diagonal(screened, np.inf)
        below = np.ascontiguousarray(screened[:, rows.stop - rows.start :].T)
        for start, block in ((rows.start, screened), (rows.stop, below)):
            best_here = best[start : start + len(block)]
            keep_smallest(best_here, block.copy())
            i, j = np.nonzero(block <= best_here[:, -1:] + 2 * pairs.slack)
            found.append((i + start, j + rows.start, block[i, j]))
        if sum(len(i) for i, _, _ in found) > _MANY * k * n:
            return smallest_squared_distances(*centred(X), k)
    i, j, values = map(np.concatenate, zip(*found, strict=True))
    near = values <= best[i, -1] + 2 * pairs.slack
    i, j = i[near], j[near]
    squared = pairs.measured(i, j)
    order, first = _ranked(i, squared, n)
    return squared[order[first[:, None] + np.arange(k)]]


def _into_unit_ball(A: FloatArray, mean: FloatArray, radius: float) -> Screened:
    """Scaled rows a as ``[a, |a|^2, 1]``, so that one product gives distances."""
    n, d = A.shape
    unit = np.ones((n, d + 2), dtype=np.float32)
    for rows in row_slices(n, d, CACHE_ENTRIES):
        scaled = (A[rows] - mean) / radius
        unit[rows, :d] = scaled
        unit[rows, d] = squared_norms(scaled)
    return unit


def _ranked(i: IntArray, values: FloatArray, n: int) -> tuple[IntArray, IntArray]:
    """Order by row and then by value, and the place in it where each row starts."""
    order = np.lexsort((values, i))
    return order, np.searchsorted(i[order], np.arange(n))
