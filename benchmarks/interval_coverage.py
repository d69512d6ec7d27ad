"""How often the intervals of figures of samples hold their mean over runs.

The rows of two sets are drawn from one density, or the second from another, and
compared as `evaluate` compares held-out rows with samples. `calibration.py` measures
the whole of `evaluate`, which takes longer.

    python benchmarks/interval_coverage.py [--quick] [--runs 300] [--only TEXT]
                                           [--file interval_coverage.jsonl] [--table]

Every run has its own seed and is appended to the file, and a later call goes on from
there. `--only` makes the runs of cells whose name has this text, `--table` makes none.
"""

import argparse
import json
import warnings
import zlib
from collections import defaultdict
from pathlib import Path

import numpy as np

from skvae.evaluation._rows import FeatureSets
from skvae.evaluation._samples import measure_samples


def modes(rng, n, d):
    """Three normal modes in a row, along one direction that all features share."""
    return rng.normal(size=(n, d)) + 4 * rng.integers(-1, 2, size=(n, 1))


def normal(rng, n, d):
    return rng.normal(size=(n, d))


def wide(rng, n, d):
    """Normal rows whose first feature has three times its spread."""
    return rng.normal(size=(n, d)) * np.where(np.arange(d) == 0, 3, 1)


# Name: density of held-out rows, density of samples, features, held-out rows, samples.
CELLS = {
    "modes, 2/20/20": (modes, modes, 2, 20, 20),
    "modes, 2/200/200": (modes, modes, 2, 200, 200),
    "normal, 3/20/200": (normal, normal, 3, 20, 200),
    "normal, 20/100/100": (normal, normal, 20, 100, 100),
    "normal, 50/200/200": (normal, normal, 50, 200, 200),
    "normal, 10/500/500": (normal, normal, 10, 500, 500),
    "normal and wide, 50/200/200": (normal, wide, 50, 200, 200),
    "normal, 50/2000/2000": (normal, normal, 50, 2000, 2000),
}
QUICK = {"normal, 2/40/40": (normal, normal, 2, 40, 40)}


def run(name, k, real, model, d, n_test, n_samples):
    """Return value, lower and upper end of every figure of fresh rows."""
    rng = np.random.default_rng([zlib.crc32(name.encode()), k])
    test, train = real(rng, n_test, d), real(rng, n_samples, d)
    samples = model(rng, n_samples, d)
    sets = FeatureSets(train, test, train, *[samples] * 3)
    rows = measure_samples(sets, 40, np.random.RandomState(k), k)
    return {
        figure: [float(f"{x:.6g}") for x in row[1:4]] for figure, row in rows.items()
    }


def summary(runs):
    """Return coverage and mean width of the intervals of every figure."""
    found = {}
    for figure in runs[0]:
        value, low, high = np.transpose([rows[figure] for rows in runs])
        slack = 1e-5 * np.abs(value)  # the file has six digits
        mean = value.mean()
        held = np.mean((low - slack <= mean) & (mean <= high + slack))
        found[figure] = held, np.mean(high - low)
    return found


def read(path):
    """Return the finished runs of a file, by cell."""
    done = defaultdict(list)
    for line in path.read_text().splitlines() if path.exists() else []:
        found = json.loads(line)
        done[found["cell"]].append(found["rows"])
    return done


def main(arguments=None):
    """Make the runs that are not in the file, and print the table of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--only", default="")
    parser.add_argument("--file", type=Path, default=Path("interval_coverage.jsonl"))
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    done = read(options.file)
    for name, cell in (QUICK if options.quick else CELLS).items():
        if options.table or options.only not in name:
            continue
        for k in range(len(done[name]), options.runs or (3 if options.quick else 300)):
            line = json.dumps({"cell": name, "rows": run(name, k, *cell)})
            with options.file.open("a") as file:
                file.write(line + "\n")
    for name, runs in read(options.file).items():
        cells = (f"{k} {held:.2f} ({w:.3g})" for k, (held, w) in summary(runs).items())
        print(f"{name}, {len(runs)} runs: {', '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
