"""Rows of arrays: statistics, and blocks of them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skvae._utils.float32 import PLAIN, Frame, check_finite
from skvae._utils.sources import even_blocks, is_stored

# Entries of one block: 16 MB in float32, 32 MB in float64.
BLOCK_ENTRIES = 2**22
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
_AT_AN_END = 1e-4  # share of all values that are equal where X is bounded
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


def summarise(X: Any) -> DataSummary:
    """Compute the statistics of rows in one pass over blocks, if they are not known."""
    return statistics_of(X).summary()


def statistics_of(X: Any) -> "Statistics":
    """Return the statistics of rows, without a look at them if they are known."""
    if is_stored(X) and X.facts is not None:
        return X.facts
    statistics = Statistics(X.shape, X.dtype)
    for block in row_blocks(X):
        statistics.see(block)
    return statistics


class Statistics:
    """Statistics of rows of which block after block is seen once.

    Blocks are merged by the pairwise update of Chan, Golub & LeVeque (1983), which is
    accurate for data with a large offset. Missing values are left out; a feature
    without any other has a mean of 0.

    Parameters
    ----------
    shape : (int, int)
        Of all rows together.
    dtype : NumPy type
    """

    def __init__(self, shape: tuple[int, int], dtype: Any) -> None:
        self.shape, self.dtype = shape, dtype
        self.count, self.mean, self.m2 = np.zeros((3, shape[1]))
        self.ends = _Ends()

    def see(self, block: np.ndarray) -> None:
        """Take in a block."""
        self.ends.see(block)
        rows = block.astype(np.float64)
        if self.dtype == np.float64:  # no other type has such numbers
            _check_squares(rows)
        n, mean = _centre(rows)
        delta, total = mean - self.mean, self.count + n
        some = np.maximum(total, 1)
        self.m2 += np.einsum("ij,ij->j", rows, rows)
        self.m2 += delta**2 * self.count * n / some
        self.mean += delta * n / some
        self.count = total

    @property
    def has_missing(self) -> bool:
        """Whether a value is missing."""
        return bool((self.count < self.shape[0]).any())

    def extremes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the minimum and the maximum of every feature; NaN of one without."""
        return tuple(
            np.where(self.count > 0, end, np.nan).astype(np.float64)
            for end in (self.ends.lows, self.ends.highs)
        )

    def summary(self) -> DataSummary:
        """Return means, standard deviations and bounds."""
        std = np.sqrt(self.m2 / np.maximum(self.count, 1))
        if self.dtype == np.float64 and std.max() < 1 / _LARGEST_SQUARED:
            _check_spread(*self.extremes())
        rounding = _ROUNDING[4 if self.dtype == np.float32 else 8]
        std[std <= rounding * np.abs(self.mean)] = 0.0  # constant
        bounds = self.ends.bounds(self.shape)
        return DataSummary(self.mean.copy(), std, self.dtype, bounds=bounds)


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


class _Ends:
    """The least and the greatest value of blocks, and how often they occur."""

    def __init__(self) -> None:
        self.low, self.high, self.n_low, self.n_high = np.inf, -np.inf, 0, 0
        self.lows, self.highs = np.array(np.inf), np.array(-np.inf)  # by feature
        self.is_whole = True

    def see(self, block: np.ndarray) -> None:
        """Take in a block."""
        lows, highs = _ends_of(block)
        self.lows, self.highs = np.fmin(self.lows, lows), np.fmax(self.highs, highs)
        low, high = float(np.fmin.reduce(lows)), float(np.fmax.reduce(highs))
        if low <= self.low:
            before = self.n_low if low == self.low else 0
            self.low, self.n_low = low, before + np.count_nonzero(block == low)
        if high >= self.high:
            before = self.n_high if high == self.high else 0
            self.high, self.n_high = high, before + np.count_nonzero(block == high)
        for rows in (block[:16], block):  # most are not whole at first sight
            self.is_whole = self.is_whole and not (rows > np.floor(rows)).any()

    def bounds(self, shape: tuple[int, int]) -> tuple[float, float] | None:
        """Return the bounds of rows that had this shape in all, if these show any."""
        n_rows, n_features = shape
        # Any scaling to a range takes every feature to both ends once.
        least = max(2 * n_features, _AT_AN_END * n_rows * n_features)
        low, high = self.low, self.high
        is_full = low < high and min(self.n_low, self.n_high) > least
        if self.is_whole and low >= 0 and high == 255:
            low, is_full = 0.0, True
        # Columns in units of their own have no bounds in common.
        spans = (self.highs - self.lows) >= (high - low) / 2
        return (low, high) if is_full and spans.mean() >= 0.5 else None


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
        return X.facts.extremes()
    lows, highs = zip(*map(_ends_of, row_blocks(X)), strict=True)
    low, high = np.fmin.reduce(lows, 0), np.fmax.reduce(highs, 0)
    return low.astype(np.float64), high.astype(np.float64)


def _ends_of(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the minimum and the maximum of every feature, without missing values."""
    low, high = rows.min(0), rows.max(0)
    if rows.dtype.kind == "f" and np.isnan(low).any():
        low, high = np.fmin.reduce(rows, 0), np.fmax.reduce(rows, 0)
    return low, high


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


def _check_squares(rows: np.ndarray) -> None:
    """Raise ValueError for values whose squares float64 cannot sum."""
    low, high = _ends_of(rows)
    largest = np.fmax(high, -low)
    if (largest > _LARGEST_SQUARED).any():
        feature = int(np.argmax(largest))
        raise ValueError(
            f"X must stay below {_LARGEST_SQUARED:.0e}, whose square float64 can hold, "
            f"but feature {feature} has the value {largest[feature]:.3g}. Divide X "
            "by a constant: StandardScaler would overflow, too."
        )


def _check_spread(low: np.ndarray, high: np.ndarray) -> None:
    """Raise ValueError if values vary by what has no square in float64."""
    spread = np.fmax.reduce(high - low)
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
