"""Log-likelihoods that are not finite, in words."""

from __future__ import annotations

from typing import Any

import numpy as np

from skvae._utils.arrays import FloatArray


def infinite_scores(
    model: str, values: FloatArray, name: str, index: Any = None
) -> str:
    """Say how many rows have a score that is not finite, and name one; "" if none has.

    Parameters
    ----------
    model : str
        Name of the class of the estimator.
    values : ndarray of shape (n_samples,)
    name : str
        That of the rows.
    index : ndarray of shape (n_samples,), default=None
        Numbers of the rows among those that the user knows.
    """
    bad = np.flatnonzero(~np.isfinite(values))
    if not len(bad):
        return ""
    kinds = [str(kind) for kind in np.unique(values[bad])]
    kinds = ["NaN" if kind == "nan" else kind for kind in kinds]
    example = bad[0] if index is None else index[bad[0]]
    return (
        f"score_samples of {model} gives {' or '.join(kinds)} for {len(bad)} of "
        f"{len(values)} rows of {name}, such as {name}[{example}]"
    )


def check_scores(model: str, values: FloatArray, name: str = "X") -> FloatArray:
    """Return scores; raise ValueError for those that have no finite mean."""
    if said := infinite_scores(model, values, name):
        raise ValueError(
            f"log-likelihoods must be finite to have a mean, but {said}. A score of "
            "-inf calls a row impossible: use a density that reaches all rows, such as "
            "one with Gaussian tails, or leave such rows out."
        )
    return values
