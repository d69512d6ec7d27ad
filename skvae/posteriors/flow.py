"""Normalising flows on a normal posterior."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn

from skvae._distributions.flows import (
    FlowNormal,
    InverseAutoregressiveFlow,
    planar_flow,
)
from skvae._distributions.normal import DiagonalNormal
from skvae._utils.validation import check_choice, check_integer
from skvae.posteriors.base import Posterior, bounded, start_at


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
        start_at(layer, len(log_scale), log_scale)

    def forward(self, h: Tensor) -> FlowNormal:
        """Return the distribution of a row's draws after all flows."""
        d = self.n_components
        loc, log_scale, h = h.tensor_split([d, 2 * d], -1)
        base = DiagonalNormal(loc, bounded(log_scale))
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
