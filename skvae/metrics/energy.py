"""Energy distance between two sets of rows."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from skvae._utils.random import RandomState, random_state_of
from skvae._utils.validation import check_choice, check_integer
from skvae.metrics._kernels import discrepancy, negative_distance, permutation_p_value
from skvae.metrics._pairwise import centred
from skvae.metrics._sets import as_sets

ESTIMATORS = ("unbiased", "biased")
_OWNER = "energy_distance"


class EnergyDistance(NamedTuple):
    """Energy distance and the test of two samples that it gives."""

    value: float
    """Energy distance, in units of the features; lower is better."""
    p_value: float
    """Share of relabelled sets at least as far apart; nan without permutations."""
    n_real: int
    """Reference rows."""
    n_generated: int
    """Generated rows."""


def energy_distance(
    X_real: ArrayLike | Tensor,
    X_generated: ArrayLike | Tensor,
    *,
    estimator: str = "unbiased",
    n_permutations: int = 0,
    random_state: RandomState = None,
) -> EnergyDistance:
    """Energy distance between two sets.

    ``2 mean |x - y| - mean |x - x'| - mean |y - y'|``, where the unbiased estimator
    leaves out the pairs of a row with itself and the biased one does not.

    Parameters
    ----------
    X_real : array-like or Tensor of shape (n, ...)
        Reference rows.
    X_generated : array-like or Tensor of shape (m, ...)
        Generated rows.
    estimator : {"unbiased", "biased"}, default="unbiased"
        The unbiased one can be negative; only the biased one is 0 for equal sets.
    n_permutations : int, default=0
        Relabellings of the pooled rows behind the p-value; 0 for none.
    random_state : int, RandomState or None, default=None
        Draws the relabellings.

    Returns
    -------
    result : EnergyDistance
        Named tuple (value, p_value, n_real, n_generated).

    Raises
    ------
    ValueError
        If a set has too few rows or NaN, the widths differ, or the estimator is not as
        above.

    See Also
    --------
    maximum_mean_discrepancy : The same with a kernel that has a bandwidth.
    sliced_wasserstein_distance : Differences of projections of the rows.

    Notes
    -----
    0 only for equal distributions, without a bandwidth to choose. It is the squared
    maximum mean discrepancy under the kernel ``-|x - y|``; for one feature, the biased
    value is the square of `scipy.stats.energy_distance`. The p-value is exact.

    Distances are in the units of the columns: where these differ, scale both sets, or
    the column of the largest unit decides alone.

    References
    ----------
    Székely and Rizzo 2013, Energy statistics: a class of statistics based on
    distances, Journal of Statistical Planning and Inference 143. Sejdinovic et al.
    2013, Equivalence of distance-based and RKHS-based statistics in hypothesis
    testing, Annals of Statistics 41.

    Examples
    --------
    >>> from skvae.metrics import energy_distance
    >>> energy_distance([[0.0], [2.0]], [[5.0], [7.0]]).value
    6.0
    >>> energy_distance([[0.0], [2.0]], [[5.0], [7.0]], estimator="biased").value
    8.0
    """
    check_choice(_OWNER, "estimator", estimator, ESTIMATORS)
    n_permutations = check_integer(_OWNER, "n_permutations", n_permutations, 0)
    min_rows = 2 if estimator == "unbiased" else 1
    X, Y = centred(*as_sets(X_real=X_real, X_generated=X_generated, min_rows=min_rows))
    kernel = negative_distance()
    value = discrepancy(kernel, X, Y, estimator)
    p_value = np.nan
    if n_permutations:
        rng = random_state_of(random_state)
        p_value = permutation_p_value(kernel, X, Y, estimator, n_permutations, rng)
    return EnergyDistance(value, p_value, len(X), len(Y))
