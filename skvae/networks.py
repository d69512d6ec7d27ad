"""Encoder and decoder networks, and the door for modules of the user's own."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from numbers import Integral
from typing import Any

import torch
import torch.nn.functional as F
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from skvae._random import forked_global_rng

__all__ = ["MLP", "CustomNetwork", "Network"]

_ACTIVATIONS = {
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
}


class Network(BaseEstimator):
    """Base class of network architectures: a recipe for an encoder and a decoder.

    A network is a parameter of an estimator and holds no weights. To write one, define
    `make_encoder` and `make_decoder`; every random draw takes the generator.
    """

    def make_encoder(
        self, n_features: int, n_outputs: int, generator: torch.Generator
    ) -> nn.Module:
        """Return a module from (n, n_features) to (n, n_outputs)."""
        raise NotImplementedError

    def make_decoder(
        self, n_components: int, n_outputs: int, generator: torch.Generator
    ) -> nn.Module:
        """Return a module from (n, n_components) to (n, n_outputs)."""
        raise NotImplementedError

    def rng_context(self, seed: int) -> AbstractContextManager:
        """Return the context in which the modules of this network are built and run."""
        return nullcontext()

    def reseed(self, seed: int) -> None:
        """Seed what the modules draw from, inside `rng_context`, before an epoch."""


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
        at a linear autoencoder, and hidden layers add what is not linear.

    Examples
    --------
    >>> from skvae import VAE
    >>> from skvae.networks import MLP
    >>> VAE(network=MLP(hidden_layer_sizes=(32,))).get_params()["network__activation"]
    'silu'
    """

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
        if self.activation not in _ACTIVATIONS:
            names = ", ".join(map(repr, _ACTIVATIONS))
            raise ValueError(
                f"The 'activation' parameter of MLP must be one of {names}. "
                f"Got {self.activation!r} instead."
            )
        return _Perceptron(n_in, sizes, n_out, self.activation, self.skip, generator)

    def _sizes(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if isinstance(sizes, Iterable) else [sizes]
        for size in sizes:
            if isinstance(size, bool) or not isinstance(size, Integral) or size < 1:
                raise ValueError(
                    "The 'hidden_layer_sizes' parameter of MLP must be a tuple of "
                    f"integers >= 1. Got {self.hidden_layer_sizes!r} instead."
                )
        return [int(size) for size in sizes]


class _Perceptron(nn.Module):
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
        self.activation, self.skip = activation, skip and bool(sizes)
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

    def forward(self, x: Tensor) -> Tensor:
        activation, h = _ACTIVATIONS[self.activation], x
        linear = nn.Linear.__call__ if self.training else _aligned_linear
        for layer in self.hidden:
            h = activation(linear(layer, h))
        return linear(self.output, torch.cat([x, h], -1) if self.skip else h)


def _aligned_linear(layer: nn.Linear, x: Tensor) -> Tensor:
    # A row's last bits depend on its alignment in memory where the width is odd, and so
    # on its position; inference pads the width to keep rows independent.
    n_missing = -x.shape[-1] % 8
    if not n_missing:
        return layer(x)
    weight = F.pad(layer.weight, (0, n_missing))
    return F.linear(F.pad(x, (0, n_missing)), weight, layer.bias)


class CustomNetwork(Network):
    """Encoder and decoder of the user's own.

    Parameters
    ----------
    encoder : nn.Module or callable
        A module from (n, n_features) to (n, n_outputs), where ``n_outputs`` is what the
        posterior asks for (``2 * n_components`` for the diagonal one), or a callable
        ``encoder(n_features, n_outputs)`` that returns one. A module is copied, and
        its weights are where training starts; a callable starts afresh in every fit,
        under `random_state`.
    decoder : nn.Module or callable
        Likewise, from (n, n_components) to (n, n_outputs), where ``n_outputs`` is
        ``n_features`` (twice that for a predicted scale).

    Notes
    -----
    Layers that draw random numbers while training (dropout) are reproducible too: such
    a fit runs under a copy of torch's global generator that `random_state` seeds.

    Examples
    --------
    >>> from torch import nn
    >>> from skvae import VAE
    >>> from skvae.networks import CustomNetwork
    >>> def encoder(n_in, n_out):
    ...     return nn.Sequential(nn.LayerNorm(n_in), nn.Linear(n_in, n_out))
    >>> model = VAE(network=CustomNetwork(encoder=encoder, decoder=nn.Linear))
    """

    def __init__(
        self,
        encoder: nn.Module | Callable[[int, int], nn.Module] | None = None,
        decoder: nn.Module | Callable[[int, int], nn.Module] | None = None,
    ) -> None:
        self.encoder = encoder
        self.decoder = decoder

    def make_encoder(
        self, n_features: int, n_outputs: int, generator: torch.Generator
    ) -> nn.Module:
        """Return the user's encoder; raise ValueError where its shape is wrong."""
        return self._make("encoder", n_features, n_outputs, generator)

    def make_decoder(
        self, n_components: int, n_outputs: int, generator: torch.Generator
    ) -> nn.Module:
        """Return the user's decoder; raise ValueError where its shape is wrong."""
        return self._make("decoder", n_components, n_outputs, generator)

    def rng_context(self, seed: int) -> AbstractContextManager:
        """Return a locked copy of torch's global generator, seeded."""
        return forked_global_rng(seed)

    def reseed(self, seed: int) -> None:
        """Seed the copy of torch's global generator."""
        torch.manual_seed(seed)

    def _make(
        self, name: str, n_in: int, n_out: int, generator: torch.Generator
    ) -> nn.Module:
        recipe = getattr(self, name)
        if isinstance(recipe, nn.Module):
            module = copy.deepcopy(recipe)
        elif callable(recipe):
            module = recipe(n_in, n_out)
        else:
            raise TypeError(
                f"The {name!r} parameter of CustomNetwork must be an nn.Module or a "
                f"callable that returns one. Got {recipe!r} instead."
            )
        if not isinstance(module, nn.Module):
            raise TypeError(
                f"The {name!r} parameter of CustomNetwork, called with ({n_in}, "
                f"{n_out}), must return an nn.Module. Got {module!r} instead."
            )
        _check_shape(module, name, n_in, n_out)
        return module


def make_linear(
    n_in: int, n_out: int, generator: torch.Generator, gain: float = 2.0
) -> nn.Linear:
    """Return a linear layer with weights N(0, gain / n_in) and no bias offset.

    `gain` 2 keeps the variance through rectifiers (He et al. 2015), 1 through linear
    maps.
    """
    layer = nn.utils.skip_init(
        nn.Linear, n_in, n_out, device="cpu", dtype=torch.float32
    )
    with torch.no_grad():
        layer.weight.normal_(0, (gain / n_in) ** 0.5, generator=generator)
        layer.bias.zero_()
    return layer


def resolve_network(network: Any) -> Network:
    """Return a network from its name, or the given one itself."""
    if isinstance(network, Network):
        return network
    if isinstance(network, str) and network == "mlp":
        return MLP()
    raise ValueError(
        "The 'network' parameter must be 'mlp' or a Network, such as "
        f"MLP(hidden_layer_sizes=(256, 256)). Got {network!r} instead."
    )


def _check_shape(module: nn.Module, name: str, n_in: int, n_out: int) -> None:
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            out = module(torch.zeros((2, n_in), dtype=torch.float32, device="cpu"))
        shape = tuple(out.shape)
    except RuntimeError as error:
        shape = str(error).splitlines()[0]
    module.train(training)
    if shape != (2, n_out):
        raise ValueError(
            f"The {name} of CustomNetwork must map (n, {n_in}) to (n, {n_out}), but "
            f"for an input of shape (2, {n_in}) it gave {shape}. Build it with the "
            f"sizes that the callable form {name}(n_in, n_out) is given."
        )
