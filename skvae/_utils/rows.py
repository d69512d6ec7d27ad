"""Rows of arrays: statistics, and blocks of them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from skvae._utils.ends import Ends, ends_of
from skvae._utils.float32 import PLAIN, Frame, check_finite
from skvae._utils.sources import even_blocks, is_stored

# Entries of one block: 16 MB in float32, 32 MB in float64.
BLOCK_ENTRIES = 2**22
_IN_CACHE = 2**17  # entries of blocks that are read several times
# A feature farther from 0 than this many times its spread has another origin: float32
# would keep less than 16 of its 24 bits.
_FAR = 2**8
# Spreads beyond two to this power, or below its inverse, have another unit: the squares
# of float32 would overflow far sooner than its values.
_LARGEST_EXPONENT = 30
# Spreads that are no more than rounding, as shares of the mean.
_ROUNDING = {4: 10 * np.finfo(np.float32).eps, 8: 1000 * np.finfo(np.float64).eps}
_LARGEST_SQUARED = 1e150
# By which X may leave bounds, as a share of their distance.
_ROUNDING_AT_BOUNDS = 1e-6
LOOKED_AT = 4096  # rows by which it is judged what X is like
_MOST_VALUES = 2**22


@dataclass(frozen=True)
class DataSummary:
    """Statistics of each feature of the training data, in float64.

    Attributes
    ----------
    mean, std : ndarray of shape (n_features,)
        The standard deviation is 0 where it is within the rounding of the mean.
    dtype : NumPy type
        Type of X.
    frame : Frame
        The origin and the units of `mean` and `std`.
    bounds : (float, float) or None
        Least and greatest value that X can have, as far as X itself tells, in the units
        of X: 0 and 255 for whole numbers up to 255, else values that X has again and
        again at either end.
    """

    mean: np.ndarray
    std: np.ndarray
    dtype: Any = np.float32
    frame: Frame = PLAIN
    bounds: tuple[float, float] | None = None

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.mean)

    @property
    def total_scale(self) -> float:
        """Root mean variance of all features; 1 if all are constant."""
        return float(np.sqrt(np.mean(self.std**2))) or 1.0

    @property
    def feature_scale(self) -> np.ndarray:
        """Standard deviation of every feature; the total scale where it is constant."""
        return np.where(self.std == 0, self.total_scale, self.std)

    def plain_frame(self) -> Frame:
        """Return the frame that leaves rows as they are."""
        wide = np.dtype(self.dtype).itemsize > 4 or np.dtype(self.dtype) == np.int32
        return Frame(dtype=np.float64 if wide else np.float32)

    def scaled_frame(self, spread: float | np.ndarray) -> Frame:
        """Return a frame in which float32 holds what X says, for rows of this spread.

        Most data need none: features have an origin only if they lie many times their
        spread from 0, and units only if `spread` is very large or very small.
        """
        plain = self.plain_frame()
        if np.dtype(self.dtype).itemsize < 4:  # float32 holds each of their values
            return plain
        is_far = np.abs(self.mean) > _FAR * self.feature_scale
        exponent = np.rint(np.log2(spread)).astype(int)
        exponent = np.where(np.abs(exponent) > _LARGEST_EXPONENT, exponent, 0)
        return Frame(np.where(is_far, self.mean, 0.0), exponent, plain.dtype)

    def of(self, features: np.ndarray) -> "DataSummary":
        """Return the statistics of some of the features, which show no bounds."""
        origin = np.broadcast_to(self.frame.origin, self.mean.shape)[features]
        exponent = np.broadcast_to(self.frame.exponent, self.mean.shape)[features]
        frame = replace(self.frame, origin=origin, exponent=exponent)
        mean, std = self.mean[features], self.std[features]
        return replace(self, mean=mean, std=std, frame=frame, bounds=None)

    def in_frame(self, frame: Frame) -> "DataSummary":
        """Return the statistics of the rows that a module sees."""
        mean, std = frame.to_frame(self.mean), np.ldexp(self.std, -frame.exponent)
        return replace(self, mean=mean, std=std, frame=frame)


@dataclass(frozen=True)
class Statistics:
    """What the rows seen so far say of each feature, to be merged with that of others.

    Merging takes the pairwise update of Chan, Golub & LeVeque (1983), which is accurate
    for data with a large offset.

    Attributes
    ----------
    n_rows : int
    count : int or ndarray of shape (n_features,)
        Number of values that are not missing.
    mean, m2 : ndarray of shape (n_features,)
        Their mean, 0 without any, and the sum of their squared deviations from it.
    ends : Ends
    dtype : NumPy type
    """

    n_rows: int
    count: np.ndarray
    mean: np.ndarray
    m2: np.ndarray
    ends: Ends
    dtype: Any

    @property
    def has_missing(self) -> bool:
        """Whether a value is missing."""
        return bool(np.any(self.count < self.n_rows))

    @classmethod
    def of(cls, X: Any) -> "Statistics":
        """Compute the statistics of rows in one pass."""
        size = max(1, min(BLOCK_ENTRIES, _IN_CACHE) // max(1, X.shape[1]))
        return reduce(cls.merged, map(cls._of_block, row_blocks(X, size)))

    @classmethod
    def _of_block(cls, block: np.ndarray) -> "Statistics":
        ends = Ends.of(block)
        _check_squares(block, ends)
        rows = block.astype(np.float64)
        count, mean = _centre(rows)
        m2 = np.einsum("ij,ij->j", rows, rows)
        return cls(len(block), count, mean, m2, ends, block.dtype)

    def merged(self, other: "Statistics") -> "Statistics":
        """Return the statistics of the rows of both."""
        delta, count = other.mean - self.mean, self.count + other.count
        share = other.count / np.maximum(count, 1)
        return Statistics(
            self.n_rows + other.n_rows,
            count,
            self.mean + delta * share,
            self.m2 + other.m2 + delta**2 * self.count * share,
            self.ends.merged(other.ends),
            np.result_type(self.dtype, other.dtype),
        )

    def summary(self) -> DataSummary:
        """Return what a module is built by."""
        std = np.sqrt(self.m2 / np.maximum(self.count, 1))
        rounding = _ROUNDING[4 if self.dtype == np.float32 else 8]
        std[std <= rounding * np.abs(self.mean)] = 0.0  # constant
        bounds = self.ends.bounds(self.n_rows)
        return DataSummary(self.mean, std, self.dtype, bounds=bounds)


def summarise(X: Any) -> DataSummary:
    """Summarise rows, in one pass over blocks of them.

    Missing values are left out; a feature without any other has a mean of 0.
    """
    return statistics_of(X).summary()


def statistics_of(X: Any) -> Statistics:
    """Return the statistics of rows whose squares float64 can hold.

    Of stored rows that have been looked at, they are known.

    Raises
    ------
    ValueError
        If it cannot.
    """
    known = X.facts if is_stored(X) else None
    statistics = Statistics.of(X) if known is None else known
    if X.dtype == np.float64:
        _check_spread(statistics.ends.widest)
    return statistics


def _centre(rows: np.ndarray) -> tuple[Any, np.ndarray]:
    """Subtract means in place, and put 0 where a value is missing.

    Returns the number of values of every feature, and their means.
    """
    mean = rows.mean(0)
    if not np.isnan(mean).any():
        rows -= mean
        return len(rows), mean
    missing = np.isnan(rows)
    n = (~missing).sum(0)
    rows[missing] = 0
    mean = rows.sum(0) / np.maximum(n, 1)
    rows -= mean
    rows[missing] = 0
    return n, mean


def has_missing(X: Any) -> bool:
    """Tell whether a value of an array, or of what is like one, is NaN."""
    if X.dtype.kind != "f":
        return False
    if is_stored(X) and X.facts is not None:
        return X.facts.has_missing
    return any(math.isnan(rows.min()) for rows in row_blocks(X))


def without_values(X: np.ndarray) -> np.ndarray:
    """Return the numbers of the rows of which all values are missing."""
    rows = np.flatnonzero(np.isnan(X[:, 0]))
    return rows[np.isnan(X[rows]).all(axis=1)] if len(rows) else rows


def extremes(X: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the minimum and the maximum of every feature; NaN of one without any."""
    if is_stored(X) and X.facts is not None:
        return X.facts.ends.lows, X.facts.ends.highs
    lows, highs = zip(*map(ends_of, row_blocks(X)), strict=True)
    low, high = np.fmin.reduce(lows, 0), np.fmax.reduce(highs, 0)
    return low.astype(np.float64), high.astype(np.float64)


