"""The density p(x, z) of a row as a function of codes, and the way to its mode."""

from __future__ import annotations

import contextlib
import copy
import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from skvae.densities import ClassConditionalDensity, StandardNormal
from skvae.densities._adapter import sample_density
from skvae.estimators._normal_mixture import (
    NormalMixture,
    components_of,
    joined,
    moments_of,
    standard_normal,
)
from skvae.module import AutoencoderModule

_LARGEST, _RIDGE = 1e100, 1e-12  # of a slope; of information, as a share of it
_N_DRAWS, _LEAST_VARIANCE = 2000, 1e-6  # of a latent density
_DIFFERENCE = 1e-2  # of a code, or of 1 if it is smaller
_LEAST_GAIN = 0.05  # of a step, in nats
# Lengths of a step in units of the natural one.
_LENGTHS = 4.0 ** torch.arange(-6, 5, device="cpu")


class Levels(NamedTuple):
    """The model of rows, that of its codes if there is one, and so on.

    Attributes
    ----------
    modules : list of AutoencoderModule
    density : estimator with ``score_samples``
        The density of the last codes.
    prior : NormalMixture
        It, or a normal density that is like it.
    """

    modules: list[AutoencoderModule]
    density: Any
    prior: NormalMixture

    @property
    def sizes(self) -> list[int]:
        """Number of components of every level."""
        return [module.n_components for module in self.modules]


def levels_of(module: AutoencoderModule, density: Any, seed: int) -> Levels:
    """Return the levels of a model whose latent density may be a model of codes."""
    modules = [module]
    while _is_level(density):
        modules.append(density.module_)
        density = density.latent_density_
    prior = _prior_like(density, modules[-1].n_components, seed)
    return Levels(modules, density, prior.to(module.device))


def _prior_like(density: Any, d: int, seed: int) -> NormalMixture:
    if isinstance(density, ClassConditionalDensity):
        parts = [_prior_like(part, d, seed) for part in density.densities_]
        return joined(parts, density.class_prior_)
    mixture = components_of(density)
    if mixture is None and not isinstance(density, StandardNormal):
        # One that cannot draw is taken for the prior.
        with contextlib.suppress(NotImplementedError):
            Z = sample_density(density, _N_DRAWS, seed % 2**31, d)
            mixture = moments_of(Z, _LEAST_VARIANCE)
    return mixture or standard_normal(d)


def _is_level(density: Any) -> bool:
    module = getattr(density, "module_", None)
    is_model = module is not None and not module.posterior.deterministic
    return is_model and module.frame.is_plain


