"""Normalising flows: latent distributions as images of a diagonal normal one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skvae._distributions.normal import LOG_2PI, DiagonalNormal

Flow = Callable[[Tensor], tuple[Tensor, Tensor]]


class FlowNormal:
    """Distribution of z = f_T(... f_1(z_0)) for z_0 from a diagonal normal one.

    Its density is known at its own draws only.

    Parameters
    ----------
    base : DiagonalNormal of shape (..., d)
    flows : sequence of callables, Tensor -> (Tensor, Tensor)
        From z of shape (..., d) to f(z) and log |det df/dz|, the latter split over the
        components, both of shape (..., d).
    """

    def __init__(self, base: DiagonalNormal, flows: Sequence[Flow]) -> None:
        self.base = base
        self.flows = flows

    @property
    def mean(self) -> Tensor:
        """Image of the base's mean; it stands for the expectation, shape (..., d)."""
        return self._push(self.base.mean)[0]

    def rsample(self, noise: Tensor) -> Tensor:
        """Map standard normal noise to draws, differentiably."""
        return self._push(self.base.rsample(noise))[0]

    def rsample_with_log_prob(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Map noise to draws; return also their log density, by component in nats."""
        z, log_det = self._push(self.base.rsample(noise))
        log_q_z_0 = -0.5 * (noise.square() + LOG_2PI) - self.base.log_scale
        return z, log_q_z_0 - log_det

    def _push(self, z: Tensor) -> tuple[Tensor, Tensor]:
        total = torch.zeros_like(z)
        for flow in self.flows:
            z, log_det = flow(z)
            total = total + log_det
        return z, total


def planar_flow(z: Tensor, u: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Planar flow f(z) = z + v tanh(w'z + b), with v made of u such that w'v > -1.

    Parameters
    ----------
    z : Tensor of shape (..., n, d)
    u, w : Tensor of shape (n, d)
    b : Tensor of shape (n, 1)

    Returns
    -------
    f_z, log_det : Tensor of shape (..., n, d)
        Every component has an equal part of the log-determinant.

    References
    ----------
    Rezende & Mohamed, "Variational Inference with Normalizing Flows", ICML 2015, eq. 10
    to 12 and appendix A.1. https://arxiv.org/abs/1505.05770
    """
    w_u, w_w = (w * u).sum(-1, keepdim=True), w.square().sum(-1, keepdim=True)
    share = w_w / (w_w + 1e-12)  # 0 for w = 0, where f is a constant shift
    v = u + (F.softplus(w_u) - 1 - w_u) * w / (w_w + 1e-12)
    w_v_1 = share * F.softplus(w_u) + (1 - share) * (1 + w_u)  # 1 + w'v
    h = torch.tanh((w * z).sum(-1, keepdim=True) + b)
    # 1 + w'v (1 - h^2), as a sum of positive numbers.
    log_det = torch.log(h.square() + w_v_1 * (1 - h.square()))
    return z + v * h, (log_det / z.shape[-1]).expand_as(z)


class InverseAutoregressiveFlow(nn.Module):
    """Flow z_j -> s_j z_j + (1 - s_j) m_j, where m_j, s_j see components before j.

    Parameters
    ----------
    n_components : int
        d.
    n_hidden : int
        Width of the hidden layer, and of the context of a row.
    reverse : bool
        Whether "before" means a higher index.
    generator : torch.Generator

    References
    ----------
    Kingma et al., "Improved Variational Inference with Inverse Autoregressive Flow",
    NeurIPS 2016, algorithm 1; masks as in Germain et al., "MADE", ICML 2015.
    """

    def __init__(
        self,
        n_components: int,
        n_hidden: int,
        reverse: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        rank = torch.arange(n_components, device="cpu")
        rank = rank.flip(0) if reverse else rank
        # A hidden unit of degree k sees the components of rank < k.
        degree = torch.arange(n_hidden, device="cpu") % n_components
        into = (rank[None, :] < degree[:, None]).float()
        out = (degree[None, :] <= rank[:, None]).float().repeat(2, 1)
        self.register_buffer("mask_into", into)
        self.register_buffer("mask_out", out)
        self.into = _weight(into, 2.0, generator)
        self.out = _weight(out, 0.01, generator)
        # The gate starts nearly open: close to the identity.
        bias = torch.zeros((2, n_components), device="cpu", dtype=torch.float32)
        bias[1] = 2.0
        self.bias = nn.Parameter(bias.flatten())

    def forward(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return f(z) and log |det df/dz| by component for z of shape (..., n, d)."""
        h = F.linear(z, self.into * self.mask_into).float() + context
        h = F.linear(F.elu(h), self.out * self.mask_out).float() + self.bias
        m, s = h.chunk(2, -1)
        gate = s.sigmoid()
        return gate * z + (1 - gate) * m, F.logsigmoid(s)


def _weight(mask: Tensor, gain: float, generator: torch.Generator) -> nn.Parameter:
    scale = (gain / mask.sum(1, keepdim=True).clamp(min=1)).sqrt()
    return nn.Parameter(torch.empty_like(mask).normal_(generator=generator) * scale)
