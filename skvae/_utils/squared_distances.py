"""Intervals of squared distances between two sets of random rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq

from skvae._utils.intervals import (
    FloatArray,
    Interval,
    figures_of_parts,
    upper_quantile,
)

_MIN_ROWS = 20
_MIN_RESAMPLES = 4


def by_half_samples(
    function: Callable[..., FloatArray],
    values: FloatArray,
    sets: tuple[FloatArray, ...],
    n_resamples: int,
    rng: np.random.RandomState,
) -> tuple[FloatArray, FloatArray]:
    """Intervals of squared distances between sets, from random halves of both.

    A squared distance D of samples is ``|d + e|^2``, where d is the difference of the
    populations and e, with mean square b, the random one of the samples. Cut into
    halves, e becomes ``e + u`` and ``e - u``, where u is distributed as e. Hence the
    mean of both halves exceeds D by ``|u|^2``, which has the mean b and the variance
    that D has where d is 0; and half their difference, ``2 (d + e) u``, varies as D
    does where d is large.

    Parameters
    ----------
    function : callable
        Maps sets of rows to squared distances that cannot be below 0, shape
        (n_figures,).
    values : ndarray of shape (n_figures,)
        Those of the whole sets.
    sets : tuple of ndarray
    n_resamples : int
        Number of halves; two make a cut.
    rng : RandomState

    Returns
    -------
    low, high : ndarray of shape (n_figures,)
        The 95 % interval of the mean over sets of this size, with its bias. It is nan
        where a set has fewer than 20 rows or n_resamples is below 4.

    References
    ----------
    Efron and Stein 1981, The jackknife estimate of variance, Annals of Statistics 9
    (quadratic functionals).
    """
    n = min(map(len, sets))
    if n_resamples < _MIN_RESAMPLES or n < _MIN_ROWS:
        return tuple(np.full((2, len(values)), np.nan))
    halves = figures_of_parts(function, sets, 2, n_resamples, rng)
    linear = halves.var(axis=1, ddof=1).mean(axis=0) / 2
    means = halves.mean(axis=1)
    bias, quadratic = means.mean(axis=0) - values, means.var(axis=0, ddof=1)
    upper = upper_quantile(len(halves), n)
    columns = zip(values, bias, linear, quadratic, strict=True)
    return tuple(np.transpose([of_squared_distance(*c, upper) for c in columns]))


def of_squared_distance(
    value: float, bias: float, linear: float, quadratic: float, upper: float
) -> Interval:
    """Interval of a squared distance, by the variance that each end would have.

    The variance is that of ``|e|^2`` at ``d = 0`` and grows in proportion to ``|d|^2``.
    Roots of squared distances are nearly normal, with a variance that doubles at most,
    from two samples that are alike to two that are far apart.

    Parameters
    ----------
    value : float
    bias : float
        Mean of two samples that are alike.
    linear : float
        Variance of half the difference of halves.
    quadratic : float
        Variance of their mean.
    upper : float
        Quantile of the standardised root.

    Returns
    -------
    low, high : float
    """
    value, bias = max(value, 0.0), max(bias, 0.0)
    if value + bias == 0:
        return value, value
    # Of the variance over the squared distance; both parts have the same.
    slope = (linear + 2 * quadratic) / (value + bias)
    excess = max(slope * bias - quadratic, 0.0)

    def error(root: float) -> float:
        square = max(root**2, bias)
        return (
            upper * np.sqrt(max(slope - excess / square, 0.0) if square else slope) / 2
        )

    root = np.sqrt(value)
    farthest = root + upper * np.sqrt(slope)
    low = 0.0
    if error(0.0) < root:
        low = brentq(lambda r: r + error(r) - root, 0.0, root)
    high = brentq(lambda r: r - error(r) - root, root, farthest)
    return float(low**2), float(high**2)
