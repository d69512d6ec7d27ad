"""Values so far from all others that they would decide a fit alone."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from skvae._utils.rows import extremes, is_memory_mapped
from skvae._utils.selection import ColumnsOfRows
from skvae._utils.warn import warn
from skvae.likelihoods import (
    ColumnLikelihood,
    NormalScoresLikelihood,
    ScaledLikelihood,
)

_FEWEST_ROWS = 20
_LOOKED_AT = 4096  # rows
_LEFT_OUT = 2  # values beside the farthest hundredth
# Values this many times as far from the median as 99 % of the others (26 deviations of
# a normal distribution) are drawn in to where these end.
_FARTHEST = 10.0
_LARGEST = np.finfo(np.float32).max


def without_outliers(
    X: np.ndarray, likelihood: Any, columns: ColumnsOfRows | None = None
) -> Any:
    """Return rows in which no value lies unboundedly far from all others.

    Squared errors have no limit in a single value, so that one code for a missing value
    would decide means, spreads and gradients. Rows that have none are returned as they
    are, and so are those of likelihoods whose values are bounded, or levels.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    likelihood : Likelihood
    columns : ColumnsOfRows, optional
        Names and kinds of features.

    Returns
    -------
    X : ndarray, or object like one
        A copy if values are drawn in; of a memory-mapped array block by block.

    Warns
    -----
    UserWarning
        If values are drawn in, with the farthest of them; and if a column has one
        value, far from all its others, in so many rows that it is none of these.
    """
    of_numbers = getattr(likelihood, "remainder", likelihood)
    is_scaled = isinstance(of_numbers, ScaledLikelihood) and not of_numbers.discrete
    by_ranks = isinstance(likelihood, ColumnLikelihood | NormalScoresLikelihood)
    if not (is_scaled or by_ranks) or len(X) < _FEWEST_ROWS or X.dtype == bool:
        return X
    columns = columns or ColumnsOfRows.of_array(X.shape[1])
    names, is_number = columns.names, np.array(columns.kinds) == "number"
    rows = X[:: -(-len(X) // _LOOKED_AT)].astype(np.float64)
    rows[:, ~is_number] = 0
    median, reach = _robust_moments(rows)
    _warn_of_codes(rows, median, names)
    if not is_scaled:  # ranks have no outliers
        return X
    reach[~is_number] = np.inf
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.fmax.reduce(np.abs(np.stack(extremes(X)) - median))
        outlying = distance > _FARTHEST * reach
    if not outlying.any() or not np.nanmax(distance) < _LARGEST:
        return X  # values that are too large are refused elsewhere
    column = int(np.nanargmax(distance / reach))
    _warn(X, column, median[column], reach[column], names)
    drawn_in = DrawnIn(X, median, np.where(outlying, reach, np.inf))
    return drawn_in if is_memory_mapped(X) else drawn_in[:]


class DrawnIn:
    """Rows whose outlying values are drawn in as they are read.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    median, reach : ndarray of shape (n_features,)
        The middle of every feature, and how far 99 % of its values are from it; an
        infinite reach leaves a feature as it is.
    """

    def __init__(self, X: np.ndarray, median: np.ndarray, reach: np.ndarray) -> None:
        self.base, self.median, self.reach = X, median, reach
        self.shape, self.dtype, self.size = X.shape, X.dtype, X.size

    def __len__(self) -> int:
        return len(self.base)

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Return a copy of some rows, in their own type."""
        X = np.array(self.base[rows])
        offset = X - self.median
        i, j = np.nonzero(np.abs(offset) > _FARTHEST * self.reach)
        X[i, j] = self.median[j] + np.sign(offset[i, j]) * self.reach[j]
        return X


def _robust_moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the median of every feature, and the reach of 99 % of the values.

    Where half of the values are equal, other values are rare events, which may have any
    size: at least the largest reach of all features then stands for it. Events in less
    than 1 % of the rows have the reach that 99 % of them have. Where nothing has a
    reach, there is nothing to measure by, and it is infinite.
    """
    moments = np.empty((3, rows.shape[1]))
    gaps = np.isnan(rows)
    whole = ~gaps.any(axis=0)
    moments[:, whole] = _moments_of(rows[:, whole])
    for column in np.flatnonzero(~whole):
        values = rows[~gaps[:, column], column : column + 1]
        enough = len(values) >= _FEWEST_ROWS
        moments[:, column] = _moments_of(values)[:, 0] if enough else (0, 1, np.inf)
    median, middle, reach = moments
    most = np.max(reach, initial=0.0, where=np.isfinite(reach))
    return median, np.where(middle > 0, reach, most or np.inf)


def _moments_of(rows: np.ndarray) -> np.ndarray:
    """Return the median, the median distance from it and the reach of features."""
    median = np.median(rows, axis=0)
    with np.errstate(invalid="ignore"):  # infinite values are refused elsewhere
        distance = np.sort(np.abs(rows - median), axis=0)
    columns = np.arange(len(median))
    middle, reach = distance[len(rows) // 2], distance[_place(len(rows))]
    n_events = np.count_nonzero(distance, axis=0)
    place = len(rows) - n_events + _place(n_events)
    of_events = distance[np.minimum(place, len(rows) - 1), columns]
    reach = np.where((reach > 0) | (n_events <= _LEFT_OUT), reach, of_events)
    return np.stack([median, middle, reach])


def _place(n: Any) -> Any:
    """Return the place, in order of size, of the last of 99 % of n distances."""
    return n - n // 100 - 1 - _LEFT_OUT


def _warn(
    X: np.ndarray,
    column: int,
    median: float,
    reach: float,
    names: list[Hashable],
) -> None:
    values = X[:, column].astype(np.float64)
    row = int(np.nanargmax(np.abs(values - median)))
    ratio = abs(values[row] - median) / reach
    shown = median + np.sign(values[row] - median) * reach
    warn(
        f"Column {names[column]!r} of X has the value {values[row]:.6g} in row "
        f"{row}, {ratio:,.0f} times as far from its median as 99% of the values. In "
        "training it counts as "
        f"{shown:.4g}; values of other rows and columns that are more than "
        f"{_FARTHEST:g} times as far are drawn in likewise. If it stands for a missing "
        "value, put NaN in its place."
    )


def _warn_of_codes(rows: np.ndarray, median: np.ndarray, names: list[Hashable]) -> None:
    """Warn of the first column that seems to have a code for missing values."""
    for values in extremes(rows):
        counts = (rows == values).sum(0)
        repeated = (counts > max(_LEFT_OUT, len(rows) // 100)) & (median != values)
        for column in np.flatnonzero(repeated & (counts < len(rows) / 2)):
            others = rows[:, column]
            others = others[(others != values[column]) & ~np.isnan(others)]
            distance = np.abs(others - np.median(others))
            reach = np.quantile(distance, 0.99)
            ratio = abs(values[column] - np.median(others)) / (reach or np.inf)
            if ratio > _FARTHEST:
                warn(
                    f"Column {names[column]!r} of X has the value "
                    f"{values[column]:.6g} in {counts[column] / len(rows):.0%} of the "
                    f"rows, {ratio:,.0f} times as far from the median of all others as "
                    "99% of these. It decides the mean and the spread by which the "
                    "column is centred and scaled. If it stands for a missing value, "
                    "put NaN in its place."
                )
                return
