"""Columns of every type of pandas and polars are read, and come back as they were."""

import datetime
import decimal
import fractions
import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import small

pl = pytest.importorskip("polars")

N = 60
Z = np.random.default_rng(0).standard_normal(N)
BASE = Z + 0.1 * np.random.default_rng(1).standard_normal(N)
WORDS = np.where(Z > 0, "x", "y").tolist()
WHOLE = np.round(10 * Z).astype(np.int64)
GAP = np.arange(N) == 4


def objects(values):
    return pd.Series(list(values), dtype=object)


def category(values, levels=None, ordered=False):
    return pd.Series(pd.Categorical(values, levels, ordered=ordered))


NUMBERS = {
    "float64": pd.Series(Z),
    "float32": pd.Series(Z.astype("f4")),
    "float16": pd.Series(Z.astype("f2")),
    "int64": pd.Series(WHOLE),
    "int8": pd.Series(WHOLE.astype("i1")),
    "uint8": pd.Series(np.abs(WHOLE).astype("u1")),
    "Int64": pd.Series(WHOLE).astype("Int64"),
    "Int64 with NA": pd.Series(WHOLE).astype("Int64").mask(GAP),
    "Float64 with NA": pd.Series(Z).astype("Float64").mask(GAP),
    "UInt8": pd.Series(np.abs(WHOLE)).astype("UInt8"),
    "integers beyond 2^53": pd.Series(WHOLE + 2**60),
    "uint64": pd.Series(np.abs(WHOLE).astype("u8") + np.uint64(2**63)),
    "objects of floats": objects(Z.tolist()),
    "objects of integers": objects(WHOLE.tolist()),
    "objects with None": objects([None, *Z[1:].tolist()]),
    "decimals": objects(decimal.Decimal(str(round(v, 2))) for v in Z),
    "fractions": objects(fractions.Fraction(int(v), 7) for v in WHOLE),
    "constant": pd.Series(np.full(N, 3.5)),
    "zeros": pd.Series(np.zeros(N)),
    "timestamps": pd.Series(1.7e9 + 1e4 * WHOLE),
    "tiny": pd.Series(1e-30 * Z),
    "huge": pd.Series(1e30 * Z),
    "sparse": pd.Series(pd.arrays.SparseArray(np.where(Z > 0, Z, 0))),
    "i64 of polars": pl.Series([None, *WHOLE[1:].tolist()]),
    "u8 of polars": pl.Series(np.abs(WHOLE).astype("u1")),
    "f32 of polars": pl.Series(Z.astype("f4")),
    "i128 of polars": pl.Series(WHOLE).cast(pl.Int128),
    "decimals of polars": pl.Series([decimal.Decimal(str(round(v, 2))) for v in Z]),
    "NaN in polars": pl.Series(np.where(GAP, np.nan, Z)),
}
CATEGORIES = {
    "bool": pd.Series(Z > 0),
    "boolean with NA": pd.Series(Z > 0).astype("boolean").mask(GAP),
    "str": pd.Series(WORDS),
    "string with NA": pd.Series(WORDS, dtype="string").mask(GAP),
    "objects of words": objects(WORDS),
    "objects of booleans": objects((Z > 0).tolist()),
    "objects of two types": objects("a" if v > 0 else 3 for v in Z),
    "tuples": objects((1, 2) if v > 0 else (0,) for v in Z),
    "dates as objects": objects(datetime.date(2020, 1, 1 + i % 9) for i in range(N)),
    "categorical": category(WORDS),
    "categorical of integers": category(np.where(Z > 0, 7, 3)),
    "categorical with NA": category(WORDS).mask(GAP),
    "categorical with more levels": category(WORDS, ["u", "y", "x"]),
    "one category": pd.Series(["only"] * N),
    "str of polars": pl.Series([None, *WORDS[1:]]),
    "bool of polars": pl.Series([None, *(Z[1:] > 0).tolist()]),
    "categorical of polars": pl.Series(WORDS, dtype=pl.Categorical),
    "enum of polars": pl.Series(WORDS, dtype=pl.Enum(["y", "x", "w"])),
    "bytes of polars": pl.Series([word.encode() for word in WORDS]),
}
ORDERED = {
    "ordered": category(WORDS, ["y", "x"], ordered=True),
    "ordered with more levels": category(WORDS, ["y", "w", "x"], ordered=True),
    "intervals": pd.Series(pd.cut(Z, 3)),
}
EMPTY = {
    "NaN": pd.Series(np.full(N, np.nan)),
    "NA": pd.Series([pd.NA] * N, dtype="Int64"),
    "None": objects([None] * N),
    "categorical": category([None] * N, ["a"]),
    "categorical without levels": category([None] * N),
    "ordered without levels": category([None] * N, [], ordered=True),
    "null of polars": pl.Series([None] * N),
    "f64 of polars": pl.Series([None] * N, dtype=pl.Float64),
    "str of polars": pl.Series([None] * N, dtype=pl.String),
}
KINDS = [
    *(
        (kind, s)
        for kind, d in (
            ("number", NUMBERS),
            ("category", CATEGORIES),
            ("ordered", ORDERED),
        )
        for s in d.values()
    )
]
NAMES = [*NUMBERS, *CATEGORIES, *ORDERED]


