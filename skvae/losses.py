"""Training objectives as pure functions: terms by row, in nats, to be minimised."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from skvae._distributions.mmd import mmd_of_codes
from skvae._distributions.normal import (
    rsample_with_kl,
    rsample_with_log_prob,
    standard_normal_log_prob,
)
from skvae._utils.random import standard_normal, whole_batch
from skvae.module import AutoencoderModule
from skvae.networks._penalties import gradient_penalty, squared_weights

__all__ = [
    "gradient_penalty",
    "importance_weights",
    "iwae_loss",
    "rae_loss",
    "squared_weights",
    "vae_loss",
    "wae_gan_loss",
    "wae_mmd_loss",
]


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


def iwae_loss(
    module: AutoencoderModule,
    x: Tensor,
    *,
    generator: torch.Generator,
    n_importance_samples: int = 5,
    gradient: str = "standard",
) -> dict[str, Tensor]:
    """Negative importance weighted bound.

    With log w_k = log p(x|z_k) + log p(z_k) - log q(z_k|x) at K draws z_k ~ q(z|x), the
    bound is log (1/K) sum_k w_k.

    Parameters
    ----------
    module : AutoencoderModule
    x : Tensor of shape (n, n_features)
    generator : torch.Generator
        Source of the posterior's noise, on the device of `x`.
    n_importance_samples : int, default=5
        K.
    gradient : {"standard", "dreg"}, default="standard"
        "standard" is the derivative of the value. "dreg" has the same value, the same
        derivative by the decoder, and for the encoder
        sum_k v_k^2 (d log w_k / d z_k) (d z_k / d phi) with v = softmax(log w), where
        log q is constant in phi: equal in expectation, with less variance.

    Returns
    -------
    terms : dict of Tensor, each of shape (n,), in nats
        "neg_bound" is minus the bound.

    Raises
    ------
    TypeError
        For "dreg" and a posterior whose distributions have no `detach` (flows).

    References
    ----------
    Burda, Grosse & Salakhutdinov 2016, eq. 8 and 14; Tucker et al. 2019, eq. 8.
    """
    k = n_importance_samples
    noise = standard_normal(
        k, len(x), module.n_components, generator=generator, device=x.device
    )
    weights = _dreg_weights if gradient == "dreg" else importance_weights
    log_ratio, z = weights(module, x, noise)
    log_w = log_ratio + standard_normal_log_prob(z)  # (k, n)
    return {"neg_bound": math.log(k) - log_w.logsumexp(0)}


def rae_loss(
    module: AutoencoderModule,
    x: Tensor,
    *,
    generator: torch.Generator,
    latent_penalty: float = 1.0,
    regularizer: str | None = "l2",
    regularizer_weight: float = 1.0,
) -> dict[str, Tensor]:
    """Terms of the regularised autoencoder's objective, for z = encoder(x).

    Parameters
    ----------
    module : AutoencoderModule
    x : Tensor of shape (n, n_features)
    generator : torch.Generator
        Source of the gradient penalty's noise, on the device of `x`.
    latent_penalty : float, default=1.0
        Weight of ||z||^2 / 2.
    regularizer : {"l2", "gradient_penalty", None}, default="l2"
        Penalty of the decoder: `squared_weights`, or `gradient_penalty` of its mean in
        the units of the encoder's input, (D(z) - mean) / spread; of tables, of its
        outputs, which are scores and logits.
    regularizer_weight : float, default=1.0

    Returns
    -------
    terms : dict of Tensor, of shape (n,) or (), in nats
        "reconstruction" is -log p(x|z), "latent" the weighted penalty of z, and
        "regularizer", where there is one, that of the decoder.

    References
    ----------
    Ghosh et al., "From Variational to Deterministic Autoencoders", ICLR 2020, section
    3. https://arxiv.org/abs/1903.12436
    """
    z = module.encode(x).mean
    p = module.decode(z)
    terms = {
        "reconstruction": -p.log_prob(x),
        "latent": latent_penalty * 0.5 * z.square().sum(-1),
    }
    if regularizer == "l2":
        terms["regularizer"] = regularizer_weight * squared_weights(module.decoder)
    elif regularizer == "gradient_penalty":
        penalty = gradient_penalty(module.location, z, generator)
        terms["regularizer"] = regularizer_weight * penalty
    return terms


def wae_mmd_loss(
    module: AutoencoderModule,
    x: Tensor,
    *,
    generator: torch.Generator,
    divergence_weight: float = 1.0,
    kernel: str = "imq",
) -> dict[str, Tensor]:
    """Terms of the Wasserstein autoencoder with a maximum mean discrepancy.

    Parameters
    ----------
    module : AutoencoderModule
    x : Tensor of shape (n, n_features)
    generator : torch.Generator
        Source of the draws of the prior, on the device of `x`.
    divergence_weight : float, default=1.0
    kernel : {"imq", "rbf"}, default="imq"
        A sum of seven inverse multiquadratic kernels, or a Gaussian one with a median
        bandwidth.

    Returns
    -------
    terms : dict of Tensor, in nats
        "reconstruction", of shape (n,), is -log p(x|z) at z = encoder(x); "divergence",
        of shape (), the weighted unbiased estimate of the squared discrepancy between
        codes and as many draws of N(0, I), which may be negative.

    References
    ----------
    Tolstikhin et al., "Wasserstein Auto-Encoders", ICLR 2018, algorithm 2.
    """
    z = module.encode(x).mean
    reconstruction = -module.decode(z).log_prob(x)
    prior = standard_normal(*z.shape, generator=generator, device=z.device)
    codes, prior = whole_batch(z, prior, generator=generator)
    divergence = divergence_weight * mmd_of_codes(codes, prior, kernel)
    return {"reconstruction": reconstruction, "divergence": divergence}


def wae_gan_loss(
    module: AutoencoderModule,
    x: Tensor,
    *,
    generator: torch.Generator,
    divergence_weight: float = 1.0,
) -> dict[str, Tensor]:
    """Terms of the Wasserstein autoencoder with an adversary.

    Parameters
    ----------
    module : AutoencoderModule
        With a `discriminator`.
    x : Tensor of shape (n, n_features)
    generator : torch.Generator
        Source of the draws of the prior, on the device of `x`.
    divergence_weight : float, default=1.0

    Returns
    -------
    terms : dict of Tensor, each of shape (n,), in nats
        "reconstruction" is -log p(x|z) at z = encoder(x); "divergence" the weighted
        cross-entropy of codes taken for draws of the prior, whose gradient reaches the
        encoder alone; "discriminator" the weighted cross-entropies of both kinds taken
        for what they are, whose gradient reaches the discriminator alone.

    References
    ----------
    Tolstikhin et al., "Wasserstein Auto-Encoders", ICLR 2018, algorithm 1. There, the
    discriminator's step follows the autoencoder's; here both use the same state.
    """
    z = module.encode(x).mean
    prior = standard_normal(*z.shape, generator=generator, device=z.device)
    log_fooled = F.logsigmoid(module.discriminator.frozen(z))
    log_real = F.logsigmoid(module.discriminator(prior))
    log_fake = F.logsigmoid(-module.discriminator(z.detach()))
    return {
        "reconstruction": -module.decode(z).log_prob(x),
        "divergence": -divergence_weight * log_fooled,
        "discriminator": -divergence_weight * (log_real + log_fake),
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


def _dreg_weights(
    module: AutoencoderModule, x: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Return `importance_weights` whose gradient reaches the encoder by z alone."""
    q = module.encode(x)
    if not hasattr(q, "detach"):
        raise TypeError(
            "gradient='dreg' needs a posterior whose distributions have `detach`; "
            f"{type(module.posterior).__name__} gives {type(q).__name__}, which has "
            "none. Use gradient='standard'."
        )
    z = q.rsample(noise)
    log_ratio = module.decode(z).log_prob(x) - q.detach().log_prob(z)
    if z.requires_grad:
        log_w = log_ratio.detach() + standard_normal_log_prob(z.detach())
        v = log_w.softmax(0).unsqueeze(-1)  # (k, n, 1)
        # The bound's own gradient at z has v once already.
        z.register_hook(lambda gradient: v * gradient)
    return log_ratio, z
