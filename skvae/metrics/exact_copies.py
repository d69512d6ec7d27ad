"""Generated rows that equal a training row."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import hypergeom
from torch import Tensor

from skvae._utils.arrays import (
    FloatArray,
    IntArray,
    as_real,
)
from skvae._utils.random import RandomState, draw_seed, random_state_of
from skvae.metrics._sets import as_sets, is_table

# Values are equal if they differ by no more than this share of their column's spread:
# copies that were scaled back and forth are copies all the same.
_RESOLUTION = 2.0**-20
_N_RELABELLINGS = 1999


class ExactCopies(NamedTuple):
    """Share of generated rows that equal a training row."""

    value: float
    """Share of generated rows that equal a training row."""
    floor: float
    """The same share of held-out rows; above 0 where rows repeat."""
    p_value: float
    """Of held-out rows being equal to generated ones as often as training rows are."""
    n_train: int
    """Training rows."""
    n_test: int
    """Held-out rows."""
    n_generated: int
    """Generated rows."""


def exact_copies(
    X_train: ArrayLike | Tensor,
    X_test: ArrayLike | Tensor,
    X_generated: ArrayLike | Tensor,
    *,
    random_state: RandomState = None,
) -> ExactCopies:
    """Share of generated rows that equal a training row, and a test of copying.

    In a table of categories or of rounded values, rows repeat, and rows that are new
    equal training rows, too. What copies do, and new rows do not, is to repeat training
    rows more often than held-out ones; the p-value is of this.

    Parameters
    ----------
    X_train : array-like or Tensor of shape (n, ...)
        Rows that the model was trained on.
    X_test : array-like or Tensor of shape (l, ...)
        Held-out rows of the same distribution.
    X_generated : array-like or Tensor of shape (m, ...)
        Generated rows.
    random_state : int, RandomState or None, default=None
        Draws the relabellings behind the p-value.

    Returns
    -------
    result : ExactCopies
        Named tuple (value, floor, p_value, n_train, n_test, n_generated).

    Raises
    ------
    ValueError
        If a set is empty or has NaN, or the widths differ.

    Notes
    -----
    Values are equal if they are neighbours in their column and differ by less than 1e-6
    of its standard deviation in the training rows; all are rounded to the type of
    lowest precision among the sets.

    Each generated row counts by the share of training rows among all rows equal to it.
    If the model knows no more of the training than of the held-out rows, these are
    labels at random: the p-value is exact under 1,999 relabellings. Where no row of the
    data repeats, a single repeat among the generated rows is already unlikely, and the
    p-value is that of Fisher's test of generated rows against the data, which needs no
    large `X_test`.

    References
    ----------
    van den Burg and Williams 2021, On memorization in probabilistic deep generative
    models, arXiv:2106.03216, for the comparison with held-out rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.metrics import exact_copies
    >>> X = np.random.RandomState(0).randint(3, size=(900, 4))
    >>> train, test, new = X[:300], X[300:600], X[600:]
    >>> exact_copies(train, test, new, random_state=0).value > 0.9
    True
    >>> exact_copies(train, test, new, random_state=0).p_value > 0.05
    True
    >>> exact_copies(train, test, train, random_state=0).p_value < 0.01
    True
    """
    train, test, generated = as_sets(
        X_train=X_train, X_test=X_test, X_generated=X_generated
    )
    dtype = _narrowest(X_train, X_test, X_generated)
    counts = count_values([X.astype(dtype) for X in (train, test, generated)])
    in_train, in_test, in_generated = counts
    n, n_test, m = counts.sum(axis=1)
    seen = in_train > 0
    if (in_train + in_test).max() > 1:
        rng = np.random.default_rng(draw_seed(random_state_of(random_state)))
        p_value = _p_value_of_labels(counts, rng)
    else:
        distinct = np.minimum(in_generated, 1)
        excess = distinct[seen].sum() - n / n_test * distinct[in_test > 0].sum()
        p_value = _p_value_of_repeats(excess, n + n_test, m)
    return ExactCopies(
        float(in_generated[seen].sum() / m),
        float(in_test[seen].sum() / n_test),
        p_value,
        int(n),
        int(n_test),
        int(m),
    )


def _narrowest(*sets: ArrayLike | Tensor) -> np.dtype:
    """Return the type of lowest precision among sets of floating-point numbers."""
    dtypes = [as_real(X, "X").dtype for X in sets if not is_table(X)]
    floating = [dtype for dtype in dtypes if dtype.kind == "f"]
    return min(floating, key=lambda dtype: dtype.itemsize, default=np.dtype(float))


def count_values(sets: list[FloatArray]) -> IntArray:
    """Count every row that occurs, by set; shape (3, n_values)."""
    tolerance = _RESOLUTION * sets[0].std(axis=0, dtype=np.float64)
    pooled = np.vstack(sets)
    numbers = np.empty(pooled.shape, dtype=np.int32)
    for column, limit, out in zip(pooled.T, tolerance, numbers.T, strict=True):
        order = column.argsort()
        out[order[1:]] = np.cumsum(np.diff(column[order]) > limit)
        out[order[0]] = 0
    as_bytes = numbers.view(f"V{numbers.itemsize * numbers.shape[1]}")[:, 0]
    _, value = np.unique(as_bytes, return_inverse=True)
    parts = np.split(value, np.cumsum([len(X) for X in sets])[:-1])
    return np.array([np.bincount(part, minlength=value.max() + 1) for part in parts])


def _p_value_of_labels(counts: IntArray, rng: np.random.Generator) -> float:
    """Share of relabellings of the data with as many copies of training rows."""
    used = (counts[2] > 0) & (counts[0] + counts[1] > 0)
    if not used.any():
        return 1.0
    in_train, in_test, in_generated = counts[:, used]
    together = in_train + in_test
    weights = in_generated / together
    rest = counts[:2].sum() - together.sum()
    labels = rng.multivariate_hypergeometric(
        [*together, rest], counts[0].sum(), size=_N_RELABELLINGS, method="marginals"
    )
    least = weights @ in_train * (1 - 1e-12)
    n_beyond = np.count_nonzero(labels[:, :-1] @ weights >= least)
    return float((1 + n_beyond) / (1 + _N_RELABELLINGS))


def _p_value_of_repeats(n_repeats: float, n_data: int, n_generated: int) -> float:
    """Fisher's test of so many repeats among generated rows and none in the data."""
    k = int(max(n_repeats, 0))
    total = n_data + n_generated
    return float(hypergeom.sf(k - 1, total, k, n_generated))
