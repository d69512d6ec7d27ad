"""Samples of a model, checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from skvae.pipeline.sampling import sample_like


def draw_samples(
    X: np.ndarray,
    estimator: Any,
    n_samples: int,
    mean: bool,
    seed: int,
    columns: list[str] | None = None,
) -> np.ndarray:
    """Sample like the rows of X, whose columns may have names.

    Raises ValueError for samples that are not finite.
    """
    samples = sample_like(X, estimator, n_samples, mean, seed, columns)
    rows = samples.reshape(len(samples), -1)
    missing = rows != rows if rows.dtype == object else ~np.isfinite(rows)
    if missing.any():
        row, column = np.argwhere(missing)[0]
        raise ValueError(
            f"the samples must be finite, but {missing.any(axis=1).sum()} of "
            f"{len(rows)} are not, the first in row {row} ({rows[row, column]} in "
            f"column {column}): the model has diverged, or a transformer has no "
            "inverse for some of its outputs, as PowerTransformer has none far out. "
            "Train at a lower learning_rate, or replace that step, for instance by "
            "QuantileTransformer or StandardScaler."
        )
    return samples
