"""Maximum mean discrepancy between two sets of rows."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from skvae._utils.arrays import FloatArray, at_most
from skvae._utils.random import RandomState, random_state_of
from skvae._utils.validation import check_choice, check_integer, check_real
from skvae.metrics._kernels import (
    Kernel,
    PolynomialKernel,
    check_cubes,
    discrepancy,
    imq,
    permutation_p_value,
    rbf,
)
from skvae.metrics._pairwise import centred, sharpen, squared_distance_triangle
from skvae.metrics._sets import as_sets

KERNELS = ("rbf", "imq", "polynomial")
ESTIMATORS = ("unbiased", "biased")
_OWNER = "maximum_mean_discrepancy"
# Distances among so many rows give the median to about one percent.
MEDIAN_ROWS = 2000
_MEDIAN_TOLERANCE = 1e-9
# Their squares neither vanish nor overflow.
_BANDWIDTHS = (1e-140, 1e140)


class MaximumMeanDiscrepancy(NamedTuple):
    """Squared maximum mean discrepancy and how it was computed."""

    value: float
    """Squared discrepancy; lower is better."""
    p_value: float
    """Share of relabelled sets at least as far apart; nan without permutations."""
    bandwidth: float
    """Bandwidth of the kernel; nan for the polynomial kernel."""
    n_real: int
    """Reference rows."""
    n_generated: int
    """Generated rows."""


def maximum_mean_discrepancy(
    X_real: ArrayLike | Tensor,
    X_generated: ArrayLike | Tensor,
    *,
    kernel: str = "rbf",
    bandwidth: float | None = None,
    estimator: str = "unbiased",
    n_permutations: int = 0,
    random_state: RandomState = None,
) -> MaximumMeanDiscrepancy:
    """Squared maximum mean discrepancy between two sets.

    ``mean k(x, x') + mean k(y, y') - 2 mean k(x, y)``, where the unbiased estimator
    leaves out the pairs of a row with itself and the biased one does not.

    Parameters
    ----------
    X_real : array-like or Tensor of shape (n, ...)
        Reference rows.
    X_generated : array-like or Tensor of shape (m, ...)
        Generated rows.
    kernel : {"rbf", "imq", "polynomial"}, default="rbf"
        ``exp(-|x - y|^2 / (2 b^2))``; the sum over s = 0.1, 0.2, 0.5, 1, 2, 5, 10 of
        ``s C / (s C + |x - y|^2)`` with ``C = 2 n_features b^2``; or
        ``(x.y / n_features + 1)^3``.
    bandwidth : float, default=None
        The b above, in units of the features. None fixes it on `X_real` alone, so
        that models are compared under one kernel: `median_bandwidth` for "rbf", the
        root mean variance of the features for "imq". For codes of an autoencoder
        with prior N(0, I), ``kernel="imq", bandwidth=1`` is the published kernel. At
        least 1e-140 and at most 1e140.
    estimator : {"unbiased", "biased"}, default="unbiased"
        The unbiased one can be negative; only the biased one is 0 for equal sets.
    n_permutations : int, default=0
        Relabellings of the pooled rows behind the p-value; 0 for none.
    random_state : int, RandomState or None, default=None
        Draws the relabellings.

    Returns
    -------
    result : MaximumMeanDiscrepancy
        Named tuple (value, p_value, bandwidth, n_real, n_generated).

    Raises
    ------
    ValueError
        If the rows, the kernel, the bandwidth or the estimator are not as above, or
        the reference has no spread to take a bandwidth from.

    Notes
    -----
    The p-value is exact for a bandwidth that was given; one taken from `X_real`
    breaks the exchangeability of the two sets a little.

    References
    ----------
    Gretton et al. 2012, A kernel two-sample test, JMLR 13, eq. 3 and 5 and
    section 8. Tolstikhin et al. 2018, Wasserstein auto-encoders, section 4,
    arXiv:1711.01558.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.metrics import maximum_mean_discrepancy
    >>> X = np.random.RandomState(0).normal(size=(200, 2))
    >>> result = maximum_mean_discrepancy(
    ...     X[:100], X[100:] + 1, n_permutations=99, random_state=0
    ... )
    >>> result.p_value
    0.01
    """
    check_choice(_OWNER, "kernel", kernel, KERNELS)
    check_choice(_OWNER, "estimator", estimator, ESTIMATORS)
    n_permutations = check_integer(_OWNER, "n_permutations", n_permutations, 0)
    min_rows = 2 if estimator == "unbiased" else 1
    X, Y = as_sets(X_real=X_real, X_generated=X_generated, min_rows=min_rows)
    function, bandwidth = _resolve(kernel, bandwidth, X)
    if kernel == "polynomial":  # which is not invariant under translation
        check_cubes(X, Y)
    else:
        X, Y = centred(X, Y)
    value = discrepancy(function, X, Y, estimator)
    p_value = np.nan
    if n_permutations:
        rng = random_state_of(random_state)
        p_value = permutation_p_value(function, X, Y, estimator, n_permutations, rng)
    return MaximumMeanDiscrepancy(value, p_value, bandwidth, len(X), len(Y))


def median_bandwidth(X_real: ArrayLike | Tensor) -> float:
    """Median distance between the rows of a reference set.

    Parameters
    ----------
    X_real : array-like or Tensor of shape (n, ...)
        At least two rows. Of more than 2,000, so many are drawn, always the same.

    Returns
    -------
    bandwidth : float
        In units of the features. If more than half of the pairs of rows are equal, the
        median of the others.

    Raises
    ------
    ValueError
        If all rows are equal.

    References
    ----------
    Gretton et al. 2012, A kernel two-sample test, JMLR 13, section 8.

    Examples
    --------
    >>> from skvae.metrics import median_bandwidth
    >>> median_bandwidth([[0.0], [3.0], [5.0]])
    3.0
    """
    (X,) = as_sets(X_real=X_real, min_rows=2)
    # Equally spaced rows could be of one kind in data whose kinds alternate.
    (Z,) = centred(at_most(X, MEDIAN_ROWS, np.random.RandomState(0)))
    squared = np.concatenate(
        [_pairs(Z, *block) for block in squared_distance_triangle(Z)]
    )
    apart = squared[squared > 0]
    most_are_equal = 2 * len(apart) < len(squared)
    distances = np.sqrt(apart if most_are_equal else squared)
    return _check_spread(np.median(distances) if len(apart) else 0.0, X)


def _pairs(Z: FloatArray, rows: slice, squared: FloatArray) -> FloatArray:
    """Squared distances of the pairs of a block, each once."""
    sharpen(squared, Z[rows], Z[rows.start :], _MEDIAN_TOLERANCE, 0.0)
    pairs = squared[np.triu_indices(len(squared), k=1, m=squared.shape[1])]
    return np.maximum(pairs, 0.0)


def _resolve(
    kernel: str, bandwidth: float | None, X: FloatArray
) -> tuple[Kernel, float]:
    if kernel == "polynomial":
        if bandwidth is not None:
            raise ValueError(
                "bandwidth must be None for kernel='polynomial', which has none, "
                f"got {bandwidth!r}."
            )
        return PolynomialKernel(), np.nan
    if bandwidth is not None:
        check_real(_OWNER, "bandwidth", bandwidth)
        both = {"low_included": True, "high_included": True}
        check_real(_OWNER, "bandwidth", bandwidth, *_BANDWIDTHS, **both)
        bandwidth = float(bandwidth)
    elif kernel == "rbf":
        bandwidth = median_bandwidth(X)
    else:
        spread = np.sqrt(X.var(axis=0).mean()) if (X[0] != X).any() else 0.0
        bandwidth = _check_spread(spread, X)
    return rbf(bandwidth) if kernel == "rbf" else imq(bandwidth, X.shape[1]), bandwidth


def _check_spread(bandwidth: float, X: FloatArray) -> float:
    if bandwidth < _BANDWIDTHS[0]:
        raise ValueError(
            "X_real must have spread to fix a bandwidth on, but the typical distance "
            f"of its {len(X)} rows is {bandwidth:.1g}. Pass bandwidth to "
            "maximum_mean_discrepancy, or rows that differ."
        )
    return float(bandwidth)
