"""Kernels of the maximum mean discrepancy and their sums, in blocks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from skvae._distributions.mmd import imq_kernel
from skvae._utils.arrays import FloatArray
from skvae._utils.rows import row_slices
from skvae.metrics._pairwise import (
    CACHE_ENTRIES,
    sharpen,
    squared_distance_blocks,
    squared_distance_triangle,
    squared_norms,
)

Blocks = Iterator[tuple[slice, FloatArray]]

# Error of a squared distance that a kernel does not show, over that distance plus the
# square of the bandwidth.
_TOLERANCE = 1e-9
# Of the mean square of a row; squares of its cubes must not overflow.
_LARGEST_SQUARE = 1e48


class Kernel(Protocol):
    """Interface of kernels for the sums below."""

    def blocks(self, X: FloatArray, Y: FloatArray) -> Blocks:
        """Kernel of rows of `X` with all rows of `Y`, block by block."""

    def triangle(self, X: FloatArray) -> Blocks:
        """Kernel within a set, each pair once, as `squared_distance_triangle`."""

    def diagonal(self, X: FloatArray) -> FloatArray:
        """Kernel of every row with itself."""


@dataclass(frozen=True)
class RadialKernel:
    """A kernel that is a function of the squared distance.

    Parameters
    ----------
    profile : callable
        Maps a block of squared distances, which it may overwrite, to the kernel.
    bandwidth : float
    """

    profile: Callable[[FloatArray], FloatArray]
    bandwidth: float

    def blocks(self, X: FloatArray, Y: FloatArray) -> Blocks:
        """Kernel of rows of `X` with all rows of `Y`, block by block."""
        for rows, squared in squared_distance_blocks(X, Y):
            yield rows, self._of(squared, X[rows], Y)

    def triangle(self, X: FloatArray) -> Blocks:
        """Kernel within a set, each pair once."""
        for rows, squared in squared_distance_triangle(X):
            yield rows, self._of(squared, X[rows], X[rows.start :])

    def diagonal(self, X: FloatArray) -> FloatArray:
        """Kernel of every row with itself."""
        return self.profile(np.zeros(len(X)))

    def _of(self, squared: FloatArray, X: FloatArray, Y: FloatArray) -> FloatArray:
        sharpen(squared, X, Y, _TOLERANCE, self.bandwidth**2)
        # A profile passes over its block several times, here within the cache.
        for rows in row_slices(*squared.shape, CACHE_ENTRIES):
            part = np.maximum(squared[rows], 0.0, out=squared[rows])
            squared[rows] = self.profile(part)
        return squared


class PolynomialKernel:
    """The kernel ``(x.y / n_features + 1)^3`` of the kernel inception distance."""

    def blocks(self, X: FloatArray, Y: FloatArray) -> Blocks:
        """Kernel of rows of `X` with all rows of `Y`, block by block."""
        for rows in row_slices(len(X), len(Y)):
            yield rows, self._cube(X[rows] @ Y.T, X.shape[1])

    def triangle(self, X: FloatArray) -> Blocks:
        """Kernel within a set, each pair once."""
        for rows in row_slices(len(X), len(X)):
            yield rows, self._cube(X[rows] @ X[rows.start :].T, X.shape[1])

    def diagonal(self, X: FloatArray) -> FloatArray:
        """Kernel of every row with itself."""
        return self._cube(squared_norms(X), X.shape[1])

    @staticmethod
    def _cube(product: FloatArray, n_features: int) -> FloatArray:
        product /= n_features
        product += 1.0
        square = product * product
        product *= square
        return product


def check_cubes(X: FloatArray, Y: FloatArray) -> None:
    """Raise ValueError for rows that the polynomial kernel's cubes overflow with."""
    largest = max(squared_norms(A).max() / A.shape[1] for A in (X, Y))
    if largest > _LARGEST_SQUARE:
        raise ValueError(
            "The polynomial kernel needs rows with a mean square of at most "
            f"{_LARGEST_SQUARE:g}, but the largest is {largest:g}. Rescale both sets, "
            "or look for what made that row."
        )


def rbf(bandwidth: float) -> RadialKernel:
    """Gaussian kernel ``exp(-|x - y|^2 / (2 bandwidth^2))``."""

    def profile(squared: FloatArray) -> FloatArray:
        with np.errstate(over="ignore"):  # far rows of a tiny bandwidth: exp is 0
            squared *= -0.5 / bandwidth**2
        return np.exp(squared, out=squared)

    return RadialKernel(profile, bandwidth)


def imq(bandwidth: float, n_features: int) -> RadialKernel:
    """Sum of inverse multiquadratic kernels ``C s / (C s + |x - y|^2)``."""

    def profile(squared: FloatArray) -> FloatArray:
        return imq_kernel(squared, n_features, bandwidth**2)

    return RadialKernel(profile, bandwidth)


