"""Names, order and gaps of columns, categories that are told, and frames and arrays."""

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import small
from mixed_frames import NAMES, assert_equal, assert_like, in_polars, make_frame
from sklearn.compose import make_column_selector

from skvae.densities import StandardNormal

FRAME = make_frame()
RNG = np.random.default_rng(0)
ROWS = np.stack(
    [RNG.integers(0, 4, 60), RNG.integers(5, 8, 60), RNG.normal(size=60)], 1
)


@pytest.fixture(scope="module")
def model():
    return small().fit(FRAME)


def renamed(names):
    X = FRAME.copy()
    X.columns = names
    return X


# -------------------------------------------------------------------- names and order


def test_columns_are_found_by_their_names(model):
    swapped = FRAME[NAMES[::-1]]
    np.testing.assert_array_equal(model.transform(swapped), model.transform(FRAME))
    assert_equal(model.reconstruct(swapped), model.reconstruct(FRAME))
    assert_equal(model.impute(swapped), model.impute(FRAME))
    polars = in_polars(FRAME)[NAMES[::-1]]
    np.testing.assert_array_equal(model.transform(polars), model.transform(FRAME))


def test_numbers_are_found_by_names_that_are_no_strings():
    X = pd.DataFrame(ROWS, columns=[2, 0, 1])
    model = small().fit(X)
    codes = model.transform(X)
    np.testing.assert_array_equal(model.transform(X[[0, 1, 2]]), codes)
    np.testing.assert_array_equal(model.transform(ROWS), codes)


def test_another_order_of_numbers_alone_is_refused():
    X = FRAME[["age", "spent"]]
    model = small().fit(X)
    with pytest.raises(ValueError, match="must be in the same order"):
        model.transform(X[["spent", "age"]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X.drop(columns="city"), "now missing:\n- city"),
        (lambda X: X.assign(more=1), "unseen at fit time:\n- more"),
        (lambda X: X.rename(columns={"city": "town"}), "unseen at fit time:\n- town"),
    ],
)
def test_other_columns_are_refused(model, change, message):
    with pytest.raises(ValueError, match=message):
        model.transform(change(FRAME))


def test_columns_may_have_any_names():
    for names in (
        range(6),
        range(10, 16),
        pd.MultiIndex.from_product([["a"], [*"bcdefg"]]),
    ):
        X = renamed(names)
        model = small().fit(X)
        assert model.sample(3).columns.equals(X.columns)
        assert model.reconstruct(X).columns.equals(X.columns)
        assert not hasattr(model, "feature_names_in_")
    X = renamed(pd.Index(NAMES, name="variables"))
    assert small().fit(X).sample(2).columns.name == "variables"


def test_names_of_two_types_and_repeated_names_are_refused():
    with pytest.raises(TypeError, match=r"X\.columns\.astype\(str\)"):
        small().fit(renamed(["a", 1, "b", 2, "c", 3]))
    with pytest.raises(ValueError, match=r"2 named 'a'\. Rename them"):
        small().fit(renamed([*"aabcde"]))


def test_rows_keep_their_index():
    twice = FRAME.set_axis([0] * 80)
    both = FRAME.set_axis(pd.MultiIndex.from_arrays([range(80), range(80)]))
    for X in (FRAME, twice, both, FRAME.iloc[::-1]):
        model = small(max_epochs=1).fit(X)
        for rows in (model.reconstruct(X), model.impute(X), *model.sample_missing(X)):
            assert rows.index.equals(X.index)


# ------------------------------------------------------------------------- few values


def test_frames_without_rows_or_columns_are_refused(model):
    for method in (small().fit, model.transform, model.score_samples, model.impute):
        with pytest.raises(ValueError, match=r"0 sample\(s\)"):
            method(FRAME[:0])
    with pytest.raises(ValueError, match=r"0 feature\(s\)"):
        small().fit(FRAME[[]])


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_rows_are_fitted(n):
    X = FRAME.iloc[1 : 1 + n]
    model = small().fit(X)
    S = model.sample(20, random_state=0)
    assert_like(S, FRAME, 20)
    for name in ("city", "grade", "member"):
        assert set(S[name]) <= set(X[name].dropna())
    assert np.isfinite(model.score_samples(X)).all()


def test_one_row_is_encoded_alone(model):
    codes = model.transform(FRAME)
    np.testing.assert_allclose(model.transform(FRAME[:1]), codes[:1], atol=1e-6)
    assert_like(model.reconstruct(FRAME[:1]), FRAME, 1)


