"""Observation distributions p(x|z) beyond the normal and the Bernoulli one.

As in `_distributions`: ``log_prob`` sums over the last dimension and is in nats, and
``sample`` draws once for every row with an explicit generator.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# Below it the normaliser of the continuous Bernoulli is a difference of near equals.
_SMALL = 0.1


class Laplace:
    """Laplace distribution with density exp(-|x - loc| / scale) / (2 scale).

    Parameters
    ----------
    loc : Tensor of shape (..., d)
    log_scale : Tensor broadcastable to (..., d)
        Logarithm of the mean absolute deviation.
    """

    def __init__(self, loc: Tensor, log_scale: Tensor) -> None:
        self.loc = loc
        self.log_scale = log_scale

    @property
    def mean(self) -> Tensor:
        """Expectation, shape (..., d)."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """Variance of every component, shape (..., d)."""
        return 2 * (2 * self.log_scale).exp().expand_as(self.loc)

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw once for every row."""
        # Draws of torch are multiples of 2^-24, zero included, whose logarithm is not
        # finite.
        u = _uniform(self.loc, generator).clamp(min=2**-25) - 0.5
        return self.loc - self.log_scale.exp() * u.sign() * torch.log1p(-2 * u.abs())

    def log_prob_by_feature(self, x: Tensor) -> Tensor:
        """Log density of every feature in nats, shape (..., d)."""
        error = (x - self.loc).abs() * (-self.log_scale).exp()
        return -error - self.log_scale - math.log(2)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density in nats, shape (...,)."""
        error = (x - self.loc).abs() * (-self.log_scale).exp()
        log_scale = self.log_scale.expand_as(self.loc).sum(-1)
        return -error.sum(-1) - log_scale - math.log(2) * x.shape[-1]


class ContinuousBernoulli:
    """Density on [0, 1] that is proportional to exp(logit x).

    Parameters
    ----------
    logits : Tensor of shape (..., d)
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    @property
    def mean(self) -> Tensor:
        """Expectation 1/2 + (coth(y) - 1/y) / 2 with y = logit / 2, shape (..., d)."""
        y = self.logits / 2
        small = y.abs() < _SMALL
        safe = torch.where(small, torch.ones_like(y), y)
        series = y / 3 - y**3 / 45 + 2 * y**5 / 945
        return 0.5 + 0.5 * torch.where(small, series, 1 / safe.tanh() - 1 / safe)

    @property
    def variance(self) -> Tensor:
        """Variance (1 / y^2 - 1 / sinh(y)^2) / 4 with y = logit / 2, shape (..., d)."""
        y = self.logits.abs() / 2
        small = y < _SMALL
        safe = torch.where(small, torch.ones_like(y), y)
        # 1 / sinh(y)^2 without overflow
        inverse = 4 * torch.exp(-2 * safe) / torch.expm1(-2 * safe).square()
        series = 1 / 3 - y**2 / 15 + 2 * y**4 / 189
        return 0.25 * torch.where(small, series, safe**-2 - inverse)

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw once for every row, by inversion of the distribution function."""
        u = _uniform(self.logits, generator)
        # The density falls for minus the absolute logit; mirror it where it rises.
        a = self.logits.abs().clamp(min=1e-4)
        x = -torch.log1p(u * torch.expm1(-a)) / a
        return torch.where(self.logits > 0, 1 - x, x).clamp(0, 1)

    def log_prob_by_feature(self, x: Tensor) -> Tensor:
        """Log density of every feature in nats, shape (..., d)."""
        return self.logits * x - log_integral_exp(self.logits)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density in nats, shape (...,)."""
        return self.log_prob_by_feature(x).sum(-1)


class DiscretizedLogistic:
    """Logistic distribution, integrated over the cells of an even grid.

    The outermost cells reach to infinity.

    Parameters
    ----------
    loc : Tensor of shape (..., d)
    log_scale : Tensor broadcastable to (..., d)
    low, high : float
        The first and the last level.
    n_levels : int
    """

    def __init__(
        self,
        loc: Tensor,
        log_scale: Tensor,
        low: float = 0.0,
        high: float = 1.0,
        n_levels: int = 256,
    ) -> None:
        self.loc, self.log_scale = loc, log_scale
        self.low, self.high, self.n_levels = low, high, n_levels
        self.step = (high - low) / (n_levels - 1)

    @property
    def mean(self) -> Tensor:
        """Expectation of the logistic variable clipped to [low, high].

        It differs from that of the discrete variable by less than half a level.
        """
        scale = self.log_scale.exp()
        above_low = F.softplus((self.loc - self.low) / scale)
        above_high = F.softplus((self.loc - self.high) / scale)
        return self.low + scale * (above_low - above_high)

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw once for every row; values are levels of the grid."""
        u = _uniform(self.loc, generator).clamp(1e-7, 1 - 1e-7)
        x = self.loc + self.log_scale.exp() * (u.log() - torch.log1p(-u))
        level = ((x - self.low) / self.step).round()
        return (self.low + self.step * level).clamp(self.low, self.high)

    def probabilities(self) -> Tensor:
        """Probability of every level, shape (..., d, n_levels).

        Differences of the distribution function, with the rounding errors of 1.
        """
        inverse = (-self.log_scale).exp().expand_as(self.loc).unsqueeze(-1)
        cell = torch.arange(self.n_levels - 1, device=self.loc.device)
        edges = self.low + self.step * (cell + 0.5)
        below = ((edges - self.loc.unsqueeze(-1)) * inverse).sigmoid()
        inner = below[..., 1:] - below[..., :-1]
        return torch.cat([below[..., :1], inner, 1 - below[..., -1:]], -1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log probability of levels in nats, shape (...,)."""
        return self.log_prob_by_feature(x).sum(-1)

    def log_prob_by_feature(self, x: Tensor) -> Tensor:
        """Log probability of every level in nats, shape (..., d)."""
        inverse = (-self.log_scale).exp()
        upper = (x + self.step / 2 - self.loc) * inverse
        lower = (x - self.step / 2 - self.loc) * inverse
        # s(b) - s(a) = s(b) s(-a) (1 - exp(a - b)) does not cancel.
        width = torch.log(-torch.expm1(-self.step * inverse))
        inner = F.logsigmoid(upper) + F.logsigmoid(-lower) + width
        first, last = x < self.low + self.step / 2, x > self.high - self.step / 2
        log_p = torch.where(last, F.logsigmoid(-lower), inner)
        return torch.where(first, F.logsigmoid(upper), log_p)


def log_integral_exp(logits: Tensor) -> Tensor:
    """Log of the integral of exp(logit t) over t in [0, 1], elementwise.

    With y = logit / 2 it is y + log(sinh(y) / y): minus the log-normaliser of the
    continuous Bernoulli.
    """
    y = logits / 2
    small = y.abs() < _SMALL
    a = torch.where(small, torch.ones_like(y), y).abs()
    series = y**2 / 6 - y**4 / 180 + y**6 / 2835
    exact = a - torch.log(2 * a) + torch.log1p(-torch.exp(-2 * a))
    return y + torch.where(small, series, exact)


def _uniform(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.empty_like(like).uniform_(generator=generator)
