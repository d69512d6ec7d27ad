"""Three-sample test of data copying."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm, rankdata
from sklearn.cluster import KMeans
from torch import Tensor

from skvae._utils.arrays import FloatArray, IntArray
from skvae._utils.random import RandomState, draw_seed, random_state_of
from skvae._utils.validation import check_integer, check_real
from skvae._utils.warn import warn
from skvae.metrics._nearest import nearest
from skvae.metrics._sets import as_sets

_OWNER = "data_copying_test"


class DataCopying(NamedTuple):
    """Three-sample test of data copying."""

    value: float
    """C_T: far below 0 for copies, far above 0 for rows too far from the data."""
    standard_error: float
    """Of C_T, if generated and held-out rows are alike."""
    p_value: float
    """Two-sided, of generated and held-out rows being alike."""
    cell_scores: FloatArray
    """z-score in each cell, shape (n_cells,), nan where it is not used."""
    cell_shares_test: FloatArray
    """Share of the held-out rows in each cell, shape (n_cells,)."""
    cell_shares_generated: FloatArray
    """Share of the generated rows in each cell, shape (n_cells,)."""
    n_train: int
    """Training rows."""
    n_test: int
    """Held-out rows."""
    n_generated: int
    """Generated rows."""


def data_copying_test(
    X_train: ArrayLike | Tensor,
    X_test: ArrayLike | Tensor,
    X_generated: ArrayLike | Tensor,
    *,
    n_cells: int = 3,
    min_share: float | None = None,
    random_state: RandomState = None,
) -> DataCopying:
    """Test whether generated rows are nearer to the training rows than held-out rows.

    The space is cut into cells by k-means on the training rows. In each, the
    Mann-Whitney U of the distances to the nearest training row of the cell, generated
    over held-out rows, is standardised; C_T is the mean of these z-scores, weighted by
    the share of held-out rows, over the cells with enough generated rows.

    Parameters
    ----------
    X_train : array-like or Tensor of shape (n, ...)
        Rows that the model was trained on.
    X_test : array-like or Tensor of shape (l, ...)
        Held-out rows of the same distribution.
    X_generated : array-like or Tensor of shape (m, ...)
        Generated rows.
    n_cells : int, default=3
        Number of cells; the paper takes 50 for 60,000 images.
    min_share : float, default=None
        A cell counts if it has more than this share of the generated rows. None is
        20 / m.
    random_state : int, RandomState or None, default=None
        Seeds k-means.

    Returns
    -------
    result : DataCopying
        Named tuple (value, standard_error, p_value, cell_scores, cell_shares_test,
        cell_shares_generated, n_train, n_test, n_generated). If generated and held-out
        rows are alike, every score is about N(0, 1), and so is the value over its
        standard error; C_T itself, a mean over cells, varies less.

    Raises
    ------
    ValueError
        If a set is empty or has NaN, the widths differ, there are fewer training rows
        than cells, or `min_share` is not in [0, 1).

    Warns
    -----
    UserWarning
        If no cell has both enough generated rows and a held-out row: the value is
        nan.

    Notes
    -----
    Ties enter by mid-ranks and the tie-corrected variance and there is no continuity
    correction, so that exchanging generated and held-out rows changes the sign of a
    score; the authors' code has neither, a difference of order 1 / sqrt(m).

    References
    ----------
    Meehan, Chaudhuri and Dasgupta 2020, A non-parametric test to detect data-copying in
    generative models, arXiv:2004.05675.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.metrics import data_copying_test
    >>> X = np.random.RandomState(0).normal(size=(600, 2))
    >>> train, test = X[:300], X[300:]
    >>> data_copying_test(train, test, train + 0.01, random_state=0).value < -5
    True
    """
    train, test, generated = as_sets(
        X_train=X_train, X_test=X_test, X_generated=X_generated
    )
    sets = (train, test, generated)
    n_cells = _check_cells(n_cells, len(train))
    min_share = _resolve_min_share(min_share, len(generated))
    cells = _assign_cells(sets, n_cells, random_state_of(random_state))
    p, q = (np.bincount(c, minlength=n_cells) / len(c) for c in cells[1:])
    used = np.flatnonzero((q > min_share) & (p > 0))
    scores = np.full(n_cells, np.nan)
    for cell in used:
        inside = (X[c == cell] for X, c in zip(sets, cells, strict=True))
        scores[cell] = _cell_score(*inside)
    value, error = _weighted_mean(scores[used], p[used])
    p_value = float(2 * norm.sf(abs(value / error)))
    return DataCopying(value, error, p_value, scores, p, q, *map(len, sets))


def _check_cells(n_cells: int, n_train: int) -> int:
    n_cells = check_integer(_OWNER, "n_cells", n_cells, 1)
    if n_cells > n_train:
        raise ValueError(
            f"n_cells must be at most the {n_train} rows of X_train, got {n_cells}. "
            "Use fewer cells or more rows."
        )
    return n_cells


def _resolve_min_share(min_share: float | None, n_generated: int) -> float:
    if min_share is None and n_generated <= 20:
        raise ValueError(
            "X_generated must have more than 20 rows for the default min_share, got "
            f"{n_generated}. Pass more rows or a smaller min_share."
        )
    min_share = 20 / n_generated if min_share is None else min_share
    check_real(_OWNER, "min_share", min_share, 0, 1, low_included=True)
    return min_share


def _assign_cells(
    sets: tuple[FloatArray, ...], n_cells: int, rng: np.random.RandomState
) -> list[IntArray]:
    if n_cells == 1:
        return [np.zeros(len(X), dtype=np.intp) for X in sets]
    kmeans = KMeans(n_cells, random_state=draw_seed(rng)).fit(sets[0])
    return [kmeans.labels_, *(kmeans.predict(X) for X in sets[1:])]


def _cell_score(train: FloatArray, test: FloatArray, generated: FloatArray) -> float:
    """Standardised Mann-Whitney U of generated over held-out distances."""
    n, m = len(test), len(generated)
    ranks = rankdata(np.vstack([nearest(A, train)[1] for A in (generated, test)]))
    u = ranks[:m].sum() - m * (m + 1) / 2
    # n m (n + m + 1) / 12 where no ranks are tied.
    variance = n * m * ranks.var(ddof=1) / (n + m)
    return float((u - n * m / 2) / np.sqrt(variance)) if variance > 0 else 0.0


def _weighted_mean(scores: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Return the mean and its standard error, of scores that are N(0, 1)."""
    if len(scores) == 0:
        warn(
            "No cell has both more than min_share of X_generated and a row of X_test: "
            "the value is nan. Use fewer cells, more rows or a smaller min_share."
        )
        return np.nan, np.nan
    mean = np.average(scores, weights=weights)
    return float(mean), float(np.linalg.norm(weights) / weights.sum())