def test_rows_of_gaps_alone_are_no_rows():
    X = FRAME.astype({"age": "Int64", "member": "boolean"})
    X.iloc[5] = None
    model = small().fit(X)
    assert (model.transform(X[5:6]) == 0).all()
    assert (model.transform(X)[5] == 0).all()
    assert model.score_samples(X)[5] == 0
    for frame in (model.impute(X), *model.sample_missing(X, 2)):
        assert_like(frame, X)
        assert frame.iloc[5].notna().all()
    with pytest.raises(ValueError, match="X must have values"):
        small().fit(X[5:6])


def test_the_likeliest_categories_stand_in_for_a_row_of_gaps():
    X = pd.DataFrame({"a": ["x"] * 70 + ["y"] * 30, "b": [1.0, 2.0] * 50})
    model = small().fit(X)
    gap = pd.DataFrame({"a": [None], "b": [np.nan]})
    assert model.impute(gap)["a"].tolist() == ["x"]
    draws = model.sample_missing(pd.concat([gap] * 300), random_state=0)[0]["a"]
    assert 0.15 < (draws == "y").mean() < 0.45


def test_categories_that_fit_has_not_seen_count_as_missing(model):
    new, gap = FRAME.copy(), FRAME.copy()
    new.loc[["row 5", "row 6"], "city"] = ["derby", "exeter"]
    gap.loc[["row 5", "row 6"], "city"] = None
    message = "'city' of X has 'derby', one of 2 categories .* missing in 2 rows"
    with pytest.warns(UserWarning, match=message):
        codes = model.transform(new)
    np.testing.assert_array_equal(codes, model.transform(gap))
    with pytest.warns(UserWarning, match=message):
        imputed = model.impute(new)
    assert_equal(imputed, model.impute(gap))


def test_values_of_another_kind_are_refused_or_unseen(model):
    with pytest.raises(TypeError, match=r"'age' of X must hold numbers.*'old'"):
        model.transform(FRAME.assign(age="old"))
    with pytest.warns(UserWarning, match=r"'city' of X has 1\.0, a category"):
        model.transform(FRAME.assign(city=1.0))


# ------------------------------------------------------------ categories that are told

TOLD = {
    "positions": ([0, 1], "ccn"),
    "the last": ([-1], "nnc"),
    "a mask": ([True, True, False], "ccn"),
    "an array": (np.array([0, 1]), "ccn"),
    "a slice": (slice(0, 2), "ccn"),
    "one": (0, "cnn"),
    "one twice": ([0, 0], "cnn"),
    "none": ([], "nnn"),
}


@pytest.mark.filterwarnings("ignore:Column 2 of X has 60 categories")
@pytest.mark.parametrize(("told", "kinds"), TOLD.values(), ids=TOLD)
def test_columns_of_arrays_are_told_to_be_categories(told, kinds):
    X = ROWS
    model = small(categorical_features=told).fit(X)
    assert "".join(kind[0] for kind in model._table.kinds) == kinds
    for rows in (model.sample(60, random_state=0), model.reconstruct(X)):
        assert isinstance(rows, np.ndarray)
        assert rows.dtype == X.dtype
        assert rows.shape == (60, 3)
        for j in np.flatnonzero(np.array([*kinds]) == "c"):
            assert np.isin(rows[:, j], X[:, j]).all()
    drawn = model.sample_missing(np.where(ROWS == 1, np.nan, ROWS), 2)
    assert [rows.shape for rows in drawn] == [(60, 3)] * 2


@pytest.mark.parametrize("dtype", ["f4", "i4", "u1", "bool"])
def test_arrays_of_other_types_come_back(dtype):
    X = ROWS[:, :2].astype(dtype)
    rows = small(categorical_features=[0]).fit(X).sample(30, random_state=0)
    assert rows.dtype == X.dtype


def test_arrays_of_objects_and_lists_come_back_as_objects():
    X = ROWS.astype(object)
    X[:, 0] = np.array([*"abcd"], dtype=object)[ROWS[:, 0].astype(int)]
    X[3, 0], X[4, 1] = None, np.nan
    model = small(categorical_features=[0, 1]).fit(X)
    S = model.sample(40, random_state=0)
    assert S.dtype == object
    assert set(S[:, 0]) <= {*"abcd"}
    assert set(S[:, 1]) <= {5.0, 6.0, 7.0}
    imputed = model.impute(X)
    assert imputed[3, 0] in {*"abcd"}
    assert imputed[4, 1] in {5.0, 6.0, 7.0}
    assert (imputed[5:] == X[5:]).all()
    other = small(categorical_features=[0, 1]).fit(X.tolist())
    assert (other.sample(40, random_state=0) == S).all()


def test_arrays_of_strings_come_back_as_strings():
    X = ROWS[:, :2].astype(int).astype(str)
    S = small(categorical_features=[0, 1]).fit(X).sample(30, random_state=0)
    assert S.dtype.kind == "U"
    assert np.isin(S, X).all()


