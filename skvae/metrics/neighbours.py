"""Nearest neighbours of generated rows: copies, and a two-sample classifier."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from skvae._utils.arrays import FloatArray, IntArray, as_rows, at_most
from skvae._utils.random import RandomState, random_state_of
from skvae.metrics._nearest import are_whole, nearest, tie_tolerance
from skvae.metrics._sets import as_sets


class NeighbourDistances(NamedTuple):
    """Distances of generated rows to training and to held-out rows."""

    closer_to_train: float
    """Share of generated rows nearer to the training than to the held-out rows."""
    median_to_train: float
    """Median distance to the nearest training row, in units of the features."""
    median_to_test: float
    """Median distance to the nearest held-out row."""
    floor: float
    """Median distance of held-out rows to the nearest training row."""
    to_train: FloatArray
    """Distance of every generated row to its nearest training row, shape (m,)."""
    to_test: FloatArray
    """Distance of every generated row to its nearest held-out row, shape (m,)."""
    n_reference: int
    """Rows of each reference set, after equalising."""
    n_generated: int
    """Generated rows."""
    n_independent: float
    """What `closer_to_train` is worth in independent rows: see the notes."""


class Authenticity(NamedTuple):
    """Share of generated rows that are not too near a training row."""

    value: float
    """Share of authentic generated rows, in [0, 1]; copies score 0."""
    floor: float
    """The same share of held-out rows: what independent data score; else nan."""
    n_train: int
    """Training rows."""
    n_generated: int
    """Generated rows."""
    n_test: int
    """Held-out rows, 0 without."""


class NearestNeighbourAccuracy(NamedTuple):
    """Accuracy of a nearest-neighbour classifier of two sets."""

    value: float
    """Accuracy over both sets: 0.5 if alike, 1 if apart, near 0 for copies."""
    real: float
    """Share of reference rows whose nearest other row is a reference row."""
    generated: float
    """Share of generated rows whose nearest other row is a generated row."""
    n: int
    """Rows of each set, after equalising."""


def nearest_neighbour_distances(
    X_train: ArrayLike | Tensor,
    X_test: ArrayLike | Tensor,
    X_generated: ArrayLike | Tensor,
    *,
    random_state: RandomState = None,
) -> NeighbourDistances:
    """Distances of generated rows to their nearest training and held-out rows.

    The larger reference set is subsampled to the size of the smaller, since the
    nearest of more rows is nearer. A copy of a training row that the subsample leaves
    out is not seen: where there are many more training than held-out rows, take
    `exact_copies`, `authenticity` or `data_copying_test`, which see all of them.

    Parameters
    ----------
    X_train : array-like or Tensor of shape (n, ...)
        Rows that the model was trained on.
    X_test : array-like or Tensor of shape (l, ...)
        Held-out rows of the same distribution.
    X_generated : array-like or Tensor of shape (m, ...)
        Generated rows.
    random_state : int, RandomState or None, default=None
        Draws the subsample.

    Returns
    -------
    result : NeighbourDistances
        Named tuple (closer_to_train, median_to_train, median_to_test, floor, to_train,
        to_test, n_reference, n_generated, n_independent). Without memorising,
        `closer_to_train` is about one half (ties count half) and the medians are alike;
        a good model has them near `floor`.

    Raises
    ------
    ValueError
        If a set is empty or has NaN, or the widths differ.

    Notes
    -----
    Distances are in the units of the columns: where these differ, scale both sets, or
    the column of the largest unit decides alone.

    If all rows are of one density, the labels "training" and "held-out" of the rows
    nearest to the generated ones are random. `n_independent` is the number of
    independent rows whose share varies as `closer_to_train` does under such labels.

    References
    ----------
    van den Burg and Williams 2021, On memorization in probabilistic deep generative
    models, arXiv:2106.03216.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.metrics import nearest_neighbour_distances
    >>> X = np.random.RandomState(0).normal(size=(200, 3))
    >>> train, test = X[:100], X[100:]
    >>> result = nearest_neighbour_distances(train, test, train + 0.01)
    >>> result.closer_to_train, round(result.median_to_train, 4)
    (1.0, 0.0173)
    """
    train, test, generated = as_sets(
        X_train=X_train, X_test=X_test, X_generated=X_generated
    )
    n = min(len(train), len(test))
    rng = random_state_of(random_state)
    train, test = at_most(train, n, rng), at_most(test, n, rng)
    (in_train, to_train), (in_test, to_test) = (
        _nearest_row(generated, X) for X in (train, test)
    )
    source = np.where(to_train <= to_test, in_train, n + in_test)
    closer = np.mean((to_train < to_test) + 0.5 * (to_train == to_test))
    return NeighbourDistances(
        closer_to_train=float(closer),
        median_to_train=float(np.median(to_train)),
        median_to_test=float(np.median(to_test)),
        floor=float(np.median(_nearest_row(test, train)[1])),
        to_train=to_train,
        to_test=to_test,
        n_reference=n,
        n_generated=len(generated),
        n_independent=_n_independent(np.bincount(source, minlength=2 * n)),
    )


def authenticity(
    X_train: ArrayLike | Tensor,
    X_generated: ArrayLike | Tensor,
    *,
    X_test: ArrayLike | Tensor | None = None,
) -> Authenticity:
    """Share of generated rows that seem to be no copy of a training row.

    A generated row y with nearest training row t is authentic if t is nearer to
    another training row than to y.

    Parameters
    ----------
    X_train : array-like or Tensor of shape (n, ...)
        Rows that the model was trained on, at least two.
    X_generated : array-like or Tensor of shape (m, ...)
        Generated rows.
    X_test : array-like or Tensor of shape (l, ...), default=None
        Held-out rows, to score beside them.

    Returns
    -------
    result : Authenticity
        Named tuple (value, floor, n_train, n_generated, n_test), shares in [0, 1].

    Raises
    ------
    ValueError
        If there are fewer than two training rows, NaN, or unlike widths.

    Notes
    -----
    The share has no fixed scale: independent draws score about 0.36 in 2 features
    and 0.92 in 64. Read it beside the floor; far below it, the model copies, or its
    rows lack the noise that held-out rows have: offer draws with observation noise,
    ``sample(mean=False)``.

    References
    ----------
    Alaa et al. 2022, How faithful is your synthetic data?, arXiv:2102.08921 (the
    definition there; the authors' code compares other pairs of rows).

    Examples
    --------
    >>> from skvae.metrics import authenticity
    >>> train = [[0.0], [1.0], [5.0]]
    >>> authenticity(train, [[0.0], [1.1], [8.0], [10.0]], X_test=[[0.5]]).value
    0.25
    """
    sets = {"X_train": X_train, "X_generated": X_generated}
    sets |= {} if X_test is None else {"X_test": X_test}
    train, generated, *held_out = as_sets(**sets)
    as_rows(train, "X_train", min_rows=2)
    floor, n_test = np.nan, 0
    for test in held_out:
        floor, n_test = _share_authentic(train, test), len(test)
    value = _share_authentic(train, generated)
    return Authenticity(value, floor, len(train), len(generated), n_test)


def one_nearest_neighbour_accuracy(
    X_real: ArrayLike | Tensor,
    X_generated: ArrayLike | Tensor,
    *,
    random_state: RandomState = None,
) -> NearestNeighbourAccuracy:
    """Leave-one-out accuracy of a nearest-neighbour classifier of the two sets.

    The larger set is subsampled to the size of the smaller.

    Parameters
    ----------
    X_real : array-like or Tensor of shape (n, ...)
        Reference rows, at least two.
    X_generated : array-like or Tensor of shape (m, ...)
        Generated rows, at least two.
    random_state : int, RandomState or None, default=None
        Draws the subsample.

    Returns
    -------
    result : NearestNeighbourAccuracy
        Named tuple (value, real, generated, n), accuracies in [0, 1]. Sets alike score
        0.5; a row as near to its own as to the other set counts half.

    Raises
    ------
    ValueError
        If a set has fewer than two rows or NaN, or the widths differ.

    References
    ----------
    Lopez-Paz and Oquab 2017, Revisiting classifier two-sample tests,
    arXiv:1610.06545. Xu et al. 2018, An empirical study on evaluation metrics of
    generative adversarial networks, arXiv:1806.07755.

    Examples
    --------
    >>> from skvae.metrics import one_nearest_neighbour_accuracy
    >>> X_real = [[0.0], [1.0], [6.0]]
    >>> result = one_nearest_neighbour_accuracy(X_real, [[6.5], [9.0], [9.5]])
    >>> round(result.real, 2), round(result.generated, 2)
    (0.67, 0.67)
    """
    X, Y = as_sets(X_real=X_real, X_generated=X_generated, min_rows=2)
    n = min(len(X), len(Y))
    rng = random_state_of(random_state)
    X, Y = at_most(X, n, rng), at_most(Y, n, rng)
    real, generated = _share_nearer_own(X, Y), _share_nearer_own(Y, X)
    return NearestNeighbourAccuracy((real + generated) / 2, real, generated, n)


def _n_independent(counts: IntArray) -> float:
    """Compare the variance of a share of random labels with a binomial one.

    Half of the labels are "training", so that the counts of generated rows are a sample
    without replacement.
    """
    n_generated, variance = counts.sum(), len(counts) * counts.var(ddof=1)
    return float(n_generated**2 / max(variance, n_generated))


def _nearest_row(X: FloatArray, Y: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return the nearest row of `Y` for every row of `X`, and its distance."""
    indices, squared = nearest(X, Y)
    return indices[:, 0], np.sqrt(squared[:, 0])


def _share_authentic(train: FloatArray, Y: FloatArray) -> float:
    (source,), (squared,) = (A.T for A in nearest(Y, train))
    used, position = np.unique(source, return_inverse=True)
    _, own_squared = nearest(train[used], train, own=used)
    return float(np.mean(own_squared[position, 0] < squared))


def _share_nearer_own(X: FloatArray, other: FloatArray) -> float:
    _, to_own = nearest(X, X, own=np.arange(len(X)))
    _, to_other = nearest(X, other)
    tied = np.abs(to_other - to_own) <= tie_tolerance(are_whole(X, other)) * to_own
    return float(np.mean(np.where(tied, 0.5, to_other > to_own)))
