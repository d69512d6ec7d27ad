"""Approximate posteriors q(z|x): what the encoder's raw output says about a latent.

The parameter `posterior` of an estimator takes an object, or a name for its defaults:

- ``"diagonal"``: normal, with a mean and a variance per row and component
- ``"isotropic"``: one variance per row
- ``"constant"``: one fixed variance for all rows, the CV-VAE
- ``"full"``: a covariance matrix per row
- ``"flow"``: normalising flows on a normal distribution
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from skvae._distributions.flows import (
    FlowNormal,
    InverseAutoregressiveFlow,
    planar_flow,
)
from skvae._distributions.normal import (
    DiagonalNormal,
    FullNormal,
    IsotropicNormal,
    PointMass,
)
from skvae._utils.optimizers import HasOptimizers
from skvae._utils.validation import (
    check_choice,
    check_integer,
    check_real,
    resolve_named,
)

# Networks extrapolate without end; a posterior needs no more beside a prior of scale 1.
_LOWEST_LOG_SCALE, _HIGHEST_LOG_SCALE = -15.0, 2.0

__all__ = [
    "ConstantPosterior",
    "DiagonalPosterior",
    "FlowPosterior",
    "FullCovariancePosterior",
    "IsotropicPosterior",
    "PointPosterior",
    "Posterior",
]


class Posterior(BaseEstimator, HasOptimizers, nn.Module):
    """Base class of approximate posteriors.

    To write one, define `n_outputs` and `forward`. The distribution that `forward`
    returns must have ``mean``, ``rsample(noise)`` and ``log_prob(z)``. It should have
    ``kl_to_standard_normal()``, by component; without it the KL divergence is estimated
    at the draws. ``rsample_with_log_prob(noise)`` may give both at once, and
    ``detach()`` allows doubly reparameterised gradients.

    Attributes
    ----------
    deterministic : bool
        Whether all draws for a row are equal.
    """

    deterministic = False

    def __init__(self) -> None:
        nn.Module.__init__(self)

    def n_outputs(self, n_components: int) -> int:
        """Return the number of raw encoder outputs for a latent dimension."""
        raise NotImplementedError

    def build(self, n_components: int, generator: torch.Generator) -> Posterior:
        """Check parameters, create weights of the posterior's own; return self."""
        return self

    def start(self, layer: nn.Linear, log_scale: Tensor) -> None:
        """Let the encoder's last layer begin with these scales; nothing by default.

        Parameters
        ----------
        layer : nn.Linear
            Its first outputs are the means.
        log_scale : Tensor of shape (n_components,)
        """

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

    def start(self, layer: nn.Linear, log_scale: Tensor) -> None:
        """Begin with the same scales for all rows; see `Posterior.start`."""
        _start_at(layer, len(log_scale), log_scale)

    def forward(self, h: Tensor) -> DiagonalNormal:
        """Return N(mean, diag(scale^2)) from outputs of shape (n, 2 * n_components)."""
        loc, log_scale = h.chunk(2, -1)
        return DiagonalNormal(loc, _bounded(log_scale))


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
        _start_at(layer, len(log_scale), log_scale.mean(0, keepdim=True))

    def forward(self, h: Tensor) -> IsotropicNormal:
        """Return N(mean, scale^2 I) from outputs of shape (n, n_components + 1)."""
        return IsotropicNormal(h[..., :-1], _bounded(h[..., -1:]))


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
        _start_at(layer, len(log_scale), torch.cat([log_scale, rest]))

    def forward(self, h: Tensor) -> FullNormal:
        """Return N(mean, L L') from raw encoder outputs."""
        d = (math.isqrt(9 + 8 * h.shape[-1]) - 3) // 2
        loc, log_diagonal, rest = h.split([d, d, d * (d - 1) // 2], -1)
        row, column = torch.tril_indices(d, d, -1, device=h.device)
        factor = torch.diag_embed(_bounded(log_diagonal).exp())
        factor[..., row, column] = rest / math.sqrt(d)
        return FullNormal(loc, factor)


class FlowPosterior(Posterior):
    """Posterior that is the image of a diagonal normal one under normalising flows.

    Parameters
    ----------
    kind : {"planar", "autoregressive"}, default="planar"
        "planar" flows have their parameters from the encoder. "autoregressive" ones are
        inverse autoregressive networks with a context from the encoder; their order of
        the components alternates.
    n_flows : int, default=8
    n_hidden : int, default=64
        Width of the networks of autoregressive flows.

    Notes
    -----
    The KL divergence has no closed form and is estimated at the draws of every step;
    free bits then apply to the estimate. In `kl_per_component_`, planar flows count for
    all components in equal parts. The transform of a row is the image of the mean of
    the normal distribution. Gradients of IWAE must be "standard".

    References
    ----------
    Rezende & Mohamed, "Variational Inference with Normalizing Flows", ICML 2015, eq. 10
    to 15.
    Kingma et al., "Improved Variational Inference with Inverse Autoregressive Flow",
    NeurIPS 2016, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae import VAE
    >>> X = np.random.default_rng(0).normal(size=(64, 3))
    >>> VAE(2, posterior="flow", max_epochs=2).fit(X).transform(X).shape
    (64, 2)
    """

    def __init__(
        self, kind: str = "planar", n_flows: int = 8, n_hidden: int = 64
    ) -> None:
        super().__init__()
        self.kind = kind
        self.n_flows = n_flows
        self.n_hidden = n_hidden

    def n_outputs(self, n_components: int) -> int:
        """Return the number of raw encoder outputs: those of the base and the flows."""
        check_choice("FlowPosterior", "kind", self.kind, ("planar", "autoregressive"))
        n_flows = check_integer("FlowPosterior", "n_flows", self.n_flows, 1)
        n_hidden = check_integer("FlowPosterior", "n_hidden", self.n_hidden, 1)
        if self.kind == "planar":
            return 2 * n_components + n_flows * (2 * n_components + 1)
        return 2 * n_components + n_hidden

    def build(self, n_components: int, generator: torch.Generator) -> FlowPosterior:
        """Create the networks of autoregressive flows; return self."""
        self.n_components = n_components
        n_networks = self.n_flows if self.kind == "autoregressive" else 0
        self.flows = nn.ModuleList(
            InverseAutoregressiveFlow(
                n_components, self.n_hidden, i % 2 == 1, generator
            )
            for i in range(n_networks)
        )
        return self

    def start(self, layer: nn.Linear, log_scale: Tensor) -> None:
        """Begin with the same scales for all rows; see `Posterior.start`."""
        _start_at(layer, len(log_scale), log_scale)

    def forward(self, h: Tensor) -> FlowNormal:
        """Return the distribution of a row's draws after all flows."""
        d = self.n_components
        loc, log_scale, h = h.tensor_split([d, 2 * d], -1)
        base = DiagonalNormal(loc, _bounded(log_scale))
        if self.kind == "planar":
            return FlowNormal(base, self._planar_flows(h))
        return FlowNormal(base, [partial(flow, context=h) for flow in self.flows])

    def _planar_flows(self, h: Tensor) -> list[partial]:
        d, flows = self.n_components, []
        for raw in h.chunk(self.n_flows, -1):
            u, w, b = raw.split([d, d, 1], -1)
            u, w = u / math.sqrt(d), w / math.sqrt(d)  # w'z starts with unit variance
            flows.append(partial(planar_flow, u=u, w=w, b=b))
        return flows


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


NAMES = {
    "diagonal": DiagonalPosterior,
    "isotropic": IsotropicPosterior,
    "constant": ConstantPosterior,
    "full": FullCovariancePosterior,
    "flow": FlowPosterior,
}


def _start_at(layer: nn.Linear, first: int, outputs: Tensor) -> None:
    """Let outputs of a layer, from `first` on, begin with values that are constant."""
    rows = slice(first, first + len(outputs))
    layer.weight[rows], layer.bias[rows] = 0, outputs


def _bounded(log_scale: Tensor) -> Tensor:
    return nn.functional.hardtanh(log_scale, _LOWEST_LOG_SCALE, _HIGHEST_LOG_SCALE)


def resolve_posterior(posterior: Any) -> Any:
    """Return a posterior from its name, or the given one itself."""
    if isinstance(posterior, Posterior) and posterior.deterministic:
        raise ValueError(
            "The 'posterior' parameter must have a finite KL divergence from N(0, I). "
            f"Got {posterior!r}, for which it is infinite: use RAE or WAE."
        )
    return resolve_named("posterior", posterior, Posterior, NAMES)
