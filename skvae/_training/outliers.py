"""Values so far from all others that they would decide a fit alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skvae._utils.rows import extremes, is_memory_mapped
from skvae._utils.warn import warn
from skvae.likelihoods import ScaledLikelihood, resolve_likelihood

_FEWEST_ROWS = 20
_LOOKED_AT = 4096  # rows
# Values this many times as far from the median as 99 % of the others (26 deviations of
# a normal distribution) are drawn in to where these end.
_FARTHEST = 10.0
_LARGEST = np.finfo(np.float32).max


def without_outliers(
    X: np.ndarray, likelihood: Any, names: Sequence[str] | None = None
) -> Any:
    """Return rows in which no value lies unboundedly far from all others.

    Squared errors have no limit in a single value, so that one code for a missing value
    would decide means, spreads and gradients. Rows that have none are returned as they
    are, and so are those of likelihoods whose values are bounded, or levels.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    likelihood : str or Likelihood
    names : sequence of str, optional
        Names of features.

    Returns
    -------
    X : ndarray, or object like one
        A copy if values are drawn in; of a memory-mapped array block by block.

    Warns
    -----
    UserWarning
        If values are drawn in, with the farthest of them.
    """
    likelihood = resolve_likelihood(likelihood)
    if not isinstance(likelihood, ScaledLikelihood) or likelihood.discrete:
        return X
    if len(X) < _FEWEST_ROWS or X.dtype == bool:
        return X
    median, reach = _robust_moments(X)
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(np.stack(extremes(X)) - median).max(0)
        outlying = distance > _FARTHEST * reach
    if not outlying.any() or not distance.max() < _LARGEST:
        return X  # values that are no numbers, or too large, are refused elsewhere
    column = int(np.argmax(distance / reach))
    _warn(X, column, median[column], reach[column], names)
    drawn_in = DrawnIn(X, median, np.where(outlying, reach, np.inf))
    return drawn_in if is_memory_mapped(X) else drawn_in[:]


class DrawnIn:
    """Rows whose outlying values are drawn in as they are read.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    median, reach : ndarray of shape (n_features,)
        The middle of every feature, and how far 99 % of its values are from it; an
        infinite reach leaves a feature as it is.
    """

    def __init__(self, X: np.ndarray, median: np.ndarray, reach: np.ndarray) -> None:
        self.base, self.median, self.reach = X, median, reach
        self.shape, self.dtype, self.size = X.shape, X.dtype, X.size

    def __len__(self) -> int:
        return len(self.base)

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Return a copy of some rows, in their own type."""
        X = np.array(self.base[rows])
        offset = X - self.median
        i, j = np.nonzero(np.abs(offset) > _FARTHEST * self.reach)
        X[i, j] = self.median[j] + np.sign(offset[i, j]) * self.reach[j]
        return X


def _robust_moments(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the median of every feature, and the reach of 99 % of the values.

    Where half of the values are equal, other values are rare events, which may have any
    size: at least the largest reach of all features then stands for it.
    """
    rows = X[:: -(-len(X) // _LOOKED_AT)].astype(np.float64)
    median = np.median(rows, axis=0)
    place = len(rows) - len(rows) // 100 - 3
    with np.errstate(invalid="ignore"):  # infinite values are refused elsewhere
        distance = np.partition(np.abs(rows - median), [len(rows) // 2, place], axis=0)
    middle, reach = distance[len(rows) // 2], distance[place]
    return median, np.where(middle > 0, reach, reach.max())


def _warn(
    X: np.ndarray,
    column: int,
    median: float,
    reach: float,
    names: Sequence[str] | None,
) -> None:
    values = X[:, column].astype(np.float64)
    row = int(np.argmax(np.abs(values - median)))
    name = f"{names[column]!r}" if names is not None else str(column)
    ratio = abs(values[row] - median) / reach
    shown = median + np.sign(values[row] - median) * reach
    warn(
        f"Column {name} of X has the value {values[row]:.6g} in row {row}, {ratio:,.0f}"
        " times as far from its median as 99% of the values. In training it counts as "
        f"{shown:.4g}; values of other rows and columns that are more than "
        f"{_FARTHEST:g} times as far are drawn in likewise. If it stands for a missing "
        "value, impute it or leave the row out."
    )
