"""The distribution of a column's values, as a map between these and normal scores."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

FloatArray = NDArray[np.float64]

_MOST_PIECES = 128  # of a column
_FEWEST = 5  # values of a piece
_SPREAD = 0.5  # share of a piece's length at which a gap divides it
_EDGE = 0.05  # share of a value's rank that lies beyond what repeats it


def knots_of(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return knots of the map between the values of a column and their normal scores.

    The map is piecewise linear. A value that is repeated often has two knots, the ends
    of the interval of scores that stand for it. Others share pieces of equal counts,
    about the square root of their number; a gap in them is a piece of its own.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Without missing ones. If there are none, the map is that of a column of zeros.

    Returns
    -------
    x : ndarray of shape (n_knots,)
        Values, not falling.
    y : ndarray of shape (n_knots,)
        Their scores, rising.
    """
    values = np.sort(values) if len(values) else np.zeros(1)
    n = len(values)
    distinct, first, counts = np.unique(values, return_index=True, return_counts=True)
    is_atom = counts >= max(2, n / _MOST_PIECES)
    is_atom |= len(distinct) == 1
    x, rank = [], []
    for start, end, atom in _runs(is_atom):
        if atom:
            for j in range(start, end):
                x += [distinct[j], distinct[j]]
                rank += [first[j] + _EDGE, first[j] + counts[j] - _EDGE]
            continue
        rows = slice(first[start], first[end - 1] + counts[end - 1])
        some = _divided(values[rows])
        x += values[rows][some].tolist()
        rank += (rows.start + some + 0.5).tolist()
    return np.array(x), ndtri(np.array(rank) / n)


def _runs(is_atom: NDArray[np.bool_]) -> list[tuple[int, int, bool]]:
    """Return runs (start, end, whether atoms) of distinct values."""
    ends = [*(np.flatnonzero(np.diff(is_atom)) + 1).tolist(), len(is_atom)]
    starts = [0, *ends[:-1]]
    return [(a, b, bool(is_atom[a])) for a, b in zip(starts, ends, strict=True)]


def _divided(values: FloatArray) -> NDArray[np.intp]:
    """Return where sorted values are divided: strictly rising values, both ends."""
    n = len(values)
    size = max(_FEWEST, math.isqrt(n), n // _MOST_PIECES)
    cuts = np.unique(np.linspace(0, n - 1, max(1, n // size) + 1).round().astype(int))
    for a, b in itertools.pairwise(cuts):
        gaps = np.diff(values[a : b + 1])
        widest = int(np.argmax(gaps))
        if gaps[widest] > _SPREAD * gaps.sum():
            cuts = np.append(cuts, [a + widest, a + widest + 1])
    cuts = np.unique(cuts)
    # The middle of equal values stands for them.
    x = values[cuts]
    keep = np.append(True, np.diff(x) > 0)
    return cuts[keep]
