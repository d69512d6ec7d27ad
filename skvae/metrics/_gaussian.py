"""Gaussians by mean and root of the covariance, and the distance between two."""

from typing import NamedTuple

import numpy as np
from scipy import linalg

from skvae._utils.arrays import FloatArray
from skvae._utils.rows import row_slices

# Rows of a product that stay in the cache.
_BLOCK = 1024
# Of the largest eigenvalue: what rounding may do to covariances kept in float32.
_TOLERANCE = 1e-5


class Gaussian(NamedTuple):
    """Moments of a set of rows."""

    mean: FloatArray
    """Shape (n_features,)."""
    root: FloatArray
    """R of shape (any, n_features), with R'R the covariance."""
    n: int | None
    """Rows behind them."""


def gaussian_of_rows(X: FloatArray, origin: FloatArray) -> Gaussian:
    """Moments of rows, the mean relative to an origin, at full precision."""
    centre = sum_of_rows(X) / len(X)  # rounded, where the origin of X is far
    rest, root = _about(centre, X)
    return Gaussian(centre - origin + rest, root, len(X))


def squared_wasserstein(real: Gaussian, generated: Gaussian) -> float:
    """Compute the Fréchet distance, the squared 2-Wasserstein distance.

    ``tr (S T)^(1/2)`` is the sum of the singular values of ``R Q'`` for any roots
    ``R'R = S`` and ``Q'Q = T``.
    """
    difference = real.mean - generated.mean
    product = real.root @ generated.root.T
    cross = linalg.svdvals(product, overwrite_a=True, check_finite=False).sum()
    total = np.vdot(real.root, real.root) + np.vdot(generated.root, generated.root)
    return float(difference @ difference + total - 2 * cross)


def root_of_covariance(sigma: FloatArray, name: str) -> FloatArray:
    """Find an R with R'R = `sigma`, which may be singular; `name` is for errors."""
    root = _cholesky(sigma)
    if root is None:
        values, vectors = linalg.eigh(sigma)
        if values[0] < -_TOLERANCE * np.abs(values).max():
            raise ValueError(
                f"{name} must be positive semidefinite, as covariances are, but has "
                f"the eigenvalue {values[0]:.3g}. Use FrechetStatistics.from_data."
            )
        root = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
    return root


def sum_of_rows(X: FloatArray) -> FloatArray:
    """Sum of all rows, as a product, which is twice as fast."""
    return np.ones(len(X)) @ X


def _about(centre: FloatArray, X: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean relative to a centre that is nearly it, and root of the covariance."""
    n, d = X.shape
    root = None
    if n > d:
        total, squares = np.zeros(d), np.zeros((d, d))
        for rows in row_slices(n, d, d * max(_BLOCK, 2 * d)):
            Z = X[rows] - centre
            total += sum_of_rows(Z)
            squares += Z.T @ Z
        rest = total / n
        root = _cholesky((squares - np.outer(total, rest)) / (n - 1))
    if root is None:
        Z = X - centre
        rest = Z.mean(axis=0)
        Z = (Z - rest) / np.sqrt(n - 1)
        root = Z if n <= d else np.linalg.qr(Z, mode="r")
    return rest, root


def _cholesky(sigma: FloatArray) -> FloatArray | None:
    """Upper Cholesky root, or None where rounding would show in the distance."""
    try:
        root = linalg.cholesky(sigma, check_finite=False)
    except linalg.LinAlgError:
        return None
    pivots = np.diagonal(root) ** 2
    return root if pivots.min() > 1e-8 * pivots.max() else None
