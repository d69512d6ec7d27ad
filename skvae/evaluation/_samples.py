"""How samples compare with held-out rows."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from skvae import metrics
from skvae._utils import intervals
from skvae._utils.arrays import FloatArray
from skvae._utils.random import purpose_seed
from skvae.evaluation._rows import EvaluationRow, FeatureSets, make_row
from skvae.scorers._metric import Metric
from skvae.scorers._results import Results
from skvae.scorers._table import metrics_of_report

_SHARE = (0.0, 1.0)


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
            measure,
            values,
            (sets.test, sets.samples),
            n_bootstrap,
            rng,
            shares=[metric.row.bounds == _SHARE for metric in shown],
        )
    # An interval laid around a value near its bound may exceed it.
    smallest, largest = np.transpose([metric.row.bounds for metric in shown])
    low, high = np.maximum(low, smallest), np.minimum(high, largest)
    columns = zip(shown, values, zip(low, high, strict=True), floors, strict=True)
    return {metric.row.name: _row(metric, *numbers) for metric, *numbers in columns}


def _row(
    metric: Metric, value: float, interval: tuple[float, float], floor: float
) -> EvaluationRow:
    name, better = metric.row.name, metric.row.better
    return make_row(name, value, interval, floor, better, metric.meaning)
