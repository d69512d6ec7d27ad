"""Integrals over two or four latent dimensions in float64, by ever smaller cells."""

import copy
import itertools

import numpy as np
import torch
from scipy.special import logsumexp

_N_FIRST, _N_KEPT = 20_000, {2: 2000, 4: 8000}  # cells, by dimensions


def log_integral(f, radius, d=2):
    """Return log of the integral of exp(f) over a cube around 0.

    Parameters
    ----------
    f : callable, (n, d) -> (n,)
    radius : float
        Half the side of the cube.
    d : int, default=2
    """
    radii = radius / 4.0 ** np.arange(int(np.log(radius) / np.log(4)) + 1)
    rings = [_cells(r, d, hollow=r > radii[-1]) for r in radii]
    return logsumexp([_log_integral(f, *ring) for ring in rings])


def _cells(radius, d, hollow):
    """Return centres and half the side of cells of a cube, or of its outer part."""
    n = 8 * round(_N_FIRST ** (1 / d) / 8)  # the inner part has whole cells
    axis = (2 * np.arange(n) + 1 - n) * radius / n
    z = np.stack(np.meshgrid(*[axis] * d), -1).reshape(-1, d)
    return z[np.abs(z).max(1) > radius / 4] if hollow else z, radius / n


def _log_integral(f, z, half, tolerance=1e-3):
    """Divide the cells of highest value until the sum over all stays the same."""
    d = z.shape[1]
    corners = np.array(list(itertools.product([-0.5, 0.5], repeat=d)))
    done, before, steady, values = -np.inf, np.nan, 0, f(z)
    for _ in range(60):
        order = np.argsort(-values)
        kept, rest = order[: _N_KEPT[d]], order[_N_KEPT[d] :]
        if len(rest):
            done = np.logaddexp(done, logsumexp(values[rest]) + d * np.log(2 * half))
        z = (z[kept, None] + half * corners).reshape(-1, d)
        half, values = half / 2, f(z)
        total = np.logaddexp(done, logsumexp(values) + d * np.log(2 * half))
        steady = steady + 1 if abs(total - before) < tolerance else 0
        if steady == 3:
            return total
        before = total
    raise AssertionError("the quadrature does not converge")


def in_float64(model):
    """Return the module of a model in float64."""
    return copy.deepcopy(model.module_).double()


def log_joint(model, x):
    """Return log p(x, z) of a row as a function of codes, in float64.

    Of two stages it is log p(x, z, u), and codes are z and u, one after the other.
    """
    module, density = in_float64(model), model.latent_density_
    second = in_float64(density) if hasattr(density, "module_") else None
    row = torch.from_numpy(np.asarray(x, float)[None])
    if second:
        density = density.latent_density_

    def function(codes):
        z, u = torch.from_numpy(codes), None
        with torch.no_grad():
            if second:
                z, u = z.chunk(2, -1)
                log_p = second.decode(u).log_prob(z)
            last = z if u is None else u
            log_p = module.decode(z).log_prob(row) + (log_p if second else 0.0)
        return log_p.numpy() + density.score_samples(last.numpy())

    return function


def log_likelihood(model, x, radius=512.0):
    """Return log p(x) of a row under a model with two components, in each stage."""
    d = 2 * (1 + hasattr(model.latent_density_, "module_"))
    return log_integral(log_joint(model, x), radius, d)
