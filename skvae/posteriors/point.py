"""The posterior of deterministic encoders."""

from __future__ import annotations

from torch import Tensor

from skvae._distributions.normal import PointMass
from skvae.posteriors.base import Posterior


class PointPosterior(Posterior):
    """Deterministic encoder: all mass of q(z|x) on one point.

    The posterior of `RAE` and `WAE`; a VAE or IWAE refuses it. In place of its infinite
    KL divergence to N(0, I) stands half the squared norm, which is that divergence
    without an infinite constant.

    References
    ----------
    Ghosh et al., "From Variational to Deterministic Autoencoders", section 3.

    Examples
    --------
    >>> import torch
    >>> from skvae.posteriors import PointPosterior
    >>> PointPosterior()(torch.ones(1, 2)).kl_to_standard_normal()
    tensor([[0.5000, 0.5000]])
    """

    deterministic = True

    def n_outputs(self, n_components: int) -> int:
        """Return the number of raw encoder outputs: the point."""
        return n_components

    def forward(self, h: Tensor) -> PointMass:
        """Return the point mass at h."""
        return PointMass(h)