def table(series):
    """Return a frame of a column and of one that it depends on."""
    if isinstance(series, pl.Series):
        return pl.DataFrame({"base": BASE, "c": series})
    return pd.DataFrame({"base": BASE, "c": series})


def gaps(series):
    found = series.is_null() if isinstance(series, pl.Series) else series.isna()
    return found.to_numpy()


def assert_type(frame, X):
    assert type(frame) is type(X)
    assert list(frame.columns) == list(X.columns)
    assert list(frame.dtypes) == list(X.dtypes)


@pytest.mark.parametrize(("kind", "series"), KINDS, ids=NAMES)
def test_types_come_back(kind, series):
    X = table(series)
    model = small().fit(X)
    assert model._table.kinds == ["number", kind]
    S = model.sample(50, random_state=0)
    for frame in (S, model.reconstruct(X), model.impute(X), model.sample_missing(X)[0]):
        assert_type(frame, X)
        assert not gaps(frame["c"]).any()
    if kind != "number":
        present = {
            v for v, gap in zip(X["c"].to_list(), gaps(X["c"]), strict=True) if not gap
        }
        assert set(S["c"].to_list()) <= present


@pytest.mark.parametrize(("kind", "series"), KINDS, ids=NAMES)
def test_observed_values_stay_the_very_same(kind, series):
    X = table(series)
    is_there = ~gaps(X["c"])
    if isinstance(series, pl.Series) and series.dtype == pl.Float64:
        is_there &= ~series.is_nan().fill_null(False).to_numpy()
    frame = small(max_epochs=1).fit(X).impute(X)
    a, b = (np.array(f["c"].to_list(), dtype=object)[is_there] for f in (frame, X))
    assert a.tolist() == b.tolist()
    assert [*map(type, a)] == [*map(type, b)]


@pytest.mark.parametrize("series", EMPTY.values(), ids=EMPTY)
def test_columns_without_values_stay_empty_and_are_said(series):
    X = table(series)
    with pytest.warns(UserWarning, match="'c' of X has no values.*Leave it out"):
        model = small().fit(X)
    for frame in (model.sample(9), model.reconstruct(X), model.impute(X)):
        assert_type(frame, X)
        values = frame["c"].to_list()
        assert all(
            value is None or value is pd.NA or value != value for value in values
        )
    assert np.isfinite(model.score_samples(X)).all()
    alone = small().fit(X[["base"]])
    assert np.isfinite(alone.score_samples(X[["base"]])).all()


DATES = {
    "dates": pd.Series(pd.date_range("2020", periods=N)),
    "dates of a zone": pd.Series(pd.date_range("2020", periods=N, tz="UTC")),
    "differences": pd.Series(pd.to_timedelta(np.arange(N), unit="s")),
}


@pytest.mark.parametrize("series", DATES.values(), ids=DATES)
def test_dates_are_refused_with_a_remedy_that_works(series):
    X = table(series).assign(word=WORDS)
    with pytest.raises(TypeError, match=r"X\['c'\] holds .*Say in which unit") as error:
        small().fit(X)
    remedy = str(error.value).partition("for example ")[2].removesuffix(".")
    X["c"] = eval(remedy, {"X": X})
    S = small().fit(X).sample(9)
    assert S["c"].dtype == np.int64


