"""The base class of approximate posteriors, and what they share."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from skvae._utils.optimizers import HasOptimizers

# Networks extrapolate without end; a posterior needs no more beside a prior of scale 1.
_LOWEST_LOG_SCALE, _HIGHEST_LOG_SCALE = -15.0, 2.0


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


def start_at(layer: nn.Linear, first: int, outputs: Tensor) -> None:
    """Let outputs of a layer, from `first` on, begin with values that are constant."""
    rows = slice(first, first + len(outputs))
    layer.weight[rows], layer.bias[rows] = 0, outputs


def bounded(log_scale: Tensor) -> Tensor:
    """Return log scales within the bounds of all posteriors."""
    return nn.functional.hardtanh(log_scale, _LOWEST_LOG_SCALE, _HIGHEST_LOG_SCALE)
