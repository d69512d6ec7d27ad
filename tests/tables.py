"""A table with every type of column, in pandas and in polars."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

SIZES = ["small", "medium", "large"]


def make_table(n=60, seed=0, gaps=0.1):
    """Return a frame with numbers, whole numbers, booleans, categories and gaps."""
    rng = np.random.default_rng(seed)
    gap = rng.random((n, 3)) < gaps
    age = rng.normal(50, 10, n)
    colours = np.array(["red", "green", "blue"])[rng.integers(0, 3, n)]
    sizes = np.array(SIZES)[np.clip(age // 15 - 2, 0, 2).astype(int)]
    frame = pd.DataFrame(
        {
            "age": np.where(gap[:, 0], np.nan, age),
            "children": rng.integers(0, 4, n),
            "smokes": rng.random(n) < 0.3,
            "colour": np.where(gap[:, 1], None, colours),
            "size": pd.Categorical(sizes, categories=SIZES, ordered=True),
            "ward": pd.Categorical(rng.integers(1, 4, n)),
            "visits": pd.array(rng.integers(0, 9, n), dtype="Int64"),
        }
    )
    frame.loc[gap[:, 2], "visits"] = pd.NA
    return frame


def in_polars(frame):
    """Return the same table in polars, where no category has an order."""
    import polars as pl

    columns = {
        name: [None if pd.isna(v) else v for v in frame[name].tolist()]
        for name in frame.columns
    }
    if "ward" in columns:
        columns["ward"] = [str(v) for v in columns["ward"]]
    types = {"ward": pl.Categorical, "size": pl.Enum(SIZES), "colour": pl.String}
    types = {name: dtype for name, dtype in types.items() if name in columns}
    return pl.DataFrame(columns, schema_overrides=types, strict=False)


class Truth(BaseEstimator):
    """The density of `make_table`, with or without gaps, or what `change` makes of it.

    Parameters
    ----------
    gaps : float
    change : callable or None
        From a frame to another.
    """

    def __init__(self, gaps=0.0, change=None):
        self.gaps = gaps
        self.change = change

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def sample(self, n_samples=1, random_state=None):
        seed = np.random.RandomState(random_state).randint(2**31)
        table = make_table(n_samples, seed, self.gaps)
        return table if self.change is None else self.change(table)


def errors_of_rows(X, Y, train):
    """Return mean squared errors of rows by their definition, one value at a time."""
    errors = []
    for i in range(len(X)):
        own = []
        for name in X.columns:
            x, y = X[name].iloc[i], Y[name].iloc[i]
            if pd.isna(x):
                continue
            if name in ("age", "children", "visits"):
                scale = train[name].astype(float).std(ddof=0)
                own.append(((float(x) - float(y)) / scale) ** 2)
            elif name == "size":
                ranks = train[name].cat.codes.astype(float)
                own.append(((SIZES.index(x) - SIZES.index(y)) / ranks.std(ddof=0)) ** 2)
            else:
                own.append(float(x != y))
        errors.append(np.mean(own))
    return np.array(errors)
