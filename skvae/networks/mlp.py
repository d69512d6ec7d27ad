"""Multi-layer perceptrons."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from skvae._utils.validation import check_choice
from skvae.networks._layers import ACTIVATIONS, make_linear
from skvae.networks.base import Network, check_sizes


class MLP(Network):
    """Multi-layer perceptrons; the decoder mirrors the encoder.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(256, 256)
        Widths of the encoder's hidden layers; the decoder has them in reverse. An empty
        tuple gives linear maps (with the Gaussian likelihood: probabilistic PCA).
    activation : str, default="silu"
        "relu", "leaky_relu", "elu", "gelu", "silu" or "tanh".
    skip : bool, default=True
        Add a linear map of the input to the output, or in other words concatenate the
        input to the last hidden layer (Dai & Wipf's second stage). Training then starts
        at probabilistic PCA of the training rows, and hidden layers add what is not
        linear. False starts at small random weights.

    Examples
    --------
    >>> from skvae import VAE
    >>> from skvae.networks import MLP
    >>> VAE(network=MLP(hidden_layer_sizes=(32,))).get_params()["network__activation"]
    'silu'
    """

    uses_global_rng = False

    def __init__(
        self,
        hidden_layer_sizes: tuple[int, ...] = (256, 256),
        activation: str = "silu",
        skip: bool = True,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.skip = skip

    def make_encoder(
        self, n_features: int, n_outputs: int, generator: torch.Generator
    ) -> nn.Module:
        """Return a perceptron from (n, n_features) to (n, n_outputs)."""
        return self._make(n_features, self._sizes(), n_outputs, generator)

    def make_decoder(
        self, n_components: int, n_outputs: int, generator: torch.Generator
    ) -> nn.Module:
        """Return a perceptron from (n, n_components) to (n, n_outputs)."""
        return self._make(n_components, self._sizes()[::-1], n_outputs, generator)

    def _make(
        self, n_in: int, sizes: list[int], n_out: int, generator: torch.Generator
    ) -> nn.Module:
        check_choice("MLP", "activation", self.activation, tuple(ACTIVATIONS))
        return Perceptron(n_in, sizes, n_out, self.activation, self.skip, generator)

    def _sizes(self) -> list[int]:
        return check_sizes("MLP", "hidden_layer_sizes", self.hidden_layer_sizes)


class Perceptron(nn.Module):
    """The module of an `MLP`."""

    def __init__(
        self,
        n_in: int,
        sizes: list[int],
        n_out: int,
        activation: str,
        skip: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.activation, self.skip = ACTIVATIONS[activation](), skip and bool(sizes)
        widths = [n_in, *sizes]
        self.hidden = nn.ModuleList(
            make_linear(a, b, generator) for a, b in pairwise(widths)
        )
        n_last = widths[-1] + (n_in if self.skip else 0)
        self.output = make_linear(n_last, n_out, generator, gain=1.0)
        if self.skip:
            direct = make_linear(n_in, n_out, generator, gain=1.0)
            with torch.no_grad():
                self.output.weight[:, :n_in] = direct.weight
                self.output.weight[:, n_in:] = 0

    @property
    def linear_path(self) -> Tensor | None:
        """Weights from the input to the output, (n_out, n_in), to be changed there."""
        if not self.skip:
            return None
        n_hidden = self.hidden[-1].out_features
        return self.output.weight[:, :-n_hidden]

    @property
    def first_layers(self) -> list[tuple[nn.Linear, slice]]:
        """The layers that see the input, and in which of their columns."""
        first = (*self.hidden, self.output)[0]
        layers = [first, self.output] if self.skip else [first]
        return [(layer, slice(first.in_features)) for layer in layers]

    @property
    def last_layer(self) -> nn.Module:
        """The layer that puts out the output, unless normalised an affine one."""
        return self.output

    def forward(self, x: Tensor) -> Tensor:
        """Return the output, shape (n, n_out)."""
        h = x
        for layer in self.hidden:
            h = self.activation(layer(h))
        return self.output(torch.cat([x, h], -1) if self.skip else h)
