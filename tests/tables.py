"""A table with every type of column, in pandas and in polars."""

import numpy as np
import pandas as pd

SIZES = ["small", "medium", "large"]


def make_table(n=60, seed=0):
    """Return a frame with numbers, whole numbers, booleans, categories and gaps."""
    rng = np.random.default_rng(seed)
    gap = rng.random((n, 3)) < 0.1
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
