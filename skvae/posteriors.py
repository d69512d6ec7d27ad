"""Approximate posteriors q(z|x): what the encoder's raw output says about a latent."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from skvae._distributions import DiagonalNormal, IsotropicNormal

__all__ = [
    "ConstantPosterior",
    "DiagonalPosterior",
    "IsotropicPosterior",
    "Posterior",
]


class Posterior(BaseEstimator, nn.Module):
    """Base class of approximate posteriors.

    To write one, define `n_outputs` and `forward`. The distribution that `forward`
    returns must have ``mean``, ``rsample(noise)`` and ``log_prob(z)``. It should have
    ``kl_to_standard_normal()``, by component; without it the KL divergence is estimated
    at the draws. ``detach()`` allows doubly reparameterised gradients.
    """

    def __init__(self) -> None:
        nn.Module.__init__(self)

    def n_outputs(self, n_components: int) -> int:
        """Return the number of raw encoder outputs for a latent dimension."""
        raise NotImplementedError

    def build(self, n_components: int, generator: torch.Generator) -> Posterior:
        """Check parameters, create weights of the posterior's own; return self."""
        return self

    def forward(self, h: Tensor) -> Any:
        """Return q(z|x) from raw encoder outputs of shape (n, n_outputs)."""
        raise NotImplementedError


class DiagonalPosterior(Posterior):
    """Normal posterior with a standard deviation for every row and component.

    References
    ----------
    Kingma & Welling, "Auto-Encoding Variational Bayes", ICLR 2014, eq. 9.

    Examples
    --------
    >>> import torch
    >>> from skvae.posteriors import DiagonalPosterior
    >>> q = DiagonalPosterior()(torch.zeros(3, 4))
    >>> q.kl_to_standard_normal()
    tensor([[0., 0.],
            [0., 0.],
            [0., 0.]])
    """

    def n_outputs(self, n_components: int) -> int:
        """Return the number of raw encoder outputs: mean and log scale."""
        return 2 * n_components

    def forward(self, h: Tensor) -> DiagonalNormal:
        """Return N(mean, diag(scale^2)) from outputs of shape (n, 2 * n_components)."""
        return DiagonalNormal(*h.chunk(2, -1))


class IsotropicPosterior(Posterior):
    """Normal posterior with one standard deviation for every row.

    References
    ----------
    Azmoodeh, "Why Bigger is Not Better"; Yu, arXiv 2006.10273, section 4.3.

    Examples
    --------
    >>> import torch
    >>> from skvae.posteriors import IsotropicPosterior
    >>> IsotropicPosterior()(torch.zeros(3, 5)).mean.shape
    torch.Size([3, 4])
    """

    def n_outputs(self, n_components: int) -> int:
        """Return the number of raw encoder outputs: mean and one log scale."""
        return n_components + 1

    def forward(self, h: Tensor) -> IsotropicNormal:
        """Return N(mean, scale^2 I) from outputs of shape (n, n_components + 1)."""
        return IsotropicNormal(h[..., :-1], h[..., -1:])


class ConstantPosterior(Posterior):
    """Normal posterior with one fixed standard deviation (the CV-VAE).

    Parameters
    ----------
    scale : float, default=0.7
        Standard deviation of every component; 0.7 is the value of the authors' code
        (the paper's eq. 13 writes it in the place of a covariance).

    References
    ----------
    Ghosh et al., "From Variational to Deterministic Autoencoders", section 2.2.

    Examples
    --------
    >>> import torch
    >>> from skvae.posteriors import ConstantPosterior
    >>> ConstantPosterior(scale=0.5)(torch.zeros(3, 4)).variance[0]
    tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """

    def __init__(self, scale: float = 0.7) -> None:
        super().__init__()
        self.scale = scale

    def n_outputs(self, n_components: int) -> int:
        """Return the number of raw encoder outputs: the mean alone."""
        return n_components

    def forward(self, h: Tensor) -> IsotropicNormal:
        """Return N(h, scale^2 I)."""
        if not isinstance(self.scale, Real) or not 0 < self.scale < math.inf:
            raise ValueError(
                "The 'scale' parameter of ConstantPosterior must be a float > 0. "
                f"Got {self.scale!r} instead."
            )
        return IsotropicNormal(h, h.new_full((), math.log(self.scale)))


_NAMES = {
    "diagonal": DiagonalPosterior,
    "isotropic": IsotropicPosterior,
    "constant": ConstantPosterior,
}


def resolve_posterior(posterior: Any) -> Any:
    """Return a posterior from its name, or the given one itself."""
    if isinstance(posterior, Posterior):
        return posterior
    if isinstance(posterior, str) and posterior in _NAMES:
        return _NAMES[posterior]()
    names = ", ".join(map(repr, _NAMES))
    raise ValueError(
        f"The 'posterior' parameter must be one of {names} or a Posterior. "
        f"Got {posterior!r} instead."
    )
