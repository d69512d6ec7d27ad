"""Kinds of rows that samples leave out."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from scipy.stats import hypergeom
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from skvae._utils.arrays import FloatArray, IntArray
from skvae.evaluation._real import P_VALUE, ComparedRows
from skvae.evaluation._rows import NO_INTERVAL, EvaluationRow, make_row

# Rows of a bin, on average, of those that place it, and the most bins.
_ROWS_PER_BIN = 10
_MOST_BINS = 50
# Samples leave a bin out if they have less than this share of the real rows' share.
_LEFT_OUT = 1 / 3


class Modes(NamedTuple):
    """Bins of k-means, in the manner of Richardson and Weiss 2018, arXiv:1805.12462."""

    left_out: EvaluationRow
    missing: float
    """Share of real rows in bins of which samples have far too few, beyond chance."""
    share_of_samples: float
    """Share of draws in the same bins."""
    example: int | None
    """Number of the held-out row in the middle of the largest such bin, if any."""
    is_blind: bool
    """Whether even an empty bin of average size could be chance."""


def measure_modes(
    rows: ComparedRows, test_index: IntArray, rng: np.random.RandomState
) -> Modes:
    """Find bins that hold real rows and far too few samples.

    Parameters
    ----------
    rows : ComparedRows
    test_index : ndarray of shape (n_test,)
        Numbers of the held-out rows.
    rng : RandomState

    Returns
    -------
    modes : Modes
    """
    n_bins = _n_bins(rows)
    with warnings.catch_warnings():  # of fewer kinds of rows than bins
        warnings.simplefilter("ignore", ConvergenceWarning)
        kmeans = KMeans(n_bins, n_init=3, random_state=rng).fit(rows.chooser)

    def count(X: FloatArray) -> IntArray:
        return np.bincount(kmeans.predict(X), minlength=n_bins)

    test, rest, draws, samples = map(
        count, (rows.test, rows.rest, rows.draws, rows.samples)
    )
    real = test + rest
    missing = _are_missing(real, draws, samples)
    row = make_row(
        "left_out",
        _share(test, _are_left_out(test, draws)),
        NO_INTERVAL,
        _share(test, _are_left_out(test, rest)),
        "lower",
        f"held-out rows in bins (of {n_bins}) that hardly any sample falls into",
    )
    example = _example(kmeans, rows.test, np.where(missing, test, 0))
    return Modes(
        row,
        _share(real, missing),
        _share(draws, missing),
        None if example is None else int(test_index[example]),
        not _can_be_found(n_bins, rows),
    )


def _n_bins(rows: ComparedRows) -> int:
    """Return the largest number of bins of which an empty one could be found."""
    most = min(_MOST_BINS, len(rows.chooser) // _ROWS_PER_BIN)
    return next((k for k in range(most, 2, -1) if _can_be_found(k, rows)), 2)


def _can_be_found(n_bins: int, rows: ComparedRows) -> bool:
    """Tell whether a bin of average size without any sample is beyond chance."""
    n, m = len(rows.real), len(rows.draws)
    p_value = hypergeom.cdf(0, n + m, n // n_bins, m)
    return bool(n_bins * p_value <= P_VALUE)


def _are_missing(real: IntArray, draws: IntArray, samples: IntArray) -> np.ndarray:
    """Tell which bins draws leave out beyond chance, and samples leave out, too."""
    missing = _p_values(real, draws) * len(real) <= P_VALUE
    for counts in (draws, samples):
        missing &= _are_left_out(real, counts)
    return missing


def _are_left_out(real: IntArray, generated: IntArray) -> np.ndarray:
    return generated / generated.sum() < _LEFT_OUT * real / real.sum()


def _p_values(real: IntArray, generated: IntArray) -> FloatArray:
    """Fisher's exact test of every bin having too few generated rows."""
    total = real.sum() + generated.sum()
    return hypergeom.cdf(generated, total, real + generated, generated.sum())


def _share(counts: IntArray, bins: np.ndarray) -> float:
    return float(counts[bins].sum() / counts.sum())


def _example(kmeans: KMeans, test: FloatArray, counts: IntArray) -> int | None:
    if not counts.any():
        return None
    largest = counts.argmax()
    distance = kmeans.transform(test)[:, largest]
    distance[kmeans.predict(test) != largest] = np.inf
    return int(distance.argmin())
