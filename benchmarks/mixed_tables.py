"""Generative models of real tables of numbers, categories and gaps: who is best.

For each seed, half of the rows of a table (4,000 at most) are to train on and as many
are held out. Each model is fitted to the former, draws as many rows as are held out,
and is measured against these:

- shapes, pairs: means of `column_shapes` and `column_pair_trends`; 1 is best.
- AUC: of `classifier_two_sample_test`; 0.5 is best.
- utility: score, on held-out rows, of a classifier or regressor of the table's target
  that was trained on draws, as a share of that of one trained on training rows
  (`train_on_synthetic_test_on_real`); 1 is as good as these. A model that ignores the
  target has some share of an accuracy, too.
- copies: share of draws that equal a training row, less that of held-out rows
  (`exact_copies`); 0 is best.
- distance: median distance of draws to the nearest training row, over that of held-out
  rows (`distance_to_closest_record`); below 1 for copies, and no merit above 1.
- seconds of CPU, of one thread, to fit and to draw.

Contestants, in `table_generators.py`, have the defaults of their classes:

- `VAE()` on frames as they are. The same with the prior N(0, I) as latent density, in
  place of a mixture; and on the matrix of one-hot columns that the mixture has.
- A mixture of normal densities of full covariances, of as many components as have the
  least BIC, on standardised numbers and one-hot columns; gaps are filled with the mean
  beside a column that tells where they were; draws have the category of the greatest
  column. The same on normal scores of numbers (`QuantileTransformer`), which give every
  column its own distribution.
- TVAE and CTGAN of the package ctgan (not of an open licence; for measurement only), of
  300 epochs. Its README asks for complete frames, numbers as floats, and text for what
  is discrete: gaps of numbers are filled with the mean beside a discrete column that
  tells where they were; a gap in a category is one more category. Numbers of at most 20
  values are given as discrete, which saves them from values in between. By default a
  batch has 500 rows, all of a small table: there is one step in an epoch. "Batches of
  50" take more, and are no defaults.

Draws of all are rounded to the decimals of the training column. Beside them, not
ranked: training rows themselves, the same drawn with replacement, and each column drawn
from its training values on its own.

A model is first in a column if its mean over the seeds is nearest to the best value,
and another is within its spread if the mean of the differences by seed is no more than
their standard deviation. Results are kept in a folder, a file for each table, model and
seed, and are not computed again.

Tables and peers come from packages that skvae does not need. Installed into a folder of
their own, for PYTHONPATH, they leave everything else as it is:

    pip install --no-deps --target PEERS ctgan rdt faker tqdm statsmodels
    pip install --no-deps --target PEERS palmerpenguins vega_datasets plotnine

    OMP_NUM_THREADS=1 python benchmarks/mixed_tables.py --folder FOLDER
        [--tables penguins ...] [--models VAE ...] [--seeds 0 1 2 3 4] [--again]
    python benchmarks/mixed_tables.py --folder FOLDER --table
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from table_generators import BOUNDS, MODELS, as_measured
from tables_of_packages import TABLES, split
from threadpoolctl import threadpool_limits

from skvae.metrics import (
    classifier_two_sample_test,
    column_pair_trends,
    column_shapes,
    distance_to_closest_record,
    exact_copies,
    train_on_synthetic_test_on_real,
)

# How far a figure is from the best.
FIGURES = {
    "shapes": lambda share: 1 - share,
    "pairs": lambda share: 1 - share,
    "AUC": lambda area: abs(area - 0.5),
    "utility": lambda share: -share,
    "copies": abs,
    "distance": lambda ratio: abs(np.log(max(ratio, 1e-12))),
    "seconds to fit": float,
    "seconds to draw": float,
}
OWN = "VAE"


def measure(fit, train, test, target, seed):
    """Return all figures of one model and one split."""
    start = time.process_time()
    draw = fit(train, seed)
    fitted = time.process_time()
    drawn = draw(len(test))
    seconds = {"seconds to fit": fitted - start}
    seconds["seconds to draw"] = time.process_time() - fitted
    return figures(train, test, as_measured(drawn, train), target, seed) | seconds


def figures(train, test, drawn, target, seed):
    told_apart = classifier_two_sample_test(test, drawn, n_repeats=0, random_state=seed)
    use = train_on_synthetic_test_on_real(
        train, drawn, test, target=target, random_state=seed
    )
    copies = exact_copies(train, test, drawn, random_state=seed)
    closest = distance_to_closest_record(train, test, drawn)
    return {
        "shapes": column_shapes(test, drawn).value,
        "pairs": column_pair_trends(test, drawn).value,
        "AUC": told_apart.value,
        "utility": use.value / use.real,
        "copies": copies.value - copies.floor,
        "distance": closest.value / closest.floor if closest.floor else np.nan,
        "score of draws": use.value,
        "score of training rows": use.real,
        "copies, of held-out rows": copies.floor,
        "copies, p-value": copies.p_value,
        "distance, of held-out rows": closest.floor,
        "distance ratio": closest.ratio,
        "distance ratio, of held-out rows": closest.ratio_floor,
        "n_train": len(train),
        "n_test": len(test),
    }


def path_of(folder, table, model, seed):
    words = "--".join([table, model, str(seed)])
    return folder / (words.replace(" ", "_").replace(",", "") + ".json")


def run(folder, table, models, seeds, again):
    """Compute the cells of a table that are not in the folder."""
    frame = TABLES[table].read()
    for seed in seeds:
        train, test = split(frame, seed)
        for model in models:
            path = path_of(folder, table, model, seed)
            if path.exists() and not again:
                continue
            try:
                found = measure(MODELS[model], train, test, TABLES[table].target, seed)
            except Exception as error:
                name = type(error).__name__
                print(f"{path.stem} failed: {name}: {error}", flush=True)
                continue
            path.write_text(json.dumps(found, indent=1))
            line = ", ".join(f"{name} {found[name]:.3g}" for name in FIGURES)
            print(f"{path.stem}: {line}", flush=True)


def read(folder, table):
    """Return {model: {seed: figures}} of what the folder has of a table."""
    found = {}
    for model in MODELS:
        pattern = path_of(folder, table, model, "*").name
        by_seed = {
            int(path.stem.rsplit("--", 1)[1]): json.loads(path.read_text())
            for path in sorted(folder.glob(pattern))
        }
        found |= {model: by_seed} if by_seed else {}
    return found


def distances(by_seed, figure):
    """Return how far a figure is from the best, by seed."""
    return {seed: FIGURES[figure](found[figure]) for seed, found in by_seed.items()}


def firsts_of(results, figure):
    """Return the models that are nearest to the best value on average."""
    ranked = [model for model in results if model not in BOUNDS]
    means = {m: np.mean([*distances(results[m], figure).values()]) for m in ranked}
    return [model for model, mean in means.items() if mean == min(means.values())]


def is_within_spread(own, others):
    """Tell whether differences by seed have a mean within their standard deviation."""
    differences = [own[seed] - others[seed] for seed in own.keys() & others.keys()]
    if len(differences) < 2:
        return False
    return bool(np.mean(differences) <= np.std(differences, ddof=1))


def cell(values):
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"


def print_table(table, results):
    sizes = next(iter(next(iter(results.values())).values()))
    print(f"\n### {table}, {sizes['n_train']} rows to train on\n")
    print("| model | " + " | ".join(FIGURES) + " | seeds |")
    print("|" + " --- |" * (len(FIGURES) + 2))
    for model, by_seed in results.items():
        cells = [
            cell([found[figure] for found in by_seed.values()]) for figure in FIGURES
        ]
        print(f"| {model} | " + " | ".join(cells) + f" | {len(by_seed)} |")
    if results.keys() - BOUNDS.keys():
        print_firsts(results)


def print_firsts(results):
    firsts = {figure: firsts_of(results, figure) for figure in FIGURES}
    words = [f"{figure}: {' = '.join(models)}" for figure, models in firsts.items()]
    print(f"\nFirst in {'; '.join(words)}.")
    if OWN in results:
        within = [
            figure
            for figure, models in firsts.items()
            if OWN in models
            or is_within_spread(
                distances(results[OWN], figure), distances(results[models[0]], figure)
            )
        ]
        print(f"{OWN} is first, or within the spread, in: {', '.join(within)}.")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="for the results")
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=TABLES)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--seeds", nargs="+", type=int, default=range(5))
    parser.add_argument("--again", action="store_true", help="also what is there")
    parser.add_argument("--table", action="store_true", help="print what is there")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for table in options.tables:
        if not options.table:
            with threadpool_limits(1):
                run(
                    options.folder,
                    table,
                    options.models,
                    options.seeds,
                    options.again,
                )
        if results := read(options.folder, table):
            print_table(table, results)


if __name__ == "__main__":
    main()
