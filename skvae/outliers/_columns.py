"""Which column makes a row unlikely: values taken from other rows in its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import logsumexp

from skvae._utils.arrays import FloatArray
from skvae._utils.columns import gaps_of, take_rows
from skvae.outliers._tables import with_column


def score_columns(
    log_density: Callable[[Any], FloatArray], X: Any, typical: list[Any]
) -> FloatArray:
    """Log density of rows beside that with typical values in one column.

    ``log p(x) - log mean_v p(x with v in column j)`` over the typical values v.

    Parameters
    ----------
    log_density : callable
        From rows to their log densities, of shape (n_samples,).
    X : array or data frame of shape (n_samples, n_features)
    typical : list of arrays or series
        Values of every column, equally many, or none.

    Returns
    -------
    scores : ndarray of shape (n_samples, n_features)
        0 in gaps, which say nothing.
    """
    n, n_values = X.shape[0], max(map(len, typical))
    own = log_density(X)
    repeated = take_rows(X, np.repeat(np.arange(n), n_values))
    scores = np.zeros((n, len(typical)))
    for j, values in enumerate(typical):
        if not len(values):
            continue
        replaced = with_column(
            repeated, j, take_rows(values, np.tile(np.arange(n_values), n))
        )
        others = log_density(replaced).reshape(n, n_values)
        scores[:, j] = own - (logsumexp(others, axis=1) - np.log(n_values))
    return np.where(gaps_of(X), 0.0, scores)
