"""Layers with weights from an explicit generator, and the arithmetic of their sizes."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skvae._utils.layers import Conv2d, ConvTranspose2d, Linear
from skvae.networks._normalisation import BatchNorm, WeightNormalised
from skvae.networks._spectral import SpectrallyNormalised

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
NORMALIZATIONS = (None, "batch", "weight", "spectral")

Size = tuple[int, int]


class AlignedLinear(Linear):
    """Linear layer whose output for a row does not depend on the row's position.

    A row's last bits depend on its alignment in memory where the width is odd, and so
    on its position; evaluation pads the width.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output, shape (..., out_features)."""
        n_missing = -x.shape[-1] % 8
        if self.training or not n_missing:
            return super().forward(x)
        weight = F.pad(self.weight, (0, n_missing))
        return F.linear(F.pad(x, (0, n_missing)), weight, self.bias)


def make_linear(
    n_in: int, n_out: int, generator: torch.Generator, gain: float = 2.0
) -> nn.Linear:
    """Return a linear layer with weights N(0, gain / n_in) and no bias offset.

    `gain` 2 keeps the variance through rectifiers (He et al. 2015), 1 through linear
    maps.
    """
    layer = _empty(AlignedLinear, n_in, n_out)
    he_normal(layer, n_in, n_out, gain, generator)
    return layer


def halved(size: Size) -> Size:
    """Return the size after a convolution of stride 2: the half, rounded up."""
    return -(-size[0] // 2), -(-size[1] // 2)


def halvings(size: Size, n: int) -> list[Size]:
    """Return a size and what `n` convolutions of stride 2 make of it."""
    sizes = [size]
    for _ in range(n):
        sizes.append(halved(sizes[-1]))
    return sizes


# Initial weights: functions of a layer, its numbers of inputs and outputs, a gain and a
# generator.


@torch.no_grad()
def he_normal(
    layer: nn.Module,
    n_in: int,
    n_out: int,
    gain: float,
    generator: torch.Generator,
) -> None:
    """Draw weights from N(0, gain / n_in)."""
    layer.weight.normal_(0, (gain / n_in) ** 0.5, generator=generator)


@torch.no_grad()
def glorot_uniform(
    layer: nn.Module,
    n_in: int,
    n_out: int,
    gain: float,
    generator: torch.Generator,
) -> None:
    """Draw weights from U(-a, a), a^2 = 6 / (n_in + n_out): the default of Keras."""
    a = (6 / (n_in + n_out)) ** 0.5
    layer.weight.uniform_(-a, a, generator=generator)


class SmallNormal:
    """Weights from N(0, std^2), those of convolutions cut off at two deviations."""

    def __init__(self, std: float) -> None:
        self.std = std

    @torch.no_grad()
    def __call__(
        self,
        layer: nn.Module,
        n_in: int,
        n_out: int,
        gain: float,
        generator: torch.Generator,
    ) -> None:
        """Draw the weights."""
        weight = layer.weight.normal_(0, self.std, generator=generator)
        if not isinstance(layer, nn.Conv2d):
            return
        while (far := weight.abs() > 2 * self.std).any():
            again = torch.empty(int(far.sum()), device="cpu", dtype=weight.dtype)
            weight[far] = again.normal_(0, self.std, generator=generator)


class Layers:
    """Maker of the layers of one network.

    Every method returns a list of modules: the layer with what its padding needs, and,
    unless it is an output, its normalisation and activation. A layer has no bias where
    batch normalisation follows, which would subtract it again: its gradient is 0, and
    Adam makes steps of the gradient's rounding errors. Sizes of images follow the
    rule "same": a convolution of stride s makes ceil(size / s) of a size, padded by
    zeros, the odd one after the last pixel; a transposed one is its mirror image.

    Parameters
    ----------
    generator : torch.Generator
    activation : callable without arguments that returns a module
    normalization : {None, "batch", "weight", "spectral"}, default=None
    initialise : callable, default=he_normal
    momentum, eps : float
        Of batch normalisation.
    """

    def __init__(
        self,
        generator: torch.Generator,
        activation: Callable[[], nn.Module],
        normalization: str | None = None,
        initialise: Callable[..., None] = he_normal,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> None:
        self.generator, self.activation = generator, activation
        self.normalization, self.initialise = normalization, initialise
        self.momentum, self.eps = momentum, eps

    def linear(
        self,
        n_in: int,
        n_out: int,
        *,
        output: bool = False,
        norm: bool = True,
    ) -> list[nn.Module]:
        """Return a linear layer."""
        batch = self._is_batch(output, norm)
        layer = _empty(AlignedLinear, n_in, n_out, bias=not batch)
        self._draw(layer, n_in, n_out, output)
        return [self._wrapped(layer), *self._after(n_out, output, batch)]

    def conv(
        self,
        n_in: int,
        n_out: int,
        size: Size,
        *,
        kernel: int,
        stride: int = 2,
        output: bool = False,
        norm: bool = True,
    ) -> list[nn.Module]:
        """Return a convolution of images of that size."""
        pads = [_same_padding(s, kernel, stride) for s in size]
        symmetric = all(before == after for before, after in pads)
        padding = tuple(before for before, _ in pads) if symmetric else 0
        batch = self._is_batch(output, norm)
        layer = _empty(Conv2d, n_in, n_out, kernel, stride, padding, bias=not batch)
        self._draw(layer, n_in * kernel**2, n_out * kernel**2, output)
        layers = [] if symmetric else [_pad(pads)]
        return [*layers, self._wrapped(layer), *self._after(n_out, output, batch)]

    def deconv(
        self,
        n_in: int,
        n_out: int,
        size: Size,
        *,
        kernel: int,
        stride: int = 2,
        output: bool = False,
        norm: bool = True,
    ) -> list[nn.Module]:
        """Return a transposed convolution to images of that size."""
        pads = [_same_padding(s, kernel, stride) for s in size]
        padding = tuple(before for before, _ in pads)
        batch = self._is_batch(output, norm)
        sizes = n_in, n_out, kernel, stride, padding
        layer = _empty(ConvTranspose2d, *sizes, bias=not batch)
        # A pixel of the output receives the share 1 / stride^2 of the kernel.
        self._draw(layer, n_in * kernel**2, n_out * kernel**2, output, stride**2)
        excess = [(0, before - after) for before, after in pads]
        crop = [_pad(excess)] if any(after for _, after in excess) else []
        return [self._wrapped(layer), *crop, *self._after(n_out, output, batch)]

    def before(self, n_in: int) -> list[nn.Module]:
        """Return normalisation and activation alone, of so many channels."""
        return self._after(n_in, False, self._is_batch(False, True))

    def _draw(
        self, layer: nn.Module, n_in: int, n_out: int, output: bool, share: int = 1
    ) -> None:
        gain = share * (1.0 if output else 2.0)
        self.initialise(layer, n_in, n_out, gain, self.generator)

    def _wrapped(self, layer: nn.Module) -> nn.Module:
        if self.normalization == "spectral":
            return SpectrallyNormalised(layer, self.generator)
        return WeightNormalised(layer) if self.normalization == "weight" else layer

    def _is_batch(self, output: bool, norm: bool) -> bool:
        return norm and not output and self.normalization == "batch"

    def _after(self, n_out: int, output: bool, batch: bool) -> list[nn.Module]:
        if output:
            return []
        first = [BatchNorm(n_out, self.momentum, self.eps)] if batch else []
        return [*first, self.activation()]


def _empty(cls: type, *sizes: object, bias: bool = True) -> nn.Module:
    """Return a layer with weights to be filled and a bias of zero, or none."""
    layer = cls(*sizes, bias=bias, device="cpu", dtype=torch.float32)
    if bias:
        nn.init.zeros_(layer.bias)
    # Channels last in memory, as the weights say, is faster by a third on a CPU.
    return layer.to(memory_format=torch.channels_last)


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after for which the output has ceil(size / stride) pixels."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _pad(pads: list[tuple[int, int]]) -> nn.ZeroPad2d:
    """Pad height and width, or crop where negative."""
    (top, bottom), (left, right) = pads
    return nn.ZeroPad2d((left, right, top, bottom))
