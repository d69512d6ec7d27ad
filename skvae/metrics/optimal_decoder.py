"""The optimal decoder of a given encoder, a weighted mean of training rows."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from skvae.metrics._checks import (
    FloatArray,
    IntArray,
    as_rows,
    check_same_width,
)
from skvae.metrics._pairwise import row_blocks
from skvae.metrics.latent import broadcast_deviations

# Columns of one tile, which stays in the cache over the loop on components.
TILE_COLUMNS = 512


class OptimalDecoderWeights(NamedTuple):
    """What an optimal decoder returns at each query, and from how many rows."""

    perplexity: FloatArray
    """Training rows that share the weight, in [1, n], shape (m,)."""
    max_weight: FloatArray
    """Largest weight, in [1 / n, 1], shape (m,)."""
    heaviest: IntArray
    """Training row with the largest weight, shape (m,)."""
    averages: FloatArray
    """Weighted averages of the training rows, shape (m, n_features)."""
    weights: FloatArray | None
    """All weights, shape (m, n), where asked for."""


def optimal_decoder_weights(
    Z: ArrayLike | Tensor,
    means: ArrayLike | Tensor,
    standard_deviations: ArrayLike | Tensor,
    X_train: ArrayLike | Tensor,
    *,
    leave_out: ArrayLike | None = None,
    keep_weights: bool = False,
) -> OptimalDecoderWeights:
    """
    Weights with which the optimal decoder averages the training rows.

    For a fixed encoder with Gaussian posteriors q(z|x_i), a decoder that could be any
    function returns ``sum_i w_i(z) x_i`` with ``w_i(z) = q(z|x_i) / sum_j q(z|x_j)``. A
    perplexity near 1 says that it returns the nearest training row.

    Parameters
    ----------
    Z : array-like or Tensor of shape (m, n_components)
        Queries, such as codes of held-out rows.
    means : array-like or Tensor of shape (n, n_components)
        Posterior means of all training rows.
    standard_deviations : array-like or Tensor, broadcast to (n, n_components)
        Their posterior standard deviations, above 0.
    X_train : array-like or Tensor of shape (n, ...)
        The training rows.
    leave_out : array-like of int of shape (m,), default=None
        Training row that may have no weight at each query; -1 for none. For codes of
        training rows, their own index: else a row picks itself.
    keep_weights : bool, default=False
        Whether to return the whole matrix of weights.

    Returns
    -------
    result : OptimalDecoderWeights
        Named tuple (perplexity, max_weight, heaviest, averages, weights); the last is
        None unless asked for.

    Raises
    ------
    ValueError
        If the arrays are not finite or do not fit, a deviation is not above 0, or
        `leave_out` is not an index of a training row, or leaves none.

    References
    ----------
    Bozkurt et al. 2018, Can VAEs generate novel examples?, theorem 1, arXiv:1812.09624.
    Shu et al. 2018, Amortized inference regularization, arXiv:1805.08913.

    Examples
    --------
    >>> from skvae.metrics import optimal_decoder_weights
    >>> means, X_train = [[-1.0], [1.0], [50.0]], [[10.0], [20.0], [90.0]]
    >>> result = optimal_decoder_weights([[0.0], [49.0]], means, 1.0, X_train)
    >>> result.perplexity.round(2), result.averages.round(2)
    (array([2., 1.]), array([[15.],
           [90.]]))
    """
    Z, means = as_rows(Z, "Z"), as_rows(means, "means")
    check_same_width(Z.shape[1], means.shape[1], ("Z", "means"))
    deviations = broadcast_deviations(standard_deviations, means)
    X = as_rows(X_train, "X_train")
    _check_same_length(means, X)
    excluded = _read_leave_out(leave_out, len(Z), len(X))
    blocks = _log_weight_blocks(Z, means, deviations, excluded)
    parts = [_summarise(log_w, X, keep_weights) for log_w in blocks]
    summaries = (np.concatenate(part) for part in list(zip(*parts, strict=True))[:4])
    weights = np.vstack([part.weights for part in parts]) if keep_weights else None
    return OptimalDecoderWeights(*summaries, weights)


def _check_same_length(means: FloatArray, X: FloatArray) -> None:
    if len(means) != len(X):
        raise ValueError(
            "means and X_train must have the same number of rows, got "
            f"{len(means)} and {len(X)}. Encode the whole of X_train."
        )


def _read_leave_out(leave_out: ArrayLike | None, m: int, n: int) -> IntArray:
    if leave_out is None:
        return np.full(m, -1)
    excluded = np.asarray(leave_out)
    if excluded.shape != (m,) or excluded.dtype.kind not in "iu":
        raise ValueError(
            f"leave_out must be integers of shape ({m},), one per query, got dtype "
            f"{excluded.dtype} and shape {excluded.shape}."
        )
    if excluded.min() < -1 or excluded.max() >= n:
        worst = excluded[(excluded < -1) | (excluded >= n)][0]
        raise ValueError(
            f"leave_out must be in [-1, {n - 1}], got {worst}. Pass row numbers of "
            "X_train, or -1 for none."
        )
    if n == 1 and (excluded == 0).any():
        raise ValueError("leave_out must leave a training row, but X_train has 1 row.")
    return excluded


def _log_weight_blocks(
    Z: FloatArray, means: FloatArray, deviations: FloatArray, excluded: IntArray
) -> Iterator[FloatArray]:
    """Unnormalised log weights of blocks of queries, (len(block), n)."""
    mu, precision = means.T.copy(), (1.0 / deviations).T.copy()
    log_scale = np.log(deviations).sum(axis=1)
    for rows in row_blocks(len(Z), len(means)):
        log_w = _scaled_distances(Z[rows], mu, precision)
        log_w *= -0.5
        log_w -= log_scale
        (left,) = np.nonzero(excluded[rows] >= 0)
        log_w[left, excluded[rows][left]] = -np.inf
        yield log_w


def _scaled_distances(
    z: FloatArray, mu: FloatArray, precision: FloatArray
) -> FloatArray:
    """Compute ``sum_j ((z_j - mu_ij) / sigma_ij)^2`` from differences, (len(z), n)."""
    # Expanded into a matrix product it would cancel: sigma is often tiny.
    distances = np.zeros((len(z), mu.shape[1]))
    for start in range(0, mu.shape[1], TILE_COLUMNS):
        tile = slice(start, start + TILE_COLUMNS)
        total = distances[:, tile]
        for z_j, mu_j, precision_j in zip(z.T, mu, precision, strict=True):
            term = z_j[:, None] - mu_j[tile]
            term *= precision_j[tile]
            term *= term
            total += term
    return distances


def _summarise(
    log_w: FloatArray, X: FloatArray, keep_weights: bool
) -> OptimalDecoderWeights:
    heaviest = log_w.argmax(axis=1)
    log_w -= log_w.max(axis=1, keepdims=True)
    np.maximum(log_w, -800.0, out=log_w)  # exp is 0 there, and 0 * -inf would be nan
    w = np.exp(log_w)
    total = w.sum(axis=1, keepdims=True)
    w /= total
    entropy = np.log(total[:, 0]) - np.einsum("ij,ij->i", w, log_w)
    kept = w if keep_weights else None
    return OptimalDecoderWeights(np.exp(entropy), w.max(axis=1), heaviest, w @ X, kept)
