"""How often the intervals of `evaluate` hold, and how often it finds what is wrong.

Rows are drawn from densities that are known, and models are the density itself or have
one of nine known faults, so that every verdict can be checked by simulation:

- coverage of an interval: how often it holds what it is of. This is the figure's mean
  over the runs of a cell or, for figures of copying, the floor beside it, which the
  truth equals (0.5 and 0 where these are known);
- rate of a finding: how often `evaluate` names it, which under the truth is the size of
  the tests behind it.

A cell is one population, model and size. Every run has its own seed and is appended to
a file, and a later call goes on from there.

    python benchmarks/calibration.py [--quick] [--runs 300] [--fault-runs 50] [--jobs 1]
                                     [--file calibration.jsonl] [--only TEXT] [--table]

`--quick` makes a few runs of small cells in seconds, `--only` those of cells whose name
has this text, and `--table` none: it prints the tables of those in the file. All takes
about 100 minutes of one core; set OMP_NUM_THREADS=1.
"""

import argparse
import json
import time
import warnings
import zlib
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from calibration_models import MODELS, Modes, Normal, Table
from joblib import Parallel, delayed

from skvae import evaluate
from skvae._utils import intervals
from skvae.evaluation._latents import _Codes, _measure_mismatch

# (features, training rows, held-out rows, samples)
SIZES = [
    (2, 200, 200, 200),
    (50, 200, 200, 200),
    (10, 200, 20, 200),
    (20, 100, 100, 1000),
    (3, 200, 20, 2000),
    (50, 2000, 200, 200),
    (10, 500, 500, 2000),
]
LARGE = (50, 2000, 2000, 2000)  # 3 s a run
QUICK_SIZES = [(2, 40, 30, 30)]
AGAINST_FLOOR = (
    *("closer_to_train", "exact_copies", "near_copies", "authenticity"),
    *("distance_to_train", "smallest_distances", "data_copying"),
)
MEANS = {
    "normal": (lambda rng, n: rng.normal(size=n), 0.0),
    "exponential": (lambda rng, n: rng.exponential(size=n), 1.0),
    "lognormal 1.5": (lambda rng, n: rng.lognormal(0, 1.5, n), np.exp(1.125)),
}


# ------------------------------------------------------------------------------- cells


def cells(quick):
    """Return the arguments of every cell, by name: populations, models, sizes."""
    faults = [model for model in MODELS if model != "truth"]
    models = {
        "modes": ["truth", *(faults[:1] if quick else faults)],
        "normal": ["truth"],
        "table": ["truth", "copier"],
    }
    populations = {"modes": Modes, "normal": Normal, "table": Table}
    return {
        f"{name}, {model}, {'/'.join(map(str, size))}": (populations[name], model, size)
        for size in (QUICK_SIZES if quick else [*SIZES, LARGE])
        for name in models
        for model in models[name]
        if name == "modes" or size != LARGE
        if name != "table" or size[0] in (2, 3, 10)
    }


def n_runs_of(name, options):
    """Return how many runs a cell gets."""
    if ", truth, " in name:
        return options.runs
    large = "/".join(map(str, LARGE))
    return min(options.fault_runs, 20) if large in name else options.fault_runs


def run(name, run, population, model, size, n_bootstrap):
    """Evaluate the model on fresh rows; return every row of the report."""
    d, n_train, n_test, n_samples = size
    rng = np.random.default_rng([zlib.crc32(name.encode()), run])
    density = population(d)
    train, test = density.draw(n_train, rng), density.draw(n_test, rng)
    options = {"n_samples": n_samples, "n_bootstrap": n_bootstrap}
    seed = int(rng.integers(2**31))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = MODELS[model](density).fit(train)
        report = evaluate(fitted, train, test, random_state=seed, **options)
    rows = {row.figure: [float(f"{x:.6g}") for x in row[1:5]] for row in report.rows}
    found = sorted({text.partition(":")[0] for text in report.findings})
    return {"cell": name, "run": run, "rows": rows, "findings": found}


def rates(runs):
    """Return how often each kind of finding was made, the most frequent first."""
    kinds = Counter(kind for run in runs for kind in run["findings"])
    return {kind: n / len(runs) for kind, n in kinds.most_common()}


def coverages(runs):
    """Return the coverage of every interval of a cell of the truth."""
    figures = defaultdict(list)
    for run in runs:
        for figure, row in run["rows"].items():
            figures[figure].append(row)
    return {
        figure: coverage(figure, np.array(rows)) for figure, rows in figures.items()
    }


def coverage(figure, rows):
    """Return how often the interval holds what it is of; nan without intervals."""
    value, low, high, floor = rows[~np.isnan(rows[:, 1])].T
    held = floor if figure in AGAINST_FLOOR else rows[:, 0].mean()
    slack = 1e-5 * np.abs(value)  # the file has six digits
    inside = (low - slack <= held) & (held <= high + slack)
    return np.mean(inside) if len(value) else np.nan


