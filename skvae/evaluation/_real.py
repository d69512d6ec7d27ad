"""Rows that decide what is compared, and rows that it is compared on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skvae._utils.arrays import FloatArray
from skvae.evaluation._rows import FeatureSets

# Findings of a wrong part of the data need this p-value, corrected for the parts.
P_VALUE = 0.001
_MOST_ROWS = 2000


class ComparedRows(NamedTuple):
    """Real and generated rows, independent of the rows by which parts are chosen.

    One half of the training rows chooses what is looked at, such as bins. The other
    half and the held-out rows are compared with samples: if the model is the truth, all
    of these are draws from one density, whatever the first half has chosen.
    """

    chooser: FloatArray
    """Half of the training rows."""
    rest: FloatArray
    """The other half, which gives floors."""
    test: FloatArray
    """Held-out rows."""
    draws: FloatArray
    """Generated rows with observation noise."""
    samples: FloatArray
    """Generated rows as they are shown: a fault of draws must be theirs, too."""

    @property
    def real(self) -> FloatArray:
        """All rows of the data that are compared."""
        return np.vstack([self.rest, self.test])


def compared_rows(sets: FeatureSets, rng: np.random.RandomState) -> ComparedRows:
    """Cut the training rows into halves, at random, of at most 2,000 rows each."""
    order = rng.permutation(len(sets.train))
    n = min(len(order) // 2, _MOST_ROWS)
    return ComparedRows(
        sets.train[order[:n]],
        sets.train[order[n : 2 * n]],
        sets.test,
        sets.more_draws,
        sets.samples,
    )


def are_rare(X: FloatArray) -> np.ndarray:
    """Tell which columns vary in few rows only: most values are one value."""
    low, high = np.quantile(X, [0.15, 0.85], axis=0)
    return high <= low
