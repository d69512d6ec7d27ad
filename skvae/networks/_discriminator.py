"""The adversary of WAE-GAN: tells codes from draws of the prior."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skvae._utils.adam import Adam
from skvae._utils.optimizers import HasOptimizers
from skvae.networks._functional import with_parameters
from skvae.networks._layers import make_linear


class Discriminator(HasOptimizers, nn.Module):
    """Perceptron from a latent point to the logit that the prior drew it.

    It trains with an optimizer of its own, in the steps of the autoencoder.

    Parameters
    ----------
    n_components : int
    generator : torch.Generator

    References
    ----------
    Tolstikhin et al., "Wasserstein Auto-Encoders", ICLR 2018, algorithm 1; widths and
    rates of the authors' code for MNIST.
    """

    _SIZES = (512, 512, 512, 512)
    _LEARNING_RATE, _BETAS = 5e-4, (0.5, 0.999)

    def __init__(self, n_components: int, generator: torch.Generator) -> None:
        super().__init__()
        widths = (n_components, *self._SIZES)
        self.hidden = nn.ModuleList(
            make_linear(a, b, generator) for a, b in pairwise(widths)
        )
        self.output = make_linear(widths[-1], 1, generator, gain=1.0)

    def forward(self, z: Tensor) -> Tensor:
        """Return logits of shape (n,) for z of shape (n, n_components)."""
        for layer in self.hidden:
            z = F.relu(layer(z))
        return self.output(z).float().squeeze(-1)

    def frozen(self, z: Tensor) -> Tensor:
        """Return the logits, constant in the discriminator's own weights."""
        for layer in self.hidden:
            z = F.relu(_constant(layer)(z))
        return _constant(self.output)(z).float().squeeze(-1)

    def optimizers(self) -> list[Any]:
        """Return the discriminator's optimizer."""
        return [Adam(self.parameters(), self._LEARNING_RATE, self._BETAS)]


def _constant(layer: nn.Module) -> nn.Module:
    return with_parameters(
        layer, weight=layer.weight.detach(), bias=layer.bias.detach()
    )