def test_dates_of_polars_are_refused_with_a_remedy_that_works():
    dates = [datetime.date(2020, 1, 1 + i % 28) for i in range(N)]
    X = pl.DataFrame({"base": BASE, "c": dates, "word": WORDS})
    with pytest.raises(TypeError, match=r"X\['c'\] holds Date") as error:
        small().fit(X)
    remedy = str(error.value).partition("for example ")[2].removesuffix(".")
    X = X.with_columns(eval(remedy, {"X": X}).alias("c"))
    assert small().fit(X).sample(9)["c"].dtype == pl.Int32


REFUSED = {
    "infinite": (np.where(GAP, np.inf, Z), ValueError, "'c' has 1 infinite.*row 4"),
    "infinite object": (
        objects(np.where(GAP, -np.inf, Z).tolist()),
        ValueError,
        "'c' has 1 infinite.*row 4",
    ),
    "lists": (objects([[1]] * N), TypeError, r"'c' has \[1\] \(a list\)"),
    "beyond float32": (np.where(GAP, 1e39, Z), ValueError, r"float32.*1e\+39"),
    "beyond squares": (np.where(GAP, 1e300, Z), ValueError, r"1e\+150.*1e\+300"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_is_no_number_and_no_category_is_refused(case):
    values, error, message = case
    X = table(pd.Series(values))
    with pytest.raises(error, match=message):
        small().fit(X)
    model = small().fit(table(NUMBERS["float64"]))
    with pytest.raises((error, TypeError), match=r"c|float32|150"):
        model.transform(X)


DECIMALS = {
    "whole": (WHOLE.astype(float), 0),
    "halves": (WHOLE / 2, 1),
    "hundredths": (WHOLE / 100, 2),
    "large hundredths": (1e9 + WHOLE / 100, 2),
    "hundredths in float32": ((WHOLE / 100).astype("f4"), 2),
    "any": (Z, None),
    "any in float32": (Z.astype("f4"), None),
    "thirds": (WHOLE / 3, None),
    "zeros": (np.zeros(N), 0),
    "small": (WHOLE / 1e9, 9),
    "smaller": (WHOLE / 1e12, None),
}


@pytest.mark.parametrize("case", DECIMALS.values(), ids=DECIMALS)
def test_numbers_have_the_decimals_of_the_training_rows(case):
    values, decimals = case
    model = small(max_epochs=1).fit(table(pd.Series(values)))
    assert model._table.decimals[1] == decimals
    found = model.sample(30, random_state=0)["c"].to_numpy()
    if decimals is not None:
        rounded = np.round(found.astype(float), decimals).astype(found.dtype)
        np.testing.assert_array_equal(found, rounded)


def test_zero_has_no_sign():
    model = small(max_epochs=1).fit(table(pd.Series(DECIMALS["hundredths"][0])))
    rows = model._table.write(np.array([[0.1, -0.001], [0.1, 0.001]]))
    assert rows["c"].tolist() == [0, 0]
    assert not np.signbit(rows["c"]).any()


def test_integers_stay_within_their_type():
    X = pd.DataFrame({"a": np.array([0, 255] * 20, dtype="u1"), "w": ["x", "y"] * 20})
    model = small(likelihood="gaussian").fit(X)
    S = model.sample(500, random_state=0)
    assert S["a"].dtype == np.uint8
    assert S["a"].between(0, 5).any()
    assert S["a"].between(250, 255).any()
    far = model.inverse_transform(np.array([[300.0, 300.0], [-300.0, -300.0]]))
    assert set(far["a"]) <= {0, 255}


def test_whole_numbers_that_float64_rounds_are_said():
    X = pd.DataFrame({"id": 2**62 + np.arange(60), "size": np.arange(60) * 1e20})
    with pytest.warns(UserWarning, match=r"'id' of X has numbers beyond 2\*\*53"):
        small().fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Posterior collapse")
        small().fit(X[["size"]])
