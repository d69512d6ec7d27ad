"""Values so far from all others that they would decide a fit alone."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from skvae._utils.rows import evenly_spaced, extremes, row_blocks, statistics_of
from skvae._utils.selection import ColumnsOfRows
from skvae._utils.sources import StoredRows, is_stored
from skvae._utils.warn import warn
from skvae.likelihoods import (
    ColumnLikelihood,
    NormalScoresLikelihood,
    ScaledLikelihood,
)

_FEWEST_ROWS = 20
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
    X : ndarray or StoredRows of shape (n_samples, n_features)
    likelihood : Likelihood
    columns : ColumnsOfRows, optional
        Names and kinds of features.

    Returns
    -------
    X : ndarray or StoredRows
        A copy if values are drawn in; of stored rows block by block.

    Warns
    -----
    UserWarning
        If values are drawn in, with the farthest of them; and if a column has one
        value, far from all its others, in so many rows that it is none of these.
    """
    is_scaled = draws_in(likelihood)
    by_ranks = isinstance(likelihood, ColumnLikelihood | NormalScoresLikelihood)
    if not (is_scaled or by_ranks) or len(X) < _FEWEST_ROWS or X.dtype == bool:
        return X
    columns = columns or ColumnsOfRows.of_array(X.shape[1])
    names, is_number = columns.names, np.array(columns.kinds) == "number"
    rows = evenly_spaced(X).astype(np.float64)
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
    limits = median, np.where(outlying, reach, np.inf)
    return DrawnIn(X, *limits) if is_stored(X) else drawn_in(np.array(X), *limits)


def draws_in(likelihood: Any) -> bool:
    """Tell whether outlying values of numbers are drawn in for a likelihood."""
    of_numbers = getattr(likelihood, "remainder", likelihood)
    return isinstance(of_numbers, ScaledLikelihood) and not of_numbers.discrete


def drawn_in(X: np.ndarray, median: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Draw in the outlying values of rows, in place.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    median, reach : ndarray of shape (n_features,)
        The middle of every feature, and how far 99 % of its values are from it; an
        infinite reach leaves a feature as it is.
    """
    offset = X - median
    i, j = np.nonzero(np.abs(offset) > _FARTHEST * reach)
    X[i, j] = median[j] + np.sign(offset[i, j]) * reach[j]
    return X


class DrawnIn(StoredRows):
    """Stored rows whose outlying values are drawn in as they are read.

    Their statistics are other ones, for which they are read once more.
    """

    def __init__(self, X: StoredRows, median: np.ndarray, reach: np.ndarray) -> None:
        super().__init__(X.shape, X.dtype, X.edges)
        self.base, self.median, self.reach = X, median, reach
        self._edges = X.edges
        self.facts = statistics_of(self)

    def _read(self, start: int, stop: int) -> np.ndarray:
        return drawn_in(self.base.read(start, stop), self.median, self.reach)

    def forget(self, name: str) -> None:
        """Keep rows of this name no longer."""
        self.base.forget(name)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Return rows by their numbers."""
        return drawn_in(self.base.take(rows), self.median, self.reach)


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
    row, value = _farthest(X, column, median)
    ratio = abs(value - median) / reach
    shown = median + np.sign(value - median) * reach
    warn(
        f"Column {names[column]!r} of X has the value {value:.6g} in row "
        f"{row}, {ratio:,.0f} times as far from its median as 99% of the values. In "
        "training it counts as "
        f"{shown:.4g}; values of other rows and columns that are more than "
        f"{_FARTHEST:g} times as far are drawn in likewise. If it stands for a missing "
        "value, put NaN in its place."
    )


def _farthest(X: Any, column: int, median: float) -> tuple[int, float]:
    """Return the row, and the value in it, that is farthest from the median."""
    found, start = (0, median), 0
    for rows in row_blocks(X):
        values = rows[:, column].astype(np.float64)
        distances = np.nan_to_num(np.abs(values - median), nan=-1.0)
        row = int(np.argmax(distances))
        if distances[row] > abs(found[1] - median):
            found = start + row, float(values[row])
        start += len(rows)
    return found


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
