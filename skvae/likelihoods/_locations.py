"""What turns a decoder's outputs, which are of order 1, into locations of X."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
import torch
from scipy.special import logit
from torch import Tensor, nn

from skvae._utils.rows import DataSummary, extremes

# The decoder starts at the mean of X, but no nearer to a bound than this share.
_SHARES = 1e-3, 1 - 1e-3
_ROUNDING = 1e-6  # by which X may leave the bounds, as a share of their distance


class Unbounded(nn.Module):
    """The mean of X plus outputs in units of its spread.

    Parameters
    ----------
    mean : ndarray of shape (n_features,)
    spread : Tensor of shape () or (n_features,)
    """

    def __init__(self, mean: np.ndarray, spread: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", float32(mean))
        self.register_buffer("spread", spread)

    def forward(self, h: Tensor) -> Tensor:
        """Return locations, shape (..., n_features)."""
        return torch.addcmul(self.mean, self.spread, h)


class Bounded(nn.Module):
    """A logistic function from the lower to the upper bound, the mean of X at 0.

    Parameters
    ----------
    mean, low, high : ndarray of shape (n_features,)
    """

    def __init__(self, mean: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        super().__init__()
        offset = logit(np.clip((mean - low) / (high - low), *_SHARES))
        self.register_buffer("offset", float32(offset))
        self.register_buffer("low", float32(low))
        self.register_buffer("range", float32(high - low))

    def forward(self, h: Tensor) -> Tensor:
        """Return locations, shape (..., n_features)."""
        return torch.addcmul(self.low, self.range, torch.sigmoid(self.offset + h))

    def spread_at(self, loc: Tensor) -> Tensor:
        """Return m (1 - m), m the share of the way between the bounds of locations."""
        share = ((loc - self.low) / self.range).clamp(0, 1)
        return share * (1 - share)


def make_location(
    bounds: Any, summary: DataSummary, spread: Tensor
) -> Unbounded | Bounded:
    """Return the location for the parameter `bounds` and statistics of X."""
    bounds = bounds_for(bounds, summary)
    if bounds is None:
        return Unbounded(summary.mean, spread)
    ends = (np.full(summary.n_features, float(bound)) for bound in bounds)
    return Bounded(summary.mean, *map(summary.frame.to_frame, ends))


def bounds_for(bounds: Any, summary: DataSummary) -> Any:
    """Return None or the two numbers that the parameter `bounds` stands for."""
    is_auto = isinstance(bounds, str)
    return summary.bounds if is_auto else bounds


def check_bounds(owner: str, bounds: Any) -> None:
    """Raise ValueError unless bounds are None, "auto" or two finite, rising numbers."""
    if bounds is None or (isinstance(bounds, str) and bounds == "auto"):
        return
    is_pair = isinstance(bounds, Sequence | np.ndarray) and len(bounds) == 2
    if is_pair and all(isinstance(b, Real) for b in bounds):
        low, high = map(float, bounds)
        if -np.inf < low < high < np.inf:
            return
    raise ValueError(
        f"The 'bounds' parameter of {owner} must be 'auto', None or two finite numbers "
        f"(low, high) with low < high. Got {bounds!r} instead."
    )


def check_within(owner: str, bounds: Any, X: np.ndarray) -> None:
    """Raise ValueError if X leaves bounds that are given, by more than rounding."""
    if bounds is None or isinstance(bounds, str):
        return
    low, high = bounds
    minimum, maximum = extremes(X)
    excess = np.maximum(low - minimum, maximum - high)
    feature = int(np.argmax(excess))
    if not excess[feature] > _ROUNDING * (high - low):
        return
    is_low = low - minimum[feature] >= maximum[feature] - high
    value = minimum[feature] if is_low else maximum[feature]
    raise ValueError(
        f"{owner}(bounds=({low:g}, {high:g})) needs X in these bounds, but feature "
        f"{feature} has the value {value:.6g}. Give the bounds of X in its own units, "
        "clip X, or set bounds=None."
    )


def float32(values: Any) -> Tensor:
    """Return a float32 tensor of values."""
    return torch.from_numpy(np.array(values, dtype=np.float32))
