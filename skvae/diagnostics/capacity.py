"""The size of the networks of a fitted estimator."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from skvae.estimators.base import BaseAutoencoder


class ParameterCounts(NamedTuple):
    """Numbers of trainable parameters."""

    encoder: int
    """Of the encoder, and of a posterior that has its own, such as a flow."""
    decoder: int
    """Of the decoder."""
    total: int
    """Of both; parameters that they share count once."""


def parameter_counts(estimator: BaseAutoencoder) -> ParameterCounts:
    """Count the trainable parameters of encoder and decoder, the network's capacity.

    Weights and biases count, and so do the scales and shifts of normalisations; the
    statistics of X and the scale of a likelihood do not. Of a `TwoStageVAE`, the
    networks are those of the first stage; pass ``model.second_stage_`` for the others.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted.

    Returns
    -------
    counts : ParameterCounts
        Named tuple (encoder, decoder, total).

    References
    ----------
    Bozkurt et al., "Can VAEs generate novel examples?", 2018, figure 4: layers and
    parameters of 17 networks.

    Examples
    --------
    Two linear maps of the three features, to means and to scales, and one back:

    >>> import numpy as np
    >>> from skvae import VAE
    >>> from skvae.diagnostics import parameter_counts
    >>> from skvae.networks import MLP
    >>> X = np.random.default_rng(0).normal(size=(64, 3))
    >>> vae = VAE(2, network=MLP(hidden_layer_sizes=()), max_epochs=2).fit(X)
    >>> parameter_counts(vae)
    ParameterCounts(encoder=16, decoder=9, total=25)
    """
    module = estimator._fitted_module()
    encoder = [module.encoder, module.posterior]
    counts = (encoder, [module.decoder], [*encoder, module.decoder])
    return ParameterCounts(*map(_n_trainable, counts))


def _n_trainable(modules: list[nn.Module]) -> int:
    parameters = nn.ModuleList(modules).parameters()  # each of them once
    return sum(p.numel() for p in parameters if p.requires_grad)
