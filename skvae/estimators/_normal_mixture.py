"""A mixture of normal densities, as which the density of codes leads to modes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from torch import Tensor

from skvae._distributions.normal import standard_normal_log_prob
from skvae.densities._normal import Normal


class NormalMixture:
    """Mixture of normal densities of codes.

    Parameters
    ----------
    weights : array of shape (k,)
    means : array of shape (k, d)
    roots : array of shape (k, d, d)
        Whose products with their transposes are the precisions.
    """

    def __init__(self, weights: Any, means: Any, roots: Any) -> None:
        self.means, self.roots = torch.as_tensor(means), torch.as_tensor(roots)
        self.precisions = self.roots @ self.roots.mT
        log_det = torch.linalg.slogdet(self.roots)[1]
        # A component of no weight stays finite.
        least = np.finfo(np.float64).tiny
        self.log_weights = torch.as_tensor(weights).clamp(min=least).log()
        self.log_factors = self.log_weights + log_det

    def to(self, device: torch.device) -> NormalMixture:
        """Move to a device, and return self."""
        for name, value in vars(self).items():
            setattr(self, name, value.to(device))
        return self

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density in nats, (..., d) -> (...,)."""
        return self._log_parts(z).logsumexp(-1)

    def precision(self, z: Tensor) -> Tensor:
        """Mean precision of the components that z may be from, (n, d) -> (n, d, d)."""
        shares = self._log_parts(z).softmax(-1)
        return torch.einsum("nk,kij->nij", shares, self.precisions)

    def _log_parts(self, z: Tensor) -> Tensor:
        moves = z.unsqueeze(-2) - self.means
        moves = torch.einsum("...kd,kde->...ke", moves, self.roots)
        return standard_normal_log_prob(moves) + self.log_factors


def standard_normal(d: int) -> NormalMixture:
    """Return N(0, I)."""
    return NormalMixture(np.ones(1), np.zeros((1, d)), np.eye(d)[None])


def moments_of(Z: np.ndarray, least_variance: float) -> NormalMixture:
    """Return the normal density with the moments of draws, shape (n, d)."""
    covariance = np.atleast_2d(np.cov(Z.T)) + least_variance * np.eye(Z.shape[1])
    root = np.linalg.cholesky(np.linalg.inv(covariance))
    return NormalMixture(np.ones(1), Z.mean(0)[None], root[None])


def joined(mixtures: list[NormalMixture], weights: np.ndarray) -> NormalMixture:
    """Return the mixture of mixtures."""
    means = torch.cat([mixture.means for mixture in mixtures])
    roots = torch.cat([mixture.roots for mixture in mixtures])
    counts = [len(mixture.means) for mixture in mixtures]
    whole = NormalMixture(np.repeat(weights, counts), means, roots)
    whole.log_factors += torch.cat([m.log_weights for m in mixtures])
    return whole


def components_of(density: Any) -> NormalMixture | None:
    """Return the components of a normal density or mixture; None of others."""
    if isinstance(density, Normal):
        mean, root = density.mean_[None], density.precision_root_[None]
        return NormalMixture(np.ones(1), mean, root)
    if not isinstance(density, GaussianMixture | BayesianGaussianMixture):
        return None
    means, roots = density.means_, density.precisions_cholesky_
    k, d = means.shape
    if density.covariance_type == "tied":
        roots = np.broadcast_to(roots, (k, d, d)).copy()
    elif density.covariance_type != "full":
        deviations = roots.reshape(k, -1, 1)  # one, or one for every feature
        roots = deviations * np.eye(d)
    return NormalMixture(density.weights_, means, roots)
