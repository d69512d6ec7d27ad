"""Likelihood in comparable units."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp
from torch import Tensor

from skvae._utils.arrays import FloatArray, as_finite
from skvae._utils.validation import check_integer


class ImportanceSampledNLL(NamedTuple):
    """Importance-sampled negative log-likelihood, in nats per row."""

    value: float
    """Mean over the rows; lower is better."""
    standard_error: float
    """Standard error of the mean over rows; nan for one row."""
    per_row: FloatArray
    """Negative log-likelihood of each row, shape (n,)."""
    effective_sample_size: float
    """Median over rows of ``(sum w)^2 / sum w^2``, between 1 and K."""
    n_importance_samples: int
    """K: the estimate falls, towards the truth, as K grows."""
    n: int
    """Number of rows."""


def importance_sampled_nll(log_weights: ArrayLike | Tensor) -> ImportanceSampledNLL:
    """Negative log-likelihood from importance weights.

    ``-(logsumexp_k log w_k - log K)`` with
    ``log w_k = log p(x|z_k) + log p(z_k) - log q(z_k|x)`` and z_k drawn from q(z|x).

    Parameters
    ----------
    log_weights : array-like or Tensor of shape (K, n)
        Logarithms of the weights, in nats; -inf for a weight of zero.

    Returns
    -------
    result : ImportanceSampledNLL
        Named tuple (value, standard_error, per_row, effective_sample_size,
        n_importance_samples, n).

    Raises
    ------
    ValueError
        If `log_weights` is not a non-empty matrix, or has NaN or infinity.

    Notes
    -----
    In expectation an upper bound on the negative log-likelihood, the tighter the larger
    K. An effective sample size near 1 says that K is too small for the bound to be
    tight.

    References
    ----------
    Burda et al. 2016, Importance weighted autoencoders, eq. 8, arXiv:1509.00519.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.metrics import importance_sampled_nll
    >>> result = importance_sampled_nll(np.log([[0.2, 0.5], [0.4, 0.5]]))
    >>> np.exp(-result.per_row).round(2)
    array([0.3, 0.5])
    """
    log_w = _as_log_weights(log_weights)
    k, n = log_w.shape
    total = logsumexp(log_w, axis=0)  # (n,)
    per_row = np.log(k) - total
    with np.errstate(invalid="ignore"):  # all weights of a row zero
        size = np.exp(2 * total - logsumexp(2 * log_w, axis=0))
        error = float(np.std(per_row, ddof=1) / np.sqrt(n)) if n > 1 else np.nan
    return ImportanceSampledNLL(
        float(np.mean(per_row)), error, per_row, float(np.median(size)), k, n
    )


def importance_sampling_bias(sizes: FloatArray, n_importance_samples: int) -> float:
    """Estimate by how many nats importance sampling makes a log-likelihood too low.

    The mean over rows of ``(1 / E - 1 / K) / 2``, from a series in 1 / K. Where q(z|x)
    is narrower than the posterior, the weights seen are not the largest ones, and the
    bias is twice that and more.

    Parameters
    ----------
    sizes : ndarray of shape (n,)
        Effective sample size E of every row.
    n_importance_samples : int
        K.

    Returns
    -------
    bias : float

    References
    ----------
    Nowozin 2018, Debiasing evidence approximations, proposition 1.
    """
    return float(np.mean(1 / sizes - 1 / n_importance_samples) / 2)


def bits_per_dimension(
    neg_log_likelihood: ArrayLike | Tensor,
    n_features: int,
    *,
    divisor: ArrayLike | Tensor = 1.0,
) -> FloatArray:
    """Negative log-likelihood in bits per feature of the unscaled data.

    ``nll / (d ln 2) + mean log2(divisor)``: dividing data by a number multiplies their
    density by it.

    Parameters
    ----------
    neg_log_likelihood : array-like or Tensor of shape (...)
        In nats per row, of the data as the model saw them.
    n_features : int
        Number of features d of a row (pixels times channels).
    divisor : float or array-like of shape (n_features,), default=1.0
        What the data were divided by before the model saw them: 255 or 256 for grey
        levels brought to [0, 1], ``scaler.scale_`` for a `StandardScaler`,
        ``scaler.data_range_`` for a `MinMaxScaler`, the product for both in turn.
        Shifts do not matter. 1 for a model of probabilities, not densities.

    Returns
    -------
    bits : ndarray of shape (...)
        A float for a single number.

    Raises
    ------
    ValueError
        If an input is not finite, a divisor is not above 0 or they do not fit.

    Notes
    -----
    For discrete data a bound only if the density is of uniformly dequantised data
    ``(level + u) / 256``. The cross-entropy of grey levels is not a likelihood and has
    no bits per dimension.

    References
    ----------
    Theis et al. 2016, A note on the evaluation of generative models, section 3.1,
    arXiv:1511.01844.

    Examples
    --------
    A uniform density on [0, 1] is no better than the 8 bits of the raw data:

    >>> from skvae.metrics import bits_per_dimension
    >>> float(bits_per_dimension(0.0, 784, divisor=256))
    8.0
    """
    nll = as_finite(neg_log_likelihood, "neg_log_likelihood")
    n_features = check_integer("bits_per_dimension", "n_features", n_features, 1)
    divisor = as_finite(divisor, "divisor")
    if divisor.shape not in [(), (1,), (n_features,)]:
        raise ValueError(
            f"divisor must be a number or have shape ({n_features},), got shape "
            f"{divisor.shape}."
        )
    if not (divisor > 0).all():
        raise ValueError(
            f"divisor must be > 0, got {divisor.min()}. A constant feature has no "
            "density: drop it or give it the divisor 1."
        )
    return nll / (n_features * np.log(2)) + np.mean(np.log2(divisor))


def _as_log_weights(log_weights: ArrayLike | Tensor) -> FloatArray:
    if isinstance(log_weights, Tensor):
        log_weights = log_weights.detach().cpu().double().numpy()
    log_w = np.asarray(log_weights, dtype=float)
    if log_w.ndim != 2 or log_w.size == 0:
        raise ValueError(
            "log_weights must have shape (K, n), importance samples first, got "
            f"{log_w.shape}."
        )
    as_finite(np.where(log_w == -np.inf, 0.0, log_w), "log_weights (-inf apart)")
    return log_w
