"""Precision and recall for distributions (PRD), on clusters of the pooled rows."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor

from skvae._utils.arrays import FloatArray, as_finite
from skvae._utils.random import RandomState, draw_seed, random_state_of
from skvae._utils.validation import check_integer
from skvae.metrics._sets import as_sets


class PrecisionRecallDistribution(NamedTuple):
    """Trade-off curve between precision and recall."""

    precision: FloatArray
    """Precision along the curve, shape (n_angles,), rising from 0."""
    recall: FloatArray
    """Recall along the curve, shape (n_angles,), falling to 0."""
    f_8: float
    """Largest F_8 on the curve: weighs recall."""
    f_1_8: float
    """Largest F_1/8 on the curve: weighs precision."""
    f_8_std: float
    """Standard deviation of F_8 over single runs; nan for one run."""
    f_1_8_std: float
    """Standard deviation of F_1/8 over single runs; nan for one run."""
    n: int
    """Rows of each set."""
    precision_std: FloatArray
    """Standard deviation of `precision` over single runs; nan for one run."""
    recall_std: FloatArray
    """Standard deviation of `recall` over single runs; nan for one run."""


def precision_recall_distribution(
    X_real: ArrayLike | Tensor,
    X_generated: ArrayLike | Tensor,
    *,
    n_clusters: int = 20,
    n_angles: int = 1001,
    n_runs: int = 10,
    random_state: RandomState = None,
) -> PrecisionRecallDistribution:
    """Precision and recall of a generated distribution (PRD).

    The pooled rows are clustered by k-means and the two histograms over the clusters
    compared by `prd_from_histograms`; the curves of several runs are averaged.

    Parameters
    ----------
    X_real : array-like or Tensor of shape (n, ...)
        Reference rows.
    X_generated : array-like or Tensor of shape (n, ...)
        As many generated rows.
    n_clusters : int, default=20
        Number of clusters.
    n_angles : int, default=1001
        Points of the curve.
    n_runs : int, default=10
        Clusterings to average over.
    random_state : int, RandomState or None, default=None
        Seeds k-means.

    Returns
    -------
    result : PrecisionRecallDistribution
        Named tuple (precision, recall, f_8, f_1_8, f_8_std, f_1_8_std, n,
        precision_std, recall_std), values in [0, 1].

    Raises
    ------
    ValueError
        If the sets differ in size or width, have NaN, or are smaller together than
        the number of clusters.

    Notes
    -----
    Blind to changes smaller than a cluster, such as pixel noise. Two samples of one
    distribution score somewhat below 1. Clusters are found in the units of the
    columns: where these differ, scale both sets, or the column of the largest unit
    decides alone.

    References
    ----------
    Sajjadi et al. 2018, Assessing generative models via precision and recall, section 3
    and algorithm 1, arXiv:1806.00035.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.metrics import precision_recall_distribution
    >>> X = np.repeat(np.arange(4.0), 50)[:, None]
    >>> half = np.repeat(np.arange(2.0), 100)[:, None]
    >>> result = precision_recall_distribution(X, half, n_clusters=4, random_state=0)
    >>> round(result.f_8, 2), round(result.f_1_8, 2)
    (0.5, 0.98)
    """
    owner = "precision_recall_distribution"
    X, Y = as_sets(X_real=X_real, X_generated=X_generated)
    n_clusters = check_integer(owner, "n_clusters", n_clusters, 1)
    n_runs = check_integer(owner, "n_runs", n_runs, 1)
    _check_sizes(X, Y, n_clusters)
    rng = random_state_of(random_state)
    pooled = np.vstack([X, Y])
    runs = [
        prd_from_histograms(*_histograms(pooled, n_clusters, rng), n_angles=n_angles)
        for _ in range(n_runs)
    ]
    precision, recall = np.mean(runs, axis=0)
    return PrecisionRecallDistribution(
        precision,
        recall,
        _f_max(precision, recall, 8),
        _f_max(precision, recall, 1 / 8),
        float(_std([_f_max(*run, 8) for run in runs])),
        float(_std([_f_max(*run, 1 / 8) for run in runs])),
        len(X),
        *_std(runs),
    )


def prd_from_histograms(
    weights_real: ArrayLike, weights_generated: ArrayLike, *, n_angles: int = 1001
) -> tuple[FloatArray, FloatArray]:
    """Precision-recall curve of two discrete distributions.

    At slopes ``lambda = tan(angle)``, ``precision = sum_k min(lambda r_k, g_k)`` and
    ``recall = precision / lambda``.

    Parameters
    ----------
    weights_real : array-like of shape (n_states,)
        Not negative; normalised to sum to 1.
    weights_generated : array-like of shape (n_states,)
        Not negative; normalised to sum to 1.
    n_angles : int, default=1001
        Points of the curve, at equal angles in (0, pi / 2).

    Returns
    -------
    precision : ndarray of shape (n_angles,)
    recall : ndarray of shape (n_angles,)

    Raises
    ------
    ValueError
        If the weights differ in length, are negative or NaN, or sum to zero.

    References
    ----------
    Sajjadi et al. 2018, section 3 and algorithm 1, arXiv:1806.00035.

    Examples
    --------
    >>> from skvae.metrics import prd_from_histograms
    >>> precision, recall = prd_from_histograms([0.5, 0.5], [1, 0], n_angles=3)
    >>> precision.round(2), recall.round(2)
    (array([0. , 0.5, 1. ]), array([0.5, 0.5, 0. ]))
    """
    n_angles = check_integer("prd_from_histograms", "n_angles", n_angles, 3)
    r = _normalised(weights_real, "weights_real")
    g = _normalised(weights_generated, "weights_generated")
    if len(r) != len(g):
        raise ValueError(
            "weights_real and weights_generated must have the same length, got "
            f"{len(r)} and {len(g)}. Count both over the same states."
        )
    epsilon = 1e-10
    slope = np.tan(np.linspace(epsilon, np.pi / 2 - epsilon, n_angles))
    precision = np.minimum(slope[:, None] * r, g).sum(axis=1)
    # Rounding can pass 1 by an epsilon.
    return np.clip(precision, 0, 1), np.clip(precision / slope, 0, 1)


def _check_sizes(X: FloatArray, Y: FloatArray, n_clusters: int) -> None:
    if len(X) != len(Y):
        raise ValueError(
            "X_real and X_generated must have the same number of rows, got "
            f"{len(X)} and {len(Y)}. Subsample the larger."
        )
    if 2 * len(X) < n_clusters:
        raise ValueError(
            f"n_clusters must be at most the {2 * len(X)} rows of both sets, got "
            f"{n_clusters}. Use fewer clusters or more rows."
        )


def _histograms(
    pooled: FloatArray, n_clusters: int, rng: np.random.RandomState
) -> tuple[FloatArray, FloatArray]:
    kmeans = MiniBatchKMeans(n_clusters, n_init=10, random_state=draw_seed(rng))
    real, generated = np.split(kmeans.fit(pooled).labels_, 2)
    count = {"minlength": n_clusters}
    return np.bincount(real, **count), np.bincount(generated, **count)


def _normalised(weights: ArrayLike, name: str) -> FloatArray:
    weights = as_finite(weights, name)
    if weights.ndim != 1 or not ((weights >= 0).all() and weights.any()):
        raise ValueError(
            f"{name} must be a list of finite weights >= 0, not all 0, got {weights}."
        )
    weights = weights / weights.max()
    return weights / weights.sum()


def _f_max(precision: FloatArray, recall: FloatArray, beta: float) -> float:
    """Largest F_beta on the curve."""
    product = (1 + beta**2) * precision * recall
    return float(np.max(product / (beta**2 * precision + recall + 1e-10)))


def _std(values: Any) -> FloatArray:
    """Return standard deviations over single runs, the first axis; nan for one."""
    if len(values) > 1:
        return np.std(values, axis=0, ddof=1)
    return np.full(np.shape(values)[1:], np.nan)
