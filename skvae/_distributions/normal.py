"""Distributions over rows, whose draws are functions of explicit noise.

A latent distribution turns standard normal noise into draws (``rsample(noise)``); an
observation distribution draws with an explicit generator (``sample(generator)``).
``log_prob`` sums over the last dimension and is in nats.

A latent distribution may have ``rsample_with_log_prob(noise)``, whose log density is
split over the components and exact where that of ``log_prob`` at the draws would suffer
from rounding; a flow has it alone. One without ``kl_to_standard_normal`` has its
divergence estimated at draws.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


def rsample_with_log_prob(q: Any, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Draw z ~ q and return its log density.

    Parameters
    ----------
    q : latent distribution over n rows
    noise : Tensor of shape (..., n, d)
        Standard normal.

    Returns
    -------
    z : Tensor of shape (..., n, d)
    log_q_z : Tensor of shape (..., n)
        In nats.
    """
    if hasattr(q, "rsample_with_log_prob"):
        z, log_q_z = q.rsample_with_log_prob(noise)
        return z, log_q_z.sum(-1)
    z = q.rsample(noise)
    return z, q.log_prob(z)


def rsample_with_kl(q: Any, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Draw z ~ q and return KL(q || N(0, I)) by component.

    Parameters
    ----------
    q : latent distribution over n rows
    noise : Tensor of shape (..., n, d)
        Standard normal.

    Returns
    -------
    z : Tensor of shape (..., n, d)
    kl : Tensor of shape (n, d)
        In nats. In closed form where `q` has one; else the mean of log q(z) - log p(z)
        over the draws, where a log q(z) that `q` does not split over the components
        counts for each in equal parts.
    """
    if hasattr(q, "kl_to_standard_normal"):
        return q.rsample(noise), q.kl_to_standard_normal()
    if hasattr(q, "rsample_with_log_prob"):
        z, log_q_z = q.rsample_with_log_prob(noise)
    else:
        z = q.rsample(noise)
        log_q_z = q.log_prob(z).unsqueeze(-1) / z.shape[-1]
    log_p_z = -0.5 * (z.square() + LOG_2PI)  # by component
    return z, (log_q_z - log_p_z).reshape(-1, *z.shape[-2:]).mean(0)


def standard_normal_log_prob(z: Tensor) -> Tensor:
    """Log density of N(0, I) in nats: (..., d) -> (...,)."""
    return -0.5 * (z.square().sum(-1) + LOG_2PI * z.shape[-1])


class DiagonalNormal:
    """Normal distribution with its own scale for every component.

    Parameters
    ----------
    loc : Tensor of shape (..., d)
    log_scale : Tensor broadcastable to (..., d)
        Logarithm of the standard deviation.
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
        return (2 * self.log_scale).exp().expand_as(self.loc)

    @cached_property
    def _scale(self) -> Tensor:
        return self.log_scale.exp()

    def rsample(self, noise: Tensor) -> Tensor:
        """Map standard normal noise to draws, differentiably."""
        return torch.addcmul(self.loc, self._scale, noise)

    def rsample_with_log_prob(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return draws and their log density in nats, both of shape (..., n, d)."""
        log_q_z = -0.5 * (noise.square() + LOG_2PI) - self.log_scale
        return self.rsample(noise), log_q_z

    def detach(self) -> DiagonalNormal:
        """Return the same distribution, constant in its parameters."""
        return type(self)(self.loc.detach(), self.log_scale.detach())

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw once for every row."""
        noise = torch.empty_like(self.loc).normal_(generator=generator)
        return self.rsample(noise)

    def log_prob_by_feature(self, x: Tensor) -> Tensor:
        """Log density of every component in nats, shape (..., d)."""
        z = (x - self.loc) * (-self.log_scale).exp()
        return -0.5 * (z.square() + LOG_2PI) - self.log_scale

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density in nats, shape (...,)."""
        z = (x - self.loc) * (-self.log_scale).exp()
        log_scale = self.log_scale.expand_as(self.loc).sum(-1)
        return -0.5 * z.square().sum(-1) - log_scale - 0.5 * LOG_2PI * x.shape[-1]

    def kl_to_standard_normal(self) -> Tensor:
        """KL(self || N(0, I)) of every component in nats, shape (..., d)."""
        square = self.loc * self.loc + self._scale * self._scale
        return 0.5 * (square - 1) - self.log_scale


class IsotropicNormal(DiagonalNormal):
    """Normal distribution with one scale for all components of a row.

    Parameters
    ----------
    loc : Tensor of shape (..., d)
    log_scale : Tensor of shape () or (..., 1)
    """

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density in nats, shape (...,)."""
        log_scale = (
            self.log_scale.squeeze(-1) if self.log_scale.ndim else self.log_scale
        )
        squared_error = (x - self.loc).square().sum(-1)
        constant = x.shape[-1] * (log_scale + 0.5 * LOG_2PI)
        return -0.5 * (-2 * log_scale).exp() * squared_error - constant


class FullNormal:
    """Normal distribution with a full covariance matrix L L'.

    Parameters
    ----------
    loc : Tensor of shape (..., d)
    factor : Tensor of shape (..., d, d)
        L, lower triangular with a positive diagonal.
    """

    def __init__(self, loc: Tensor, factor: Tensor) -> None:
        self.loc = loc
        self.factor = factor

    @property
    def mean(self) -> Tensor:
        """Expectation, shape (..., d)."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """Variance of every component, shape (..., d)."""
        return self.factor.square().sum(-1)

    def rsample(self, noise: Tensor) -> Tensor:
        """Map standard normal noise to draws, differentiably."""
        return self.loc + (self.factor * noise.unsqueeze(-2)).sum(-1)

    def rsample_with_log_prob(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return draws and their log density in nats, both of shape (..., n, d)."""
        log_q_z = -0.5 * (noise.square() + LOG_2PI) - self._log_diagonal()
        return self.rsample(noise), log_q_z

    def detach(self) -> FullNormal:
        """Return the same distribution, constant in its parameters."""
        return FullNormal(self.loc.detach(), self.factor.detach())

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density in nats, shape (...,)."""
        error = (x - self.loc).unsqueeze(-1)
        z = torch.linalg.solve_triangular(self.factor, error, upper=False).squeeze(-1)
        return standard_normal_log_prob(z) - self._log_diagonal().sum(-1)

    def kl_to_standard_normal(self) -> Tensor:
        """KL(self || N(0, I)) in nats, split by the chain rule, shape (..., d).

        Component j has the divergence of q(z_j | z_1, ..., z_{j-1}), averaged.
        """
        square = self.loc.square() + self.variance
        return 0.5 * (square - 1) - self._log_diagonal()

    def _log_diagonal(self) -> Tensor:
        return self.factor.diagonal(dim1=-2, dim2=-1).log()


class PointMass:
    """All mass on one point: the limit of normal distributions of vanishing scale.

    Parameters
    ----------
    loc : Tensor of shape (..., d)
    """

    def __init__(self, loc: Tensor) -> None:
        self.loc = loc

    @property
    def mean(self) -> Tensor:
        """Expectation, shape (..., d)."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """Zero, shape (..., d)."""
        return torch.zeros_like(self.loc)

    def rsample(self, noise: Tensor) -> Tensor:
        """Return the point, in the shape of the noise."""
        return self.loc.expand_as(noise)

    def log_prob(self, x: Tensor) -> Tensor:
        """Raise TypeError: there is no density."""
        raise TypeError(
            "Importance sampling needs q(z|x) to have a density, but a PointPosterior "
            "has none. Use another posterior, or RAE, whose score_samples does without."
        )

    def kl_to_standard_normal(self) -> Tensor:
        """Half the squared components, shape (..., d).

        In nats, what remains of KL(self || N(0, I)) without its infinite constant.
        """
        return 0.5 * self.loc.square()


class Bernoulli:
    """Independent Bernoulli variables, also for grey levels in [0, 1].

    Parameters
    ----------
    logits : Tensor of shape (..., d)
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    @property
    def mean(self) -> Tensor:
        """Probability of a one, shape (..., d)."""
        return self.logits.sigmoid()

    @property
    def variance(self) -> Tensor:
        """Variance of every component, shape (..., d)."""
        return self.logits.sigmoid() * (-self.logits).sigmoid()

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw once for every row."""
        return torch.bernoulli(self.mean, generator=generator)

    def probabilities(self) -> Tensor:
        """Probabilities of 0 and 1, shape (..., d, 2)."""
        return torch.stack([-self.logits, self.logits], -1).sigmoid()

    def log_prob_by_feature(self, x: Tensor) -> Tensor:
        """Log probability (for grey levels: minus cross-entropy), shape (..., d)."""
        logits = self.logits
        if logits.shape != x.shape:
            logits, x = torch.broadcast_tensors(logits, x)
        return -F.binary_cross_entropy_with_logits(logits, x, reduction="none")

    def log_prob(self, x: Tensor) -> Tensor:
        """Log probability (for grey levels: minus cross-entropy) in nats."""
        return self.log_prob_by_feature(x).sum(-1)
