"""Errors of imputed values: skvae beside the imputers of scikit-learn.

Values that are known are taken away: a share of all at random, or, "by value", with a
chance that rises with the value itself (from a third to five thirds of the share, in
the order of the column's values or levels), so that what is missing is not like what is
there. Four tables have numbers only and no gaps. Three are mixed, and gaps of their own
are not judged (`tables_of_packages.py` says where these tables come from).

Errors of numbers are root mean squares, in standard deviations of their columns (of
digits, in grey levels from 0 to 16); of categories, the share that is not the true one,
and of those with an order also the mean absolute difference in ranks. Seconds are CPU
seconds of one thread. Seeds decide what is missing, and all that is random.

On tables of numbers all imputers get the same array, standardised but for digits, and
`AutoencoderImputer` has its defaults. Of mixed tables, skvae gets the data frame as it
is: the default model of `AutoencoderImputer`, fitted to the frame, and its `impute`.
"mean" takes the mean of numbers and the most frequent category. `KNNImputer` and
Bayesian ridge get numbers and the ranks of ordered categories, standardised by what is
observed, and indicators of all other categories but the first, whose indicator is what
these leave of 1; the greatest is the category, and the nearest rank. (With an indicator
for each, every one follows from the others, which are missing with it, and ridge never
leaves the most frequent category.) Extra trees get codes of all categories: with these
they make no more errors of penguins and cars than with indicators.

    python benchmarks/imputation.py [--seeds 5] [--tables wine ...] [--shares 0.1 ...]
                                    [--imputers mean ...] [--out results.jsonl]
    python benchmarks/imputation.py --table results.jsonl

Results that the file of `--out` holds already are not measured again.
"""

import argparse
import functools
import itertools
import json
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import tables_of_packages
from defaults import cell, record, rounded
from scipy.stats import rankdata
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skvae.impute import AutoencoderImputer
from skvae.impute.imputer import default_model

NUMBERS = {
    "wine": load_wine,
    "breast cancer": load_breast_cancer,
    "diabetes": load_diabetes,
    "digits": load_digits,
}
MIXED = ("penguins", "cars", "anes96")
TABLES = (*NUMBERS, *MIXED)
SHARES = (0.1, 0.3, 0.5)
WAYS = ("at random", "by value")
ERRORS = {
    "numbers": "Numbers, root mean squared error",
    "categories": "Categories, share of errors",
    "ranks": "Ordered categories, mean absolute difference in ranks",
}
PEERS = {
    "mean": lambda seed: SimpleImputer(),
    "KNNImputer": lambda seed: KNNImputer(),
    "Bayesian ridge": lambda seed: IterativeImputer(random_state=seed),
    "extra trees": lambda seed: IterativeImputer(
        ExtraTreesRegressor(10, random_state=seed), max_iter=5, random_state=seed
    ),
}
IMPUTERS = (*PEERS, "skvae")


@functools.cache
def load_table(name):
    """Return a frame without constant columns, numbers in the units of the errors."""
    if name in NUMBERS:
        X = NUMBERS[name]().data
        X = X[:, X.std(0) > 0]
        return pd.DataFrame(
            X if name == "digits" else StandardScaler().fit_transform(X)
        )
    return tables_of_packages.TABLES[name].read()


def is_number(column):
    return not isinstance(column.dtype, pd.CategoricalDtype)


def as_numbers(frame):
    """Return numbers and places of categories among their levels, NaN for gaps."""
    columns = [
        column.astype(float)
        if is_number(column)
        else column.cat.codes.astype(float).where(column.notna())
        for _, column in frame.items()
    ]
    return np.column_stack(columns)


def take_away(frame, share, way, seed):
    """Return where values are taken away, at least one left in a column."""
    rng, X = np.random.default_rng(seed), as_numbers(frame)
    chance = share
    if way == "by value":
        ranks = rankdata(X, axis=0, nan_policy="omit") / (len(X) + 1)
        chance = share * (1 / 3 + 4 / 3 * ranks)
    gaps = rng.random(X.shape) < chance
    gaps[rng.integers(len(X), size=X.shape[1]), np.arange(X.shape[1])] = False
    return gaps & ~np.isnan(X)


