"""Samples of a model, checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from skvae._utils.columns import is_frame, names_of
from skvae.pipeline._abilities import last_step
from skvae.pipeline.sampling import sample_like
from skvae.scorers._reference import to_array


def draw_samples(
    X: Any, estimator: Any, n_samples: int, mean: bool | None, seed: int
) -> Any:
    """Sample like the rows of X, an array or a frame; as a frame if there are gaps.

    Raises ValueError for samples that are not finite, or of another width.
    """
    columns, X = names_of(X), to_array(X)
    samples = sample_like(X, estimator, n_samples, mean, seed, columns)
    if is_frame(samples):
        return samples
    rows = samples.reshape(len(samples), -1)
    if rows.shape[1] != (width := int(np.prod(X.shape[1:]))):
        name = type(last_step(estimator)).__name__
        raise ValueError(
            f"held-out rows must have as many features as samples of {name}, got "
            f"{width} and {rows.shape[1]}. Pass rows like those that it was fitted on."
        )
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
