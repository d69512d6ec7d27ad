"""The optimal decoder of a given encoder, a weighted average of training rows."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from skvae._utils.arrays import (
    FloatArray,
    IntArray,
    as_real_rows,
    as_rows,
    check_same_width,
)
from skvae._utils.rows import row_slices
from skvae._utils.validation import check_choice
from skvae.metrics._posteriors import log_density_blocks, read_posteriors

# By how much sums of weights may be off. Lighter rows than this share do not count.
_ROUNDING = 1e-12


class OptimalDecoderWeights(NamedTuple):
    """Output of an optimal decoder at each query, and the weights behind it."""

    perplexity: FloatArray
    """Training rows that share the weight, in [1, n], shape (m,)."""
    max_weight: FloatArray
    """Largest weight, in [1 / n, 1], shape (m,)."""
    heaviest: IntArray
    """Training row with the largest weight, shape (m,)."""
    averages: FloatArray
    """Weighted means or medians of the training rows, shape (m, n_features)."""
    weights: FloatArray | None
    """All weights, shape (m, n), where asked for."""


def optimal_decoder_weights(
    Z: ArrayLike | Tensor,
    means: ArrayLike | Tensor,
    standard_deviations: ArrayLike | Tensor,
    X_train: ArrayLike | Tensor,
    *,
    average: str = "mean",
    leave_out: ArrayLike | None = None,
    keep_weights: bool = False,
) -> OptimalDecoderWeights:
    """Weights with which the optimal decoder averages the training rows.

    For a fixed encoder with Gaussian posteriors q(z|x_i), a decoder that could be any
    function maximises the mean of E[log p(x_i|z)], and so, at every z,
    ``sum_i w_i(z) log p(x_i|z)`` with ``w_i(z) = q(z|x_i) / sum_j q(z|x_j)``. Where
    p(x|z) is of an exponential family with the sufficient statistic x, its mean is then
    ``sum_i w_i(z) x_i``. A perplexity near 1 says that it returns the nearest training
    row.

    Parameters
    ----------
    Z : array-like or Tensor of shape (m, n_components)
        Queries, such as codes of held-out rows.
    means : array-like or Tensor of shape (n, n_components)
        Posterior means of all training rows.
    standard_deviations : array-like or Tensor, broadcast to (n, n_components)
        Their posterior standard deviations, above 0; or, of shape (n, n_components,
        n_components), the Cholesky factors L of their covariances L L'.
    X_train : array-like or Tensor of shape (n, ...)
        The training rows.
    average : {"mean", "median"}, default="mean"
        "mean" is the optimum for normal and (continuous) Bernoulli observations, and
        for others whose mean maximises the likelihood of rows. "median", by feature, is
        that for Laplace ones; where half of the weight is on each side of a gap between
        values, it is the middle of the gap.
    leave_out : array-like of int of shape (m,), default=None
        Training row that gets no weight at each query; -1 for none. For codes of
        training rows, pass their own indices: otherwise each row dominates at its code.
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
        If `average` is neither, the arrays are not finite or do not fit, a deviation is
        not above 0, a factor is not lower triangular with a diagonal above 0, or
        `leave_out` is not an index of a training row, or leaves none.

    Notes
    -----
    Queries and training rows are taken in blocks: beside the arrays given, the codes in
    float64 and the result, it needs about 130 MB for any number of rows.

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
    check_choice("optimal_decoder_weights", "average", average, tuple(_AVERAGES))
    posteriors = read_posteriors(means, standard_deviations)
    X = as_real_rows(X_train, "X_train")
    _check_same_length(means, X)
    excluded = _read_leave_out(leave_out, len(Z), len(X))
    parts = []
    for rows, log_w in log_density_blocks(Z, posteriors):
        (left,) = np.nonzero(excluded[rows] >= 0)
        log_w[left, excluded[rows][left]] = -np.inf
        parts.append(_summarise(log_w, X, _AVERAGES[average], keep_weights))
    summaries = (np.concatenate(part) for part in list(zip(*parts, strict=True))[:4])
    weights = np.vstack([part.weights for part in parts]) if keep_weights else None
    return OptimalDecoderWeights(*summaries, weights)


def _check_same_length(means: FloatArray, X: NDArray[Any]) -> None:
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


def _summarise(
    log_w: FloatArray,
    X: NDArray[Any],
    average: Callable[[FloatArray, NDArray[Any]], FloatArray],
    keep_weights: bool,
) -> OptimalDecoderWeights:
    heaviest = log_w.argmax(axis=1)
    log_w -= log_w.max(axis=1, keepdims=True)
    np.maximum(log_w, -800.0, out=log_w)  # exp is 0 there, and 0 * -inf would be nan
    w = np.exp(log_w)
    total = w.sum(axis=1, keepdims=True)
    w /= total
    entropy = np.log(total[:, 0]) - np.einsum("ij,ij->i", w, log_w)
    kept = w if keep_weights else None
    averages = average(w, X)
    return OptimalDecoderWeights(
        np.exp(entropy), w.max(axis=1), heaviest, averages, kept
    )


def _weighted_mean(w: FloatArray, X: NDArray[Any]) -> FloatArray:
    """Compute ``w @ X`` in float64, a block of rows of `X` at a time."""
    averages = np.zeros((len(w), X.shape[1]))
    for rows in row_slices(*X.shape):
        averages += w[:, rows] @ X[rows].astype(np.float64, copy=False)
    return averages


def _weighted_median(w: FloatArray, X: NDArray[Any]) -> FloatArray:
    """Compute the medians of the features of `X` under every row of weights."""
    medians = np.empty((len(w), X.shape[1]))
    for out, weights in zip(medians, w, strict=True):
        (used,) = np.nonzero(weights > _ROUNDING / len(weights))
        for columns in row_slices(X.shape[1], len(used)):
            values = X[used, columns].astype(np.float64, copy=False)
            out[columns] = _median_of(values, weights[used])
    return medians


def _median_of(values: FloatArray, weights: FloatArray) -> FloatArray:
    order = values.argsort(axis=0)
    values = np.take_along_axis(values, order, axis=0)
    below = weights[order].cumsum(axis=0)
    # Sums of weights that should be one half are so but for rounding.
    ends = [(below < 0.5 + margin).sum(axis=0) for margin in (-_ROUNDING, _ROUNDING)]
    low, high = np.take_along_axis(values, np.minimum(ends, len(values) - 1), axis=0)
    return low + (high - low) / 2


_AVERAGES = {"mean": _weighted_mean, "median": _weighted_median}
