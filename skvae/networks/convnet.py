"""A convolutional network of any depth and width."""

from __future__ import annotations

import torch
from torch import nn

from skvae._utils.validation import check_choice, check_integer
from skvae.networks._layers import ACTIVATIONS, NORMALIZATIONS, Layers, halvings
from skvae.networks.base import ImageNetwork, check_sizes


class ConvNet(ImageNetwork):
    """Convolutional network for images; the decoder mirrors the encoder.

    The encoder's convolutions have stride 2, so that each halves the sides of the
    image; dense layers follow. The decoder has the same layers in reverse, with
    transposed convolutions.

    Parameters
    ----------
    channels : tuple of int, default=(16, 32)
        Channels after each of the encoder's convolutions.
    kernel_size : int, default=4
        Side of the convolutions' kernels, at least 2.
    hidden_layer_sizes : tuple of int, default=(128,)
        Widths of the dense layers after the convolutions; may be empty.
    activation : str, default="silu"
        "relu", "leaky_relu", "elu", "gelu", "silu" or "tanh".
    normalization : {None, "batch", "weight", "spectral"}, default=None
        What to normalise: with "batch" the activations of hidden layers, with "weight"
        the norm of every output channel's weights, with "spectral" the largest singular
        value of every layer, which makes encoder and decoder smooth.
    image_shape : tuple of int or None, default=None
        (H, W) or (C, H, W), for rows that are flattened images. Images that are not
        flattened say their shape themselves.

    Notes
    -----
    Sides may be of any length that all convolutions can halve: more than
    ``2 ** (len(channels) - 1)`` pixels. Odd lengths are rounded up, by zeros after the
    last row or column, which the decoder cuts off.

    Batch normalisation learns faster in the first epochs, but what a row does to the
    training then depends on its batch. Layers before it have no bias, which it would
    subtract again. The averages that evaluation uses are good from the first step on.
    With weight normalisation, the penalty of squared weights in `RAE` has no hold on
    the lengths of the weights.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae import VAE
    >>> from skvae.networks import ConvNet
    >>> X = np.random.default_rng(0).integers(0, 256, (32, 1, 12, 12), dtype=np.uint8)
    >>> vae = VAE(2, network=ConvNet(channels=(4, 8)), max_epochs=1).fit(X)
    >>> vae.sample(5).shape
    (5, 1, 12, 12)
    """

    uses_global_rng = False

    def __init__(
        self,
        channels: tuple[int, ...] = (16, 32),
        kernel_size: int = 4,
        hidden_layer_sizes: tuple[int, ...] = (128,),
        activation: str = "silu",
        normalization: str | None = None,
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        self.channels = channels
        self.kernel_size = kernel_size
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.normalization = normalization
        self.image_shape = image_shape

    def encoder_layers(
        self, shape: tuple[int, int, int], n_outputs: int, generator: torch.Generator
    ) -> list[nn.Module]:
        """Return the layers from (n, C, H, W) to (n, n_outputs)."""
        make, channels, dense = self._make(generator)
        sizes = halvings(shape[1:], len(channels))
        check_halvings("ConvNet", sizes)
        modules, width = [], shape[0]
        for n, size in zip(channels, sizes[:-1], strict=True):
            modules += make.conv(width, n, size, kernel=self.kernel_size)
            width = n
        modules.append(nn.Flatten())
        width *= sizes[-1][0] * sizes[-1][1]
        for n in dense:
            modules += make.linear(width, n)
            width = n
        return [*modules, *make.linear(width, n_outputs, output=True)]

    def decoder_layers(
        self, shape: tuple[int, int, int], n_components: int, generator: torch.Generator
    ) -> list[nn.Module]:
        """Return the layers from (n, n_components) to (n, C, H, W)."""
        make, channels, dense = self._make(generator)
        *sizes, start = halvings(shape[1:], len(channels))
        modules, width = [], n_components
        for n in [*dense[::-1], channels[-1] * start[0] * start[1]]:
            modules += make.linear(width, n)
            width = n
        modules.append(nn.Unflatten(1, (channels[-1], *start)))
        widths = [*channels[::-1], shape[0]]
        for i, size in enumerate(sizes[::-1]):
            last = i == len(sizes) - 1
            modules += make.deconv(
                widths[i], widths[i + 1], size, kernel=self.kernel_size, output=last
            )
        return modules

    def _make(self, generator: torch.Generator) -> tuple[Layers, list[int], list[int]]:
        check_integer("ConvNet", "kernel_size", self.kernel_size, 2)
        check_choice("ConvNet", "activation", self.activation, tuple(ACTIVATIONS))
        check_choice("ConvNet", "normalization", self.normalization, NORMALIZATIONS)
        channels = check_sizes("ConvNet", "channels", self.channels, at_least=1)
        dense = check_sizes("ConvNet", "hidden_layer_sizes", self.hidden_layer_sizes)
        activation = ACTIVATIONS[self.activation]
        return Layers(generator, activation, self.normalization), channels, dense


def check_halvings(owner: str, sizes: list[tuple[int, int]]) -> None:
    """Raise ValueError unless every halving had something to halve."""
    n = len(sizes) - 1
    if n and min(sizes[-2]) < 2:
        raise ValueError(
            f"{owner} halves the sides of images {n} times, so they must be longer "
            f"than {2 ** (n - 1)} pixels, but X has images of {sizes[0][0]} x "
            f"{sizes[0][1]}. Take a network with fewer layers, such as "
            "ConvNet(channels=(32,)), or enlarge the images."
        )
