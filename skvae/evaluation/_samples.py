"""How samples compare with held-out rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from skvae import metrics
from skvae._utils import intervals, squared_distances
from skvae._utils.arrays import FloatArray
from skvae._utils.random import purpose_seed
from skvae.evaluation._rows import EvaluationRow, FeatureSets, make_row
from skvae.scorers._metric import Metric
from skvae.scorers._results import Results
from skvae.scorers._table import metrics_of_report

_SHARE = (0.0, 1.0)
_Intervals = tuple[FloatArray, FloatArray]


class _Pair(NamedTuple):
    """The arguments of metrics: see `Results`."""

    real: FloatArray
    generated: FloatArray
    seed: int
    reference: None = None

    def seed_for(self, purpose: str) -> int:
        return purpose_seed(self.seed, purpose)


class Measure(NamedTuple):
    """Measures metrics of two sets of rows."""

    shown: list[Metric]
    bandwidth: float
    seed: int

    def __call__(
        self, X: FloatArray, Y: FloatArray, *, plugged_in: bool = False
    ) -> FloatArray:
        """Return the number of every metric."""
        options: dict[str, dict[str, Any]] = {
            "maximum_mean_discrepancy": {"bandwidth": self.bandwidth}
        }
        for metric in self.shown if plugged_in else ():
            own = options.setdefault(metric.name, {})
            own.update(metric.row.plugged_in)
        results = Results(_Pair(X, Y, self.seed), self.shown, options)
        return np.array([metric.number(results.of(metric)) for metric in self.shown])


def measure_samples(
    sets: FeatureSets, n_bootstrap: int, rng: np.random.RandomState, seed: int
) -> dict[str, EvaluationRow]:
    """Compare samples with held-out rows; training rows in their place give floors.

    Metrics that draw random numbers get the seeds that scorers give them.
    """
    bandwidth = metrics.median_bandwidth(sets.test)
    shown = metrics_of_report()
    distances = [metric for metric in shown if metric.row.plugged_in is not None]
    others = [metric for metric in shown if metric.row.plugged_in is None]
    found: dict[str, EvaluationRow] = {}
    for group, interval in ((distances, _of_distances), (others, _of_others)):
        measure = Measure(group, bandwidth, seed)
        values = measure(sets.test, sets.samples)
        with warnings.catch_warnings():  # of few rows: once is enough
            warnings.simplefilter("ignore", UserWarning)
            floors = measure(sets.test, sets.train_part)
            ends = interval(measure, values, sets, n_bootstrap, rng)
        found |= dict(_rows(group, values, ends, floors))
        if group is distances:
            row = _infinity(found["frechet_distance"], sets, seed)
            found[row.figure] = row
    return found


def _of_distances(
    measure: Measure,
    values: FloatArray,
    sets: FeatureSets,
    n_bootstrap: int,
    rng: np.random.RandomState,
) -> _Intervals:
    pair, plug_in = (sets.test, sets.samples), partial(measure, plugged_in=True)
    plugged_in = plug_in(*pair)
    ends = squared_distances.by_half_samples(
        plug_in, plugged_in, pair, n_bootstrap, rng
    )
    return tuple(end + values - plugged_in for end in ends)


def _of_others(
    measure: Measure,
    values: FloatArray,
    sets: FeatureSets,
    n_bootstrap: int,
    rng: np.random.RandomState,
) -> _Intervals:
    shares = [metric.row.bounds == _SHARE for metric in measure.shown]
    pair = sets.test, sets.samples
    return intervals.by_half_samples(
        measure, values, pair, n_bootstrap, rng, shares=shares
    )


def _rows(
    shown: list[Metric], values: FloatArray, ends: _Intervals, floors: FloatArray
) -> Iterable[tuple[str, EvaluationRow]]:
    for metric, value, low, high, floor in zip(
        shown, values, *ends, floors, strict=True
    ):
        name, better, (least, most), *_ = metric.row
        # An interval laid around a value near its bound may exceed it.
        interval = np.maximum(low, least), np.minimum(high, most)
        yield name, make_row(name, value, interval, floor, better, metric.meaning)


def _infinity(near: EvaluationRow, sets: FeatureSets, seed: int) -> EvaluationRow:
    """Extrapolate the Fréchet distance to infinitely many samples.

    Its interval is that of all samples, moved, and widened by the error of the line.
    """
    name = "frechet_distance_infinity"
    with warnings.catch_warnings():  # of few rows: once is enough
        warnings.simplefilter("ignore", UserWarning)
        # Below half of the rows, the bias of few of them is no line in 1 / size.
        far, floor = (
            metrics.frechet_distance_infinity(
                sets.test,
                Y,
                min_size=len(Y) // 2,
                random_state=purpose_seed(seed, name),
            )
            for Y in (sets.samples, sets.train_part)
        )
    moved = (end - near.value + far.value for end in (near.low, near.high))
    return make_row(
        name,
        far.value,
        intervals.widened(far.value, tuple(moved), far.standard_error),
        floor.value,
        "lower",
        "Fréchet distance, extrapolated to infinitely many samples",
    )
