"""The least and the greatest values of rows, and whether they are bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_AT_AN_END = 1e-4  # share of all values that are equal where X is bounded


@dataclass(frozen=True)
class Ends:
    """The least and the greatest value of every feature, and how often they occur.

    Attributes
    ----------
    lows, highs : ndarray of shape (n_features,)
        NaN of a feature without any value.
    n_low, n_high : int
        How many values of all features are equal to the least and to the greatest.
    is_whole : bool
        Whether all values are whole numbers.
    """

    lows: np.ndarray
    highs: np.ndarray
    n_low: int
    n_high: int
    is_whole: bool

    @classmethod
    def of(cls, block: np.ndarray) -> Ends:
        """Return the ends of rows."""
        lows, highs = (ends.astype(np.float64) for ends in ends_of(block))
        n_low = np.count_nonzero(block == np.fmin.reduce(lows))
        n_high = np.count_nonzero(block == np.fmax.reduce(highs))
        # Most are not whole at first sight.
        parts = block[:16], block
        is_whole = not any((rows > np.floor(rows)).any() for rows in parts)
        return cls(lows, highs, n_low, n_high, is_whole)

    @property
    def low(self) -> float:
        """The least value of all."""
        return float(np.fmin.reduce(self.lows))

    @property
    def high(self) -> float:
        """The greatest value of all."""
        return float(np.fmax.reduce(self.highs))

    @property
    def widest(self) -> float:
        """The largest range of a feature; 0 without any value."""
        return float(np.fmax(np.fmax.reduce(self.highs - self.lows), 0))

    def merged(self, other: Ends) -> Ends:
        """Return the ends of the rows of both."""
        low, high = np.fmin(self.low, other.low), np.fmax(self.high, other.high)
        return Ends(
            np.fmin(self.lows, other.lows),
            np.fmax(self.highs, other.highs),
            sum(e.n_low for e in (self, other) if e.low == low),
            sum(e.n_high for e in (self, other) if e.high == high),
            self.is_whole and other.is_whole,
        )

    def bounds(self, n_rows: int) -> tuple[float, float] | None:
        """Return the bounds of so many rows with these ends, if they show any."""
        n_features, low, high = len(self.lows), self.low, self.high
        # Any scaling to a range takes every feature to both ends once.
        least = max(2 * n_features, _AT_AN_END * n_rows * n_features)
        is_full = low < high and min(self.n_low, self.n_high) > least
        if self.is_whole and low >= 0 and high == 255:
            low, is_full = 0.0, True
        # Columns in units of their own have no bounds in common.
        spans = (self.highs - self.lows) >= (high - low) / 2
        return (low, high) if is_full and spans.mean() >= 0.5 else None


def ends_of(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the minimum and the maximum of every feature, without missing values."""
    low, high = rows.min(0), rows.max(0)
    if rows.dtype.kind == "f" and np.isnan(low).any():
        low, high = np.fmin.reduce(rows, 0), np.fmax.reduce(rows, 0)
    return low, high
