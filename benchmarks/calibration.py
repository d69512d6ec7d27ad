"""How often the intervals of `evaluate` hold, and how often it finds what is wrong.

Rows are drawn from densities that are known, and models are the density itself or have
one of eight known faults, so that every verdict can be checked by simulation:

- coverage of an interval: how often it holds what it is of. This is the figure's mean
  over the runs of a cell or, for figures of copying, the floor beside it, which the
  truth equals (0.5 and 0 where these are known);
- rate of a finding: how often `evaluate` names it, which under the truth is the size of
  the tests behind it.

A cell is one population, model and size. Every run has its own seed and is appended to
a file, and a later call goes on from there.

    python benchmarks/calibration.py [--quick] [--runs 300] [--file calibration.jsonl]
                                     [--only TEXT] [--table]

`--quick` makes a few runs of small cells in seconds, `--only` those of cells whose name
has this text, and `--table` none: it prints the table of those in the file.
"""

import argparse
import json
import time
import warnings
import zlib
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.base import BaseEstimator
from sklearn.neighbors import KernelDensity

from skvae import evaluate
from skvae._utils import intervals

# (features, training rows, held-out rows, samples)
SIZES = [
    (2, 200, 200, 200),
    (50, 200, 200, 200),
    (10, 200, 20, 200),
    (20, 100, 100, 1000),
    (3, 200, 20, 2000),
    (50, 2000, 200, 200),
    (10, 500, 500, 2000),
    (50, 2000, 2000, 2000),
]
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


# ------------------------------------------------------------------------- populations


class Modes:
    """Three normal modes in a row, along one direction that all features share."""

    def __init__(self, d):
        self.d = d
        direction = np.ones(d) / np.sqrt(d)
        self.centres = np.array([-5.0, 0.0, 5.0])[:, None] * direction
        self.covariance = 0.2 * np.eye(d) + 0.8 * np.outer(direction, direction)

    def draw(self, n, rng):
        factor = np.linalg.cholesky(self.covariance)
        return self.centres[rng.integers(3, size=n)] + rng.normal(size=(n, self.d)) @ (
            factor.T
        )

    def score(self, X):
        parts = [
            multivariate_normal(c, self.covariance).logpdf(X) for c in self.centres
        ]
        return logsumexp(np.atleast_2d(parts), axis=0) - np.log(3)


class Normal(Modes):
    """One normal density with one variance, the one that "Overfit" compares with."""

    def draw(self, n, rng):
        return rng.normal(size=(n, self.d))

    def score(self, X):
        return -0.5 * (np.square(X) + np.log(2 * np.pi)).sum(axis=1)


class Table(Modes):
    """Independent columns of three levels: rows repeat."""

    def draw(self, n, rng):
        return rng.integers(0, 3, size=(n, min(self.d, 4))).astype(float)

    def score(self, X):
        return np.full(len(X), -X.shape[1] * np.log(3))


# ------------------------------------------------------------------------------ models


class Truth(BaseEstimator):
    """The population itself, which has learned nothing."""

    def __init__(self, population):
        self.population = population

    def fit(self, X, y=None):
        self.X_ = X
        return self

    def sample(self, n_samples=1, random_state=None):
        return self.new_rows(n_samples, np.random.default_rng(random_state))

    def new_rows(self, n, rng):
        return self.population.draw(n, rng)

    def score_samples(self, X):
        return self.population.score(X)


class Copier(Truth):
    share = 1.0

    def new_rows(self, n, rng):
        X = self.population.draw(n, rng)
        copied = rng.random(n) < self.share
        X[copied] = self.X_[rng.integers(len(self.X_), size=copied.sum())]
        return X


class PartialCopier(Copier):
    share = 0.1


class OnePoint(Truth):
    def new_rows(self, n, rng):
        return np.repeat(self.X_.mean(axis=0)[None], n, axis=0)


class MissingMode(Truth):
    def new_rows(self, n, rng):
        X = self.population.draw(4 * n + 40, rng)
        return X[X.mean(axis=1) < np.quantile(self.X_.mean(axis=1), 2 / 3)][:n]


class WrongScale(Truth):
    def new_rows(self, n, rng):
        X = self.population.draw(n, rng)
        X[:, 0] *= 3
        return X


class Overfit(Truth):
    """A kernel density that is far too narrow."""

    def fit(self, X, y=None):
        self.density_ = KernelDensity(bandwidth=0.1).fit(X)
        return self

    def sample(self, n_samples=1, random_state=None):
        return self.density_.sample(n_samples, random_state)

    def score_samples(self, X):
        return self.density_.score_samples(X)


class Collapsed(Truth):
    """The mean row with the noise of all features, as of a collapsed posterior."""

    def sample(self, n_samples=1, *, mean=True, random_state=None):
        rng = np.random.default_rng(random_state)
        noise = 0 if mean else rng.normal(size=(n_samples, self.X_.shape[1]))
        return self.X_.mean(axis=0) + self.X_.std() * noise + np.zeros((n_samples, 1))


class ShuffledColumns(Truth):
    def new_rows(self, n, rng):
        return rng.permuted(self.population.draw(n, rng), axis=0)


