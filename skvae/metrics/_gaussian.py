"""Gaussians by mean and root of the covariance, and the distance between two."""

from typing import NamedTuple

import numpy as np
from scipy import linalg

from skvae.metrics._checks import FloatArray


class Gaussian(NamedTuple):
    """Moments of a set of rows."""

    mean: FloatArray
    """Shape (n_features,)."""
    root: FloatArray
    """R of shape (any, n_features), with R'R the covariance."""
    n: int | None
    """Rows behind them."""


def gaussian_of_rows(Z: FloatArray) -> Gaussian:
    """Moments of rows, at full precision; overwrites `Z`."""
    mean = Z.mean(axis=0)
    Z -= mean
    Z /= np.sqrt(len(Z) - 1)
    return Gaussian(mean, _root_of_rows(Z), len(Z))


def squared_wasserstein(real: Gaussian, generated: Gaussian) -> float:
    """
    Compute the Fréchet distance, the squared 2-Wasserstein distance.

    ``tr (S T)^(1/2)`` is the sum of the singular values of ``R Q'`` for any roots
    ``R'R = S`` and ``Q'Q = T``.
    """
    difference = real.mean - generated.mean
    product = real.root @ generated.root.T
    cross = linalg.svdvals(product, overwrite_a=True, check_finite=False).sum()
    total = np.vdot(real.root, real.root) + np.vdot(generated.root, generated.root)
    return float(difference @ difference + total - 2 * cross)


def root_of_covariance(sigma: FloatArray) -> FloatArray:
    """Find an R with R'R = `sigma`, which may be singular."""
    root = _cholesky(sigma)
    if root is None:
        values, vectors = linalg.eigh(sigma)
        root = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
    return root


def _root_of_rows(Z: FloatArray) -> FloatArray:
    if len(Z) <= Z.shape[1]:
        return Z
    root = _cholesky(Z.T @ Z)
    return np.linalg.qr(Z, mode="r") if root is None else root


def _cholesky(sigma: FloatArray) -> FloatArray | None:
    """Upper Cholesky root, or None where rounding would show in the distance."""
    try:
        root = linalg.cholesky(sigma, check_finite=False)
    except linalg.LinAlgError:
        return None
    pivots = np.diagonal(root) ** 2
    return root if pivots.min() > 1e-8 * pivots.max() else None
