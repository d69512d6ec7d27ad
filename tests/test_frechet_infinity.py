"""The extrapolated Fréchet distance: its error, and its row in a report."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.mixture import GaussianMixture

from skvae import evaluate, metrics
from skvae._utils import squared_distances
from skvae._utils.random import purpose_seed
from skvae.evaluation._rows import FeatureSets, make_row
from skvae.evaluation._samples import _infinity
from skvae.metrics.frechet import _intercept


def test_error_of_the_line_is_its_jackknife():
    x, y = np.random.default_rng(0).random((2, 9))
    value, slope, error = _intercept(x, y)
    assert (slope, value) == pytest.approx(np.polyfit(x, y, 1))
    without = [np.polyfit(np.delete(x, i), np.delete(y, i), 1)[1] for i in range(9)]
    assert error == pytest.approx(np.linalg.norm(np.array(without) - value))
    assert np.isnan(_intercept(x[:2], y[:2])[2])


def test_error_is_the_spread_over_subsets():
    X, Y = np.random.default_rng(0).normal(size=(2, 200, 3))
    found = [
        metrics.frechet_distance_infinity(X, Y, min_size=60, random_state=seed)
        for seed in range(200)
    ]
    spread = np.std([result.value for result in found])
    errors = np.mean([result.standard_error for result in found])
    assert 0.7 * spread < errors < 1.3 * spread


class TestRow:
    X = np.random.default_rng(0).normal(size=(240, 8))
    MODEL = GaussianMixture(1, random_state=0).fit(X[:120])

    def test_is_the_metric_from_half_of_the_samples_on(self):
        names = "frechet_distance_infinity", "frechet_distance"
        reports = [
            evaluate(self.MODEL, self.X[:120], self.X[120:], random_state=seed)
            for seed in range(10)
        ]
        rows, nears = ([report[name] for report in reports] for name in names)
        for row, near in zip(rows, nears, strict=True):
            assert row.low < row.value < row.high
            assert row.high - row.low > near.high - near.low
        # What few samples add is gone, and what few held-out rows add is left.
        for number in ("value", "floor"):
            mean, of_near = (
                np.mean([getattr(row, number) for row in found])
                for found in (rows, nears)
            )
            assert 0 < mean < 0.8 * of_near
        assert row.better == "lower"

    def test_of_sets_is_that_of_the_function(self):
        sets = FeatureSets(
            *np.split(self.X, [60, 120, 180]), self.X[180:], self.X[180:]
        )
        near = make_row("frechet_distance", 2.0, (1.0, 4.0), 1.0, "lower", "")
        row = _infinity(near, sets, 5)
        options = {
            "min_size": 30,
            "random_state": purpose_seed(5, "frechet_distance_infinity"),
        }
        far = metrics.frechet_distance_infinity(sets.test, sets.samples, **options)
        floor = metrics.frechet_distance_infinity(sets.test, sets.train_part, **options)
        assert (row.value, row.floor) == (far.value, floor.value)
        width = 1.96 * far.standard_error
        assert row.value - row.low == pytest.approx(np.hypot(1, width), rel=1e-4)
        assert row.high - row.value == pytest.approx(np.hypot(2, width), rel=1e-4)

    def test_has_no_interval_without_halves(self):
        report = evaluate(self.MODEL, self.X[:120], self.X[120:], n_bootstrap=0)
        assert np.isnan(report["frechet_distance_infinity"].low)

    def test_is_there_of_the_fewest_rows(self):
        report = evaluate(self.MODEL, self.X[:120], self.X[-6:], n_samples=6)
        assert np.isfinite(report["frechet_distance_infinity"].value)


@pytest.mark.slow
@pytest.mark.parametrize(("d", "n", "m"), [(2, 200, 200), (20, 100, 100), (3, 20, 200)])
def test_interval_covers_the_mean_over_runs(d, n, m):
    rows = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        X, Y = rng.normal(size=(n, d)), rng.normal(size=(m, d))

        def frechet(A, B):
            return np.array([metrics.frechet_distance(A, B)])

        value = frechet(X, Y)
        low, high = squared_distances.by_half_samples(
            frechet, value, (X, Y), 40, np.random.RandomState(seed)
        )
        near = make_row("frechet_distance", value[0], (low[0], high[0]), 0, "", "")
        rows.append(_infinity(near, FeatureSets(X, X, Y, Y, Y, Y), seed)[1:4])
    value, low, high = np.transpose(rows)
    covered = int(np.sum((low <= value.mean()) & (value.mean() <= high)))
    assert binomtest(covered, 200, 0.92, "less").pvalue > 0.05
    assert binomtest(covered, 200, 0.98, "greater").pvalue > 0.05
