"""A residual network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skvae._utils.validation import check_choice, check_integer
from skvae.networks._layers import (
    NORMALIZATIONS,
    Layers,
    Size,
    glorot_uniform,
    halved,
    halvings,
)
from skvae.networks.base import ImageNetwork
from skvae.networks.convnet import check_halvings

_MAX_CHANNELS = 1024


class ResNet(ImageNetwork):
    """Residual network in the manner of Dai & Wipf's for faces.

    Encoder: a convolution 3 x 3; at every scale, blocks of two convolutions beside a
    shortcut, and between scales a convolution of stride 2 to twice the channels; the
    mean over all pixels; a dense residual block; a dense layer. Decoder: a dense layer
    to at most 2 x 2 pixels; up to the size of the image, transposed convolutions of
    stride 2, each with blocks after it; a convolution to the channels of the image.

    Parameters
    ----------
    base_channels : int, default=16
        Channels at the size of the image; twice as many at every further scale, in the
        decoder up to 1024.
    n_scales : int or None, default=None
        Scales of the encoder. None is the paper's: 4 for sides of 64 pixels or more,
        else 3.
    n_blocks : int, default=1
        Residual blocks at every scale.
    n_hidden : int, default=512
        Width of the dense residual block.
    normalization : {None, "batch", "weight", "spectral"}, default="batch"
        As in `ConvNet`.
    image_shape : tuple of int or None, default=None
        (H, W) or (C, H, W), for rows that are flattened images. Images that are not
        flattened say their shape themselves.

    Notes
    -----
    The original has square images of a power of two; other sides are rounded up at
    every scale, as in `ConvNet`. The paper's text has 32 channels and 2 blocks, the
    authors' code 16 and 1. Convolutions before batch normalisation have no bias, which
    it would subtract again; those of the authors' code have one.

    References
    ----------
    Dai & Wipf, "Diagnosing and Enhancing VAE Models", ICLR 2019, appendix, with
    https://github.com/daib13/TwoStageVAE; He et al., "Identity Mappings in Deep
    Residual Networks", ECCV 2016.

    Examples
    --------
    >>> from skvae import TwoStageVAE
    >>> from skvae.networks import ResNet
    >>> model = TwoStageVAE(64, network=ResNet(base_channels=32, n_blocks=2))
    """

    uses_global_rng = False

    def __init__(
        self,
        base_channels: int = 16,
        n_scales: int | None = None,
        n_blocks: int = 1,
        n_hidden: int = 512,
        normalization: str | None = "batch",
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        self.base_channels = base_channels
        self.n_scales = n_scales
        self.n_blocks = n_blocks
        self.n_hidden = n_hidden
        self.normalization = normalization
        self.image_shape = image_shape

    def encoder_layers(
        self, shape: tuple[int, int, int], n_outputs: int, generator: torch.Generator
    ) -> list[nn.Module]:
        """Return the layers from (n, C, H, W) to (n, n_outputs)."""
        make, (channels, *size) = self._make(generator), shape
        n, size = self.base_channels, tuple(size)
        check_halvings("ResNet", halvings(size, self._scales(size) - 1))
        modules = make.conv(channels, n, size, kernel=3, stride=1, output=True)
        for i in range(self._scales(size)):
            if i:
                modules += make.conv(n, 2 * n, size, kernel=3, output=True)
                n, size = 2 * n, halved(size)
            modules += _blocks(make, n, size, self.n_blocks)
        block = _dense_block(make, n, self.n_hidden)
        return [
            *modules,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            block,
            *make.linear(self.n_hidden, n_outputs, output=True),
        ]

    def decoder_layers(
        self, shape: tuple[int, int, int], n_components: int, generator: torch.Generator
    ) -> list[nn.Module]:
        """Return the layers from (n, n_components) to (n, C, H, W)."""
        make, sizes = self._make(generator), [shape[1:]]
        while max(sizes[-1]) > 2:
            sizes.append(halved(sizes[-1]))
        widths = [
            min(self.base_channels * 2**i, _MAX_CHANNELS) for i in range(len(sizes))
        ]
        n, start = widths.pop(), sizes.pop()
        modules = make.linear(n_components, n * start[0] * start[1], output=True)
        modules.append(nn.Unflatten(1, (n, *start)))
        for width, size in zip(widths[::-1], sizes[::-1], strict=True):
            modules += make.deconv(n, width, size, kernel=3, output=True)
            modules += _blocks(make, width, size, self.n_blocks)
            n = width
        last = make.conv(n, shape[0], shape[1:], kernel=3, stride=1, output=True)
        return [*modules, *last]

    def _make(self, generator: torch.Generator) -> Layers:
        for name in ("base_channels", "n_blocks", "n_hidden"):
            check_integer("ResNet", name, getattr(self, name), 1)
        check_choice("ResNet", "normalization", self.normalization, NORMALIZATIONS)
        return Layers(generator, nn.ReLU, self.normalization, glorot_uniform)

    def _scales(self, size: Size) -> int:
        if self.n_scales is None:
            return 4 if max(size) >= 64 else 3
        check_integer("ResNet", "n_scales", self.n_scales, 1)
        return self.n_scales


class Residual(nn.Module):
    """Layers beside a shortcut: body(x) + shortcut(x)."""

    def __init__(self, body: list[nn.Module], shortcut: list[nn.Module]) -> None:
        super().__init__()
        self.body, self.shortcut = nn.Sequential(*body), nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of both ways."""
        return self.body(x) + self.shortcut(x)


def _blocks(make: Layers, n: int, size: Size, n_blocks: int) -> list[nn.Module]:
    def conv(output: bool) -> list[nn.Module]:
        return make.conv(n, n, size, kernel=3, stride=1, output=output)

    def block() -> Residual:
        body = [*make.before(n), *conv(output=False), *conv(output=True)]
        return Residual(body, conv(output=True))

    return [block() for _ in range(n_blocks)]


def _dense_block(make: Layers, n_in: int, n_out: int) -> Residual:
    body = [
        nn.ReLU(),
        *make.linear(n_in, n_out, output=True),
        nn.ReLU(),
        *make.linear(n_out, n_out, output=True),
    ]
    return Residual(body, make.linear(n_in, n_out, output=True))
