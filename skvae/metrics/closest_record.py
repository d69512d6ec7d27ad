"""Distance of generated rows to the closest training record, and its ratio."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from skvae._utils.arrays import FloatArray, as_rows
from skvae.metrics._nearest import nearest
from skvae.metrics._sets import as_sets

_NEAR = 0.05


class DistanceToClosestRecord(NamedTuple):
    """Distances of generated rows to training rows, beside those of held-out rows."""

    value: float
    """Median distance of generated rows to the nearest training row."""
    floor: float
    """The same of held-out rows: what new rows have."""
    ratio: float
    """Median of the distance to the nearest over that to the second nearest training
    row, in [0, 1]; small for copies."""
    ratio_floor: float
    """The same of held-out rows."""
    share_near: float
    """Share of generated rows nearer than the nearest 5 % of held-out rows."""
    share_near_floor: float
    """The same of held-out rows: 0.05, or less where distances are equal."""
    distances: FloatArray
    """Of every generated row, shape (m,)."""
    ratios: FloatArray
    """Of every generated row, shape (m,)."""
    n_train: int
    """Training rows."""
    n_test: int
    """Held-out rows."""
    n_generated: int
    """Generated rows."""


def distance_to_closest_record(
    X_train: ArrayLike | Tensor | Any,
    X_test: ArrayLike | Tensor | Any,
    X_generated: ArrayLike | Tensor | Any,
) -> DistanceToClosestRecord:
    """Distance of generated rows to the closest training record (DCR), and its ratio.

    Parameters
    ----------
    X_train : data frame, array-like or Tensor of shape (n, ...)
        Rows that the model was trained on, at least two.
    X_test : data frame, array-like or Tensor of shape (l, ...)
        Held-out rows of the same distribution.
    X_generated : data frame, array-like or Tensor of shape (m, ...)
        Generated rows.

    Returns
    -------
    result : DistanceToClosestRecord
        Named tuple (value, floor, ratio, ratio_floor, share_near, share_near_floor,
        distances, ratios, n_train, n_test, n_generated).

    Raises
    ------
    TypeError
        If a column has dates, or text where the training rows have numbers.
    ValueError
        If a set has too few rows, arrays have NaN, or columns differ.

    See Also
    --------
    exact_copies : Rows that equal a training row, with a test.
    nearest_neighbour_distances : Distances to training and to held-out rows.
    data_copying_test : A test of copying.

    Notes
    -----
    Both generated and held-out rows are measured to all training rows, so that sizes of
    the other two sets do not matter. A model that copies has a value, a ratio and a
    share on the side of copies: below, below and above the floor. A value above the
    floor is no merit: samples may lie where no data are. Means of a model, without the
    noise that held-out rows have, are nearer than these; offer draws with the noise.

    Distances of frames with categories or gaps are those of `TableFeatures`; others are
    in the units of the columns: where these differ, scale all sets. A row at distance 0
    from two training rows, which cannot be told from a frequent one, has the ratio 1.

    References
    ----------
    Zhao et al. 2021, CTAB-GAN: effective table data synthesizing, arXiv:2102.08369
    (DCR and nearest-neighbour distance ratio). Platzer and Reutterer 2021,
    Holdout-based fidelity and privacy assessment of mixed-type synthetic data,
    arXiv:2104.00635.

    Examples
    --------
    >>> from skvae.metrics import distance_to_closest_record
    >>> train, test = [[0.0], [4.0], [9.0]], [[1.0], [6.0]]
    >>> found = distance_to_closest_record(train, test, [[0.0], [4.5], [9.0]])
    >>> found.value, found.floor, found.ratio
    (0.0, 1.5, 0.0)
    """
    train, test, generated = as_sets(
        X_train=X_train, X_test=X_test, X_generated=X_generated
    )
    as_rows(train, "X_train", min_rows=2)
    of_test, ratios_of_test = _to_training_rows(test, train)
    distances, ratios = _to_training_rows(generated, train)
    near = np.quantile(of_test, _NEAR)
    return DistanceToClosestRecord(
        value=float(np.median(distances)),
        floor=float(np.median(of_test)),
        ratio=float(np.median(ratios)),
        ratio_floor=float(np.median(ratios_of_test)),
        share_near=float(np.mean(distances < near)),
        share_near_floor=float(np.mean(of_test < near)),
        distances=distances,
        ratios=ratios,
        n_train=len(train),
        n_test=len(test),
        n_generated=len(generated),
    )


def _to_training_rows(
    X: FloatArray, train: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return distances to the nearest row, and their ratios to the second nearest."""
    first, second = np.sqrt(nearest(X, train, 2)[1]).T
    return first, np.divide(first, second, out=np.ones_like(first), where=second > 0)
