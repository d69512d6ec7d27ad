"""The architectures of the papers, layer by layer."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from skvae._utils.validation import (
    check_boolean,
    check_choice,
    check_integer,
    check_real,
)
from skvae.networks._layers import (
    Layers,
    SmallNormal,
    glorot_uniform,
    halved,
    halvings,
)
from skvae.networks._spectral import normalise_spectrally
from skvae.networks.base import ImageNetwork
from skvae.networks.convnet import check_halvings

_LARGE = 64


class InfoGANNet(ImageNetwork):
    """The "neutral" network of Lucic et al., which Dai & Wipf use for all data sets.

    Encoder: convolutions 4 x 4 of stride 2 to 64 and 128 channels, dense layers of 1024
    and of the outputs; leaky rectifiers of slope 0.2. Decoder: dense layers of 1024 and
    of 128 channels at a quarter of the size, transposed convolutions 4 x 4 of stride 2
    to 64 channels and to those of the image; rectifiers. Every hidden layer but the
    first has batch normalisation. Weights start at N(0, 0.02^2).

    Parameters
    ----------
    base_channels : int, default=64
        The paper's 64; all widths are multiples of it.
    spectral_norm : bool, default=False
        Normalise every layer of the encoder, as Dai & Wipf's code does and their text
        does not say.
    batch_norm_momentum : float, default=0.1
        Weight of the newest batch in the averages of batch normalisation. The code has
        0.001, for runs of hundreds of thousands of steps.
    image_shape : tuple of int or None, default=None
        (H, W) or (C, H, W), for rows that are flattened images. Images that are not
        flattened say their shape themselves.

    Notes
    -----
    The papers' sides are multiples of 4; here others are rounded up, as in `ConvNet`.
    The output is the likelihood's business: a Gaussian mean ends in Dai & Wipf's
    sigmoid where X shows bounds, as images of bytes do, or where they are given,
    ``GaussianLikelihood(bounds=(0, 1))``. Layers before batch normalisation have no
    bias, which it would subtract again; those of the authors' code have one.

    References
    ----------
    Chen et al., "InfoGAN", NeurIPS 2016; Lucic et al., "Are GANs Created Equal?",
    NeurIPS 2018; Dai & Wipf, "Diagnosing and Enhancing VAE Models", ICLR 2019, appendix
    E, with https://github.com/daib13/TwoStageVAE.

    Examples
    --------
    >>> from skvae import TwoStageVAE
    >>> from skvae.networks import InfoGANNet
    >>> model = TwoStageVAE(64, network=InfoGANNet(), batch_size=64, learning_rate=1e-4)
    """

    uses_global_rng = False

    def __init__(
        self,
        base_channels: int = 64,
        spectral_norm: bool = False,
        batch_norm_momentum: float = 0.1,
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        self.base_channels = base_channels
        self.spectral_norm = spectral_norm
        self.batch_norm_momentum = batch_norm_momentum
        self.image_shape = image_shape

    def encoder_layers(
        self, shape: tuple[int, int, int], n_outputs: int, generator: torch.Generator
    ) -> list[nn.Module]:
        """Return the layers from (n, C, H, W) to (n, n_outputs)."""
        make = self._make(generator, partial(nn.LeakyReLU, 0.2))
        channels, *size = shape
        sizes = halvings(tuple(size), 2)
        check_halvings("InfoGANNet", sizes)
        n = self.base_channels
        modules = nn.Sequential(
            *make.conv(channels, n, sizes[0], kernel=4, norm=False),
            *make.conv(n, 2 * n, sizes[1], kernel=4),
            nn.Flatten(),
            *make.linear(2 * n * sizes[2][0] * sizes[2][1], 16 * n),
            *make.linear(16 * n, n_outputs, output=True),
        )
        if self.spectral_norm:
            normalise_spectrally(modules, generator)
        return list(modules)

    def decoder_layers(
        self, shape: tuple[int, int, int], n_components: int, generator: torch.Generator
    ) -> list[nn.Module]:
        """Return the layers from (n, n_components) to (n, C, H, W)."""
        make = self._make(generator, nn.ReLU)
        n, channels = self.base_channels, shape[0]
        whole, half, quarter = halvings(shape[1:], 2)
        return [
            *make.linear(n_components, 16 * n),
            *make.linear(16 * n, 2 * n * quarter[0] * quarter[1]),
            nn.Unflatten(1, (2 * n, *quarter)),
            *make.deconv(2 * n, n, half, kernel=4),
            *make.deconv(n, channels, whole, kernel=4, output=True),
        ]

    def _make(self, generator: torch.Generator, activation: object) -> Layers:
        check_boolean("InfoGANNet", "spectral_norm", self.spectral_norm)
        _check_common(self)
        return Layers(
            generator,
            activation,
            "batch",
            SmallNormal(0.02),
            self.batch_norm_momentum,
        )


class WAENet(ImageNetwork):
    """The network of Tolstikhin et al.'s Wasserstein autoencoders.

    Encoder: four convolutions of stride 2 to 128, 256, 512 and 1024 channels, and a
    dense layer. Decoder: a dense layer to 1024 channels, transposed convolutions of
    stride 2 to 512 and 256 channels, and one of stride 1 to those of the image. Batch
    normalisation after every hidden convolution, rectifiers. For sides of 64 pixels or
    more the kernels are 5 x 5 instead of 4 x 4, and a third transposed convolution, to
    128 channels, comes before the last. Weights start at N(0, 0.01^2).

    Parameters
    ----------
    base_channels : int, default=128
        The paper's 128; all widths are multiples of it.
    first_stride : {1, 2}, default=2
        Stride of the first convolution; 1 is Dai & Wipf's version for faces.
    batch_norm_momentum : float, default=0.1
        Weight of the newest batch in the averages of batch normalisation.
    image_shape : tuple of int or None, default=None
        (H, W) or (C, H, W), for rows that are flattened images. Images that are not
        flattened say their shape themselves.

    Notes
    -----
    The papers have images of 28 and 64 pixels; other sides, of 9 or more, are rounded
    up at every convolution, as in `ConvNet`. The output is the likelihood's business.
    Layers before batch normalisation have no bias, which it would subtract again; those
    of the authors' code have one.

    References
    ----------
    Tolstikhin et al., "Wasserstein Auto-Encoders", ICLR 2018, appendix C, with
    https://github.com/tolstikhin/wae; Dai & Wipf, "Diagnosing and Enhancing VAE
    Models", ICLR 2019, table 2.

    Examples
    --------
    >>> from skvae import WAE
    >>> from skvae.networks import WAENet
    >>> model = WAE(8, network=WAENet(), batch_size=100)
    """

    uses_global_rng = False

    def __init__(
        self,
        base_channels: int = 128,
        first_stride: int = 2,
        batch_norm_momentum: float = 0.1,
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        self.base_channels = base_channels
        self.first_stride = first_stride
        self.batch_norm_momentum = batch_norm_momentum
        self.image_shape = image_shape

    def encoder_layers(
        self, shape: tuple[int, int, int], n_outputs: int, generator: torch.Generator
    ) -> list[nn.Module]:
        """Return the layers from (n, C, H, W) to (n, n_outputs)."""
        check_choice("WAENet", "first_stride", self.first_stride, (1, 2))
        make, n = self._make(generator), self.base_channels
        return _four_convolutions(
            "WAENet", make, n, shape, n_outputs, self.first_stride
        )

    def decoder_layers(
        self, shape: tuple[int, int, int], n_components: int, generator: torch.Generator
    ) -> list[nn.Module]:
        """Return the layers from (n, n_components) to (n, C, H, W)."""
        make = self._make(generator)
        return _upsampling(make, self.base_channels, shape, n_components, norm=False)

    def _make(self, generator: torch.Generator) -> Layers:
        _check_common(self)
        return Layers(
            generator,
            nn.ReLU,
            "batch",
            SmallNormal(0.01),
            self.batch_norm_momentum,
        )


class RAENet(ImageNetwork):
    """The network that Ghosh et al. use for all models of their comparison.

    Encoder: four convolutions of stride 2 to 128, 256, 512 and 1024 channels, and a
    dense layer. Decoder: a dense layer to 1024 channels, transposed convolutions of
    stride 2 to 512 and 256 channels, and one of stride 1 to those of the image. Batch
    normalisation after every hidden layer, rectifiers. For sides of 64 pixels or more
    the kernels are 5 x 5 instead of 4 x 4, and a third transposed convolution, to 128
    channels, comes before the last. Weights start uniform, as Glorot & Bengio's.

    Parameters
    ----------
    base_channels : int, default=128
        The paper's 128; all widths are multiples of it.
    batch_norm_momentum : float, default=0.1
        Weight of the newest batch in the averages of batch normalisation. The code has
        0.01, the default of Keras.
    image_shape : tuple of int or None, default=None
        (H, W) or (C, H, W), for rows that are flattened images. Images that are not
        flattened say their shape themselves.

    Notes
    -----
    The paper pads MNIST to 32 pixels; other sides, of 9 or more, are rounded up at
    every convolution, as in `ConvNet`. The dense layer of the decoder has batch
    normalisation and a rectifier, as in the paper; the authors' code has neither. The
    output is the likelihood's business. Layers before batch normalisation have no bias,
    which it would subtract again; those of the authors' code have one.

    References
    ----------
    Ghosh et al., "From Variational to Deterministic Autoencoders", ICLR 2020, appendix
    A, with https://github.com/ParthaEth/Regularized_autoencoders-RAE-.

    Examples
    --------
    >>> from skvae import RAE
    >>> from skvae.networks import RAENet
    >>> model = RAE(16, network=RAENet(), batch_size=100, lr_schedule="plateau")
    """

    uses_global_rng = False

    def __init__(
        self,
        base_channels: int = 128,
        batch_norm_momentum: float = 0.1,
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        self.base_channels = base_channels
        self.batch_norm_momentum = batch_norm_momentum
        self.image_shape = image_shape

    def encoder_layers(
        self, shape: tuple[int, int, int], n_outputs: int, generator: torch.Generator
    ) -> list[nn.Module]:
        """Return the layers from (n, C, H, W) to (n, n_outputs)."""
        make, n = self._make(generator), self.base_channels
        return _four_convolutions("RAENet", make, n, shape, n_outputs)

    def decoder_layers(
        self, shape: tuple[int, int, int], n_components: int, generator: torch.Generator
    ) -> list[nn.Module]:
        """Return the layers from (n, n_components) to (n, C, H, W)."""
        make = self._make(generator)
        return _upsampling(make, self.base_channels, shape, n_components, norm=True)

    def _make(self, generator: torch.Generator) -> Layers:
        _check_common(self)
        momentum = self.batch_norm_momentum
        return Layers(generator, nn.ReLU, "batch", glorot_uniform, momentum, eps=1e-3)


def _check_common(network: ImageNetwork) -> None:
    name = type(network).__name__
    check_integer(name, "base_channels", network.base_channels, 1)
    momentum = network.batch_norm_momentum
    check_real(name, "batch_norm_momentum", momentum, 0, 1, high_included=True)


def _four_convolutions(
    owner: str,
    make: Layers,
    n: int,
    shape: tuple[int, int, int],
    n_outputs: int,
    first_stride: int = 2,
) -> list[nn.Module]:
    """Return an encoder of four convolutions and a dense layer."""
    width, *size = shape
    size = tuple(size)
    check_halvings(owner, halvings(size, 4))
    modules = []
    kernel = _kernel(size)
    for i, stride in enumerate((first_stride, 2, 2, 2)):
        modules += make.conv(width, n * 2**i, size, kernel=kernel, stride=stride)
        width, size = n * 2**i, halved(size) if stride == 2 else size
    n_values = width * size[0] * size[1]
    return [*modules, nn.Flatten(), *make.linear(n_values, n_outputs, output=True)]


def _upsampling(
    make: Layers, n: int, shape: tuple[int, int, int], n_components: int, norm: bool
) -> list[nn.Module]:
    """Return a decoder: a dense layer, and two or three doublings of the sides."""
    large = _kernel(shape[1:]) == 5
    *sizes, start = halvings(shape[1:], 3 if large else 2)
    width = 8 * n
    modules = make.linear(n_components, width * start[0] * start[1], norm=norm)
    modules.append(nn.Unflatten(1, (width, *start)))
    kernel = _kernel(shape[1:])
    for size in sizes[::-1]:
        modules += make.deconv(width, width // 2, size, kernel=kernel)
        width //= 2
    last = make.deconv(width, shape[0], sizes[0], kernel=kernel, stride=1, output=True)
    return [*modules, *last]


def _kernel(size: tuple[int, int]) -> int:
    """Side of the kernels: the papers have one for digits, another for faces."""
    return 5 if max(size) >= _LARGE else 4
