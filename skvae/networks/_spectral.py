"""Spectral normalisation of linear and convolutional layers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skvae.networks._functional import with_parameters

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED)


class SpectrallyNormalised(nn.Module):
    """A layer whose weight is divided by its largest singular value.

    The singular vectors take three steps of the power iteration in every forward pass
    of training; in evaluation the singular value is exact. Unlike torch's
    parametrisation, it starts from an explicit generator and can be pickled.

    Parameters
    ----------
    layer : nn.Module with a ``weight``
    generator : torch.Generator

    References
    ----------
    Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR
    2018, algorithm 1. https://arxiv.org/abs/1802.05957
    """

    _FIRST_STEPS, _STEPS = 15, 3

    def __init__(self, layer: nn.Module, generator: torch.Generator) -> None:
        super().__init__()
        self.layer = layer
        weight = self._matrix().detach()
        like = {"dtype": weight.dtype, "device": weight.device}
        for name, size in zip(("u", "v"), weight.shape, strict=True):
            start = torch.randn(size, generator=generator, **like)
            self.register_buffer(name, F.normalize(start, dim=0))
        self.register_buffer("sigma", torch.ones((), **like))
        self._iterate(self._FIRST_STEPS)

    @property
    def weight(self) -> Tensor:
        """The normalised weight."""
        if not self.training:
            return self.layer.weight / self.sigma
        with torch.autocast(self.u.device.type, enabled=False):
            # Copies, since the next pass changes the vectors before any backward pass.
            sigma = self.u.clone() @ self._matrix() @ self.v.clone()
        return self.layer.weight / sigma

    @property
    def bias(self) -> Tensor | None:
        """The bias of the layer."""
        return self.layer.bias

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer with its normalised weight."""
        if self.training:
            self._iterate(self._STEPS)
        return with_parameters(self.layer, weight=self.weight)(x)

    def train(self, mode: bool = True) -> SpectrallyNormalised:
        """Switch between training and evaluation, as every module."""
        if not mode:
            with torch.no_grad():
                self.sigma.copy_(torch.linalg.matrix_norm(self._matrix(), 2))
        return super().train(mode)

    @torch.no_grad()
    def _iterate(self, n_steps: int) -> None:
        with torch.autocast(self.u.device.type, enabled=False):
            weight = self._matrix()
            for _ in range(n_steps):
                self.v.copy_(F.normalize(self.u @ weight, dim=0))
                self.u.copy_(F.normalize(weight @ self.v, dim=0))

    def _matrix(self) -> Tensor:
        weight = self.layer.weight
        if isinstance(self.layer, _TRANSPOSED):
            weight = weight.transpose(0, 1)
        return weight.flatten(1)


def normalise_spectrally(module: nn.Module, generator: torch.Generator) -> nn.Module:
    """Normalise all linear and convolutional layers of a module, in place.

    Layers that are normalised already stay as they are.

    Parameters
    ----------
    module : nn.Module
    generator : torch.Generator

    Returns
    -------
    module : nn.Module
        The same module, or the normalised layer if it is itself one.
    """
    if isinstance(module, SpectrallyNormalised):
        return module
    if isinstance(module, _LAYERS):
        return SpectrallyNormalised(module, generator)
    for name, child in module.named_children():
        setattr(module, name, normalise_spectrally(child, generator))
    return module
