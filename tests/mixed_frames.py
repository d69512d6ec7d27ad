"""A small table of numbers, categories and gaps, in pandas and in polars."""

import numpy as np
import pandas as pd
from conftest import describe, small

from skvae import IWAE, RAE, VAE, WAE, TwoStageVAE

LEVELS = ["low", "middle", "high"]
NAMES = ["age", "income", "spent", "city", "grade", "member"]
FAMILIES = [
    (VAE, {}),
    (IWAE, {}),
    (RAE, {}),
    (RAE, {"regularizer": "gradient_penalty"}),
    (RAE, {"regularizer": "spectral_norm"}),
    (WAE, {}),
    (WAE, {"divergence": "gan"}),
    (TwoStageVAE, {}),
]
FAMILY_IDS = [describe(small(cls, **options)) for cls, options in FAMILIES]


def make_frame(n=80, seed=0):
    """Return a frame of pandas whose columns have one cause and an index of their own.

    Ages are whole, incomes have two decimals and gaps, amounts spent are often 0,
    cities are strings with a gap, grades have an order, and members are booleans.
    """
    rng = np.random.default_rng(seed)
    z = rng.standard_normal(n)
    noise = rng.standard_normal((n, 4))
    income = np.round(np.exp(z + 0.5 * noise[:, 0]), 2)
    income[::9] = np.nan
    spent = np.where(noise[:, 1] < 0, 0, np.round(np.exp(noise[:, 1]), 3))
    city = np.array(["ames", "bonn", "cork"], dtype=object)[
        (z > 0).astype(int) + (noise[:, 2] > 0)
    ]
    city[3] = None
    grade = np.array(LEVELS)[np.digitize(z + 0.3 * noise[:, 2], [-0.5, 0.5])]
    columns = {
        "age": np.round(40 + 10 * z + 3 * noise[:, 3]).astype(np.int64),
        "income": income,
        "spent": spent,
        "city": city,
        "grade": pd.Categorical(grade, LEVELS, ordered=True),
        "member": z + noise[:, 0] > 0,
    }
    return pd.DataFrame(columns, index=[f"row {i}" for i in range(n)])


def in_polars(frame):
    """Return the same table in polars."""
    import polars as pl

    columns = {
        name: [None if pd.isna(v) else v for v in frame[name].tolist()]
        for name in frame.columns
    }
    return pl.DataFrame(columns, schema_overrides={"grade": pl.Enum(LEVELS)})


LIBRARIES = {"pandas": lambda frame: frame, "polars": in_polars}


def assert_like(rows, frame, n=None):
    """Assert that rows are a frame with the columns and types of another one."""
    assert type(rows) is type(frame)
    assert list(rows.columns) == list(frame.columns)
    assert list(rows.dtypes) == list(frame.dtypes)
    assert len(rows) == (len(frame) if n is None else n)


def assert_equal(rows, frame):
    """Assert that two frames are equal, with their types and their index."""
    assert_like(rows, frame)
    assert rows.equals(frame)