def value_beyond(X: np.ndarray, low: float, high: float) -> tuple[int, float] | None:
    """Return the feature and the value that leave bounds most, by more than rounding.

    Raises
    ------
    ValueError
        If a value is infinite.
    """
    minimum, maximum = extremes(X)
    excess = np.fmax(low - minimum, maximum - high)
    excess[np.isnan(excess)] = -np.inf  # without any value
    feature = int(np.argmax(excess))
    if excess[feature] <= _ROUNDING_AT_BOUNDS * (high - low):
        return None
    for rows in X.blocks() if is_stored(X) else (X,):
        check_finite(rows, has_missing=True)
    is_low = low - minimum[feature] >= maximum[feature] - high
    return feature, float((minimum if is_low else maximum)[feature])


def row_blocks(X: Any, n_rows: int | None = None) -> Iterator[np.ndarray]:
    """Yield consecutive blocks of rows, by default of at most `BLOCK_ENTRIES`.

    Stored rows are read once, and have blocks of their own by default.
    """
    if is_stored(X):
        return X.blocks() if n_rows is None else even_blocks(X.blocks(), n_rows)
    entries = None if n_rows is None else n_rows * X.shape[1]
    return (X[rows] for rows in row_slices(*X.shape, entries))


def row_slices(
    n_rows: int, n_columns: int, entries: int | None = None
) -> Iterator[slice]:
    """Cut rows into blocks of at most `entries` entries, by default `BLOCK_ENTRIES`."""
    entries = BLOCK_ENTRIES if entries is None else entries
    size = max(1, entries // max(1, n_columns))
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def _check_squares(X: np.ndarray, ends: Ends) -> None:
    """Raise ValueError for values that are infinite, or have no square in float64."""
    largest = np.fmax(ends.highs, -ends.lows)
    if (largest > _LARGEST_SQUARED).any():
        check_finite(X, has_missing=True)
        feature = int(np.nanargmax(largest))
        raise ValueError(
            f"X must stay below {_LARGEST_SQUARED:.0e}, whose square float64 can hold, "
            f"but feature {feature} has the value {largest[feature]:.3g}. Divide X "
            "by a constant: StandardScaler would overflow, too."
        )


def _check_spread(spread: float) -> None:
    """Raise ValueError if values vary by what has no square in float64."""
    if 0 < spread < 1 / _LARGEST_SQUARED:
        raise ValueError(
            f"X must vary by at least {1 / _LARGEST_SQUARED:.0e}, whose square float64 "
            f"can hold, but varies by {spread:.3g} at most. Multiply X by a constant."
        )


def evenly_spaced(X: Any, most: int = LOOKED_AT) -> np.ndarray:
    """Return at most so many rows from all over X.

    Of stored rows, they are no more than 4 million values.
    """
    return X[:: spacing(X, most)]


def spacing(X: Any, most: int = LOOKED_AT) -> int:
    """Return the distance of the rows that `evenly_spaced` returns."""
    if is_stored(X):
        most = min(most, max(1, _MOST_VALUES // X.shape[1]))
    return -(-len(X) // most)
