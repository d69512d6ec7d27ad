"""Training objectives as pure functions: terms by row, in nats, to be minimised."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from skvae._distributions import rsample_with_kl, rsample_with_log_prob
from skvae._module import AutoencoderModule
from skvae._random import standard_normal

__all__ = ["importance_weights", "vae_loss"]


def vae_loss(
    module: AutoencoderModule,
    x: Tensor,
    *,
    generator: torch.Generator,
    beta: float | Tensor = 1.0,
    n_samples: int = 1,
    free_bits: float = 0.0,
) -> dict[str, Tensor]:
    """Terms of the negative evidence lower bound.

    Parameters
    ----------
    module : AutoencoderModule
    x : Tensor of shape (n, n_features)
    generator : torch.Generator
        Source of the posterior's noise, on the device of `x`.
    beta : float or Tensor of shape (), default=1.0
        Weight of the KL term; 1 gives a bound on log p(x).
    n_samples : int, default=1
        Draws z ~ q(z|x) for each row, averaged over.
    free_bits : float, default=0.0
        Bits of every component of a row that cost nothing: its KL divergence counts as
        at least this much. 0 gives the bound.

    Returns
    -------
    terms : dict of Tensor, each of shape (n,), in nats
        "reconstruction" is -log p(x|z) at the draws z ~ q(z|x), "kl" is
        beta * KL(q(z|x) || p(z)).

    References
    ----------
    Kingma & Welling 2014, eq. 3 and 10; Higgins et al. 2017, eq. 4; for free bits
    Kingma et al. 2016, section 2.3, in the form of Yu's code (by row, not by batch).
    """
    q = module.encode(x)
    shape = q.mean.shape if n_samples == 1 else (n_samples, *q.mean.shape)
    noise = standard_normal(*shape, generator=generator, device=x.device)
    z, kl = rsample_with_kl(q, noise)
    reconstruction = -module.decode(z).log_prob(x)
    if free_bits > 0:
        kl = kl.clamp(min=free_bits * math.log(2))
    return {
        "reconstruction": reconstruction if n_samples == 1 else reconstruction.mean(0),
        "kl": beta * kl.sum(-1),
    }


def importance_weights(
    module: AutoencoderModule, x: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Log weights of importance samples z ~ q(z|x), short of the prior.

    Parameters
    ----------
    module : AutoencoderModule
    x : Tensor of shape (n, n_features)
    noise : Tensor of shape (k, n, n_components)
        Standard normal.

    Returns
    -------
    log_ratio : Tensor of shape (k, n)
        log p(x|z) - log q(z|x); adding log p(z) gives log w, and
        logsumexp(log w) - log k is a lower bound on log p(x) in expectation.
    z : Tensor of shape (k, n, n_components)

    References
    ----------
    Burda, Grosse & Salakhutdinov, "Importance Weighted Autoencoders", 2016, eq. 8.
    """
    z, log_q_z = rsample_with_log_prob(module.encode(x), noise)
    return module.decode(z).log_prob(x) - log_q_z, z