def negative_distance() -> RadialKernel:
    """Kernel ``-|x - y|``, whose discrepancy is the energy distance."""

    def profile(squared: FloatArray) -> FloatArray:
        np.sqrt(squared, out=squared)
        return np.negative(squared, out=squared)

    return RadialKernel(profile, 0.0)


def forms_within(kernel: Kernel, X: FloatArray, weights: FloatArray) -> FloatArray:
    """Sum ``sum_ij w_i k(x_i, x_j) w_j`` over all pairs but i = j.

    Parameters
    ----------
    kernel : Kernel
    X : ndarray of shape (n, n_features)
    weights : ndarray of shape (n, n_forms), float or bool

    Returns
    -------
    forms : ndarray of shape (n_forms,)
    """
    forms = np.zeros(weights.shape[1])
    for rows, block in kernel.triangle(X):
        block[:, : len(block)] *= 0.5  # these pairs stand here twice
        # Left out, not subtracted: the square of one far row swamps all other pairs.
        np.fill_diagonal(block, 0.0)
        forms += 2 * _forms(block, weights[rows], weights[rows.start :])
    return forms


def forms_between(
    kernel: Kernel, X: FloatArray, Y: FloatArray, v: FloatArray, w: FloatArray
) -> FloatArray:
    """Sum ``sum_ij v_i k(x_i, y_j) w_j`` over all pairs.

    Parameters
    ----------
    kernel : Kernel
    X : ndarray of shape (n, n_features)
    Y : ndarray of shape (m, n_features)
    v : ndarray of shape (n, n_forms), float or bool
    w : ndarray of shape (m, n_forms), float or bool

    Returns
    -------
    forms : ndarray of shape (n_forms,)
    """
    forms = np.zeros(v.shape[1])
    for rows, block in kernel.blocks(X, Y):
        forms += _forms(block, v[rows], w)
    return forms


def discrepancy(kernel: Kernel, X: FloatArray, Y: FloatArray, estimator: str) -> float:
    """Squared maximum mean discrepancy of two sets under `kernel`."""
    v, w = np.ones((len(X), 1)), np.ones((len(Y), 1))
    within_x, within_y = forms_within(kernel, X, v), forms_within(kernel, Y, w)
    between = forms_between(kernel, X, Y, v, w)
    if estimator == "biased":
        within_x = within_x + kernel.diagonal(X).sum()
        within_y = within_y + kernel.diagonal(Y).sum()
    return float(combine(within_x, within_y, between, len(X), len(Y), estimator)[0])


def combine(
    within_x: FloatArray,
    within_y: FloatArray,
    between: FloatArray,
    n: int,
    m: int,
    estimator: str,
) -> FloatArray:
    """Mean within plus mean within minus twice the mean between, from sums."""
    left_out = estimator == "unbiased"
    mean_x = within_x / (n * (n - left_out))
    mean_y = within_y / (m * (m - left_out))
    return mean_x + mean_y - 2 * between / (n * m)


def permutation_p_value(
    kernel: Kernel,
    X: FloatArray,
    Y: FloatArray,
    estimator: str,
    n_permutations: int,
    rng: np.random.RandomState,
) -> float:
    """Share of random relabellings of both sets at least as far apart as they are."""
    Z = np.vstack([X, Y])
    labels = np.zeros((len(Z), 1 + n_permutations), dtype=bool)
    labels[: len(X)] = True
    for column in labels.T[1:]:
        rng.shuffle(column)
    everything = np.ones((len(Z), 1), dtype=bool)
    forms = forms_within(kernel, Z, np.hstack([labels, ~labels, everything]))
    within_x, within_y = np.split(forms[:-1], 2)
    between = (forms[-1] - within_x - within_y) / 2
    if estimator == "biased":
        diagonal = kernel.diagonal(Z)
        within_x, within_y = within_x + diagonal @ labels, within_y + diagonal @ ~labels
    options = len(X), len(Y), estimator
    values = combine(within_x, within_y, between, *options)
    # Equal splits differ by rounding only and must count as equal.
    size = combine(np.abs(within_x), np.abs(within_y), -np.abs(between), *options)
    reached = values[1:] >= values[0] - 1e-12 * size[0]
    return float((1 + reached.sum()) / (1 + n_permutations))


def _forms(block: FloatArray, v: FloatArray, w: FloatArray) -> FloatArray:
    forms = np.empty(v.shape[1])
    for columns in row_slices(v.shape[1], len(w)):
        right = block @ w[:, columns].astype(float)
        forms[columns] = np.einsum("is,is->s", v[:, columns].astype(float), right)
    return forms
