"""Rows of arrays: statistics, blocks, and float32 tensors of them."""

import math
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import torch
from sklearn.utils import assert_all_finite
from torch import Tensor

# Entries of one block: 16 MB in float32, 32 MB in float64.
BLOCK_ENTRIES = 2**22


@dataclass(frozen=True)
class DataSummary:
    """Statistics of each feature of the training data, in float64.

    Attributes
    ----------
    mean, std : ndarray of shape (n_features,)
        The standard deviation is 0 where it is within float32's rounding of the mean.
    """

    mean: np.ndarray
    std: np.ndarray

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


def summarise(X: np.ndarray) -> DataSummary:
    """Compute the statistics of `X` in one pass over blocks of rows.

    Blocks are merged by the pairwise update of Chan, Golub & LeVeque (1983), which is
    accurate for data with a large offset, and reads memory-mapped arrays once.
    """
    count, mean, m2 = 0, np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for block in row_blocks(X):
        rows = block.astype(np.float64)
        block_mean = rows.mean(0)
        rows -= block_mean
        delta, total = block_mean - mean, count + len(rows)
        m2 += np.einsum("ij,ij->j", rows, rows) + delta**2 * count * len(rows) / total
        mean += delta * len(rows) / total
        count = total
    std = np.sqrt(m2 / count)
    std[std <= 10 * np.finfo(np.float32).eps * np.abs(mean)] = 0.0  # constant
    if not (np.abs(mean) + std < np.finfo(np.float32).max).all():
        _refuse_range(X)
    return DataSummary(mean, std)


def extremes(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the minimum and the maximum of every feature."""
    pairs = [(rows.min(0), rows.max(0)) for rows in row_blocks(X)]
    lows, highs = zip(*pairs, strict=True)
    return np.min(lows, 0).astype(np.float64), np.max(highs, 0).astype(np.float64)


def row_blocks(X: np.ndarray, n_rows: int | None = None) -> Iterator[np.ndarray]:
    """Yield consecutive blocks of rows, by default of at most `BLOCK_ENTRIES`."""
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


def to_float32(rows: np.ndarray) -> Tensor:
    """Return rows as a float32 tensor, sharing their memory where that is safe.

    Raises
    ------
    ValueError
        If a value is missing, infinite, or beyond the range of float32.
    """
    if rows.dtype == np.float32 and rows.flags.writeable and rows.flags.c_contiguous:
        x = torch.from_numpy(rows)
    else:
        with np.errstate(over="ignore"):
            x = torch.from_numpy(np.array(rows, dtype=np.float32, order="C"))
    # One cheap pass; the sum may also overflow, so look closely before raising.
    if not math.isfinite(x.sum()) and not x.isfinite().all():
        assert_all_finite(rows, input_name="X")
        _refuse_range(rows)
    return x


def _refuse_range(X: np.ndarray) -> NoReturn:
    raise ValueError(
        "X must stay within the range of float32, +-3.4e38, but has the value "
        f"{np.abs(X).max():.3g}. Rescale X, for example with StandardScaler."
    )


def is_memory_mapped(X: Any) -> bool:
    """Tell whether the memory of an array is a mapped file."""
    while X is not None:
        if isinstance(X, np.memmap | mmap.mmap):
            return True
        X = getattr(X, "base", None)
    return False
