"""What turns a decoder's outputs, which are of order 1, into locations of X."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
import torch
from scipy.special import logit
from torch import Tensor, nn

from skvae._utils.rows import DataSummary, value_beyond
from skvae._utils.warn import warn

# The decoder starts at the mean of X, but no nearer to a bound than this share of the
# way to the other, or than the spread of X if that is less.
_LEAST_SHARE = 1e-3
_FARTHEST = 1e3  # times the spread of X, from one bound to the other


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

    def restandardise(
        self, summary: DataSummary, spread: Tensor
    ) -> tuple[np.ndarray, np.ndarray]:
        """Take other statistics; see `Likelihood.restandardise`."""
        mean, old = (t.double().cpu().numpy() for t in (self.mean, self.spread))
        self.mean.copy_(float32(summary.mean))
        self.spread = spread
        now, new = (t.double().cpu().numpy() for t in (self.mean, self.spread))
        return np.broadcast_to(old / new, mean.shape), (mean - now) / new


class Bounded(nn.Module):
    """A logistic function from the lower to the upper bound, the mean of X at 0.

    The bounds are rounded to float32 such that no location is beyond them.

    Parameters
    ----------
    mean, low, high : ndarray of shape (n_features,)
    spread : float or ndarray of shape (n_features,)
    """

    def __init__(
        self, mean: np.ndarray, low: np.ndarray, high: np.ndarray, spread: Any
    ) -> None:
        super().__init__()
        offset = _log_odds(mean, low, high, spread)
        self.register_buffer("offset", float32(offset))
        low, high = _rounded(low, np.inf), _rounded(high, -np.inf)
        self.register_buffer("low", float32(low))
        self.register_buffer("range", float32(_rounded(high - low, -np.inf)))

    def forward(self, h: Tensor) -> Tensor:
        """Return locations, shape (..., n_features)."""
        return torch.addcmul(self.low, self.range, torch.sigmoid(self.offset + h))

    def restandardise(
        self, summary: DataSummary, spread: Tensor
    ) -> tuple[np.ndarray, np.ndarray]:
        """Take another mean between the bounds; see `Likelihood.restandardise`."""
        before, low, width = (
            t.double().cpu().numpy() for t in (self.offset, self.low, self.range)
        )
        offset = _log_odds(
            summary.mean, low, low + width, spread.cpu().double().numpy()
        )
        self.offset.copy_(float32(offset))
        return np.ones_like(before), before - self.offset.double().cpu().numpy()

    def spread_at(self, loc: Tensor) -> Tensor:
        """Return m (1 - m), m the share of the way between the bounds of locations."""
        share = ((loc - self.low) / self.range).clamp(0, 1)
        return share * (1 - share)


def _log_odds(mean: np.ndarray, low: Any, high: Any, spread: Any) -> np.ndarray:
    """Return the log odds of means between bounds, no nearer to these than allowed."""
    least = np.minimum(_LEAST_SHARE, spread / (high - low))
    return logit(np.clip((mean - low) / (high - low), least, 1 - least))


def make_location(
    bounds: Any, summary: DataSummary, spread: Tensor
) -> Unbounded | Bounded:
    """Return the location for the parameter `bounds` and statistics of X."""
    is_given = not isinstance(bounds, str)
    bounds = bounds_for(bounds, summary)
    if bounds is None:
        return Unbounded(summary.mean, spread)
    if is_given:
        _warn_if_wide(bounds, summary.total_scale * np.max(summary.frame.unit))
    ends = (
        _rounded(np.full(summary.n_features, bound), -side, summary.frame.dtype)
        for bound, side in zip(bounds, (-np.inf, np.inf), strict=True)
    )
    low, high = map(summary.frame.to_frame, ends)
    return Bounded(summary.mean, low, high, spread.numpy())


def _warn_if_wide(bounds: Any, spread: float) -> None:
    low, high = bounds
    if high / spread - low / spread > _FARTHEST:
        warn(
            f"bounds=({low:g}, {high:g}) are more than {_FARTHEST:,g} times as far "
            f"apart as X spreads, {spread:.3g} in the root mean square. Between them a "
            "mean is hard to learn: give the bounds of X, or set bounds=None."
        )


def bounds_for(bounds: Any, summary: DataSummary) -> Any:
    """Return None or the two floats that the parameter `bounds` stands for."""
    if bounds is None or isinstance(bounds, str):
        return bounds and summary.bounds
    low, high = map(float, bounds)
    return low, high


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
    found = value_beyond(X, low, high)
    if found is None:
        return
    feature, value = found
    raise ValueError(
        f"{owner}(bounds=({low:g}, {high:g})) needs X in these bounds, but feature "
        f"{feature} has the value {value:.6g}. Give the bounds of X in its own units, "
        "clip X, or set bounds=None."
    )


def _rounded(values: np.ndarray, towards: float, dtype: Any = np.float32) -> Any:
    """Return float64 of a narrower type, rounded towards -inf or inf."""
    near = values.astype(dtype)
    next_one = np.nextafter(near, dtype(towards))
    is_beyond = near > values if towards < 0 else near < values
    return np.where(is_beyond, next_one, near).astype(np.float64)


def float32(values: Any) -> Tensor:
    """Return a float32 tensor of values."""
    return torch.from_numpy(np.array(values, dtype=np.float32))
