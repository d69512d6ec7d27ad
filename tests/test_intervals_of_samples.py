"""Intervals of figures of neighbours cover their means over runs."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from skvae.evaluation._rows import FeatureSets
from skvae.evaluation._samples import measure_samples
from skvae.metrics import maximum_mean_discrepancy

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "interval_coverage.py"
N_RUNS = 100


@pytest.mark.slow
@pytest.mark.parametrize(("d", "n"), [(20, 100), (2, 40)])
def test_of_all_figures_of_samples(d, n):
    runs = []
    for seed in range(N_RUNS):
        rng = np.random.default_rng(seed)
        test, train, samples = rng.normal(size=(3, n, d))
        sets = FeatureSets(train, test, train, *[samples] * 3)
        runs.append(measure_samples(sets, 40, np.random.RandomState(seed), seed))
    for figure in runs[0]:
        rows = [run[figure] for run in runs]
        mean = np.mean([row.value for row in rows])
        covered = sum(row.low <= mean <= row.high for row in rows)
        # Eight figures are judged here.
        assert binomtest(covered, N_RUNS, 0.92, "less").pvalue > 0.005, figure
        if figure != "coverage":  # in two dimensions, it is 1 nearly always
            assert binomtest(covered, N_RUNS, 0.98, "greater").pvalue > 0.005, figure


def test_of_a_discrepancy_are_moved_to_the_unbiased_value():
    test, train, samples = np.random.default_rng(0).normal(size=(3, 40, 10))
    sets = FeatureSets(train, test, train, *[samples] * 3)
    rows = measure_samples(sets, 40, np.random.RandomState(0), 0)
    row = rows["maximum_mean_discrepancy"]
    assert row.value == maximum_mean_discrepancy(test, samples).value
    # The discrepancy of the sets themselves is 0.02 larger and never below 0.
    assert -0.02 < row.low < 0 < row.value < row.high < 0.03


def test_the_benchmark_runs_and_goes_on_where_it_was(tmp_path, capsys):
    main, path = runpy.run_path(str(SCRIPT))["main"], tmp_path / "runs.jsonl"
    arguments = ["--quick", "--file", str(path)]
    main([*arguments, "--runs", "1"])
    first = path.read_text()
    main([*arguments, "--runs", "2"])
    assert path.read_text().startswith(first)
    assert len(path.read_text().splitlines()) == 2
    out = capsys.readouterr().out.splitlines()
    assert out[-1].startswith("normal, 2/40/40, 2 runs: frechet_distance ")
    main([*arguments, "--table"])
    assert capsys.readouterr().out.splitlines() == out[-1:]