def others(n_runs):
    """Yield the coverage of intervals that the truth above has no need of."""
    for name, (draw, mean) in MEANS.items():
        for n in (2, 5, 10, 30, 100):
            rng = np.random.default_rng(n)
            ends = [
                intervals.of_mean(draw(rng, n), np.random.RandomState(run))
                for run in range(n_runs)
            ]
            held = np.mean([low <= mean <= high for low, high in ends])
            yield f"mean of {n} {name} values", held
    for shift in (0.0, 0.5):
        rows = []
        for k in range(min(n_runs, 300)):
            Z = np.random.default_rng(k).normal(size=(3, 200, 4))
            codes = _Codes(Z[0] + shift, Z[1] + shift, Z[2])
            found = _measure_mismatch(codes, 40, np.random.RandomState(k))
            rows.append(found.discrepancy[1:5])
        kind = "that differ" if shift else "alike"
        yield f"latent discrepancy of codes {kind}", coverage("", np.array(rows))


# ------------------------------------------------------------------------------ output


def read(path):
    """Return the finished runs of a file, by cell."""
    done = defaultdict(list)
    for line in path.read_text().splitlines() if path.exists() else []:
        done[json.loads(line)["cell"]].append(json.loads(line))
    return done


def table_of_coverage(truth, n_runs_of_others):
    """Return, by figure, the least, mean and greatest coverage over the cells."""
    found = defaultdict(dict)
    for cell, runs in truth.items():
        for figure, held in coverages(runs).items():
            if not np.isnan(held):
                found[figure][cell.replace(", truth", "")] = held
    yield "| interval of | least (cell) | mean | greatest |"
    yield "| --- | --- | --- | --- |"
    for figure, held in found.items():
        least = min(held, key=held.get)
        mean, most = np.mean([*held.values()]), max(held.values())
        yield f"| {figure} | {held[least]:.2f} ({least}) | {mean:.2f} | {most:.2f} |"
    for name, held in others(n_runs_of_others):
        yield f"| {name} | | {held:.2f} | |"


def table_of_findings(truth, faults):
    """Return the largest rates under the truth, and the most frequent by fault."""
    found = defaultdict(dict)
    for cell, runs in truth.items():
        for kind, rate in rates(runs).items():
            found[kind][cell.replace(", truth", "")] = rate
    n_runs = sum(map(len, truth.values()))
    yield f"| finding, of the truth ({n_runs} runs of {len(truth)} cells) | largest |"
    yield "| --- | --- |"
    for kind, by_cell in found.items():
        cell = max(by_cell, key=by_cell.get)
        yield f"| {kind} | {by_cell[cell]:.1%} ({cell}) |"
    yield f"| any other | {0:.1%} |"
    by_size = defaultdict(dict)
    for cell, runs in faults.items():
        population, model, size = cell.split(", ")
        first = next(iter(rates(runs).items()), ("none", 0))
        by_size[f"{model}, {population}"][size] = f"{first[0]} {first[1]:.0%}"
    sizes = list(dict.fromkeys(size for row in by_size.values() for size in row))
    yield ""
    yield f"| fault | {' | '.join(sizes)} |"
    yield f"| --- |{' --- |' * len(sizes)}"
    for fault, row in by_size.items():
        yield f"| {fault} | {' | '.join(row.get(size, '') for size in sizes)} |"


def main(arguments=None):
    """Make the runs that are not in the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--fault-runs", type=int)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--file", type=Path, default=Path("calibration.jsonl"))
    options = parser.parse_args(arguments)
    options.runs = options.runs or (3 if options.quick else 300)
    options.fault_runs = options.fault_runs or min(options.runs, 50)
    done = read(options.file)
    todo = {k: v for k, v in cells(options.quick).items() if options.only in k}
    for i, (name, cell) in enumerate({} if options.table else todo.items(), 1):
        make_runs(name, cell, len(done[name]), options)
        print(f"{i} of {len(todo)}: {name}", flush=True)
    done = read(options.file)
    truth = {name: runs for name, runs in done.items() if ", truth, " in name}
    faults = {name: runs for name, runs in done.items() if name not in truth}
    print("\n".join(table_of_coverage(truth, 20 if options.quick else 500)))
    print("\n".join(["", *table_of_findings(truth, faults)]))


def make_runs(name, cell, n_done, options):
    """Append the missing runs of a cell to the file."""
    start, n_bootstrap = time.time(), 4 if options.quick else 40
    parallel = Parallel(n_jobs=options.jobs, return_as="generator")
    missing = range(n_done, n_runs_of(name, options))
    for found in parallel(delayed(run)(name, k, *cell, n_bootstrap) for k in missing):
        with options.file.open("a") as file:
            file.write(json.dumps(found) + "\n")
    print(f"{len(missing)} runs, {time.time() - start:.0f} s", end=", ", flush=True)


if __name__ == "__main__":
    main()
