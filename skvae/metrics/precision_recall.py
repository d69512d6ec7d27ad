"""Precision, recall, density and coverage by nearest-neighbour balls."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from skvae._utils.arrays import FloatArray
from skvae._utils.validation import check_integer
from skvae.metrics._nearest import nearest, pairs_within
from skvae.metrics._sets import as_sets


class ImprovedPrecisionRecall(NamedTuple):
    """Share of each set that lies on the other's manifold."""

    precision: float
    """Share of generated rows inside a ball of a real row: fidelity."""
    recall: float
    """Share of real rows inside a ball of a generated row: diversity."""
    n_neighbors: int
    """Neighbours that set the radius of a ball."""
    n_real: int
    """Reference rows."""
    n_generated: int
    """Generated rows."""


class DensityCoverage(NamedTuple):
    """How densely, and how completely, generated rows fill the real balls."""

    density: float
    """Real balls around a generated row, over `n_neighbors`: can exceed 1."""
    coverage: float
    """Share of real balls that hold a generated row."""
    n_neighbors: int
    """Neighbours that set the radius of a ball."""
    n_real: int
    """Reference rows."""
    n_generated: int
    """Generated rows."""


class PrecisionRecallDensityCoverage(NamedTuple):
    """The fields of `ImprovedPrecisionRecall` and `DensityCoverage`."""

    precision: float
    """Share of generated rows inside a ball of a real row."""
    recall: float
    """Share of real rows inside a ball of a generated row."""
    density: float
    """Real balls around a generated row, over their number of neighbours."""
    coverage: float
    """Share of real balls that hold a generated row."""
    n_real: int
    """Reference rows."""
    n_generated: int
    """Generated rows."""


def improved_precision_recall(
    X_real: ArrayLike | Tensor,
    X_generated: ArrayLike | Tensor,
    *,
    n_neighbors: int = 3,
) -> ImprovedPrecisionRecall:
    """Precision and recall of generated rows by nearest-neighbour balls.

    Each set's manifold is the union of balls around its rows, that reach to the row's
    `n_neighbors`-th nearest other row of the same set, edge included.

    Parameters
    ----------
    X_real : array-like or Tensor of shape (n, ...)
        Reference rows, more than `n_neighbors`.
    X_generated : array-like or Tensor of shape (m, ...)
        Generated rows, more than `n_neighbors`.
    n_neighbors : int, default=3
        Neighbours that set the radius.

    Returns
    -------
    result : ImprovedPrecisionRecall
        Named tuple (precision, recall, n_neighbors, n_real, n_generated), shares in
        [0, 1].

    Raises
    ------
    ValueError
        If a set has too few rows or NaN, or the widths differ.

    Notes
    -----
    Both depend on the sample size and the feature space: two samples of one
    distribution score 0.65 with 200 rows of 64 features, 0.71 with 1,000. Distances are
    in the units of the columns: where these differ, scale both sets, or the column of
    the largest unit decides alone.

    References
    ----------
    Kynkäänniemi et al. 2019, Improved precision and recall metric for assessing
    generative models, eq. 1 and 2, arXiv:1904.06991.

    Examples
    --------
    >>> from skvae.metrics import improved_precision_recall
    >>> X_real = [[0.0], [1.0], [10.0], [11.0]]
    >>> result = improved_precision_recall(X_real, [[0.2], [0.5]], n_neighbors=1)
    >>> result.precision, result.recall
    (1.0, 0.25)
    """
    k = _check_n_neighbors("improved_precision_recall", "n_neighbors", n_neighbors)
    X, Y = as_sets(X_real=X_real, X_generated=X_generated)
    _check_enough(X, k, "X_real")
    _check_enough(Y, k, "X_generated")
    real, generated = _hits(X, Y, [_radii(X, k), _radii(Y, k).T])
    return ImprovedPrecisionRecall(
        float(real.columns.mean()), float(generated.rows.mean()), k, len(X), len(Y)
    )


def density_coverage(
    X_real: ArrayLike | Tensor,
    X_generated: ArrayLike | Tensor,
    *,
    n_neighbors: int = 5,
) -> DensityCoverage:
    """Density and coverage of the real rows' nearest-neighbour balls.

    Parameters
    ----------
    X_real : array-like or Tensor of shape (n, ...)
        Reference rows, more than `n_neighbors`.
    X_generated : array-like or Tensor of shape (m, ...)
        Generated rows.
    n_neighbors : int, default=5
        Neighbours that set the radius of the balls.

    Returns
    -------
    result : DensityCoverage
        Named tuple (density, coverage, n_neighbors, n_real, n_generated). Two samples
        of one distribution have a density of about 1 and a coverage near 1.

    Raises
    ------
    ValueError
        If a set has too few rows or NaN, or the widths differ.

    Notes
    -----
    The edge of a ball belongs to it, so that duplicated and quantised rows cover
    themselves; the authors' code leaves it out. Distances are in the units of
    the columns: where these differ, scale both sets, or the column of the largest unit
    decides alone.

    References
    ----------
    Naeem et al. 2020, Reliable fidelity and diversity metrics for generative models,
    section 3, arXiv:2002.09797.

    Examples
    --------
    >>> from skvae.metrics import density_coverage
    >>> X_real = [[0.0], [1.0], [10.0], [11.0]]
    >>> result = density_coverage(X_real, [[0.2], [0.5]], n_neighbors=1)
    >>> result.density, result.coverage
    (2.0, 0.5)
    """
    k = _check_n_neighbors("density_coverage", "n_neighbors", n_neighbors)
    X, Y = as_sets(X_real=X_real, X_generated=X_generated)
    _check_enough(X, k, "X_real")
    (real,) = _hits(X, Y, [_radii(X, k)])
    density, coverage = _density(real, k), float(real.rows.mean())
    return DensityCoverage(density, coverage, k, len(X), len(Y))


