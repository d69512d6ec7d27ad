"""Samples through a ColumnTransformer, and through steps whose codes are discrete."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    StandardScaler,
)

from skvae import VAE, sample_pipeline
from skvae.networks import MLP
from skvae.pipeline._inversion import check_invertible, invert


class Replay(BaseEstimator):
    """A density whose samples are the rows it was fitted on, or near to them."""

    def __init__(self, noise=0.0):
        self.noise = noise

    def fit(self, X, y=None):
        self.rows_ = np.asarray(X)
        return self

    def sample(self, n_samples=1, random_state=None):
        rng = np.random.default_rng(random_state)
        return self.rows_[:n_samples] + self.noise * rng.uniform(
            -1, 1, (n_samples, self.rows_.shape[1])
        )


def make_frame(n=60, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.normal(50, 10, n),
            "income": rng.lognormal(8, 1, n),
            "town": rng.choice(["Bern", "Oslo", "Rome"], n, p=[0.2, 0.3, 0.5]),
            "size": rng.choice(["S", "M", "L"], n),
            "children": rng.integers(0, 4, n),
        }
    )


SIZES = [["S", "M", "L"]]


def make_columns(**options):
    parts = [
        ("town", OneHotEncoder(sparse_output=False), ["town"]),
        ("income", make_pipeline(PowerTransformer(), MinMaxScaler()), ["income"]),
        ("size", OrdinalEncoder(categories=SIZES), ["size"]),
        ("age", StandardScaler(), make_column_selector("age")),
    ]
    return ColumnTransformer(parts, **{"remainder": "passthrough", **options})


def as_frame(rows, like):
    frame = pd.DataFrame(rows, columns=like.columns)
    frame["children"] = frame["children"].astype(float).round()
    return frame.astype(like.dtypes)


def sorted_rows(X):
    return sorted(map(tuple, X.tolist()))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("noise", [0, 1e-7])
def test_rows_come_back_in_order_and_type_of_their_columns(noise):
    frame = make_frame()
    pipeline = make_pipeline(make_columns(), Replay(noise)).fit(frame)
    rows = as_frame(sample_pipeline(pipeline, 60, random_state=0), frame)
    rows = rows.sort_values("age", ignore_index=True)
    expected = frame.sort_values("age", ignore_index=True)
    pd.testing.assert_frame_equal(rows, expected, rtol=1e-4)


@pytest.mark.slow
def test_vae_draws_rows_like_those_of_the_data():
    frame = make_frame(600)
    vae = VAE(4, network=MLP((32,)), batch_size=64, max_epochs=40, random_state=0)
    pipeline = make_pipeline(make_columns(), StandardScaler(), vae).fit(frame)
    rows = sample_pipeline(pipeline, 600, mean=False, random_state=0)
    rows = as_frame(rows, frame)
    assert rows["age"].mean() == pytest.approx(frame["age"].mean(), abs=3)
    assert rows["age"].std() == pytest.approx(frame["age"].std(), rel=0.3)
    assert np.log(rows["income"]).mean() == pytest.approx(8, abs=0.3)
    for name in ("town", "size"):
        share, real = (f[name].value_counts(normalize=True) for f in (rows, frame))
        assert share.sub(real, fill_value=0).abs().max() < 0.25


COLUMNS = [
    lambda name, i: [name],
    lambda name, i: [i],
    lambda name, i: slice(i, i + 1),
    lambda name, i: slice(name, name),
    lambda name, i: np.arange(5) == i,
    lambda name, i: [j == i for j in range(5)],
    lambda name, i: lambda X: [name],
    lambda name, i: pd.Index([name]),
    lambda name, i: [i - 5],
]


@pytest.mark.parametrize("columns", COLUMNS)
def test_columns_may_be_given_in_any_way(columns):
    frame = make_frame().assign(town=1.0, size=np.arange(60.0))
    step = ColumnTransformer(
        [
            (name, MinMaxScaler((0, 10 + i)), columns(name, i))
            for i, name in reversed(list(enumerate(frame.columns)))
        ]
    ).fit(frame)
    np.testing.assert_allclose(invert(step, step.transform(frame)), frame)


def test_slices_of_names_include_their_ends_and_lists_keep_their_order():
    frame = make_frame()[["age", "income", "children"]]
    step = ColumnTransformer(
        [
            ("both", StandardScaler(), slice("income", None)),
            ("none", StandardScaler(), []),
            ("first", StandardScaler(), slice(None, "age")),
        ]
    ).fit(frame)
    np.testing.assert_allclose(invert(step, step.transform(frame)), frame)
    step = ColumnTransformer([("all", StandardScaler(), [2, 0, 1])]).fit(frame)
    np.testing.assert_allclose(invert(step, step.transform(frame)), frame)


def test_numbers_stay_numbers():
    X = np.random.default_rng(0).normal(size=(40, 3))
    columns = ColumnTransformer(
        [("a", StandardScaler(), [0, 2])], remainder="passthrough"
    )
    pipeline = make_pipeline(columns, Replay()).fit(X)
    rows = sample_pipeline(pipeline, 40, random_state=0)
    assert rows.dtype == np.float64
    np.testing.assert_allclose(np.sort(rows, 0), np.sort(X, 0))


def test_column_transformers_nest():
    frame = make_frame()
    inner = ColumnTransformer(
        [("age", StandardScaler(), ["age"])], remainder="passthrough"
    )
    outer = ColumnTransformer(
        [("numbers", inner, ["children", "age", "income"])],
        remainder=OneHotEncoder(sparse_output=False),
    ).fit(frame)
    rows = as_frame(invert(outer, outer.transform(frame)), frame)
    pd.testing.assert_frame_equal(rows, frame)


# ------------------------------------------------------------------------- categories

ENCODERS = [
    OneHotEncoder(sparse_output=False),
    OneHotEncoder(sparse_output=False, drop="first"),
    OneHotEncoder(sparse_output=False, drop="if_binary"),
    OneHotEncoder(sparse_output=False, handle_unknown="ignore"),
    OneHotEncoder(sparse_output=False, drop=["b", "x"]),
    OrdinalEncoder(),
    OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-9),
]
LETTERS = np.array([*zip("abcabcab", "xyxyxyxx", strict=True)], dtype=object)


@pytest.mark.parametrize("encoder", ENCODERS)
@given(st.integers(0, 99))
def test_nearest_code_decides(encoder, seed):
    codes = encoder.fit_transform(LETTERS)
    noise = np.random.default_rng(seed).uniform(-0.32, 0.32, codes.shape)
    np.testing.assert_array_equal(invert(encoder, codes + noise), LETTERS)


@pytest.mark.parametrize("encoder", ENCODERS)
@given(st.integers(0, 99))
def test_no_sample_is_beyond_the_categories(encoder, seed):
    codes = encoder.fit_transform(LETTERS)
    Z = np.random.default_rng(seed).normal(0, 30, codes.shape)
    rows = invert(encoder, Z)
    assert set(rows[:, 0]) <= set("abc")
    assert set(rows[:, 1]) <= set("xy")


@pytest.mark.parametrize("cls", [OneHotEncoder, OrdinalEncoder])
def test_rare_categories_stay_one(cls):
    options = {"sparse_output": False} if cls is OneHotEncoder else {}
    X = np.array([*"aaaaabbbbbcd"], dtype=object)[:, None]
    encoder = cls(min_frequency=3, **options).fit(X)
    expected = encoder.inverse_transform(encoder.transform(X))
    actual = invert(encoder, encoder.transform(X) + 0.3)
    np.testing.assert_array_equal(actual, expected)
    largest = invert(encoder, encoder.transform(X) * 0 + [[9]])
    assert set(largest.ravel()) <= {"a", "b", "infrequent_sklearn"}


def test_missing_category_has_no_number():
    X = np.array(["a", "b", None, "b"], dtype=object)[:, None]
    encoder = OrdinalEncoder().fit(X)
    assert invert(
        encoder, np.array([[-3.0], [0.4], [0.6], [7.0]])
    ).ravel().tolist() == [*"aabb"]


@pytest.mark.parametrize("encode", ["ordinal", "onehot-dense"])
def test_bins(encode):
    X = np.linspace(0, 1, 50)[:, None]
    options = {"strategy": "uniform", "quantile_method": "averaged_inverted_cdf"}
    step = KBinsDiscretizer(4, encode=encode, **options).fit(X)
    Z = step.transform(X)
    expected = step.inverse_transform(Z)
    np.testing.assert_allclose(invert(step, Z + 0.4), expected)
    rows = invert(step, 20 * np.random.default_rng(0).normal(size=Z.shape))
    assert set(rows.ravel().round(6)) <= {0.125, 0.375, 0.625, 0.875}


# --------------------------------------------------------------------- imputers, errors


@pytest.mark.parametrize("imputer", [SimpleImputer(), KNNImputer()])
def test_imputer_changes_no_units(imputer):
    X = make_frame()[["age", "income"]].to_numpy(copy=True)
    X[::7, 0] = np.nan
    pipeline = make_pipeline(imputer, StandardScaler(), Replay()).fit(X)
    rows = sample_pipeline(pipeline, 60, random_state=0)
    np.testing.assert_allclose(sorted_rows(rows), sorted_rows(imputer.transform(X)))


@pytest.mark.parametrize(
    ("step", "part", "name"),
    [
        (Normalizer(), "n", "Normalizer"),
        (FunctionTransformer(np.exp), "n", "FunctionTransformer"),
        (make_pipeline(StandardScaler(), Normalizer()), "n__normalizer", "Normalizer"),
        (SimpleImputer(add_indicator=True), "n", "SimpleImputer"),
    ],
)
@pytest.mark.parametrize("fitted", [True, False])
def test_part_cannot_be_inverted(step, part, name, fitted):
    X = np.random.default_rng(0).normal(size=(9, 3))
    columns = ColumnTransformer([("s", StandardScaler(), [0]), ("n", step, [1, 2])])
    pipeline = Pipeline([("columns", columns), ("end", Replay())])
    pipeline = pipeline.fit(X) if fitted else pipeline
    with pytest.raises(
        AttributeError, match=rf"step 'columns__{part}' \({name}\) has no"
    ):
        sample_pipeline(pipeline)


@pytest.mark.parametrize(
    ("options", "columns"),
    [({"remainder": "drop"}, r"\['children'\]"), ({"town": "drop"}, r"\['town'\]")],
)
def test_dropped_columns_are_named(options, columns):
    step = make_columns().set_params(**options)
    pipeline = Pipeline([("columns", step), ("end", Replay())]).fit(make_frame())
    with pytest.raises(
        AttributeError, match=rf"'columns'.*drops columns {columns}.*pass"
    ):
        sample_pipeline(pipeline)


def test_nothing_left_to_drop_is_no_drop():
    X = np.eye(3)
    step = ColumnTransformer([("all", StandardScaler(), [0, 1, 2])], remainder="drop")
    check_invertible("columns", step.fit(X))


def test_column_that_is_used_twice():
    X = np.random.default_rng(0).normal(size=(9, 2))
    step = ColumnTransformer(
        [("a", StandardScaler(), [0, 1]), ("b", MinMaxScaler(), [1])]
    )
    pipeline = make_pipeline(step, Replay()).fit(X)
    with pytest.raises(AttributeError, match=r"uses columns \[1\] more than once"):
        sample_pipeline(pipeline)


def test_imputer_that_lost_a_column():
    X = np.array([[1, np.nan], [2, np.nan]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = make_pipeline(SimpleImputer(), Replay()).fit(X)
    with pytest.raises(AttributeError, match=r"SimpleImputer\).*drops columns"):
        sample_pipeline(pipeline)


def test_selection_of_columns_fills_with_zeros_as_scikit_learn_does():
    X = np.column_stack([np.arange(5.0), np.ones(5)])
    pipeline = make_pipeline(VarianceThreshold(), Replay()).fit(X)
    rows = sample_pipeline(pipeline, 5, random_state=0)
    assert sorted(rows[:, 0]) == [0, 1, 2, 3, 4]
    assert (rows[:, 1] == 0).all()
