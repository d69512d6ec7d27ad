"""Ranks of scores among those of rows held out: p-values, and limits for a level."""

from __future__ import annotations

import math

import numpy as np

from skvae._utils.arrays import FloatArray

# Scores that differ by less, relatively, are ties: the last digits of a row's score
# depend on how many rows are scored with it.
_ROUNDING = 1e-6


def conformal_p_values(
    scores: FloatArray, calibration: FloatArray, *, two_sided: bool
) -> FloatArray:
    """P-values of the hypothesis that rows are exchangeable with the calibration rows.

    ``p_low = (1 + #{calibration <= score}) / (n + 1)``, and two-sided
    ``min(1, 2 min(p_low, p_high))``.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
    calibration : ndarray of shape (n,)
        Scores of calibration rows in ascending order.
    two_sided : bool
        Whether a score that is too high is extreme, too.

    Returns
    -------
    p_values : ndarray of shape (n_samples,)

    References
    ----------
    Bates, Candès, Lei, Romano & Sesia, "Testing for outliers with conformal p-values",
    The Annals of Statistics 51, 2023, eq. 3.
    """
    n, margin = len(calibration), _margin(calibration)
    n_below = np.searchsorted(calibration - margin, scores, side="right")
    low = (1 + n_below) / (n + 1)
    if not two_sided:
        return low
    n_above = n - np.searchsorted(calibration + margin, scores, side="left")
    return np.minimum(1.0, 2 * np.minimum(low, (1 + n_above) / (n + 1)))


def rows_needed(level: float) -> int:
    """Least number of calibration rows with which a p-value can be `level`."""
    return math.ceil(round(1 / level, 9)) - 1


def limits(calibration: FloatArray, level: float) -> tuple[float, float]:
    """Scores below and above which one-sided p-values are at most `level`.

    With fewer calibration rows than `rows_needed`, the least and the greatest of their
    scores, outside of which p-values are 1 / (n + 1).
    """
    n, margin = len(calibration), _margin(calibration)
    k = max(math.floor(round(level * (n + 1), 9)) - 1, 0)
    low, high = (calibration - margin)[k], (calibration + margin)[n - 1 - k]
    return float(low), float(high)


def _margin(calibration: FloatArray) -> FloatArray:
    return _ROUNDING * np.maximum(1.0, np.abs(calibration))