def precision_recall_density_coverage(
    X_real: ArrayLike | Tensor,
    X_generated: ArrayLike | Tensor,
    *,
    n_neighbors_precision: int = 3,
    n_neighbors_density: int = 5,
) -> PrecisionRecallDensityCoverage:
    """Improved precision and recall, density and coverage in one pass.

    The values of `improved_precision_recall` and `density_coverage` at little more
    than the cost of the first.

    Parameters
    ----------
    X_real : array-like or Tensor of shape (n, ...)
        Reference rows.
    X_generated : array-like or Tensor of shape (m, ...)
        Generated rows.
    n_neighbors_precision : int, default=3
        Neighbours for precision and recall.
    n_neighbors_density : int, default=5
        Neighbours for density and coverage.

    Returns
    -------
    result : PrecisionRecallDensityCoverage
        Named tuple (precision, recall, density, coverage, n_real, n_generated).

    Raises
    ------
    ValueError
        If a set has too few rows or NaN, or the widths differ.

    References
    ----------
    Kynkäänniemi et al. 2019, arXiv:1904.06991. Naeem et al. 2020, arXiv:2002.09797.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.metrics import precision_recall_density_coverage
    >>> X = np.random.RandomState(0).normal(size=(400, 2))
    >>> result = precision_recall_density_coverage(X[:200], X[200:] / 2)
    >>> result.precision > result.recall, result.density > 1
    (True, True)
    """
    owner = "precision_recall_density_coverage"
    k = _check_n_neighbors(owner, "n_neighbors_precision", n_neighbors_precision)
    k_density = _check_n_neighbors(owner, "n_neighbors_density", n_neighbors_density)
    X, Y = as_sets(X_real=X_real, X_generated=X_generated)
    _check_enough(X, max(k, k_density), "X_real")
    _check_enough(Y, k, "X_generated")
    thresholds = [*_radii(X, k, k_density).T[:, :, None], _radii(Y, k).T]
    real, real_density, generated = _hits(X, Y, thresholds)
    return PrecisionRecallDensityCoverage(
        precision=float(real.columns.mean()),
        recall=float(generated.rows.mean()),
        density=_density(real_density, k_density),
        coverage=float(real_density.rows.mean()),
        n_real=len(X),
        n_generated=len(Y),
    )


@dataclass
class _Hits:
    rows: NDArray[np.bool_]  # (n,): within the threshold of any column
    columns: NDArray[np.bool_]  # (m,): within the threshold of any row
    count: int = 0


def _check_n_neighbors(owner: str, name: str, value: int) -> int:
    return check_integer(owner, name, value, 1)


def _check_enough(X: FloatArray, k: int, name: str) -> None:
    if len(X) <= k:
        raise ValueError(
            f"{name} must have more rows than the number of neighbours, got {len(X)} "
            f"rows for {k} neighbours. Pass a larger sample or use fewer neighbours."
        )


def _radii(X: FloatArray, *ks: int) -> FloatArray:
    """Squared distances of every row to its k-th nearest other row, (n, len(ks))."""
    _, squared = nearest(X, X, max(ks), own=np.arange(len(X)))
    return squared[:, np.array(ks) - 1]


def _hits(X: FloatArray, Y: FloatArray, thresholds: list[FloatArray]) -> list[_Hits]:
    """Find the pairs whose squared distance is within each threshold.

    A threshold of shape (n, 1) is a ball around every row of `X`, one of shape (1, m)
    around every row of `Y`.
    """
    n, m = len(X), len(Y)
    hits = [_Hits(np.zeros(n, dtype=bool), np.zeros(m, dtype=bool)) for _ in thresholds]
    for rows, masks in pairs_within(X, Y, thresholds):
        for hit, inside in zip(hits, masks, strict=True):
            hit.rows[rows] = inside.any(axis=1)
            hit.columns |= inside.any(axis=0)
            hit.count += np.count_nonzero(inside)
    return hits


def _density(hits: _Hits, k: int) -> float:
    return float(hits.count / (k * len(hits.columns)))