MODELS = {
    "truth": Truth,
    "copier": Copier,
    "partial copier": PartialCopier,
    "one point": OnePoint,
    "missing mode": MissingMode,
    "wrong scale": WrongScale,
    "overfit": Overfit,
    "collapsed": Collapsed,
    "shuffled columns": ShuffledColumns,
}


# ------------------------------------------------------------------------------- cells


def cells(quick):
    """Return the arguments of every cell, by name: populations, models, sizes."""
    sizes = QUICK_SIZES if quick else SIZES
    models = {
        "modes": ["truth", "copier"] if quick else list(MODELS),
        "normal": ["truth"],
        "table": ["truth", "copier"]
        if quick
        else ["truth", "copier", "partial copier"],
    }
    populations = {"modes": Modes, "normal": Normal, "table": Table}
    return {
        f"{name}, {model}, {'/'.join(map(str, size))}": (populations[name], model, size)
        for size in sizes
        for name in models
        for model in models[name]
        if name != "table" or size[0] in (2, 10)
    }


def run(name, run, population, model, size, n_bootstrap):
    """Evaluate the model on fresh rows; return every row of the report."""
    d, n_train, n_test, n_samples = size
    rng = np.random.default_rng([zlib.crc32(name.encode()), run])
    density = population(d)
    train, test = density.draw(n_train, rng), density.draw(n_test, rng)
    report = evaluate(
        MODELS[model](density).fit(train),
        train,
        test,
        n_samples=n_samples,
        n_bootstrap=n_bootstrap,
        random_state=int(rng.integers(2**31)),
    )
    rows = {row.figure: [float(f"{x:.6g}") for x in row[1:5]] for row in report.rows}
    found = sorted({text.partition(":")[0] for text in report.findings})
    return {"cell": name, "run": run, "rows": rows, "findings": found}


def summary(runs):
    """Return the rate of every finding and the coverage of every interval of a cell."""
    kinds = Counter(kind for run in runs for kind in run["findings"])
    kinds["any"] = sum(bool(run["findings"]) for run in runs)
    found = {kind: count / len(runs) for kind, count in sorted(kinds.items())}
    figures = defaultdict(list)
    for run in runs:
        for figure, row in run["rows"].items():
            figures[figure].append(row)
    truth = ", truth, " in runs[0]["cell"]
    return found, {
        figure: coverage(figure, np.array(rows))
        for figure, rows in figures.items()
        if truth or figure not in AGAINST_FLOOR
    }


def coverage(figure, rows):
    """Return how often the interval holds what it is of; nan without intervals."""
    value, low, high, floor = rows[~np.isnan(rows[:, 1])].T
    held = floor if figure in AGAINST_FLOOR else rows[:, 0].mean()
    slack = 1e-5 * np.abs(value)  # the file has six digits
    inside = (low - slack <= held) & (held <= high + slack)
    return np.mean(inside) if len(value) else np.nan


def means(n_runs):
    """Return the coverage of the interval of a mean, for values of known mean."""
    lines = []
    for name, (draw, mean) in MEANS.items():
        held = []
        for n in (2, 5, 10, 30, 100):
            rng = np.random.default_rng(n)
            ends = [
                intervals.of_mean(draw(rng, n), np.random.RandomState(run))
                for run in range(n_runs)
            ]
            held.append(f"{n} {np.mean([a <= mean <= b for a, b in ends]):.2f}")
        lines.append(f"| mean of n {name} values | {n_runs} | | {', '.join(held)} |")
    return lines


# ------------------------------------------------------------------------------ output


def read(path):
    """Return the finished runs of a file, by cell."""
    done = defaultdict(list)
    for line in path.read_text().splitlines() if path.exists() else []:
        done[json.loads(line)["cell"]].append(json.loads(line))
    return done


def table(done, n_runs_of_means):
    """Return the rates of all findings and the coverage of all intervals, as lines."""
    lines = ["| cell | runs | findings | coverage |", "| --- | --- | --- | --- |"]
    for name, runs in done.items():
        found, held = summary(runs)
        rates = ", ".join(f"{kind} {rate:.1%}" for kind, rate in found.items())
        ends = ", ".join(f"{k} {v:.2f}" for k, v in held.items() if not np.isnan(v))
        lines.append(f"| {name} | {len(runs)} | {rates} | {ends} |")
    return [*lines, *means(n_runs_of_means)]


def main(arguments=None):
    """Make the runs that are not in the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--only", default="")
    parser.add_argument("--file", type=Path, default=Path("calibration.jsonl"))
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    n_runs = options.runs or (3 if options.quick else 300)
    done = read(options.file)
    todo = {k: v for k, v in cells(options.quick).items() if options.only in k}
    todo = {} if options.table else todo
    for i, (name, cell) in enumerate(todo.items(), 1):
        start = time.time()
        for k in range(len(done[name]), n_runs):
            found = run(name, k, *cell, 4 if options.quick else 40)
            with options.file.open("a") as file:
                file.write(json.dumps(found) + "\n")
        print(f"{i} of {len(todo)}: {name}, {time.time() - start:.0f} s", flush=True)
    print("\n".join(table(read(options.file), 20 if options.quick else 500)))


if __name__ == "__main__":
    main()
