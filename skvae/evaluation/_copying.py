"""How near samples are to training rows, as against held-out rows."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import beta, fisher_exact, hypergeom
from sklearn.neighbors import NearestNeighbors

from skvae import metrics
from skvae._utils import intervals
from skvae._utils.arrays import FloatArray, as_rows
from skvae._utils.random import draw_seed
from skvae.evaluation._reading import as_numbers
from skvae.evaluation._rows import EvaluationRow, FeatureSets, Sets, make_row
from skvae.metrics.exact_copies import count_values

# Held-out rows with such a ratio of distances to the two nearest training rows, or a
# smaller one, are as many as this.
NEAR_COPY_QUANTILE = 0.05
_N_RELABELLINGS = 1999
_LEVELS = (0.025, 0.975)


class Copies(NamedTuple):
    """Samples that equal a training row, or nearly do."""

    row: EvaluationRow
    p_value: float
    """Of rows that are new following the training rows so closely."""


class SharedRows(NamedTuple):
    """Held-out rows that equal a training row, as far as chance does not explain it."""

    share: float
    """Of held-out rows, in one half of the training rows."""
    by_chance: float
    """Of the training rows of the other half, in the same."""
    p_value: float
    """Of both shares being equal."""


class Copying(NamedTuple):
    """How near samples are to training rows."""

    closer_to_train: EvaluationRow
    exact_copies: Copies
    near_copies: Copies
    authenticity: EvaluationRow
    distances: tuple[EvaluationRow, ...]
    data_copying: EvaluationRow | None
    """None if there are too few samples."""
    shared: SharedRows

    @property
    def rows(self) -> tuple[EvaluationRow, ...]:
        """Those of the table."""
        near = self.exact_copies.row, self.near_copies.row, self.authenticity
        last = (self.data_copying,) if self.data_copying else ()
        return (self.closer_to_train, *near, *self.distances, *last)


def measure_copying(
    sets: Sets, mapped: FeatureSets, rng: np.random.RandomState
) -> Copying:
    """Measure how near samples are to training rows."""
    held_out, draws = (
        _two_nearest(X, mapped.train) for X in (mapped.test, mapped.draws)
    )
    return Copying(
        _closer_to_train(mapped, rng),
        _exact_copies(sets, rng),
        _near_copies(_ratio(held_out), _ratio(draws)),
        _authenticity(mapped),
        (
            _distance("distance_to_train", "median distance", 0.5, held_out, draws),
            _distance("smallest_distances", "5 % quantile", 0.05, held_out, draws),
        ),
        _data_copying(mapped, rng),
        _shared_rows(mapped, rng),
    )


def _closer_to_train(sets: FeatureSets, rng: np.random.RandomState) -> EvaluationRow:
    near = metrics.nearest_neighbour_distances(
        sets.train, sets.test, sets.draws, random_state=rng
    )
    return make_row(
        "closer_to_train",
        near.closer_to_train,
        intervals.of_share(near.closer_to_train, near.n_independent),
        0.5,
        "0.5",
        "samples nearer to a training than to a held-out row",
    )


def _exact_copies(sets: Sets, rng: np.random.RandomState) -> Copies:
    def measure(samples: Any) -> metrics.ExactCopies:
        rows = as_numbers(sets.train, sets.test, samples)
        return metrics.exact_copies(*rows, random_state=rng)

    copies = measure(sets.more_draws)
    if copies.floor == 0:
        # New rows never equal a training row, with or without noise.
        copies = max(copies, measure(sets.samples))
    row = _share_row(
        "exact_copies",
        copies.value,
        copies.n_generated,
        copies.floor,
        intervals.of_share(copies.floor, copies.n_test),
        "samples that equal a training row",
    )
    p_value = copies.p_value
    if copies.floor > 0:
        p_value = min(1.0, 2 * min(p_value, _p_value_of_frequencies(sets, rng)))
    return Copies(row, p_value)


def _p_value_of_frequencies(sets: Sets, rng: np.random.RandomState) -> float:
    """Of two independent sets having frequencies of rows so much alike.

    Draws of a model that knows how often each kind of row was in its training data
    repeat these frequencies, those of a good model have an error of their own. Rows
    are labelled anew as training rows or draws to see how large that is.
    """
    real, draws = as_numbers(sets.train, sets.more_draws)
    rows = [as_rows(X, "X") for X in (real, draws)]
    counts = count_values(rows)
    together = counts.sum(axis=0)
    single = together == 1
    if single.any():  # as one kind
        counts = np.c_[counts[:, ~single], counts[:, single].sum(axis=1)]
        together = counts.sum(axis=0)
    n, m = counts.sum(axis=1)
    expected = together * n / (n + m)
    labels = np.random.default_rng(draw_seed(rng)).multivariate_hypergeometric(
        together, n, size=_N_RELABELLINGS, method="marginals"
    )
    squared = np.sum((labels - expected) ** 2 / together, axis=1)
    own = np.sum((counts[0] - expected) ** 2 / together)
    n_beyond = np.count_nonzero(squared <= own * (1 + 1e-9))
    return (1 + n_beyond) / (1 + _N_RELABELLINGS)


def _near_copies(held_out: FloatArray, samples: FloatArray) -> Copies:
    limit = np.quantile(held_out, NEAR_COPY_QUANTILE, method="inverted_cdf")
    n, n_below = len(held_out), np.count_nonzero(held_out <= limit)
    m, n_near = len(samples), np.count_nonzero(samples <= limit)
    row = _share_row(
        "near_copies",
        n_near / m,
        m,
        n_below / n,
        # Of the share below the limit, which is an order statistic, among all new rows.
        tuple(beta.ppf(_LEVELS, n_below, n + 1 - n_below)),
        "samples far nearer to one training row than to the next",
    )
    # Of so many samples lying below the limit, if all rows are in random order.
    p_value = hypergeom.cdf(n_below - 1, n + m, n, n_near + n_below - 1)
    return Copies(row, float(p_value))


def _authenticity(sets: FeatureSets) -> EvaluationRow:
    authentic = metrics.authenticity(sets.train, sets.draws, X_test=sets.test)
    return _share_row(
        "authenticity",
        authentic.value,
        authentic.n_generated,
        authentic.floor,
        intervals.of_share(authentic.floor, authentic.n_test),
        "samples that no training row seems to be the source of",
        better="floor",
    )


def _share_row(
    name: str,
    share: float,
    n: int,
    floor: float,
    floor_interval: intervals.Interval,
    meaning: str,
    better: str = "lower",
) -> EvaluationRow:
    own = intervals.of_share(share, n)
    low, high = intervals.about_floor(share, own, floor, floor_interval)
    return make_row(name, share, (max(low, 0), min(high, 1)), floor, better, meaning)


def _distance(
    name: str, what: str, level: float, held_out: FloatArray, draws: FloatArray
) -> EvaluationRow:
    sets = draws[:, 0], held_out[:, 0]
    value, floor = (np.quantile(distances, level) for distances in sets)
    own, of_floor = (intervals.of_quantile(distances, level) for distances in sets)
    low, high = intervals.about_floor(value, own, floor, of_floor)
    meaning = f"{what} of samples to the nearest training row"
    return make_row(name, value, (max(low, 0), high), floor, "floor", meaning)


def _data_copying(
    sets: FeatureSets, rng: np.random.RandomState
) -> EvaluationRow | None:
    n_cells = min(3, len(sets.train))
    with warnings.catch_warnings():  # that no cell is large enough, and of k-means
        warnings.simplefilter("ignore")
        if len(sets.draws) <= 20:
            return None
        test = metrics.data_copying_test(
            sets.train, sets.test, sets.draws, n_cells=n_cells, random_state=rng
        )
    if np.isnan(test.value):
        return None
    low, high = intervals.of_normal(test.value, test.standard_error)
    return make_row(
        "data_copying",
        test.value,
        (low, high),
        0.0,
        "0",
        f"C_T, far below 0 for copies (p = {test.p_value:.2g})",
    )


def _shared_rows(sets: FeatureSets, rng: np.random.RandomState) -> SharedRows:
    order = rng.permutation(len(sets.train))
    half, others = sets.train[order[::2]], sets.train[order[1::2]]
    # Equal to rows of one half: held-out rows, and those of the other half.
    shared = metrics.exact_copies(half, others, sets.test, random_state=rng)
    hits = np.rint([len(sets.test) * shared.value, len(others) * shared.floor])
    table = [hits, np.array([len(sets.test), len(others)]) - hits]
    p_value = fisher_exact(table, alternative="greater")[1]
    return SharedRows(shared.value, shared.floor, float(p_value))


def _two_nearest(X: FloatArray, train: FloatArray) -> FloatArray:
    """Distances to the two nearest training rows, shape (n, 2)."""
    search = NearestNeighbors(n_neighbors=min(2, len(train))).fit(train)
    return search.kneighbors(X)[0]


def _ratio(distances: FloatArray) -> FloatArray:
    """Distance to the nearest training row over that to the second nearest."""
    first, second = distances[:, 0], distances[:, -1]
    return np.divide(first, second, out=np.zeros(len(first)), where=second > 0)