def encode(frame, *, as_codes):
    """Return blocks of numbers for every column, and the scalers of these."""
    blocks, scalers = [], []
    for j, (_, column) in enumerate(frame.items()):
        codes = as_numbers(frame.iloc[:, [j]])
        if as_codes or is_number(column) or column.dtype.ordered:
            scalers.append(StandardScaler().fit(codes))
            blocks.append(scalers[-1].transform(codes))
        else:
            others = np.arange(1, len(column.dtype.categories))
            scalers.append(None)
            blocks.append(np.where(np.isnan(codes), np.nan, codes == others))
    return blocks, scalers


def decode(values, blocks, scalers, frame):
    """Return columns of numbers as a mixed table."""
    ends = np.cumsum([block.shape[1] for block in blocks])
    parts = np.split(values, ends[:-1], axis=1)
    columns = {}
    for part, scaler, (name, column) in zip(parts, scalers, frame.items(), strict=True):
        if scaler:
            codes = scaler.inverse_transform(part)[:, 0]
        else:
            codes = np.column_stack([1 - part.sum(1), part]).argmax(1)
        columns[name] = codes
        if not is_number(column):
            codes = np.rint(codes).clip(0, len(column.dtype.categories) - 1)
            columns[name] = pd.Categorical.from_codes(
                codes.astype(int), dtype=column.dtype
            )
    return pd.DataFrame(columns)


def impute_by_peer(label, frame, seed):
    imputer = PEERS[label](seed).set_params(keep_empty_features=True)
    if all(is_number(column) for _, column in frame.items()):
        return pd.DataFrame(imputer.fit_transform(frame.to_numpy(copy=True)))
    if label == "mean":
        modes = {n: c.mean() if is_number(c) else c.mode()[0] for n, c in frame.items()}
        return frame.fillna(modes)
    blocks, scalers = encode(frame, as_codes=label == "extra trees")
    values = imputer.fit_transform(np.hstack(blocks))
    return decode(values, blocks, scalers, frame)


def impute_by_skvae(frame, seed):
    if all(is_number(column) for _, column in frame.items()):
        imputer = AutoencoderImputer(keep_empty_features=True, random_state=seed)
        return pd.DataFrame(imputer.fit_transform(frame.to_numpy(copy=True)))
    model = default_model(*frame.shape).set_params(random_state=seed)
    return model.fit(frame).impute(frame, n_importance_samples=256)


def errors(imputed, frame, gaps):
    """Return the errors of what was taken away, by kind of column."""
    found, true = as_numbers(imputed), as_numbers(frame)
    numbers = np.array([is_number(column) for _, column in frame.items()])
    ordered = np.array(
        [not n and frame.dtypes.iloc[j].ordered for j, n in enumerate(numbers)]
    )
    difference = found - true
    result = {}
    if numbers.any():
        scale = 1.0
        if not numbers.all():
            scale = np.nanstd(true[:, numbers], axis=0)
        scaled = (difference[:, numbers] / scale)[gaps[:, numbers]]
        result["numbers"] = float(np.sqrt(np.square(scaled).mean()))
    if not numbers.all():
        wrong = difference[:, ~numbers][gaps[:, ~numbers]] != 0
        result["categories"] = float(wrong.mean())
    if ordered.any():
        ranks = np.abs(difference[:, ordered])[gaps[:, ordered]]
        result["ranks"] = float(ranks.mean())
    return result


def measure(label, frame, gaps, seed):
    rows = pd.DataFrame(
        {
            name: (column.astype(float) if is_number(column) else column).mask(
                gaps[:, j]
            )
            for j, (name, column) in enumerate(frame.items())
        }
    )
    start = time.process_time()
    if label == "skvae":
        imputed = impute_by_skvae(rows, seed)
    else:
        imputed = impute_by_peer(label, rows, seed)
    seconds = time.process_time() - start
    return errors(imputed, frame, gaps) | {"seconds": seconds}


