"""Similarity of columns, and of pairs of columns, between two tables."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from skvae._utils.arrays import FloatArray, IntArray
from skvae._utils.columns import Column, codes_of, levels_of
from skvae.metrics._columns import as_columns

_N_BINS = 10

Table = list[Column]


class ColumnShapes(NamedTuple):
    """Similarity of the distribution of every column."""

    value: float
    """Mean over the columns, in [0, 1]; higher is better."""
    floor: float
    """What draws of the true distribution have, of as many rows as the generated ones;
    nan without held-out rows."""
    columns: tuple[Hashable, ...]
    """Names of the columns; 0, 1, ... for arrays."""
    similarities: FloatArray
    """By column, shape (n_columns,)."""
    floors: FloatArray
    """The same of the floor."""
    gap_similarities: FloatArray
    """1 less the difference of the shares of gaps, by column."""
    n_real: int
    """Reference rows."""
    n_generated: int
    """Generated rows."""
    n_test: int
    """Held-out rows, 0 without."""


class ColumnPairTrends(NamedTuple):
    """Similarity of the relation of every pair of columns."""

    value: float
    """Mean over the pairs, in [0, 1]; higher is better."""
    floor: float
    """What draws of the true distribution have, of as many rows as the generated ones;
    nan without held-out rows."""
    pairs: tuple[tuple[Hashable, Hashable], ...]
    """Names of the columns of each pair."""
    similarities: FloatArray
    """By pair, shape (n_pairs,)."""
    floors: FloatArray
    """The same of the floor."""
    n_real: int
    """Reference rows."""
    n_generated: int
    """Generated rows."""
    n_test: int
    """Held-out rows, 0 without."""


def column_shapes(
    X_real: ArrayLike | Tensor | Any,
    X_generated: ArrayLike | Tensor | Any,
    *,
    X_test: ArrayLike | Tensor | Any = None,
) -> ColumnShapes:
    """Similarity of the distributions of single columns.

    For numbers, 1 less the statistic of Kolmogorov and Smirnov, the largest difference
    of the distribution functions; for categories, 1 less the total variation distance,
    half the sum of the differences of their shares. Gaps are left out and compared by
    themselves.

    Parameters
    ----------
    X_real : data frame, array-like or Tensor of shape (n, ...)
        Reference rows, such as the training rows.
    X_generated : data frame, array-like or Tensor of shape (m, ...)
        Generated rows.
    X_test : data frame, array-like or Tensor of shape (l, ...), default=None
        Held-out rows, for the floor.

    Returns
    -------
    result : ColumnShapes
        Named tuple (value, floor, columns, similarities, floors, gap_similarities,
        n_real, n_generated, n_test).

    Raises
    ------
    TypeError
        If a column has dates, or text where the reference has numbers.
    ValueError
        If columns differ, a set is empty, or arrays have NaN.

    See Also
    --------
    column_pair_trends : Similarity of the relations of two columns.
    TableFeatures : What is taken for numbers and what for categories.

    Notes
    -----
    Values are compared as they are: a column in another unit has a similarity near 0. A
    column without any value in one set only has 0, without any in both 1.

    The floor is that of the held-out rows, whose distance from 1 is multiplied by
    ``sqrt((1/n + 1/m) / (1/n + 1/l))``, as sampling errors at the size of the generated
    rows are in proportion. Values are those of KSComplement, TVComplement and
    MissingValueSimilarity of sdmetrics.

    References
    ----------
    Hodges 1958, The significance probability of the Smirnov two-sample test, Arkiv
    för Matematik 3.

    Examples
    --------
    >>> import pandas as pd
    >>> from skvae.metrics import column_shapes
    >>> real = pd.DataFrame({"kg": [1.0, 2, 3, 4], "sex": ["f", "f", "m", "m"]})
    >>> new = pd.DataFrame({"kg": [2.5, 3.5, 4, 4], "sex": ["f", "f", "f", "m"]})
    >>> column_shapes(real, new).similarities
    array([0.5 , 0.75])
    """
    tables = _tables(X_real, X_generated, X_test)
    found = _compare(tables, _shapes)
    gaps = [[column.gaps.mean() for column in table] for table in tables[:2]]
    return ColumnShapes(
        *found[:2],
        tuple(column.name for column in tables[0]),
        *found[2:4],
        1 - np.abs(np.subtract(*gaps)),
        *found[4:],
    )


def column_pair_trends(
    X_real: ArrayLike | Tensor | Any,
    X_generated: ArrayLike | Tensor | Any,
    *,
    X_test: ArrayLike | Tensor | Any = None,
) -> ColumnPairTrends:
    """Similarity of the relations of pairs of columns.

    For two columns of numbers, 1 less half the difference of their correlations. For
    all other pairs, 1 less the total variation distance of their contingency tables,
    where numbers are put into ten bins of equal width over the range of the reference,
    and gaps are a category.

    Parameters
    ----------
    X_real : data frame, array-like or Tensor of shape (n, ...)
        Reference rows, such as the training rows, of at least two columns.
    X_generated : data frame, array-like or Tensor of shape (m, ...)
        Generated rows.
    X_test : data frame, array-like or Tensor of shape (l, ...), default=None
        Held-out rows, for the floor.

    Returns
    -------
    result : ColumnPairTrends
        Named tuple (value, floor, pairs, similarities, floors, n_real, n_generated,
        n_test).

    Raises
    ------
    TypeError
        If a column has dates, or text where the reference has numbers.
    ValueError
        If there is one column only, columns differ, a set is empty, or arrays have NaN.

    See Also
    --------
    column_shapes : Similarity of single columns.

    Notes
    -----
    A correlation is that of the rows with both values, and 0 where one of the columns
    is constant. Correlations do not depend on units, which `column_shapes` shows. The
    floor is that of `column_shapes`. Values are those of CorrelationSimilarity and
    ContingencySimilarity of sdmetrics, where these have one.

    Examples
    --------
    >>> import pandas as pd
    >>> from skvae.metrics import column_pair_trends
    >>> real = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": [1.0, 2, 3, 4]})
    >>> column_pair_trends(real, real.assign(b=[4, 3, 2, 1])).value
    0.0
    """
    tables = _tables(X_real, X_generated, X_test)
    names = [column.name for column in tables[0]]
    if len(names) < 2:
        raise ValueError(
            "X_real must have at least 2 columns to make a pair, got 1. Compare a "
            "single column with column_shapes."
        )
    found = _compare(tables, _trends)
    return ColumnPairTrends(*found[:2], tuple(combinations(names, 2)), *found[2:])


def _tables(X_real: Any, X_generated: Any, X_test: Any) -> list[Table]:
    sets = {"X_real": X_real, "X_generated": X_generated}
    return as_columns(**sets, **({} if X_test is None else {"X_test": X_test}))


def _compare(
    tables: list[Table], similarities: Callable[[Table, Table], FloatArray]
) -> tuple[Any, ...]:
    """Return value, floor, both by part, and the sizes of the three sets."""
    real, generated, *held_out = tables
    n, m, *others = (len(table[0].values) for table in tables)
    found = similarities(real, generated)
    floors, n_test = np.full(len(found), np.nan), 0
    for test, n_test in zip(held_out, others, strict=True):
        shrinkage = np.sqrt((1 / n + 1 / m) / (1 / n + 1 / n_test))
        floors = 1 - shrinkage * (1 - similarities(real, test))
    floors = np.maximum(floors, 0.0)
    return float(found.mean()), float(floors.mean()), found, floors, n, m, n_test


def _shapes(real: Table, other: Table) -> FloatArray:
    return np.array([_shape(a, b) for a, b in zip(real, other, strict=True)])


def _shape(real: Column, other: Column) -> float:
    if real.kind == "number":
        x, y = (column.values[~column.gaps] for column in (real, other))
        distance = _largest_difference
    else:
        levels = levels_of(real)
        codes = (codes_of(column, levels) for column in (real, other))
        x, y = (c[c != len(levels)] for c in codes)
        distance = _total_variation
    if min(len(x), len(y)) == 0:
        return float(len(x) == len(y))
    return 1 - distance(x, y)


def _largest_difference(x: FloatArray, y: FloatArray) -> float:
    """Statistic of Kolmogorov and Smirnov."""
    x, y = np.sort(x), np.sort(y)
    values = np.concatenate([x, y])
    below = (np.searchsorted(z, values, "right") / len(z) for z in (x, y))
    return float(np.abs(np.subtract(*below)).max())


def _total_variation(x: IntArray, y: IntArray) -> float:
    """Half the sum of the differences of the shares of codes."""
    length = 1 + max(x.max(), y.max())
    shares = (np.bincount(codes, minlength=length) / len(codes) for codes in (x, y))
    return float(np.abs(np.subtract(*shares)).sum() / 2)


def _trends(real: Table, other: Table) -> FloatArray:
    codes = [_binned(a, b) for a, b in zip(real, other, strict=True)]
    found = []
    for i, j in combinations(range(len(real)), 2):
        if real[i].kind == real[j].kind == "number":
            r = (
                _correlation(table[i].values, table[j].values)
                for table in (real, other)
            )
            found.append(1 - abs(np.subtract(*r)) / 2)
        else:
            n_codes = 1 + max(c.max() for c in codes[j])
            joint = (a * n_codes + b for a, b in zip(codes[i], codes[j], strict=True))
            found.append(1 - _total_variation(*joint))
    return np.array(found)


def _binned(real: Column, other: Column) -> tuple[IntArray, IntArray]:
    """Codes of categories, or of bins of numbers, with one for gaps."""
    if real.kind != "number":
        levels = levels_of(real)
        return codes_of(real, levels), codes_of(other, levels)
    present = real.values[~real.gaps]
    edges = np.histogram_bin_edges(present, _N_BINS) if len(present) else np.zeros(2)
    x, y = (np.digitize(c.values, edges[1:-1]) for c in (real, other))
    x[real.gaps] = y[other.gaps] = _N_BINS
    return x, y


def _correlation(x: FloatArray, y: FloatArray) -> float:
    both = ~(np.isnan(x) | np.isnan(y))
    scaled = []
    for z in (x[both], y[both]):
        if len(z) == 0 or z.min() == z.max():
            return 0.0
        z = z / np.abs(z).max()
        z -= z.mean()
        scaled.append(z / np.linalg.norm(z))
    return float(scaled[0] @ scaled[1])
