"""Columns that lie elsewhere, or spread otherwise, than those of the data."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import kstwobign

from skvae._utils.arrays import FloatArray
from skvae.evaluation._real import P_VALUE, ComparedRows, are_rare
from skvae.evaluation._rows import NO_INTERVAL, EvaluationRow, make_row
from skvae.evaluation._words import column_of, values_of
from skvae.metrics import TableFeatures

# Samples are displaced if values lie so many standard deviations off, on average.
# A scale that is twice too large makes 0.8, a Gaussian for an exponential column 0.3.
DISPLACED = 0.6
# Samples have shrunk if their spread is less than this share of the data's.
SHRUNK = 0.5


class Column(NamedTuple):
    """A column that is wrong, and how."""

    index: int
    mean: float
    """Of draws."""
    spread: float
    """Standard deviation of draws."""
    real_mean: float
    real_spread: float


class Columns(NamedTuple):
    """How each column of samples compares with that of the data."""

    distance: EvaluationRow
    wrong: tuple[Column, ...]
    """The worst first."""
    n_columns: int
    is_blind: bool
    """Whether even a column without overlap could be chance."""


def measure_columns(rows: ComparedRows, table: TableFeatures | None = None) -> Columns:
    """Compare every column by two Kolmogorov-Smirnov tests, of location and spread.

    Of a table, the worst feature stands for a column.
    """
    real, draws = rows.real, rows.draws
    unit = _unit(real)
    wrong = _p_values(real, draws) <= P_VALUE
    for X in (draws, rows.samples):
        wrong &= _are_off(real, X, unit)
    off = cdf_distances(real, draws)[1] / unit
    worst = sorted(np.flatnonzero(wrong), key=lambda j: -off[j])
    row = make_row(
        "column_distance",
        _largest(rows.test, draws, unit),
        NO_INTERVAL,
        _largest(rows.test, rows.rest, unit),
        "lower",
        "how far values of the worst column are off, in standard deviations",
    )
    n_columns = len(unit)
    if table is not None:
        worst, n_columns = _one_for_each(worst, table), len(table.slices_)
    described = tuple(
        _describe(j, *(values_of(X, j, table) for X in (draws, real))) for j in worst
    )
    apart = _p_value(np.ones(1), real, draws)[0] * 2 * len(unit)
    return Columns(row, described, n_columns, bool(apart > P_VALUE))


def cdf_distances(X: FloatArray, Y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Distances of the distribution functions of columns, greatest and integrated.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    Y : ndarray of shape (m, d)

    Returns
    -------
    kolmogorov : ndarray of shape (d,)
        Greatest difference: the Kolmogorov-Smirnov statistic.
    wasserstein : ndarray of shape (d,)
        Area between both: how far values must be moved, on average.
    """
    pooled = np.vstack([X, Y])
    order = pooled.argsort(axis=0)
    gaps = np.diff(np.take_along_axis(pooled, order, axis=0), axis=0)
    steps = np.where(order < len(X), 1 / len(X), -1 / len(Y))
    difference = np.abs(steps.cumsum(axis=0)[:-1])
    difference[gaps == 0] = 0  # within tied values
    return difference.max(axis=0), np.sum(difference * gaps, axis=0)


def _are_off(real: FloatArray, X: FloatArray, unit: FloatArray) -> np.ndarray:
    displaced = cdf_distances(real, X)[1] > DISPLACED * unit
    return displaced | (_mean_deviation(X) < SHRUNK * _mean_deviation(real))


def _p_values(real: FloatArray, X: FloatArray) -> FloatArray:
    """Test location and spread of all columns, corrected for their number."""
    centre = np.median(np.vstack([real, X]), axis=0)
    location, _ = cdf_distances(real, X)
    spread, _ = cdf_distances(np.abs(real - centre), np.abs(X - centre))
    return 2 * len(centre) * _p_value(np.maximum(location, spread), real, X)


def _p_value(statistic: FloatArray, X: FloatArray, Y: FloatArray) -> FloatArray:
    """Asymptotic p-value of the statistic; for tied values it is too large."""
    return kstwobign.sf(statistic * np.sqrt(len(X) * len(Y) / (len(X) + len(Y))))


def _unit(X: FloatArray) -> FloatArray:
    """Return standard deviations, the usual one for columns that vary in few rows."""
    unit, rare = X.std(axis=0), are_rare(X)
    usual = np.median(unit[~rare]) if not rare.all() else 0.0
    unit[rare] = np.maximum(np.ptp(X[:, rare], axis=0) / 2, usual)
    return np.where(unit > 0, unit, 1.0)


def _mean_deviation(X: FloatArray) -> FloatArray:
    return np.mean(np.abs(X - np.median(X, axis=0)), axis=0)


def _largest(X: FloatArray, Y: FloatArray, unit: FloatArray) -> float:
    return float(np.max(cdf_distances(X, Y)[1] / unit))


def _one_for_each(worst: list[int], table: TableFeatures) -> list[int]:
    """Keep the first feature of every column."""
    found: dict[Any, int] = {}
    for j in worst:
        found.setdefault(column_of(table, j), j)
    return list(found.values())


def _describe(j: int, draws: FloatArray, real: FloatArray) -> Column:
    moments = (float(f(x)) for x in (draws, real) for f in (np.mean, np.std))
    return Column(int(j), *moments)