def test_tensors_masked_arrays_and_numbers_of_lists_are_the_same_table():
    expected = small(categorical_features=[0]).fit(ROWS).transform(ROWS)
    for X in (torch.tensor(ROWS), np.ma.array(ROWS), ROWS.tolist()):
        model = small(categorical_features=[0]).fit(X)
        np.testing.assert_array_equal(model.transform(X), expected)


def test_names_and_selectors_tell_categories_of_frames():
    selector = make_column_selector(dtype_include="int64")
    for told in (["age"], "age", [0], [True] + [False] * 5, selector):
        model = small(categorical_features=told).fit(FRAME)
        assert model._table.kinds[0] == "category"
        S = model.sample(40, random_state=0)
        assert S["age"].dtype == np.int64
        assert set(S["age"]) <= set(FRAME["age"])
        codes = model.transform(FRAME[NAMES[::-1]])
        np.testing.assert_array_equal(codes, model.transform(FRAME))


WRONG = {
    "a name": ("x", ValueError, "no column 'x'. It has 0, 1, 2"),
    "a position": ([3], ValueError, "no column 3"),
    "a fraction": (1.5, ValueError, "no column 1.5"),
    "a short mask": ([True, False], ValueError, "each of the 3 columns.*has 2"),
    "nothing": (None, TypeError, "names, positions, a slice, a mask.*Got None"),
    "a function": (lambda frame: [0], ValueError, "needs a data frame"),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_what_tells_no_columns_is_refused(case):
    told, error, message = case
    with pytest.raises(error, match=f"'categorical_features'.*{message}|{message}"):
        small(categorical_features=told).fit(ROWS)


def test_words_that_are_not_told_are_refused_with_the_remedy():
    X = ROWS.astype(object)
    X[:, 0] = "a"
    with pytest.raises(TypeError, match=r"Column 0 of X must hold numbers.*List it"):
        small(categorical_features=[1]).fit(X)
    with pytest.raises(ValueError, match=r"shape \(n_samples, n_features\)"):
        small(categorical_features=[1]).fit(np.zeros((20, 4, 4)))


def test_names_of_rows_are_said():
    X = pd.DataFrame({"name": [f"n{i}" for i in range(80)], "x": FRAME["spent"].array})
    with pytest.warns(UserWarning, match="'name' of X has 80 categories in 80 rows"):
        small(max_epochs=1).fit(X)


# ----------------------------------------------------------------- frames and arrays


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_models_of_frames_take_arrays_of_the_same_columns(model):
    expected = model.transform(FRAME)
    objects = FRAME.to_numpy(dtype=object)
    for X in (objects, objects.tolist()):
        np.testing.assert_array_equal(model.transform(X), expected)
        assert_like(model.reconstruct(X), FRAME)
    with pytest.raises(ValueError, match="5 features"):
        model.transform(objects[:, :5])


@pytest.mark.filterwarnings("ignore:X has feature names")
def test_models_of_arrays_take_frames_of_numbers():
    X = FRAME[["age", "spent"]]
    model = small().fit(X.to_numpy())
    np.testing.assert_array_equal(model.transform(X), model.transform(X.to_numpy()))
    assert isinstance(model.reconstruct(X), np.ndarray)
    with pytest.raises(ValueError, match="could not convert"):
        model.transform(FRAME[["age", "city"]])


def test_arrays_are_sampled_by_means_and_tables_by_draws():
    X = FRAME[["age", "spent"]]
    array, frame = small().fit(X.to_numpy()), small().fit(X)
    for model, mean in ((array, True), (frame, False)):
        rows = np.asarray(model.sample(9, random_state=0))
        assert (rows == np.asarray(model.sample(9, mean=mean, random_state=0))).all()


# ------------------------------------------------------------------ density of codes


@pytest.mark.parametrize(("n_rows", "n_normals"), [(2, 1), (13, 4), (60, 10)])
def test_codes_of_likelihoods_by_columns_have_a_mixture(n_rows, n_normals):
    model = small(max_epochs=1).fit(FRAME[:n_rows])  # of two components
    assert model.latent_density_.n_components == n_normals
    assert model.latent_density_.reg_covar == 0.03


def test_codes_of_one_likelihood_have_the_prior():
    X = pd.DataFrame(ROWS, columns=list("abc"))
    for likelihood in ("gaussian", "laplace"):
        model = small(likelihood=likelihood, max_epochs=1).fit(X)
        assert isinstance(model.latent_density_, StandardNormal)
    model = small(latent_density=StandardNormal(), max_epochs=1).fit(FRAME)
    assert isinstance(model.latent_density_, StandardNormal)
