"""Intervals of 95 % for figures of random rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, norm, t

FloatArray = NDArray[np.float64]
Interval = tuple[float, float]

_LEVELS = (0.025, 0.975)
_NORMAL = float(norm.ppf(_LEVELS[1]))
_MIN_ROWS = 20
_MIN_ROWS_FOR_BOOTSTRAP = 10
_N_ROW_RESAMPLES = 1000


def of_mean(values: FloatArray, rng: np.random.RandomState) -> Interval:
    """Interval of a mean over rows: Student's below 10 rows, then the bootstrap's.

    The bootstrap is that of the studentised mean, which follows the skewness of the
    values; percentiles of resampled means are too narrow for few rows. One value has no
    interval.

    Parameters
    ----------
    values : ndarray of shape (n,)
    rng : RandomState

    Returns
    -------
    low, high : float

    References
    ----------
    Hall 1988, Theoretical comparison of bootstrap confidence intervals, Annals of
    Statistics 16.
    """
    n = len(values)
    if n < 2:
        return np.nan, np.nan
    mean, error = values.mean(), values.std(ddof=1) / np.sqrt(n)
    if error == 0:
        return float(mean), float(mean)
    if n < _MIN_ROWS_FOR_BOOTSTRAP:
        upper = t.ppf(_LEVELS[1], n - 1)
        return float(mean - upper * error), float(mean + upper * error)
    lower, upper = np.quantile(_studentised_means(values, rng), _LEVELS)
    return float(mean - upper * error), float(mean - lower * error)


def _studentised_means(values: FloatArray, rng: np.random.RandomState) -> FloatArray:
    """Resample ``(mean - true mean) / standard error``."""
    n, step = len(values), max(1, 10**6 // len(values))
    found = []
    for start in range(0, _N_ROW_RESAMPLES, step):
        drawn = values[rng.randint(n, size=(min(step, _N_ROW_RESAMPLES - start), n))]
        error = drawn.std(axis=1, ddof=1) / np.sqrt(n)
        varied = error > 0  # else all rows drawn are one
        found.append((drawn.mean(axis=1) - values.mean())[varied] / error[varied])
    return np.concatenate(found)


def of_share(share: float, n: float, upper: float = _NORMAL) -> Interval:
    """Wilson's interval of a share, which has a width at 0 and at 1, too.

    Parameters
    ----------
    share : float
    n : float
        Number of independent rows, or what dependent ones are worth: see
        `independent_rows`.
    upper : float, default=1.96
        Quantile of the standardised share; Student's where the variance is estimated.

    Returns
    -------
    low, high : float

    References
    ----------
    Brown, Cai and DasGupta 2001, Interval estimation for a binomial proportion,
    Statistical Science 16.
    """
    squared = upper**2
    centre = (n * share + squared / 2) / (n + squared)
    width = upper * np.sqrt(n * share * (1 - share) + squared / 4) / (n + squared)
    # Rounding must not exclude the share itself at 0 and 1.
    return float(min(centre - width, share)), float(max(centre + width, share))


def of_normal(value: float, standard_error: float) -> Interval:
    """Interval of a normally distributed figure."""
    width = _NORMAL * standard_error
    return float(value - width), float(value + width)


def independent_rows(share: float, variance: float, n: float, most: float) -> float:
    """Return how many independent rows have a share of this variance, at most `most`.

    At 0 and 1 an estimated variance is zero whatever the rows are, so that the share is
    moved by two rows of n of either kind before the two are compared.
    """
    moved = (n * share + 2) / (n + 4)
    return float(min(most, moved * (1 - moved) / variance)) if variance > 0 else n


def of_quantile(values: FloatArray, level: float) -> Interval:
    """Interval of a quantile of positive values by order statistics."""
    ordered = np.sort(values)
    below, above = binom.ppf(_LEVELS, len(values), level).astype(int)
    low = ordered[below - 1] if below > 0 else 0.0
    high = ordered[above] if above < len(values) else np.inf
    return float(low), float(high)


def about_floor(
    value: float, interval: Interval, floor: float, floor_interval: Interval
) -> Interval:
    """Interval of a value that holds its floor where the two do not differ.

    The interval of the difference, laid around the value, so that it reflects what is
    random in either of two independent figures.

    Parameters
    ----------
    value, floor : float
    interval, floor_interval : tuple of float
        Of each alone.

    Returns
    -------
    low, high : float

    References
    ----------
    Newcombe 1998, Interval estimation for the difference between independent
    proportions, Statistics in Medicine 17 (method 10).
    """
    (low, high), (floor_low, floor_high) = interval, floor_interval
    return (
        float(value - np.hypot(value - low, floor_high - floor)),
        float(value + np.hypot(high - value, floor - floor_low)),
    )


def by_half_samples(
    function: Callable[..., FloatArray],
    values: FloatArray,
    sets: tuple[FloatArray, ...],
    n_resamples: int,
    rng: np.random.RandomState,
    *,
    shares: ArrayLike = False,
) -> tuple[FloatArray, FloatArray]:
    """Intervals of figures that resampled duplicates of rows would upset.

    The sets are cut into random halves A and B, again and again. Half the difference of
    their figures, ``(f(A) - f(B)) / 2``, spreads as the figure of the whole sets does,
    if that is a mean over rows or nearly so. A quadratic form in the rows, such as the
    discrepancy of two sets that are alike, gets up to sqrt(2) times its own spread.

    Parameters
    ----------
    function : callable
        Maps sets of rows to figures, shape (n_figures,).
    values : ndarray of shape (n_figures,)
        Figures of the whole sets.
    sets : tuple of ndarray
    n_resamples : int
        Number of halves; two make a cut.
    rng : RandomState
    shares : bool or array-like of shape (n_figures,), default=False
        Which figures are shares of rows: these get intervals within [0, 1], of the
        binomial distribution where there are no halves.

    Returns
    -------
    low, high : ndarray of shape (n_figures,)
        The 95 % interval. It is of the figure's mean over sets of this size. Where a
        set has fewer than 20 rows or n_resamples is 0, it is nan but for shares.

    References
    ----------
    Shao and Wu 1989, A general theory for jackknife variance estimation, Annals of
    Statistics 17 (delete-d jackknife, d = n / 2). Efron and Stein 1981, The jackknife
    estimate of variance, Annals of Statistics 9 (quadratic functionals).
    """
    n, n_cuts = min(map(len, sets)), (n_resamples + 1) // 2
    if n_cuts and n >= _MIN_ROWS:
        variance = _half_sample_variance(function, sets, n_cuts, rng)
        upper = float(t.ppf(_LEVELS[1], n_cuts))
    else:
        variance, upper = np.full(len(values), np.nan), _NORMAL
    low, high = values + np.multiply.outer((-upper, upper), np.sqrt(variance))
    for i in np.flatnonzero(np.broadcast_to(shares, values.shape)):
        rows = independent_rows(values[i], variance[i], n, 2 * n)
        low[i], high[i] = of_share(values[i], rows, upper)
    return low, high


def _half_sample_variance(
    function: Callable[..., FloatArray],
    sets: tuple[FloatArray, ...],
    n_cuts: int,
    rng: np.random.RandomState,
) -> FloatArray:
    halves = []
    for _ in range(n_cuts):
        orders = [rng.permutation(len(A)) for A in sets]
        for part in (0, 1):
            halves.append(
                function(*(A[o[part::2]] for A, o in zip(sets, orders, strict=True)))
            )
    first, second = np.array(halves[::2]), np.array(halves[1::2])
    return np.mean(np.square(first - second), axis=0) / 4
