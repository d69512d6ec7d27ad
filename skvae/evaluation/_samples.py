"""How samples compare with held-out rows, and how near they are to training rows."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors

from skvae import metrics
from skvae._utils import intervals
from skvae._utils.arrays import FloatArray
from skvae._utils.random import purpose_seed
from skvae.evaluation._rows import EvaluationRow, FeatureSets, make_row
from skvae.scorers._metric import Metric
from skvae.scorers._results import Results
from skvae.scorers._table import metrics_of_report

# Held-out rows with such a ratio of distances to the two nearest training rows, or a
# smaller one, are as many as this.
NEAR_COPY_QUANTILE = 0.05


class Copying(NamedTuple):
    """How near samples are to training rows."""

    closer_to_train: EvaluationRow
    near_copies: EvaluationRow
    authenticity: EvaluationRow


class _Pair(NamedTuple):
    """The arguments of metrics: see `Results`."""

    real: FloatArray
    generated: FloatArray
    seed: int
    reference: None = None

    def seed_for(self, purpose: str) -> int:
        return purpose_seed(self.seed, purpose)


def measure_samples(
    sets: FeatureSets, n_bootstrap: int, rng: np.random.RandomState, seed: int
) -> dict[str, EvaluationRow]:
    """Compare samples with held-out rows; training rows in their place give floors.

    Metrics that draw random numbers get the seeds that scorers give them.
    """
    shown = metrics_of_report()
    bandwidth = metrics.median_bandwidth(sets.test)
    options = {"maximum_mean_discrepancy": {"bandwidth": bandwidth}}

    def measure(X: FloatArray, Y: FloatArray) -> FloatArray:
        results = Results(_Pair(X, Y, seed), shown, options)
        return np.array([metric.number(results.of(metric)) for metric in shown])

    values = measure(sets.test, sets.samples)
    with warnings.catch_warnings():  # of few rows: once is enough
        warnings.simplefilter("ignore", UserWarning)
        floors = measure(sets.test, sets.train_part)
        low, high = intervals.by_half_samples(
            measure, values, (sets.test, sets.samples), n_bootstrap, rng
        )
    # The spread of halves, laid around a value near its bound, may exceed it.
    smallest, largest = np.transpose([metric.row.bounds for metric in shown])
    low, high = np.maximum(low, smallest), np.minimum(high, largest)
    columns = zip(shown, values, zip(low, high, strict=True), floors, strict=True)
    return {metric.row.name: _row(metric, *numbers) for metric, *numbers in columns}


def _row(
    metric: Metric, value: float, interval: tuple[float, float], floor: float
) -> EvaluationRow:
    name, better = metric.row.name, metric.row.better
    return make_row(name, value, interval, floor, better, metric.meaning)


def measure_copying(sets: FeatureSets, rng: np.random.RandomState) -> Copying:
    """Measure how near samples are to training rows."""
    return Copying(_closer_to_train(sets, rng), _near_copies(sets), _authenticity(sets))


def _closer_to_train(sets: FeatureSets, rng: np.random.RandomState) -> EvaluationRow:
    near = metrics.nearest_neighbour_distances(
        sets.train, sets.test, sets.samples, random_state=rng
    )
    closer = (near.to_train < near.to_test) + 0.5 * (near.to_train == near.to_test)
    return make_row(
        "closer_to_train",
        near.closer_to_train,
        intervals.of_mean(closer, rng),
        0.5,
        "0.5",
        "samples nearer to a training than to a held-out row",
    )


def _near_copies(sets: FeatureSets) -> EvaluationRow:
    held_out = _distance_ratios(sets.test, sets.train)
    limit = np.quantile(held_out, NEAR_COPY_QUANTILE, method="inverted_cdf")
    share = np.mean(_distance_ratios(sets.samples, sets.train) <= limit)
    return make_row(
        "near_copies",
        share,
        intervals.of_share(share, len(sets.samples)),
        np.mean(held_out <= limit),
        "lower",
        "samples far nearer to one training row than to the next",
    )


def _authenticity(sets: FeatureSets) -> EvaluationRow:
    authentic = metrics.authenticity(sets.train, sets.samples, X_test=sets.test)
    return make_row(
        "authenticity",
        authentic.value,
        intervals.of_share(authentic.value, len(sets.samples)),
        authentic.floor,
        "floor",
        "samples that no training row seems to be the source of",
    )


def _distance_ratios(X: FloatArray, train: FloatArray) -> FloatArray:
    """Distance to the nearest training row over that to the second nearest."""
    if len(train) < 2:
        return np.ones(len(X))
    d = NearestNeighbors(n_neighbors=2).fit(train).kneighbors(X)[0]
    return np.divide(d[:, 0], d[:, 1], out=np.zeros(len(X)), where=d[:, 1] > 0)
