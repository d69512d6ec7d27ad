"""Intervals of figures by resampling."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

FloatArray = NDArray[np.float64]
Interval = tuple[float, float]

_LEVELS = (0.025, 0.975)
_MIN_ROWS = 20
_N_ROW_RESAMPLES = 1000


def of_mean(values: FloatArray, rng: np.random.RandomState) -> Interval:
    """Bootstrap a mean over rows: 95 % percentile interval."""
    n, step = len(values), max(1, 10**6 // len(values))
    means = [
        values[rng.randint(n, size=(min(step, _N_ROW_RESAMPLES - start), n))].mean(1)
        for start in range(0, _N_ROW_RESAMPLES, step)
    ]
    low, high = np.quantile(np.concatenate(means), _LEVELS)
    return float(low), float(high)


def of_share(share: float, n: int) -> Interval:
    """Bootstrap a share of n rows, whose resampled count is binomial."""
    low, high = binom.ppf(_LEVELS, n, share) / n
    return float(low), float(high)


def by_half_samples(
    function: Callable[..., FloatArray],
    values: FloatArray,
    sets: tuple[FloatArray, ...],
    n_resamples: int,
    rng: np.random.RandomState,
) -> tuple[FloatArray, FloatArray]:
    """Intervals of figures that resampled duplicates of rows would upset.

    Random halves of the sets, drawn without replacement, spread as the whole sets do:
    a mean over half of n rows has variance ``s^2 / (n / 2) * (1 - 1 / 2) = s^2 / n``.
    Their bias is not that of the whole sets, so that only the spread is taken from
    them and laid around the values.

    Parameters
    ----------
    function : callable
        Maps sets of rows to figures, shape (n_figures,).
    values : ndarray of shape (n_figures,)
        Figures of the whole sets.
    sets : tuple of ndarray
    n_resamples : int
    rng : RandomState

    Returns
    -------
    low, high : ndarray of shape (n_figures,)
        The 95 % interval; nan where a set has fewer than 20 rows or n_resamples is 0.

    References
    ----------
    Wu 1986, Jackknife, bootstrap and other resampling methods in regression analysis,
    Annals of Statistics 14. Shao and Wu 1989, A general theory for jackknife variance
    estimation, Annals of Statistics 17 (delete-d jackknife, d = n / 2).
    """
    if n_resamples < 1 or min(map(len, sets)) < _MIN_ROWS:
        nothing = np.full(len(values), np.nan)
        return nothing, nothing
    halves = [
        function(*(A[rng.choice(len(A), len(A) // 2, replace=False)] for A in sets))
        for _ in range(n_resamples)
    ]
    spread = np.quantile(halves - np.mean(halves, axis=0), _LEVELS, axis=0)
    return values + spread[0], values + spread[1]
