"""Nearest rows and pairs within a distance, decided by differences in float64.

Matrix products give the distances of all pairs, with a bound on their rounding. Pairs
for which the bound leaves a decision open, as it does for ties, are measured again by
differences. Products of whole numbers are exact and leave nothing open.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from skvae._utils.arrays import FloatArray, IntArray
from skvae._utils.rows import row_slices
from skvae.metrics._pairwise import (
    CACHE_ENTRIES,
    EPS,
    by_differences,
    measure,
    median_row,
    rounding_factor,
    squared_distance_blocks,
    squared_distances,
    squared_norms,
)

# With norms up to this, sums in products of whole numbers stay below 2^53.
_EXACT_NORM = 2.0**50
_TIE = 1e-12
# Squared radius, over the median, of balls beside which rounding hides the other rows.
_VAST = 1e20
# Squared distance of the centre from the origin, over that of rows from the centre, up
# to which a copy of the rows is not worth two digits of their products.
_FAR = 100.0


class Frame:
    """Two sets of rows about one centre, and the rounding of their distances.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    Y : ndarray of shape (m, n_features)
        May be `X` itself.

    Attributes
    ----------
    x, y : ndarray
        `X` and `Y`, less a median of rows where they lie far from the origin.
    whole : bool
        Whether all values are whole numbers.
    exact : bool
        Whether products of `x` and `y` are exact.
    """

    def __init__(self, X: FloatArray, Y: FloatArray) -> None:
        self.X, self.Y = X, Y
        self.whole = are_whole(X, Y)
        centre = _centre(Y)
        if centre is not None:
            centre = np.rint(centre) if self.whole else centre
            X, Y = X - centre, Y - centre
        self.x, self.y = X, Y
        self.x_norms, self.y_norms = squared_norms(self.x), squared_norms(self.y)
        largest = max(self.x_norms.max(), self.y_norms.max())
        self.exact = self.whole and bool(largest <= _EXACT_NORM)

    def rounding(self, norms: FloatArray, squared_radii: FloatArray) -> FloatArray:
        """Bound the error of a squared distance to a point in a ball around a row.

        Parameters
        ----------
        norms : ndarray
            Squared norms of the rows x, less the centre.
        squared_radii : ndarray
            Of the balls that the points y lie in.

        Returns
        -------
        error : ndarray
        """
        factor = 0.0 if self.exact else rounding_factor(self.X.shape[1])
        farthest = np.sqrt(norms) + np.sqrt(squared_radii)
        return factor * (norms + farthest**2)


def _centre(Y: FloatArray) -> FloatArray | None:
    """Median of some rows, which outliers do not move; None if the origin will do."""
    centre, spread = median_row(Y)
    return None if centre @ centre <= _FAR * spread else centre


def are_whole(*sets: FloatArray) -> bool:
    """Tell whether all values are whole numbers."""
    blocks = (A[rows] for A in sets for rows in row_slices(*A.shape, CACHE_ENTRIES))
    return all(np.array_equal(block, np.rint(block)) for block in blocks)


def tie_tolerance(whole: bool) -> float:
    """Relative difference of squared distances that counts as none."""
    # Multiples of 1 / 255, say, are rounded, so that their ties are not exact.
    return 0.0 if whole else _TIE


def nearest(
    X: FloatArray, Y: FloatArray, k: int = 1, *, own: IntArray | None = None
) -> tuple[IntArray, FloatArray]:
    """Nearest rows of `Y` for every row of `X`.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    Y : ndarray of shape (m, n_features)
    k : int, default=1
        Number of nearest rows, at most m, or m - 1 with `own`.
    own : ndarray of shape (n,), default=None
        The row of `Y` that each row of `X` is, which is left out.

    Returns
    -------
    indices : ndarray of shape (n, k)
        For k = 1, the first of rows that are equally near.
    squared : ndarray of shape (n, k)
        Squared distances from differences of rows, in ascending order.
    """
    frame = Frame(X, Y)
    indices, following = _found(frame, k, own)
    squared = _to_found(X, Y, indices)
    limit = squared.max(axis=1)
    limit += frame.rounding(frame.x_norms, limit) + 4 * EPS * limit
    # Which of several tied rows come first does not change distances that are exact.
    if k == 1 or not frame.exact:
        (unsure,) = np.nonzero(following <= limit)
        for part in row_slices(len(unsure), len(Y)):
            rows = unsure[part]
            indices[rows] = _measured_nearest(frame, rows, limit[rows], k, own)
        squared[unsure] = _to_found(X[unsure], Y, indices[unsure])
    order = squared.argsort(axis=1, kind="stable")
    return tuple(np.take_along_axis(A, order, axis=1) for A in (indices, squared))


def pairs_within(
    X: FloatArray, Y: FloatArray, thresholds: list[FloatArray]
) -> Iterator[tuple[slice, list[NDArray[np.bool_]]]]:
    """Find the pairs whose squared distance is within each threshold, ties included.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
    Y : ndarray of shape (m, n_features)
    thresholds : list of ndarray of shape (n, 1) or (1, m)
        Squared radii of balls around rows of `X` or of `Y`.

    Yields
    ------
    rows : slice
        Rows of `X` in this block.
    inside : list of ndarray of shape (len(rows), m)
        One mask per threshold.
    """
    frame = Frame(X, Y)
    limits = [_with_edges(t, tie_tolerance(frame.whole)) for t in thresholds]
    norms = {True: frame.x_norms[:, None], False: frame.y_norms}
    errors = [frame.rounding(norms[t.shape[1] == 1], t) for t in limits]
    for rows, squared in squared_distance_blocks(frame.x, frame.y):
        inside = []
        for limit, error in zip(limits, errors, strict=True):
            part = rows if limit.shape[1] == 1 else slice(None)
            inside.append(_within(frame, rows, squared, limit[part], error[part]))
        yield rows, inside


def _with_edges(squared_radii: FloatArray, tolerance: float) -> FloatArray:
    """Widen balls by a tolerance for ties, and narrow those of rows that diverged.

    From a row that lies 1e10 times as far off as others, all these are equally far but
    for rounding, and the ball to its k-th nearest one would hold all.
    """
    above_zero = squared_radii[squared_radii > 0]
    usual = np.median(above_zero) if above_zero.size else 0.0
    is_vast = squared_radii > _VAST * usual
    return squared_radii * np.where(is_vast, 1 - _TIE, 1 + tolerance)


def _within(
    frame: Frame, rows: slice, squared: FloatArray, limit: FloatArray, error: FloatArray
) -> NDArray[np.bool_]:
    unsure = (squared > limit - error) & (squared <= limit + error)
    measure(frame.X[rows], frame.Y, squared, unsure)
    return squared <= limit


def _found(frame: Frame, k: int, own: IntArray | None) -> tuple[IntArray, FloatArray]:
    """Return k nearest rows by products, and the squared distance of the next one."""
    n_found = min(k + 1 + (own is not None), len(frame.y))
    search = NearestNeighbors(n_neighbors=n_found, algorithm="brute").fit(frame.y)
    distances, indices = search.kneighbors(frame.x)
    if own is not None:
        distances[indices == own[:, None]] = np.inf
        order = distances.argsort(axis=1, kind="stable")
        distances = np.take_along_axis(distances, order, axis=1)
        indices = np.take_along_axis(indices, order, axis=1)
    if n_found == k:
        return indices, np.full(len(indices), np.inf)
    return indices[:, :k].copy(), distances[:, k] ** 2


def _measured_nearest(
    frame: Frame, rows: IntArray, limit: FloatArray, k: int, own: IntArray | None
) -> IntArray:
    """Return k nearest rows, which products have found to lie within a limit."""
    squared = squared_distances(frame.x[rows], frame.y, frame.y_norms)
    if not frame.exact:
        measure(frame.X[rows], frame.Y, squared, squared <= limit[:, None])
    if own is not None:
        squared[np.arange(len(rows)), own[rows]] = np.inf
    if k == 1:
        return squared.argmin(axis=1)[:, None]
    return squared.argpartition(k - 1, axis=1)[:, :k]


def _to_found(X: FloatArray, Y: FloatArray, indices: IntArray) -> FloatArray:
    """Squared distances of every row of `X` to its rows of `Y`, (n, k)."""
    i = np.repeat(np.arange(len(X)), indices.shape[1])
    return by_differences(X, Y, i, indices.ravel()).reshape(indices.shape)
