"""Correlations of columns that samples do not have."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.stats import norm, rankdata

from skvae._utils.arrays import FloatArray, IntArray
from skvae.evaluation._real import P_VALUE, ComparedRows, are_rare
from skvae.evaluation._rows import NO_INTERVAL, EvaluationRow, make_row
from skvae.evaluation._words import are_numbers
from skvae.metrics import TableFeatures

# Correlations of the data that count, and the share of them that samples must keep.
_STRONG = 0.5
_KEPT = 0.5
_LARGEST = 1 - 1e-9  # of a correlation, whose inverse hyperbolic tangent is finite


class Pair(NamedTuple):
    """Two columns whose correlation is lost."""

    first: int
    second: int
    correlation: float
    """Rank correlation in draws."""
    real: float
    """Rank correlation in the data."""


class Correlations(NamedTuple):
    """How each column's strongest correlation compares."""

    loss: EvaluationRow | None
    """None if fewer than two columns vary."""
    lost: tuple[Pair, ...]
    """The strongest correlations of the data first."""
    n_columns: int
    is_blind: bool
    """Whether even the loss of a correlation of 0.9 could be chance."""


def measure_correlations(
    rows: ComparedRows, table: TableFeatures | None = None
) -> Correlations:
    """Compare the correlation of every column with the one it depends on most.

    Of a table, only numbers and ordered categories have correlations.

    A correlation of ranks is lost if that of values is, too: noise among tied values
    spoils the one, but hardly the other.
    """
    is_varied = ~are_rare(rows.chooser) & ~are_rare(rows.real)
    if table is not None:
        is_varied &= are_numbers(table)
    varied = np.flatnonzero(is_varied)
    n = len(varied)
    if n < 2:
        return Correlations(None, (), n, False)
    strongest = np.abs(_correlations(_ranks(rows.chooser[:, varied])))
    np.fill_diagonal(strongest, 0)
    pairs = np.stack([varied, varied[strongest.argmax(axis=1)]])
    real, draws = (_of_pairs(X, pairs, _ranks) for X in (rows.real, rows.draws))
    kept = _p_values(np.abs(real), draws * np.sign(real), rows) * n > P_VALUE
    lost = ~kept & (np.abs(real) > _STRONG)
    for X, scores in product((rows.draws, rows.samples), (_ranks, _values)):
        lost &= _are_lost(rows.real, X, pairs, scores)
    found = sorted(np.flatnonzero(lost), key=lambda i: -abs(real[i]))
    described = (Pair(*map(int, pairs[:, i]), draws[i], real[i]) for i in found)
    whole = _p_values(np.array([0.9]), np.zeros(1), rows)[0] * n
    return Correlations(_row(rows, pairs), tuple(described), n, bool(whole > P_VALUE))


def _row(rows: ComparedRows, pairs: IntArray) -> EvaluationRow:
    test, draws, rest = (
        _of_pairs(X, pairs, _ranks) for X in (rows.test, rows.draws, rows.rest)
    )
    return make_row(
        "lost_correlation",
        np.max(np.abs(test) - np.sign(test) * draws),
        NO_INTERVAL,
        np.max(np.abs(test) - np.sign(test) * rest),
        "lower",
        "largest loss of a column's strongest rank correlation",
    )


def _are_lost(
    real: FloatArray,
    X: FloatArray,
    pairs: IntArray,
    scores: Callable[[FloatArray], FloatArray],
) -> np.ndarray:
    """Tell which correlations X has less than half of."""
    r, s = (_of_pairs(A, pairs, scores) for A in (real, X))
    return s * np.sign(r) < _KEPT * np.abs(r)


def _p_values(r: FloatArray, s: FloatArray, rows: ComparedRows) -> FloatArray:
    """One-sided p-values of correlations of the data being s, by Fisher's z."""
    error = np.sqrt(sum(1 / max(len(X) - 3, 1) for X in (rows.real, rows.draws)))
    return norm.sf((np.arctanh(r) - np.arctanh(s)) / error)


def _of_pairs(
    X: FloatArray, pairs: IntArray, scores: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    """Return correlations of the columns in `pairs`, shape (2, n_pairs)."""
    first, second = (_standardised(scores(X[:, columns])) for columns in pairs)
    return np.clip(np.mean(first * second, axis=0), -_LARGEST, _LARGEST)


def _correlations(X: FloatArray) -> FloatArray:
    Z = _standardised(X)
    return Z.T @ Z / len(Z)


def _standardised(X: FloatArray) -> FloatArray:
    spread = X.std(axis=0)
    return (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1)


def _values(X: FloatArray) -> FloatArray:
    return X


def _ranks(X: FloatArray) -> FloatArray:
    return rankdata(X, axis=0)