class Joint:
    """The density p(x, z) of given rows; or p(x, z, u) where codes have a model, too.

    Codes of shape (..., d) hold z, or z and u one after the other.

    Parameters
    ----------
    levels : Levels
    x : Tensor of shape (n, n_features)
    """

    def __init__(self, levels: Levels, x: Tensor) -> None:
        self.modules, self.sizes = levels.modules, levels.sizes
        self.prior, self.x = levels.prior, x

    def repeated(self, m: int) -> Joint:
        """Return the density of the rows, m times one after the other."""
        twin = copy.copy(self)
        twin.x = self.x.repeat(m, 1)
        return twin

    def code(self) -> Tensor:
        """Return what the encoders say, shape (n, d)."""
        codes, x = [], self.x
        for module in self.modules:
            x = module.encode(x).mean.nan_to_num(0.0, 0.0, 0.0)
            codes.append(x)
        return torch.cat(codes, -1)

    def log_likelihood(self, z: Tensor) -> Tensor:
        """Log density of rows, and of codes that have a model, given codes."""
        pairs = self._pairs(z)
        return torch.stack([p.log_prob(x).double() for p, x in pairs]).sum(0)

    def first(self, z: Tensor) -> Tensor:
        """Return the codes of the rows themselves."""
        return z[..., : self.sizes[0]]

    def last(self, z: Tensor) -> Tensor:
        """Return the codes that have no model."""
        return z[..., -self.sizes[-1] :]

    def __call__(self, z: Tensor) -> Tensor:
        """Log density in float64, (..., n, d) -> (..., n)."""
        return self.log_likelihood(z) + self.prior.log_prob(self.last(z).double())

    def best(self, z: Tensor) -> Tensor:
        """Return the code of highest density for every row: (m, n, d) -> (n, d)."""
        index = self(z).nan_to_num(nan=-math.inf).argmax(0)
        return z[index, torch.arange(len(index), device=z.device)]

    def climb(self, z: Tensor, n_steps: int) -> Tensor:
        """Return codes of higher density, after steps of the best of some lengths.

        A row stops when a step gains hardly anything.
        """
        climbs = torch.ones(z.shape[:-1], dtype=torch.bool, device=z.device)
        for _ in range(n_steps):
            moved = torch.where(climbs.unsqueeze(-1), self._step(z), z)
            below, above = self(torch.stack([z, moved]))
            z, climbs = moved, climbs & ~(above - below < _LEAST_GAIN)
            # Rows that have stopped stay in the block, whose length decides rounding.
            if not climbs.any():
                break
        return z

    def _step(self, z: Tensor) -> Tensor:
        gradient, precision = self.slopes(z)
        step = torch.linalg.solve(precision, gradient.unsqueeze(-1)).squeeze(-1)
        lengths = _LENGTHS.to(z).reshape(-1, 1, 1)
        return self.best(torch.cat([z[None], z + lengths * step.to(z.dtype)]))

    def slopes(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient and information at codes of shape (n, d), in float64.

        By differences, since networks of a user's own may have no derivative here.
        """
        d = z.shape[-1]
        h = _DIFFERENCE * z.abs().clamp(min=1)
        moves = torch.diag_embed(h).transpose(0, 1)  # (d, n, d)
        both = torch.cat([z + moves, z - moves])
        ahead, behind = self(both).reshape(2, d, -1)
        h = h.T.double()  # (d, n)
        gradient = ((ahead - behind) / (2 * h)).T
        information = torch.zeros(len(z), d, d, device=z.device, dtype=torch.float64)
        last = self.prior.precision(self.last(z).double())
        information[:, -self.sizes[-1] :, -self.sizes[-1] :] = last
        here = self._pairs(z)
        for (p, x), (centre, target) in zip(self._pairs(both), here, strict=True):
            for values in _standardised(p, x, centre, target):
                ahead, behind = values.reshape(2, d, len(target), -1)
                slope = _finite((ahead - behind) / (2 * h.unsqueeze(-1)))
                information += torch.einsum("inf,jnf->nij", slope, slope)
        ridge = _RIDGE * information.diagonal(dim1=-2, dim2=-1).sum(-1)
        information.diagonal(dim1=-2, dim2=-1).add_(ridge.unsqueeze(-1))
        return _finite(gradient), information

    def _pairs(self, z: Tensor) -> list[tuple[Any, Tensor]]:
        """Return every distribution with what it is a distribution of."""
        x, pairs = self.x.double(), []  # squares overflow in float32
        for module, code in zip(self.modules, z.split(self.sizes, -1), strict=True):
            pairs.append((module.decode(code), x))
            x = code.double()
        return pairs


def _standardised(p: Any, x: Tensor, centre: Any, target: Tensor) -> tuple[Tensor, ...]:
    """Return numbers whose squared slopes sum to the information about codes.

    That of Fisher, but for log scales that observed at the residuals of the row: the
    expected one, of which these are far too large, would give steps far too long.
    Distributions that are far from normal say themselves which numbers these are.
    """
    if hasattr(p, "information_coordinates"):
        return (p.information_coordinates().double(),)
    log_scale, log_centre = _log_scale(p, x), _log_scale(centre, target)
    residual = (target - centre.mean) / log_centre.exp()
    weight = math.sqrt(2) * residual.abs().clamp(min=1)
    return (p.mean.double() - x) / log_centre.exp(), weight * log_scale


def _finite(slope: Tensor) -> Tensor:
    return slope.nan_to_num(0.0, _LARGEST, -_LARGEST)


def _log_scale(p: Any, x: Tensor) -> Tensor:
    """Return log deviations of p(x|z), or the size of residuals if it has none."""
    if hasattr(p, "variance"):
        return 0.5 * p.variance.double().log()
    error = (x - p.mean).square().nanmean(-1, keepdim=True)
    return (0.5 * error.log()).expand_as(p.mean)
