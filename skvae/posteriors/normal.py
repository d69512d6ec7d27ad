"""Normal posteriors: diagonal, isotropic, constant and full covariances."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from skvae._distributions.normal import DiagonalNormal, FullNormal, IsotropicNormal
from skvae._utils.validation import check_real
from skvae.posteriors.base import Posterior, bounded, start_at


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

    def start(self, layer: nn.Linear, log_scale: Tensor) -> None:
        """Begin with the same scales for all rows; see `Posterior.start`."""
        start_at(layer, len(log_scale), log_scale)

    def forward(self, h: Tensor) -> DiagonalNormal:
        """Return N(mean, diag(scale^2)) from outputs of shape (n, 2 * n_components)."""
        loc, log_scale = h.chunk(2, -1)
        return DiagonalNormal(loc, bounded(log_scale))


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

    def start(self, layer: nn.Linear, log_scale: Tensor) -> None:
        """Begin with the geometric mean of the scales; see `Posterior.start`."""
        start_at(layer, len(log_scale), log_scale.mean(0, keepdim=True))

    def forward(self, h: Tensor) -> IsotropicNormal:
        """Return N(mean, scale^2 I) from outputs of shape (n, n_components + 1)."""
        return IsotropicNormal(h[..., :-1], bounded(h[..., -1:]))


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

    def build(self, n_components: int, generator: torch.Generator) -> ConstantPosterior:
        """Check the scale; return self."""
        check_real("ConstantPosterior", "scale", self.scale)
        return self

    def forward(self, h: Tensor) -> IsotropicNormal:
        """Return N(h, scale^2 I)."""
        return IsotropicNormal(h, h.new_full((), math.log(self.scale)))


class FullCovariancePosterior(Posterior):
    """Normal posterior with a full covariance matrix for every row (Sigma-VAE).

    The encoder's outputs are the mean, the logarithm of the diagonal and the rest of
    the lower triangular factor L, the latter over the root of the number of components.

    References
    ----------
    Yu, "A Tutorial on VAEs", arXiv 2006.10273, section 3.3 (where the printed
    covariance proportional to V D^2 V' should read U D^2 U').

    Examples
    --------
    >>> import torch
    >>> from skvae.posteriors import FullCovariancePosterior
    >>> posterior = FullCovariancePosterior()
    >>> posterior.n_outputs(3)
    9
    >>> posterior(torch.zeros(2, 9)).factor[0]
    tensor([[1., 0., 0.],
            [0., 1., 0.],
            [0., 0., 1.]])
    """

    def n_outputs(self, n_components: int) -> int:
        """Return the number of raw encoder outputs: mean and triangular factor."""
        return n_components + n_components * (n_components + 1) // 2

    def start(self, layer: nn.Linear, log_scale: Tensor) -> None:
        """Begin with a diagonal covariance; see `Posterior.start`."""
        n_rest = layer.out_features - 2 * len(log_scale)
        rest = log_scale.new_zeros(n_rest)
        start_at(layer, len(log_scale), torch.cat([log_scale, rest]))

    def forward(self, h: Tensor) -> FullNormal:
        """Return N(mean, L L') from raw encoder outputs."""
        d = (math.isqrt(9 + 8 * h.shape[-1]) - 3) // 2
        loc, log_diagonal, rest = h.split([d, d, d * (d - 1) // 2], -1)
        row, column = torch.tril_indices(d, d, -1, device=h.device)
        factor = torch.diag_embed(bounded(log_diagonal).exp())
        factor[..., row, column] = rest / math.sqrt(d)
        return FullNormal(loc, factor)
