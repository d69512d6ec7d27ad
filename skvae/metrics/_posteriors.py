"""Log densities of normal posteriors q(z|x_i) at any codes, in blocks."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from skvae._utils.arrays import FloatArray, as_finite
from skvae._utils.rows import row_slices
from skvae.metrics.latent import broadcast_deviations

# By component j, the entries (k, (L_i^-1)_jk for all rows i) that are not zero.
Whitening = list[list[tuple[int, FloatArray]]]

# Columns of one tile, which stays in the cache over the loop on components.
TILE_COLUMNS = 512


class NormalPosteriors(NamedTuple):
    """Normal distributions N(mu_i, L_i L_i'), one for each of n rows."""

    means: FloatArray
    """Transposed, shape (n_components, n)."""
    whitening: Whitening
    """Inverses of L_i."""
    log_scale: FloatArray
    """Logarithm of the determinant of L_i^-1 over (2 pi)^(d / 2), shape (n,)."""


def read_posteriors(
    means: FloatArray, standard_deviations: ArrayLike | Tensor
) -> NormalPosteriors:
    """Read normal posteriors.

    Parameters
    ----------
    means : ndarray of shape (n, n_components)
    standard_deviations : array-like or Tensor, broadcast to (n, n_components)
        Above 0; or, of shape (n, n_components, n_components), the Cholesky factors of
        covariances.

    Returns
    -------
    posteriors : NormalPosteriors

    Raises
    ------
    ValueError
        If deviations or factors do not fit, or are not those of normal distributions.
    """
    whitening, log_det = _whitening(standard_deviations, means)
    constant = 0.5 * means.shape[1] * np.log(2 * np.pi)
    return NormalPosteriors(means.T.copy(), whitening, log_det - constant)


def log_density_blocks(
    Z: FloatArray, posteriors: NormalPosteriors
) -> Iterator[tuple[slice, FloatArray]]:
    """Yield log q(z|x_i) in nats for blocks of codes z and all rows i.

    Parameters
    ----------
    Z : ndarray of shape (m, n_components)
    posteriors : NormalPosteriors

    Yields
    ------
    rows : slice
        Of `Z`.
    log_density : ndarray of shape (len(rows), n)
    """
    for rows in row_slices(len(Z), len(posteriors.log_scale)):
        log_q = _scaled_distances(Z[rows], posteriors.means, posteriors.whitening)
        log_q *= -0.5
        log_q += posteriors.log_scale
        yield rows, log_q


def _whitening(
    standard_deviations: ArrayLike | Tensor, means: FloatArray
) -> tuple[Whitening, FloatArray]:
    """Read the inverses of the posteriors' factors and their log determinants."""
    d = means.shape[1]
    if np.ndim(standard_deviations) < 3:
        deviations = broadcast_deviations(standard_deviations, means)
        precision = (1.0 / deviations).T.copy()
        rows = [[(j, precision[j])] for j in range(d)]
        return rows, -np.log(deviations).sum(axis=1)
    factors = as_finite(standard_deviations, "standard_deviations")
    diagonals = np.diagonal(factors, axis1=1, axis2=2)
    if factors.shape != (*means.shape, d):
        raise ValueError(
            f"standard_deviations must fit means, got shapes {factors.shape} and "
            f"{means.shape}."
        )
    if not (diagonals > 0).all() or np.triu(factors, 1).any():
        raise ValueError(
            "standard_deviations of 3 dimensions must be lower triangular factors with "
            "diagonals > 0. Pass numpy.linalg.cholesky of the covariances."
        )
    identity = torch.eye(d, dtype=torch.float64, device="cpu").expand(len(means), d, d)
    inverse = torch.linalg.solve_triangular(
        torch.from_numpy(factors), identity, upper=False
    )
    inverse = inverse.permute(1, 2, 0).contiguous().numpy()
    rows = [[(k, inverse[j, k]) for k in range(j + 1)] for j in range(d)]
    return rows, -np.log(diagonals).sum(axis=1)


def _scaled_distances(z: FloatArray, mu: FloatArray, inverse: Whitening) -> FloatArray:
    """Compute ``|L_i^-1 (z - mu_i)|^2`` from differences, (len(z), n)."""
    # Expanded into a matrix product it would cancel: sigma is often tiny.
    distances = np.zeros((len(z), mu.shape[1]))
    for start in range(0, mu.shape[1], TILE_COLUMNS):
        tile = slice(start, start + TILE_COLUMNS)
        total = distances[:, tile]
        for row in inverse:
            terms = (_scaled_difference(z, mu, k, a, tile) for k, a in row)
            term = next(terms)
            for other in terms:
                term += other
            term *= term
            total += term
    return distances


def _scaled_difference(
    z: FloatArray, mu: FloatArray, k: int, scale: FloatArray, tile: slice
) -> FloatArray:
    difference = z[:, k, None] - mu[k, tile]
    difference *= scale[tile]
    return difference
