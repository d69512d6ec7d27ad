"""Errors of imputed values, of `AutoencoderImputer` and scikit-learn's imputers.

Values of complete tables are taken away: a share of all at random, or, "by value", with
a chance that rises with the value itself (from a third to five thirds of the share, in
the order of the column's values), so that what is missing is not like what is there.
Figures are root mean squared errors of the values that were taken away, in standard
deviations of their columns (of digits, in grey levels from 0 to 16), and CPU seconds of
one thread. Seeds decide what is missing, and all that is random.

    python benchmarks/imputation.py [--seeds 5] [--tables wine ...] [--shares 0.1 ...]
                                    [--imputers mean ...] [--out results.jsonl]
    python benchmarks/imputation.py --table results.jsonl
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
from defaults import cell, record
from scipy.stats import rankdata
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skvae.impute import AutoencoderImputer

TABLES = {
    "wine": load_wine,
    "breast cancer": load_breast_cancer,
    "diabetes": load_diabetes,
    "digits": load_digits,
}
SHARES = (0.1, 0.3, 0.5)
WAYS = ("at random", "by value")
IMPUTERS = {
    "mean": lambda seed: SimpleImputer(),
    "KNNImputer": lambda seed: KNNImputer(),
    "Bayesian ridge": lambda seed: IterativeImputer(random_state=seed),
    "extra trees": lambda seed: IterativeImputer(
        ExtraTreesRegressor(10, random_state=seed), max_iter=5, random_state=seed
    ),
    "AutoencoderImputer": lambda seed: AutoencoderImputer(random_state=seed),
}


def load_table(name):
    """Return a complete table without constant columns, in the units of the errors."""
    X = TABLES[name]().data
    X = X[:, X.std(0) > 0]
    return X if name == "digits" else StandardScaler().fit_transform(X)


def take_away(X, share, way, seed):
    """Return X with NaN for a share of its values, at least one left in a column."""
    rng = np.random.default_rng(seed)
    chance = share
    if way == "by value":
        ranks = rankdata(X, axis=0) / (len(X) + 1)
        chance = share * (1 / 3 + 4 / 3 * ranks)
    gaps = rng.random(X.shape) < chance
    gaps[rng.integers(len(X), size=X.shape[1]), np.arange(X.shape[1])] = False
    return np.where(gaps, np.nan, X)


def measure(imputer, X, gaps):
    start = time.process_time()
    imputed = imputer.set_params(keep_empty_features=True).fit_transform(gaps)
    seconds = time.process_time() - start
    missing = np.isnan(gaps)
    error = np.sqrt(np.square(imputed - X)[missing].mean())
    return {"rms error": float(error), "seconds": seconds}


def print_table(path):
    """Print errors by table, share and way, a column for each imputer, as Markdown."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    names = [n for n in IMPUTERS if any(r["imputer"] == n for r in found)]
    print("| table | missing | " + " | ".join(names) + " | seeds |")
    print("|" + " --- |" * (len(names) + 3))
    keys = dict.fromkeys((r["table"], r["way"], r["share"]) for r in found)
    for table, way, share in keys:
        of_names = [
            [
                r["rms error"]
                for r in found
                if (r["table"], r["way"], r["share"], r["imputer"])
                == (table, way, share, name)
            ]
            for name in names
        ]
        cells = [cell(values) if values else "" for values in of_names]
        what = f"{share:.0%} {way}"
        n = max(map(len, of_names))
        print(f"| {table} | {what} | " + " | ".join(cells) + f" | {n} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tables", nargs="*", default=TABLES, choices=TABLES)
    parser.add_argument("--imputers", nargs="*", default=IMPUTERS, choices=IMPUTERS)
    parser.add_argument("--shares", nargs="*", type=float, default=SHARES)
    parser.add_argument("--out", type=Path, help="append results as lines of JSON")
    parser.add_argument("--table", type=Path, help="print what such a file holds")
    options = parser.parse_args()
    if options.table:
        print_table(options.table)
        return
    warnings.simplefilter("ignore")
    for seed in range(options.seeds):
        for name in options.tables:
            X = load_table(name)
            for way in WAYS:
                for share in options.shares:
                    gaps = take_away(X, share, way, seed)
                    for label in options.imputers:
                        with threadpool_limits(1):
                            result = measure(IMPUTERS[label](seed), X, gaps)
                        where = {"table": name, "way": way, "share": share}
                        where |= {"imputer": label, "seed": seed}
                        record(where | result, options.out)


if __name__ == "__main__":
    main()
