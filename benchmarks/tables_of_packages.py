"""Real tables of mixed columns, read from the files of packages that are installed.

Categories are categoricals of pandas with all their levels, ordered where these have an
order; all else is numbers. Gaps stay gaps.

- penguins (`palmerpenguins`, CC0): 344 rows, gaps in five of eight columns.
- cars (`vega_datasets`, from StatLib, public): 406 rows, gaps in two of eight columns.
  The name of the car, which nearly every row has to itself, is left out.
- anes96 (`statsmodels`, public domain): 944 answers to a survey, six of ten columns
  ordered, and one the size of the town, which is skewed.
- fair (`statsmodels`, with permission of the author): 6,366 answers to a survey, of
  nine columns; numbers have few values, and two thirds of `affairs` are 0.
- diamonds (`plotnine`, from ggplot2, MIT): 53,940 rows, three of ten columns ordered.
- wine and breast cancer (scikit-learn): numbers, and one category, the label.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from sklearn.datasets import load_breast_cancer, load_wine

MOST_TRAINING_ROWS = 4000


class Table(NamedTuple):
    read: Callable[[], pd.DataFrame]
    target: str
    """Column that is predicted from the others, to measure the use of samples."""


def folder_of(package):
    """Return the folder of an installed package, without importing it."""
    spec = find_spec(package)
    if spec is None:
        raise SystemExit(
            f"This table is in the package {package!r}, which is not installed. "
            f"Install it, or leave the table out with --tables. Without what it "
            f"depends on it is enough: pip install --no-deps {package}"
        )
    return Path(spec.submodule_search_locations[0])


def penguins():
    frame = pd.read_csv(folder_of("palmerpenguins") / "data" / "penguins.csv")
    return as_categories(frame, species=None, island=None, sex=None)


def cars():
    frame = pd.read_json(folder_of("vega_datasets") / "_data" / "cars.json")
    frame["Year"] = pd.to_datetime(frame["Year"]).dt.year
    frame = frame.drop(columns="Name")
    return as_categories(frame, Origin=None, Cylinders=(3, 4, 5, 6, 8))


def anes96():
    path = folder_of("statsmodels") / "datasets" / "anes96" / "anes96.csv"
    frame = pd.read_csv(path, sep=r"\s+", quotechar="'")
    views = dict.fromkeys(["selfLR", "ClinLR", "DoleLR", "educ"], range(1, 8))
    return as_categories(frame, vote=None, PID=range(7), income=range(1, 25), **views)


def fair():
    frame = pd.read_csv(folder_of("statsmodels") / "datasets" / "fair" / "fair.csv")
    ordered = {"rate_marriage": range(1, 6), "religious": range(1, 5)}
    return as_categories(frame, occupation=None, occupation_husb=None, **ordered)


def diamonds():
    return as_categories(
        pd.read_csv(folder_of("plotnine") / "data" / "diamonds.csv"),
        cut=("Fair", "Good", "Very Good", "Premium", "Ideal"),
        color="DEFGHIJ",
        clarity=("I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"),
    )


def of_scikit_learn(load, label):
    loaded = load(as_frame=True)
    labels = pd.Categorical.from_codes(loaded.target, list(loaded.target_names))
    return loaded.data.assign(**{label: labels})


def as_categories(frame, **levels):
    """Declare categories: of levels in this order, or unordered for None."""
    dtypes = {
        name: pd.CategoricalDtype(order and list(order), ordered=order is not None)
        for name, order in levels.items()
    }
    return frame.astype(dtypes)


TABLES = {
    "wine": Table(lambda: of_scikit_learn(load_wine, "cultivar"), "cultivar"),
    "penguins": Table(penguins, "species"),
    "cars": Table(cars, "Weight_in_lbs"),
    "breast cancer": Table(
        lambda: of_scikit_learn(load_breast_cancer, "diagnosis"), "diagnosis"
    ),
    "anes96": Table(anes96, "vote"),
    "fair": Table(fair, "children"),
    "diamonds": Table(diamonds, "price"),
}


def split(frame, seed):
    """Return rows to train on, half of all or 4,000, and as many that are held out."""
    n_train = min((len(frame) + 1) // 2, MOST_TRAINING_ROWS)
    frame = frame.sample(frac=1.0, random_state=seed, ignore_index=True)
    test = frame[n_train : 2 * n_train].reset_index(drop=True)
    return frame[:n_train], test
