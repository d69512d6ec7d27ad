"""The noise of p(x|z) after its calibration: fixed, by feature, or by location."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from skvae.likelihoods._locations import Bounded, float32

# Locations between bounds are grouped by the distance of their log odds from 0.
_LARGEST_LOG_ODDS, _N_GROUPS = 16.0, 64
_LOG_RATIOS = np.arange(-20.0, 40.0, 0.25)  # of v1 / v0, among which to search
# A feature's errors are pooled with those of so many rows of an average feature.
_PRIOR_ROWS = 10
_TINY = 1e-30  # whose logarithm is finite
# A row's error counts for the scale as no more than this many times the scale's own.
LARGEST_ROW = 100.0


class Errors:
    """Sums of weighted errors |x - location|^p over rows, by groups of their values.

    Parameters
    ----------
    location : Bounded or None
        Group values by their distance from the bounds; by feature if None.
    n_features : int
    """

    def __init__(self, location: Bounded | None, n_features: int) -> None:
        self.location, self.n_features = location, n_features
        n_groups = n_features if location is None else _N_GROUPS
        sums = torch.zeros(3, n_groups, dtype=torch.float64, device="cpu")
        self.count, self.error, self.spread = sums

    def add(self, loc: Tensor, error: Tensor, weight: Tensor) -> None:
        """Add values of shape (k, n, n_features), weights of shape (k, n, 1).

        Errors of missing values are NaN, and count for nothing.
        """
        missing = error.isnan()
        if missing.any():
            weight = weight.expand_as(error).masked_fill(missing, 0.0)
            error = error.masked_fill(missing, 0.0)
        if self.location is None and weight.shape[-1] == 1:
            self.count += weight.sum().double().cpu()
            self.error += (weight.flatten() @ error.flatten(0, -2)).double().cpu()
            return
        if self.location is None:
            self.count += weight.flatten(0, -2).sum(0).double().cpu()
            self.error += (weight * error).flatten(0, -2).sum(0).double().cpu()
            return
        weight = weight.expand_as(error).double()
        spread = self.location.spread_at(loc).double()
        # At a distance m from a bound, spread is m (1 - m), about exp(-log odds).
        distance = -torch.log(4 * spread.clamp(min=_TINY))
        group = distance * (_N_GROUPS / _LARGEST_LOG_ODDS)
        group = group.clamp(0, _N_GROUPS - 1).long()
        self.spread += self._sums(group, weight * spread)
        self.count += self._sums(group, weight)
        self.error += self._sums(group, weight * error.double())

    def _sums(self, group: Tensor, values: Tensor) -> Tensor:
        n_groups = len(self.count)
        # A GPU would add in no fixed order.
        return torch.bincount(group.flatten().cpu(), values.flatten().cpu(), n_groups)

    def __mul__(self, factor: float) -> Errors:
        """Return the sums with errors that are larger by a factor."""
        return self._like(self.count, self.error * factor, self.spread)

    def __add__(self, other: Errors) -> Errors:
        """Return the sums over the rows of both."""
        return self._like(
            self.count + other.count,
            self.error + other.error,
            self.spread + other.spread,
        )

    def _like(self, *sums: Tensor) -> Errors:
        new = Errors(self.location, self.n_features)
        new.count, new.error, new.spread = sums
        return new

    @property
    def is_empty(self) -> bool:
        """Whether there are no errors, as where all values are missing."""
        return not float(self.count.sum())

    def pooled(self, held_out: Errors, n_held_out: int) -> Errors:
        """Return the sums of errors of training and of rows held out.

        Those held out, with a few rows of training, say how large errors are: those of
        training are multiplied by how much larger the others are.
        """
        if held_out.is_empty or not self.mean > 0:
            return self + held_out
        ratio = n_held_out * held_out.mean / self.mean + _PRIOR_ROWS
        return self * (ratio / (n_held_out + _PRIOR_ROWS)) + held_out

    @property
    def mean(self) -> float:
        """Mean error of a value."""
        return float(self.error.sum() / self.count.sum())


class FixedNoise(nn.Module):
    """One scale for all features, or one for each, whatever the location.

    Parameters
    ----------
    log_scale : Tensor of shape () or (n_features,)
    """

    def __init__(self, log_scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("level", log_scale.float())

    def forward(self, loc: Tensor) -> Tensor:
        """Return the log scale at locations."""
        return self.level


class NoiseByLocation(nn.Module):
    """Noise that falls towards the bounds: variance v0 + v1 m (1 - m).

    m is the share of the way from the lower to the upper bound: the variance function
    of a binomial proportion, and a constant.

    Parameters
    ----------
    location : Bounded
    log_constant, log_factor : float
        log v0, log v1.
    log_mean : float
        Log of the mean variance over rows and features.
    """

    def __init__(
        self,
        location: Bounded,
        log_constant: float,
        log_factor: float,
        log_mean: float,
    ) -> None:
        super().__init__()
        self.location = location
        self.register_buffer("constant", float32(np.exp(log_constant)))
        self.register_buffer("factor", float32(np.exp(log_factor)))
        self.register_buffer("level", float32(log_mean / 2))

    def forward(self, loc: Tensor) -> Tensor:
        """Return the log scale at locations."""
        spread = self.location.spread_at(loc)
        variance = torch.addcmul(self.constant, self.factor, spread)
        return 0.5 * variance.log()


def noise_by_location(errors: Errors, power: int, lowest: Tensor) -> NoiseByLocation:
    """Return the noise of greatest likelihood for errors by location."""
    seen = errors.count > 0
    count, error, spread = (
        sums[seen].numpy() for sums in (errors.count, errors.error, errors.spread)
    )
    spread, error = spread / count, error / count
    weight = count / count.sum()

    def constant(log_ratio: float) -> float:
        """Return the best log v0 where v1 / v0 is given."""
        shape = (1 + np.exp(log_ratio) * spread) ** (power / 2)
        best = np.log(max(weight @ (error / shape), _TINY)) * 2 / power
        return max(best, 2 * float(lowest))

    def loss(log_ratio: float) -> float:
        log_v0 = constant(log_ratio)
        log_variance = log_v0 + np.log1p(np.exp(log_ratio) * spread)
        scaled = error * np.exp(-log_variance * power / 2)
        return float(weight @ (0.5 * log_variance + scaled / power))

    near = min(_LOG_RATIOS, key=loss)
    step = _LOG_RATIOS[1] - _LOG_RATIOS[0]
    ends = near - step, near + step
    log_ratio = minimize_scalar(loss, bounds=ends, method="bounded").x
    log_v0 = constant(log_ratio)
    return NoiseByLocation(errors.location, log_v0, log_v0 + log_ratio, constant(-99))


def noise_by_feature(errors: Errors, power: int, lowest: Tensor) -> FixedNoise:
    """Return the optimal noise of each feature, drawn a little towards the average."""
    mean = errors.error + _PRIOR_ROWS * errors.mean
    mean = mean / (errors.count + _PRIOR_ROWS)
    return _fixed(mean, power, lowest)


def one_noise(errors: Errors, power: int, lowest: Tensor) -> FixedNoise:
    """Return the optimal noise of all features together."""
    return _fixed(float32(errors.mean), power, lowest)


def _fixed(error: Tensor, power: int, lowest: Tensor) -> FixedNoise:
    return FixedNoise((error.log() / power).clamp(min=lowest))