def read(path):
    if path is None or not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def values_of(found, kind, table, way, share, imputer):
    """Return the figures of one cell by seed."""
    where = {"table": table, "way": way, "share": share, "imputer": imputer}
    return {
        r["seed"]: r[kind] for r in found if kind in r and where.items() <= r.items()
    }


def print_errors(found, kind):
    """Print figures by table, share and way as Markdown.

    The least one is in bold, by the seeds that all imputers have. The number of seeds
    is in brackets, where others have more.
    """
    print(f"| table | missing | {' | '.join(IMPUTERS)} |")
    print("|" + " --- |" * (len(IMPUTERS) + 2))
    for table, way, share in itertools.product(TABLES, WAYS, SHARES):
        values = [values_of(found, kind, table, way, share, i) for i in IMPUTERS]
        if not any(values):
            continue
        most = max(map(len, values))
        common = set.intersection(*(set(v) for v in values if v))
        means = [np.mean([v[s] for s in common]) if v else np.inf for v in values]
        cells = [
            cell([*v.values()]) + (f" ({len(v)})" if 0 < len(v) < most else "")
            for v in values
        ]
        if common:
            cells[np.argmin(means)] = f"**{cells[np.argmin(means)]}**"
        print(f"| {table} | {share:.0%} {way} | {' | '.join(cells)} |")


def print_ratios(found, kind):
    """Print ratios to skvae's errors, and in how many of the cells these are less."""
    print(f"| table | {' | '.join(PEERS)} |\n|" + " --- |" * (len(PEERS) + 1))
    for table in TABLES:
        cells = []
        for peer in PEERS:
            ratios = []
            for way, share in itertools.product(WAYS, SHARES):
                own = values_of(found, kind, table, way, share, "skvae")
                other = values_of(found, kind, table, way, share, peer)
                seeds = own.keys() & other.keys()
                if seeds:
                    sums = [sum(v[s] for s in seeds) for v in (own, other)]
                    ratios.append(sums[0] / sums[1])
            if ratios:
                mean = np.exp(np.mean(np.log(ratios)))
                less = sum(ratio < 1 for ratio in ratios)
                spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
                cells.append(f"{mean:.2f} ({spread}), {less} of {len(ratios)}")
        if cells:
            print(f"| {table} | {' | '.join(cells)} |")


def print_seconds(found):
    print(f"| table | {' | '.join(IMPUTERS)} |\n|" + " --- |" * (len(IMPUTERS) + 1))
    for table in TABLES:
        cells = []
        for imputer in IMPUTERS:
            where = {"table": table, "imputer": imputer}
            seconds = [r["seconds"] for r in found if where.items() <= r.items()]
            cells.append(rounded(np.mean(seconds), 2) if seconds else "")
        if any(cells):
            print(f"| {table} | {' | '.join(cells)} |")


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
        found = read(options.table)
        for kind, title in ERRORS.items():
            print(f"\n**{title}**\n")
            print_errors(found, kind)
            print("\nRatios of skvae's errors to others':\n")
            print_ratios(found, kind)
        print("\n**CPU seconds**, mean of all shares and ways\n")
        print_seconds(found)
        return
    warnings.simplefilter("ignore")
    names = ("seed", "table", "way", "share", "imputer")
    known = {tuple(r[name] for name in names) for r in read(options.out)}
    shares, seeds = options.shares, range(options.seeds)
    for key in itertools.product(seeds, options.tables, WAYS, shares, options.imputers):
        if key in known:
            continue
        seed, table, way, share, imputer = key
        frame = load_table(table)
        gaps = take_away(frame, share, way, seed)
        with threadpool_limits(1):
            result = measure(imputer, frame, gaps, seed)
        record(dict(zip(names, key, strict=True)) | result, options.out)


if __name__ == "__main__":
    main()
