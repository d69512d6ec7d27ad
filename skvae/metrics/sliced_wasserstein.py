"""Sliced Wasserstein distance between two sets of rows."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from skvae._utils.arrays import FloatArray, IntArray
from skvae._utils.random import RandomState, random_state_of
from skvae._utils.rows import row_slices
from skvae._utils.validation import check_choice, check_integer
from skvae.metrics._pairwise import centred
from skvae.metrics._sets import as_sets

ORDERS = (1, 2)
_OWNER = "sliced_wasserstein_distance"


class SlicedWassersteinDistance(NamedTuple):
    """Sliced Wasserstein distance, and what sets that are alike have."""

    value: float
    """Distance, in units of the features; lower is better."""
    floor: float
    """Distance of relabelled sets: the bias of sets of these sizes; nan without
    permutations."""
    p_value: float
    """Share of relabelled sets at least as far apart; nan without permutations."""
    projection_error: float
    """Standard error of `value` from the number of directions; 0 for one feature, nan
    for one direction."""
    n_real: int
    """Reference rows."""
    n_generated: int
    """Generated rows."""


def sliced_wasserstein_distance(
    X_real: ArrayLike | Tensor,
    X_generated: ArrayLike | Tensor,
    *,
    order: int = 2,
    n_projections: int = 100,
    n_permutations: int = 0,
    random_state: RandomState = None,
) -> SlicedWassersteinDistance:
    """Sliced Wasserstein distance between two sets.

    The rows are projected to random directions. The p-th power of the Wasserstein
    distance of order p between the projections is averaged over directions, and the
    p-th root taken.

    Parameters
    ----------
    X_real : array-like or Tensor of shape (n, ...)
        Reference rows.
    X_generated : array-like or Tensor of shape (m, ...)
        Generated rows.
    order : {1, 2}, default=2
        The p above.
    n_projections : int, default=100
        Number of directions.
    n_permutations : int, default=0
        Relabellings of the pooled rows behind `p_value` and `floor`; 0 for none.
    random_state : int, RandomState or None, default=None
        Draws the directions and the relabellings.

    Returns
    -------
    result : SlicedWassersteinDistance
        Named tuple (value, floor, p_value, projection_error, n_real, n_generated).

    Raises
    ------
    ValueError
        If a set is empty or has NaN, the widths differ, or the order is another.

    See Also
    --------
    energy_distance : A distance with an unbiased estimator.

    Notes
    -----
    The mean over directions is unbiased for the p-th power. The distance of two finite
    samples is not: it is above 0 for sets of one distribution, and has no unbiased
    estimator. Read it beside `floor`, the root of the mean p-th power of relabelled
    sets. The p-value is exact.

    Distances are in the units of the columns: where these differ, scale both sets, or
    the column of the largest unit decides alone. For one feature and order 1 it is
    `scipy.stats.wasserstein_distance`.

    References
    ----------
    Bonneel et al. 2015, Sliced and Radon Wasserstein barycenters of measures, Journal
    of Mathematical Imaging and Vision 51. Deshpande et al. 2018, Generative modeling
    using the sliced Wasserstein distance, arXiv:1803.11188.

    Examples
    --------
    >>> from skvae.metrics import sliced_wasserstein_distance
    >>> sliced_wasserstein_distance([[0.0], [2.0]], [[5.0], [9.0]], order=1).value
    6.0
    """
    check_choice(_OWNER, "order", order, ORDERS)
    n_projections = check_integer(_OWNER, "n_projections", n_projections, 1)
    n_permutations = check_integer(_OWNER, "n_permutations", n_permutations, 0)
    X, Y = centred(*as_sets(X_real=X_real, X_generated=X_generated))
    rng = random_state_of(random_state)
    directions = _directions(n_projections, X.shape[1], rng)
    labels = _labels(len(X), len(Y), n_permutations, rng)
    Z = np.ascontiguousarray(np.vstack([X, Y]))
    powers = np.array([_powers(Z @ u, labels, order) for u in directions])
    value, *others = powers.mean(axis=0)
    floor = p_value = np.nan
    if n_permutations:
        floor = float(np.mean(others) ** (1 / order))
        reached = np.asarray(others) >= value * (1 - 1e-12)
        p_value = float((1 + reached.sum()) / (1 + n_permutations))
    error = _error_of_root(powers[:, 0], order, X.shape[1])
    sizes = len(X), len(Y)
    return SlicedWassersteinDistance(
        float(value ** (1 / order)), floor, p_value, error, *sizes
    )


def _directions(n: int, n_features: int, rng: np.random.RandomState) -> FloatArray:
    """Draw unit vectors, shape (n, n_features); one is enough for one feature."""
    if n_features == 1:
        return np.ones((1, 1))
    directions = rng.normal(size=(n, n_features))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def _labels(
    n: int, m: int, n_permutations: int, rng: np.random.RandomState
) -> NDArray[np.bool_]:
    """Mark the first set, also relabelled; shape (1 + n_permutations, n + m)."""
    labels = np.zeros((1 + n_permutations, n + m), dtype=bool)
    labels[:, :n] = True
    for row in labels[1:]:
        rng.shuffle(row)
    return labels


def _powers(values: FloatArray, labels: NDArray[np.bool_], order: int) -> FloatArray:
    """Powers of the distances of two sets of numbers, under each labelling.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Both sets.
    labels : ndarray of shape (n_labellings, n)
        Where a value is in the first set.
    order : int

    Returns
    -------
    powers : ndarray of shape (n_labellings,)
    """
    sort = values.argsort(kind="stable")
    values = values[sort]
    first, second, widths = _quantiles(labels[0].sum(), (~labels[0]).sum())
    powers = np.empty(len(labels))
    for rows in row_slices(len(labels), len(values)):
        ordered = labels[rows, sort]
        shape = len(ordered), -1
        x = values[np.nonzero(ordered)[1]].reshape(shape)
        y = values[np.nonzero(~ordered)[1]].reshape(shape)
        distances = np.abs(x[:, first] - y[:, second])
        powers[rows] = (distances**order) @ widths
    return powers


def _quantiles(n: int, m: int) -> tuple[IntArray, IntArray, FloatArray]:
    """Match the order statistics of n and of m values.

    Returns
    -------
    first, second : ndarray of shape (n_steps,)
        Position among n, and among m, on each step of both quantile functions.
    widths : ndarray of shape (n_steps,)
        Of the steps; their sum is 1.
    """
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    return (ends - 1) // m, (ends - 1) // n, np.diff(ends, prepend=0) / (n * m)


def _error_of_root(powers: FloatArray, order: int, n_features: int) -> float:
    """Estimate the error of the root of a mean over directions (delta method)."""
    if n_features == 1 or not powers.any():
        return 0.0
    if len(powers) == 1:
        return np.nan
    mean = powers.mean()
    error = powers.std(ddof=1) / np.sqrt(len(powers))
    return float(error * mean ** (1 / order - 1) / order)
