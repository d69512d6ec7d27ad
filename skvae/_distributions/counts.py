"""Observation distributions p(x|z) of counts, by the logarithm of their mean.

Log probabilities are those under the best mean, which is x itself, less what another
mean costs: the formula of Loader, "Fast and Accurate Computation of Binomial
Probabilities" (2000), which R also uses. Differences of log factorials have terms of
1e7 nats at counts of 1e6, of which float32 loses the last nat.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_LEAST_GROWTH = -1 + 2**-24  # above which the logarithm of a sum is finite in float32
_LARGEST_RATE = 2.0**52  # whose deviation, 2^26, is no more than rounding in float32
_FROM_STIRLING = 16.0  # from where Stirling's series has the digits of float64


class Poisson:
    """Independent Poisson variables.

    Parameters
    ----------
    log_mean : Tensor of shape (..., d)
    """

    def __init__(self, log_mean: Tensor) -> None:
        self.log_mean = log_mean

    @property
    def mean(self) -> Tensor:
        """Expectation, shape (..., d)."""
        return self.log_mean.exp()

    @property
    def variance(self) -> Tensor:
        """Variance of every component, shape (..., d)."""
        return self.mean

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw once for every row."""
        return _poisson(self.mean, generator)

    def log_prob_by_feature(self, x: Tensor) -> Tensor:
        """Log probability of every feature in nats, shape (..., d)."""
        some = x > 0
        x = torch.where(some, x, 1.0)
        ratio = self.log_mean - x.log()
        cost = x * (ratio.expm1() - ratio)
        return torch.where(some, _log_prob_of_mean(x) - cost, -self.mean)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log probability in nats, shape (...,)."""
        return self.log_prob_by_feature(x).sum(-1)


class NegativeBinomial:
    """Independent negative binomial variables, Poisson ones with means of a gamma law.

    The variance is mean + dispersion * mean^2, and 1 / dispersion the shape of the
    gamma distribution, also called the size or the number of failures.

    Parameters
    ----------
    log_mean : Tensor of shape (..., d)
    log_dispersion : Tensor broadcastable to (..., d)
    """

    def __init__(self, log_mean: Tensor, log_dispersion: Tensor) -> None:
        self.log_mean, self.log_dispersion = log_mean, log_dispersion

    @property
    def mean(self) -> Tensor:
        """Expectation, shape (..., d)."""
        return self.log_mean.exp()

    @property
    def variance(self) -> Tensor:
        """Variance of every component, shape (..., d)."""
        return self.mean + (2 * self.log_mean + self.log_dispersion).exp()

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw once for every row."""
        size = (-self.log_dispersion).exp().expand_as(self.log_mean).detach()
        gamma = torch._standard_gamma(size, generator=generator)
        rate = gamma * (self.log_mean + self.log_dispersion).exp()
        return _poisson(rate, generator)

    def log_prob_by_feature(self, x: Tensor) -> Tensor:
        """Log probability of every feature in nats, shape (..., d)."""
        some = x > 0
        x = torch.where(some, x, 1.0)
        size = (-self.log_dispersion).exp()
        best = _log_prob_of_mean(x) + _log_prob_of_mean(size)
        best = best - _log_prob_of_mean(size + x) - F.softplus(x.log() - size.log())
        ratio = self.log_mean - x.log()
        share = x.log() + self.log_dispersion  # log odds of x beside the size
        cost = size * _log_growth(share, ratio) + x * _log_growth(-share, -ratio)
        nothing = -size * F.softplus(self.log_mean + self.log_dispersion)
        return torch.where(some, best - cost, nothing)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log probability in nats, shape (...,)."""
        return self.log_prob_by_feature(x).sum(-1)


def _poisson(rate: Tensor, generator: torch.Generator) -> Tensor:
    """Draw once for every rate; integers of torch, of 64 bits, end at 9e18."""
    draws = torch.poisson(rate.clamp(max=_LARGEST_RATE), generator=generator)
    return torch.where(rate < _LARGEST_RATE, draws, rate)


def _log_growth(log_odds: Tensor, ratio: Tensor) -> Tensor:
    """Return log(1 + e^(log_odds + ratio)) - log(1 + e^log_odds) without cancellation.

    It is how much a sum grows when a part of it, with these log odds, does by e^ratio.
    """
    growth = log_odds.sigmoid() * ratio.expm1()
    return torch.log1p(growth.clamp(min=_LEAST_GROWTH))


def _log_prob_of_mean(x: Tensor) -> Tensor:
    """Log probability of x > 0 under the Poisson distribution with the mean x."""
    small, large = x.clamp(max=_FROM_STIRLING), x.clamp(min=_FROM_STIRLING)
    exact = small * small.log() - small - torch.lgamma(small + 1)
    square = large**-2
    series = (1 / 12 - square * (1 / 360 - square / 1260)) / large
    series = -0.5 * (2 * math.pi * large).log() - series
    return torch.where(x < _FROM_STIRLING, exact, series)
