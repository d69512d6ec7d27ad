"""Differences of figures of two models, with intervals and p-values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t

from skvae._utils.arrays import FloatArray

_LEVELS = (0.025, 0.975)
_SYMMETRIC = 1e-6


class Error(NamedTuple):
    """One source of the error of a figure."""

    variance: float
    """Squared standard error; nan where it is not known."""
    df: float
    """Degrees of freedom behind it."""
    third: float = 0.0
    """Third central moment."""


class Difference(NamedTuple):
    """A difference of two figures, the first minus the second."""

    value: float
    low: float
    """Lower end of its 95 % interval; nan where there is none."""
    high: float
    """Upper end."""
    p_value: float
    """Of the difference being 0, two-sided; nan where there is none."""


def difference_of(value: float, errors: Iterable[Error]) -> Difference:
    """Judge a difference by Student's t, corrected for skewness.

    Parameters
    ----------
    value : float
    errors : iterable of Error
        From independent sources. Together they have the degrees of freedom of Welch and
        Satterthwaite.

    Returns
    -------
    difference : Difference

    References
    ----------
    Hall 1992, On the removal of skewness by transformation, Journal of the Royal
    Statistical Society B 54. Satterthwaite 1946, An approximate distribution of
    estimates of variance components, Biometrics Bulletin 2.
    """
    variances, df, thirds = np.array(list(errors)).T
    total = variances.sum()
    if np.isnan(total):
        return Difference(value, np.nan, np.nan, np.nan)
    if total == 0:  # the same in every row: one model by two names, if it is 0
        return Difference(value, value, value, float(value == 0))
    error, skewness = np.sqrt(total), thirds.sum() / total**1.5
    df = total**2 / np.sum(variances**2 / df)
    upper, lower = _with_skewness(t.ppf(_LEVELS, df), skewness)
    p_value = 2 * t.sf(abs(_without_skewness(value / error, skewness)), df)
    numbers = value, value - lower * error, value - upper * error, p_value
    return Difference(*map(float, numbers))


def _without_skewness(x: float, skewness: float) -> float:
    """Map a standardised mean of this skewness to one of nearly none."""
    return x + skewness * x**2 / 3 + skewness**2 * x**3 / 27 + skewness / 6


def _with_skewness(y: FloatArray, skewness: float) -> FloatArray:
    """Invert `_without_skewness`."""
    if abs(skewness) < _SYMMETRIC:
        return y
    return 3 / skewness * (np.cbrt(1 + skewness * (y - skewness / 6)) - 1)


def error_of_mean(values: FloatArray) -> Error:
    """Error of the mean of independent values; not known of a single one."""
    n = len(values)
    if n < 2:
        return Error(np.nan, 1.0)
    centred = values - np.mean(values)
    variance = float(np.var(values, ddof=1)) / n
    return Error(variance, n - 1.0, float(np.mean(centred**3)) / n**2)


def errors_of_fits(figures: Sequence[FloatArray]) -> list[Error]:
    """Errors of means over fits, one for each model; none for single fits."""
    return [error_of_mean(own)._replace(third=0.0) for own in figures if len(own) > 1]


def holm(p_values: FloatArray) -> FloatArray:
    """Correct p-values for their number; those that are nan do not count.

    References
    ----------
    Holm 1979, A simple sequentially rejective multiple test procedure, Scandinavian
    Journal of Statistics 6.
    """
    corrected = np.full(len(p_values), np.nan)
    order = np.argsort(p_values)[: np.count_nonzero(~np.isnan(p_values))]  # nan is last
    factors = np.arange(len(order), 0, -1)
    stepped = np.maximum.accumulate(factors * p_values[order])
    corrected[order] = np.minimum(stepped, 1)
    return corrected
