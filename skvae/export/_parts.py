"""Parts of a fitted autoencoder as modules from arrays of users to arrays of users."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skvae._utils.float32 import Frame
from skvae.module import AutoencoderModule
from skvae.networks._normalisation import WeightNormalised
from skvae.networks._spectral import SpectrallyNormalised

NAMES = {
    "encoder": ("X", "Z"),
    "decoder": ("Z", "X_decoded"),
    "reconstruct": ("X", "X_reconstructed"),
}


class _Reader(nn.Module):
    """Rows of X, of any type and shape, as the module sees them.

    Parameters
    ----------
    frame : Frame
    """

    def __init__(self, frame: Frame) -> None:
        super().__init__()
        self.is_plain = frame.is_plain
        factor, origin = 1 / frame.unit, np.ldexp(frame.origin, -frame.exponent)
        self.register_buffer("factor", torch.from_numpy(np.asarray(factor, float)))
        self.register_buffer("origin", torch.from_numpy(np.asarray(origin, float)))

    def forward(self, X: Tensor) -> Tensor:
        """Return rows in float32; values beyond its range are infinite."""
        x = X.flatten(1)
        if not self.is_plain:
            x = x.double() * self.factor - self.origin
        return x.float()


class _Writer(nn.Module):
    """Rows of the module in the units, the type and the shape of those of `fit`.

    Parameters
    ----------
    frame : Frame
    row_shape : tuple of int
    """

    def __init__(self, frame: Frame, row_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.is_plain, self.row_shape = frame.is_plain, row_shape
        self.dtype = torch.from_numpy(np.zeros(0, frame.dtype)).dtype
        self.register_buffer("unit", torch.from_numpy(np.asarray(frame.unit, float)))
        origin = np.asarray(frame.origin, float)
        self.register_buffer("origin", torch.from_numpy(origin))

    def forward(self, rows: Tensor) -> Tensor:
        """Return rows as the methods of an estimator do."""
        if not self.is_plain:
            rows = rows.double() * self.unit + self.origin
        return rows.to(self.dtype).reshape(-1, *self.row_shape)


class Encoder(nn.Module):
    """From rows of X to the means of q(z|x)."""

    def __init__(self, module: AutoencoderModule) -> None:
        super().__init__()
        self.read, self.module = _Reader(module.frame), module
        del module.decoder

    def forward(self, X: Tensor) -> Tensor:
        """Return codes, shape (n, n_components)."""
        x = self.read(X)
        z = self.module.encode(x).mean
        z = torch.where(x.isnan().all(1, keepdim=True), 0.0, z)  # as the prior's
        return _without_infinite(z, x)


class Decoder(nn.Module):
    """From codes to the means of p(x|z)."""

    def __init__(self, module: AutoencoderModule, row_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.module, self.write = module, _Writer(module.frame, row_shape)
        del module.encoder, module.posterior

    def forward(self, Z: Tensor) -> Tensor:
        """Return rows in the units and the shape of X."""
        # A copy, since a decoder of the user's own may work in place.
        return self.write(self.module.decode(Z.float().clone()).mean)


class Reconstruction(nn.Module):
    """From rows of X to the means of p(x|z) at the means of q(z|x)."""

    def __init__(self, module: AutoencoderModule, row_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.read, self.module = _Reader(module.frame), module
        self.write = _Writer(module.frame, row_shape)

    def forward(self, X: Tensor) -> Tensor:
        """Return rows in the units and the shape of X."""
        x = self.read(X)
        rows = self.module.decode(self.module.encode(x).mean).mean
        return self.write(_without_infinite(rows, x))


def make_part(estimator: Any, part: str) -> nn.Module:
    """Return a part of a fitted estimator on the CPU, which shares nothing with it."""
    module = copy.deepcopy(estimator.module_).cpu().requires_grad_(False)
    _normalise_weights(module)
    # Gaps may come in any row, and cost next to nothing.
    module.frame = replace(module.frame, has_missing=True)
    if part == "encoder":
        return Encoder(module)
    kind = Decoder if part == "decoder" else Reconstruction
    return kind(module, estimator._row_shape)


def _normalise_weights(module: nn.Module) -> None:
    """Put layers with the weights that they have in the place of normalised ones.

    torch.export knows the layers of a module only, not twins with other weights.
    """
    for name, child in module.named_children():
        if isinstance(child, WeightNormalised | SpectrallyNormalised):
            layer, weight = child.layer, child.weight.detach().clone()
            layer.weight = nn.Parameter(weight, requires_grad=False)
            setattr(module, name, layer)
        else:
            _normalise_weights(child)


def _without_infinite(values: Tensor, x: Tensor) -> Tensor:
    """Return NaN for rows with a value that is not finite, which methods refuse."""
    return torch.where(x.isinf().any(1, keepdim=True), torch.nan, values)
