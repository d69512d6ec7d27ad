"""Scores of rows far from the training data, where q(z|x) is no guide to p(z|x).

An encoder extrapolates, and with it the location and scale of q(z|x). Importance
samples of such rows are drawn around the mode of p(x, z) instead, which a few steps of
Fisher scoring find.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from skvae._distributions.normal import LOG_2PI, standard_normal_log_prob
from skvae.module import AutoencoderModule

_FAR = 2.0  # root mean square of a scaled input or of a code
_FIRST_STEPS, _N_STEPS = 3, 6  # from each start, and from the best of their ends
_DIFFERENCE = 1e-2  # of a code, or of 1 if it is smaller
_RADII = 3.0, 9.0  # of codes to begin with, in root mean squares
# Lengths of a step in units of the natural one, scales of draws around the mode, and
# parts of the way to the encoder's code. Types and devices are those of the rows.
_LENGTHS = 4.0 ** torch.arange(-4, 7, device="cpu")
_SCALES = torch.tensor([1.0, 2.0, 0.5, 4.0], device="cpu")
_SHARES = torch.tensor([0.0, 0.25, 0.5, 1.0], device="cpu")


def is_far(module: AutoencoderModule, x: Tensor, code: Tensor) -> Tensor:
    """Tell which rows, or their codes, lie outside of what training has shown.

    Parameters
    ----------
    module : AutoencoderModule
    x : Tensor of shape (n, n_features)
    code : Tensor of shape (n, n_components)
        The location of q(z|x).

    Returns
    -------
    far : Tensor of bool, shape (n,)
    """
    distance = torch.addcmul(module.shift, module.factor, x)
    near = distance.square().mean(-1) <= _FAR**2
    return ~(near & (code.square().mean(-1) <= _FAR**2))


def draws_around_mode(
    module: AutoencoderModule, x: Tensor, code: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Draw codes around the mode of p(x, z), and return their log ratio.

    Parameters
    ----------
    module : AutoencoderModule
    x : Tensor of shape (n, n_features)
    code : Tensor of shape (n, n_components)
        A guess.
    noise : Tensor of shape (k, n, n_components)
        Standard normal.

    Returns
    -------
    z : Tensor of shape (k, n, n_components)
    log_ratio : Tensor of shape (k, n)
        log p(x|z) - log q(z), short of the prior, in float64.
    """
    target = _Target(module, x)
    starts = [target.best(guesses) for guesses in _guesses(code, noise)]
    ends = [target.climb(start, _FIRST_STEPS) for start in starts]
    mode = target.climb(target.best(torch.stack(ends)), _N_STEPS)
    precision = target.slopes(mode)[1]
    z, log_q = _draws(mode, precision, noise)
    return z, target.log_likelihood(z) - log_q


class _Target:
    """The density p(x, z) of given rows under a standard normal prior, up to p(x)."""

    def __init__(self, module: AutoencoderModule, x: Tensor) -> None:
        self.module, self.x = module, x.double()  # squares overflow in float32

    def log_likelihood(self, z: Tensor) -> Tensor:
        """Log p(x|z) in float64, (..., n, d) -> (..., n)."""
        return self.module.decode(z).log_prob(self.x).double()

    def __call__(self, z: Tensor) -> Tensor:
        return self.log_likelihood(z) + standard_normal_log_prob(z.double())

    def best(self, z: Tensor) -> Tensor:
        """Return the code of highest density for every row: (m, n, d) -> (n, d)."""
        index = self(z).nan_to_num(nan=-math.inf).argmax(0)
        return z[index, torch.arange(len(index), device=z.device)]

    def climb(self, z: Tensor, n_steps: int) -> Tensor:
        """Return codes of higher density, after steps of the best of some lengths."""
        for _ in range(n_steps):
            step = self.natural_step(z)
            lengths = _LENGTHS.to(step).reshape(-1, 1, 1)
            z = self.best(torch.cat([z[None], z + lengths * step]))
        return z

    def natural_step(self, z: Tensor) -> Tensor:
        """Return the gradient times the inverse of the Fisher information."""
        gradient, precision = self.slopes(z)
        step = torch.linalg.solve(precision, gradient.unsqueeze(-1)).squeeze(-1)
        return step.to(z.dtype)

    def slopes(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient and Fisher information at codes of shape (n, d), in float64.

        By differences, since networks of a user's own may have no derivative here.
        """
        d = z.shape[-1]
        h = _DIFFERENCE * z.abs().clamp(min=1)
        moves = torch.diag_embed(h).transpose(0, 1)  # (d, n, d)
        p = self.module.decode(torch.cat([z + moves, z - moves]))
        log_p = p.log_prob(self.x).double().reshape(2, d, -1)
        h = h.T.double()  # (d, n)
        gradient = ((log_p[0] - log_p[1]) / (2 * h)).T - z
        mean, log_scale = p.mean.double(), self._log_scale(p)
        centre = self._log_scale(self.module.decode(z))
        slopes = [mean / centre.exp().repeat(2 * d, 1, 1), math.sqrt(2) * log_scale]
        information = torch.eye(d, device=z.device, dtype=torch.float64)
        for values in slopes:
            ahead, behind = values.reshape(2, d, *self.x.shape)
            slope = (ahead - behind) / (2 * h.unsqueeze(-1))
            information = information + torch.einsum("inf,jnf->nij", slope, slope)
        return gradient, information

    def _log_scale(self, p: Any) -> Tensor:
        """Return log deviations of p(x|z), or the size of residuals if it has none."""
        if hasattr(p, "variance"):
            return 0.5 * p.variance.double().log()
        error = (self.x - p.mean).square().mean(-1, keepdim=True)
        return (0.5 * error.log()).expand_as(p.mean)


def _guesses(code: Tensor, noise: Tensor) -> list[Tensor]:
    """Return codes to begin with, by groups: the encoder's and others around 0."""
    shares = _SHARES.to(code).reshape(-1, 1, 1)
    sphere = noise / noise.square().mean(-1, keepdim=True).sqrt()
    spheres = [radius * sphere for radius in _RADII]
    return [shares * code.nan_to_num(0.0, 0.0, 0.0), noise, *spheres]


def _draws(mode: Tensor, precision: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Draw from normal distributions around a mode, some narrower and some wider.

    Returns draws of shape (k, n, d) and their log density under the mixture, (k, n).
    """
    k, _, d = noise.shape
    scales = _SCALES.to(noise).double().repeat(-(-k // len(_SCALES)))[:k]
    root = torch.linalg.cholesky(precision)  # precision = root root'
    noise = noise.double() * scales.reshape(-1, 1, 1)
    moves = torch.linalg.solve_triangular(
        root.mT, noise.permute(1, 2, 0), upper=True
    ).permute(2, 0, 1)
    square = noise.square().sum(-1, keepdim=True) / scales.square()  # (k, n, k)
    log_q = (-0.5 * square - d * scales.log()).logsumexp(-1) - math.log(k)
    log_det = root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return (mode + moves).to(mode.dtype), log_q + log_det - 0.5 * d * LOG_2PI
