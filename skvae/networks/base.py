"""Base classes of network architectures."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from math import isqrt, prod
from numbers import Integral
from typing import Any

import torch
from sklearn.base import BaseEstimator
from torch import nn

from skvae._utils.images import has_channels_last, image_shape_of
from skvae._utils.random import forked_global_rng
from skvae._utils.validation import with_plain_integers
from skvae._utils.warn import warn


class Network(BaseEstimator):
    """Base class of network architectures: a recipe for an encoder and a decoder.

    A network is a parameter of an estimator and holds no weights. To write one, define
    `make_encoder` and `make_decoder`; initial weights are drawn from the generator.
    Modules see flattened rows, also where X are images; see `ImageNetwork`.

    Attributes
    ----------
    uses_global_rng : bool
        Whether anything is drawn from torch's global generator, as dropout does. Fits
        then run under a copy of that generator which `random_state` seeds, one at a
        time. True, which is always safe, unless the class itself sets it to False; a
        subclass, which may add such layers, must do so again.
    image_shape : tuple of int or None
        (H, W) or (C, H, W) of the images that rows are, if the network knows it.
    """

    uses_global_rng = True
    image_shape: tuple[int, ...] | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.uses_global_rng = vars(cls).get("uses_global_rng", True)

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

    def for_shape(self, shape: tuple[int, ...]) -> Network:
        """Return the network for rows that had this shape before they were flattened.

        Parameters
        ----------
        shape : (n_features,), (H, W) or (C, H, W)
        """
        return self

    def rng_context(self, seed: int) -> AbstractContextManager:
        """Return the context in which the modules of this network are built and run."""
        return forked_global_rng(seed) if self.uses_global_rng else nullcontext()

    def reseed(self, seed: int) -> None:
        """Seed what the modules draw from, inside `rng_context`, before an epoch."""
        if self.uses_global_rng:
            torch.manual_seed(seed)


class ImageNetwork(Network):
    """Base class of networks for images.

    A subclass has the parameter `image_shape` and defines `encoder_layers` and
    `decoder_layers`.
    """

    def make_encoder(
        self, n_features: int, n_outputs: int, generator: torch.Generator
    ) -> nn.Module:
        """Return a module from (n, n_features), flattened images, to (n, n_outputs)."""
        shape = self._shape(n_features)
        check_one_image(type(self).__name__, shape, n_features)
        network = with_plain_integers(self)
        layers = network.encoder_layers(shape, n_outputs, generator)
        return nn.Sequential(nn.Unflatten(1, shape), *layers)

    def make_decoder(
        self, n_components: int, n_outputs: int, generator: torch.Generator
    ) -> nn.Module:
        """Return a module from (n, n_components) to (n, n_outputs), flattened images.

        `n_outputs` may be a multiple of the values of an image, for likelihoods with
        several parameters; the modules then return as many times the channels.
        """
        height, width = self._shape(n_outputs)[1:]
        shape = n_outputs // (height * width), height, width
        network = with_plain_integers(self)
        layers = network.decoder_layers(shape, n_components, generator)
        return nn.Sequential(*layers, nn.Flatten())

    def for_shape(self, shape: tuple[int, ...]) -> ImageNetwork:
        """Return the network for rows that had this shape before they were flattened.

        Raises
        ------
        ValueError
            If `image_shape` says otherwise.
        """
        return with_image_shape(self, shape)

    def encoder_layers(
        self, shape: tuple[int, int, int], n_outputs: int, generator: torch.Generator
    ) -> list[nn.Module]:
        """Return the layers from images of that shape, (C, H, W), to (n, n_outputs)."""
        raise NotImplementedError

    def decoder_layers(
        self, shape: tuple[int, int, int], n_components: int, generator: torch.Generator
    ) -> list[nn.Module]:
        """Return the layers from (n, n_components) to images of that shape."""
        raise NotImplementedError

    def _shape(self, n_values: int) -> tuple[int, int, int]:
        name = type(self).__name__
        if self.image_shape is None:
            raise ValueError(
                f"{name} needs images, but X has rows of {n_values} features. Pass X "
                "of shape (n, H, W) or (n, C, H, W), or say what a row is: "
                f"{name}(image_shape={_guess(n_values)})."
            )
        return image_shape_of(self.image_shape, name)


def with_image_shape(network: Network, shape: tuple[int, ...]) -> Network:
    """Return a copy of a network that knows the shape of images, if they are images."""
    if len(shape) == 1:
        return network
    name = type(network).__name__
    shape = image_shape_of(shape, name)
    own = network.image_shape
    if own is not None and image_shape_of(own, name) != shape:
        raise ValueError(
            f"The 'image_shape' parameter of {name} is {own}, but X has images of "
            f"shape {shape}, (channels, height, width). Leave it None: images say "
            "their shape themselves."
        )
    network = copy.copy(network)
    network.image_shape = shape
    return network


def check_one_image(owner: str, shape: tuple[int, ...], n_features: int) -> None:
    """Raise ValueError unless rows have as many features as an image has values."""
    if n_features != prod(shape):
        raise ValueError(
            f"The 'image_shape' parameter of {owner} is {shape}, which is "
            f"{prod(shape)} values, but X has {n_features} features. Set it to the "
            "(height, width) or (channels, height, width) of a row."
        )
    if has_channels_last(shape):
        channels, height, width = shape
        warn(
            f"The 'image_shape' parameter of {owner}, {shape}, is read as {channels} "
            f"channels of {height} x {width} pixels. If the last number is that of "
            "channels, transpose the images, X.transpose(0, 3, 1, 2), and flatten them "
            "then."
        )


def check_sizes(owner: str, name: str, sizes: Any, at_least: int = 0) -> list[int]:
    """Return a tuple of integers >= 1, or one of them, as a list; else raise."""
    values = list(sizes) if isinstance(sizes, Iterable) else [sizes]
    whole = all(isinstance(v, Integral) and not isinstance(v, bool) for v in values)
    if not whole or any(v < 1 for v in values) or len(values) < at_least:
        some = "at least one of them" if at_least else ""
        raise ValueError(
            f"The {name!r} parameter of {owner} must be a tuple of integers >= 1"
            f"{', ' * bool(some)}{some}. Got {sizes!r} instead."
        )
    return [int(v) for v in values]


def _guess(n_values: int) -> str:
    for channels in (1, 3):
        side = isqrt(n_values // channels)
        if channels * side**2 == n_values:
            return f"({side}, {side})" if channels == 1 else f"(3, {side}, {side})"
    return "(channels, height, width)"
