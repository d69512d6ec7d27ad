"""Importance samples of rows for which q(z|x) is no guide to p(z|x).

Samples are then drawn around the mode of p(x, z) instead. Where q(z|x) is only too wide
or beside p(z|x), the mode is next to the encoder's code. Far from the training data an
encoder extrapolates, and the mode may be anywhere.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from skvae._distributions.normal import LOG_2PI
from skvae.estimators._modes import Joint
from skvae.module import AutoencoderModule

# Root mean squares of an input in spreads, and of codes off the prior and far from it.
_FAR_INPUT, _OFF_PRIOR, _FAR_CODE = 2.0, 2.0, 4.0
_FIRST_STEPS, _N_STEPS = 8, 12  # from each start, and from the best of their ends
# Codes to begin with lie on spheres, from this root mean square up to as many times the
# row's own distance.
_LEAST_RADIUS, _N_RADII = 3.0, 5
N_STARTS = 2 + _N_RADII
_N_ROUNDS, _MOST_STRETCH = 4, 8.0  # of measuring widths
_INFORMATION = 1e-12, 1e12  # about codes of size 1
# Scales of draws around the mode, and parts of the way to the encoder's code. Types and
# devices are those of the rows.
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
    near = _distance(module, x) <= _FAR_INPUT
    return ~(near & (_root_mean_square(code) <= _FAR_CODE))


def is_off_prior(code: Tensor) -> Tensor:
    """Tell which codes, shape (n, d), are longer than nearly all draws of the prior."""
    return ~(_root_mean_square(code) <= _OFF_PRIOR)


def draws_around_mode(
    joint: Joint, noise: Tensor, *, everywhere: bool
) -> tuple[Tensor, Tensor]:
    """Draw codes around the mode of p(x, z), and return their log density.

    Parameters
    ----------
    joint : Joint
        p(x, z) of n rows.
    noise : Tensor of shape (k, n, d)
        Standard normal.
    everywhere : bool
        Whether to search for the mode far from the encoder's code, too.

    Returns
    -------
    z : Tensor of shape (k, n, d)
    log_q : Tensor of shape (k, n)
        In float64.
    """
    start = _best_of_climbs(joint, noise) if everywhere else joint.code()
    mode = joint.climb(start, _N_STEPS)
    return _draws(mode, _axes(joint, mode), noise)


def _best_of_climbs(joint: Joint, noise: Tensor) -> Tensor:
    """Return the best code after some steps from many starts, shape (n, d)."""
    starts = [joint.best(guesses) for guesses in _guesses(joint, noise)]
    n_starts, n = len(starts), len(starts[0])
    ends = joint.repeated(n_starts).climb(torch.cat(starts), _FIRST_STEPS)
    return joint.best(ends.reshape(n_starts, n, -1))


def _distance(module: AutoencoderModule, x: Tensor) -> Tensor:
    """Return the root mean square of inputs in spreads of the training data."""
    scaled = module.inputs(x).double()
    if module.frame.has_missing:
        return scaled.square().nanmean(-1).sqrt().nan_to_num(0.0, math.inf)
    return _root_mean_square(scaled)


def _root_mean_square(x: Tensor) -> Tensor:
    return x.square().mean(-1).sqrt()


def _guesses(joint: Joint, noise: Tensor) -> list[Tensor]:
    """Return codes to begin with, by groups: the encoder's and others around 0."""
    code = joint.code()
    shares = _SHARES.to(code).reshape(-1, 1, 1)
    sphere = noise / noise.square().mean(-1, keepdim=True).sqrt()
    distance = _distance(joint.modules[0], joint.x).clamp(_LEAST_RADIUS, 1e6)
    powers = torch.linspace(0, 1, _N_RADII, dtype=code.dtype, device=code.device)
    radii = _LEAST_RADIUS * distance.to(code).unsqueeze(-1) ** powers.reshape(-1, 1, 1)
    return [shares * code, noise, *(radius * sphere for radius in radii)]


def _axes(joint: Joint, mode: Tensor) -> Tensor:
    """Return axes along which the density around a mode falls by half a nat.

    Shape (n, d, d); axis i of a row is its i-th column.
    """
    information, axes = torch.linalg.eigh(joint.slopes(mode)[1])
    axes = axes * information.clamp(*_INFORMATION).rsqrt().unsqueeze(-2)
    highest = joint(mode)
    for _ in range(_N_ROUNDS):
        moves = axes.permute(2, 0, 1).to(mode.dtype)
        ends = joint(torch.cat([mode + moves, mode - moves])).nan_to_num(nan=-math.inf)
        fall = highest - ends.reshape(2, *moves.shape[:2]).mean(0)
        stretch = (2 * fall).clamp(_MOST_STRETCH**-2, _MOST_STRETCH**2).rsqrt()
        axes = axes * stretch.T.unsqueeze(-2)
    return axes


def _draws(mode: Tensor, axes: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Draw from normal distributions around a mode, some narrower and some wider.

    Returns draws of shape (k, n, d) and their log density under the mixture, (k, n).
    """
    k, _, d = noise.shape
    scales = _SCALES.to(noise).double().repeat(-(-k // len(_SCALES)))[:k]
    noise = noise.double() * scales.reshape(-1, 1, 1)
    moves = torch.einsum("nij,knj->kni", axes, noise)
    square = noise.square().sum(-1, keepdim=True) / scales.square()  # (k, n, k)
    log_q = (-0.5 * square - d * scales.log()).logsumexp(-1) - math.log(k)
    log_det = axes.square().sum(-2).log().sum(-1) / 2  # the axes are orthogonal
    return (mode + moves).to(mode.dtype), log_q - log_det - 0.5 * d * LOG_2PI
