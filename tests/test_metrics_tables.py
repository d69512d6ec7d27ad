import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from tables import in_polars, make_table
from test_metrics_battery import METRICS, measure, sets_of

from skvae import metrics
from skvae.metrics import TableFeatures, resolve_features


def distance(features, a, b):
    x, y = features.transform(pd.DataFrame([a, b]))
    return np.linalg.norm(x - y)


def features_of(frame, column, rows=None):
    features = TableFeatures().fit(frame)
    rows = frame if rows is None else rows
    return features.transform(rows)[:, features.slices_[column]]


def test_numbers_are_scaled_by_the_reference_and_gaps_have_an_indicator():
    frame = make_table()
    age = frame["age"].to_numpy()
    expected = (age - np.nanmean(age)) / np.nanstd(age)
    gap = np.isnan(age)
    found = features_of(frame, "age")
    np.testing.assert_allclose(found[:, 0], np.where(gap, 0, expected), atol=1e-12)
    np.testing.assert_array_equal(found[:, 1], gap)
    assert 0 < gap.sum() < len(gap)
    # Other rows by the same mean and deviation: grams beside kilograms stand out.
    grams = features_of(frame, "age", frame.assign(age=1000 * age))
    present = grams[~gap, 0] - 1000 * expected[~gap]
    assert np.ptp(present) < 1e-9
    assert present[0] > 1000


def test_two_different_categories_are_at_distance_one():
    frame = make_table()
    for column in ("colour", "smokes", "ward"):
        kinds = np.unique(features_of(frame, column), axis=0)
        np.testing.assert_allclose(pdist(kinds), 1.0)
        n_gaps = int(frame[column].isna().any())
        assert len(kinds) == frame[column].nunique() + n_gaps


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("red", "red", 0.0),
        ("red", None, 1.0),
        (None, None, 0.0),
        ("violet", "red", 1.0),
        ("violet", None, 1.0),
        ("violet", "black", 0.0),
    ],
)
def test_gaps_and_unseen_categories_are_as_far_as_others(a, b, expected):
    features = TableFeatures().fit(pd.DataFrame({"c": ["red", "blue", "red"]}))
    assert distance(features, {"c": a}, {"c": b}) == pytest.approx(expected)


def test_ordered_categories_are_their_ranks():
    frame = make_table()
    ranks = frame["size"].cat.codes.to_numpy()
    found = features_of(frame, "size")
    expected = (ranks - ranks.mean()) / ranks.std()
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-12)
    assert not found[:, 1:].any()
    other = frame[:3].assign(size=["large", None, "huge"])
    high = (2 - ranks.mean()) / ranks.std()
    expected = [[high, 0, 0], [0, 1, 0], [0, 0, 1]]
    np.testing.assert_allclose(features_of(frame, "size", other), expected)


def test_a_constant_column_keeps_its_unit():
    frame = pd.DataFrame({"a": [1e6] * 3, "b": [None, None, None]})
    found = TableFeatures().fit(frame).transform(frame.assign(a=[1e6, 1e6 + 2, 1.0]))
    np.testing.assert_array_equal(found[:, 0], [0, 2, 1 - 1e6])
    rounded = pd.DataFrame({"a": [0.1] * 3})  # whose standard deviation is not 0
    features = TableFeatures().fit(rounded)
    np.testing.assert_allclose(features.transform(rounded + 2), [[2, 0]] * 3)
    empty = pd.DataFrame({"a": [np.nan, np.nan]})
    features = TableFeatures().fit(empty)
    np.testing.assert_array_equal(features.transform(empty), [[0, 1], [0, 1]])
    np.testing.assert_array_equal(
        features.transform(pd.DataFrame({"a": [3]})), [[3, 0]]
    )


def test_columns_go_by_name_whatever_the_library():
    frame = make_table()
    nominal = frame.assign(ward=frame["ward"].astype(str))
    nominal["size"] = frame["size"].astype(str)
    expected = TableFeatures().fit(nominal)
    shuffled = in_polars(frame)[list(frame.columns[::-1])]
    rows = expected.transform(nominal)
    np.testing.assert_array_equal(expected.transform(shuffled), rows)
    found = TableFeatures().fit(in_polars(frame))
    np.testing.assert_array_equal(found.transform(nominal[nominal.columns[::-1]]), rows)
    names = list(expected.get_feature_names_out())
    assert names == list(found.get_feature_names_out())


def test_names_of_features_and_slices():
    frame = make_table()
    features = TableFeatures().fit(frame)
    names = features.get_feature_names_out()
    assert features.n_features_in_ == 7
    assert list(features.feature_names_in_) == list(frame.columns)
    assert list(names[features.slices_["size"]]) == [
        "size",
        "size_missing",
        "size_unseen",
    ]
    assert list(names[features.slices_["ward"]]) == [
        *("ward_1", "ward_2", "ward_3"),
        *("ward_missing", "ward_unseen"),
    ]
    assert len(names) == features.transform(frame).shape[1]
    assert features.kinds_["children"] == "number"
    assert features.kinds_["size"] == "ordered"
    assert features.levels_["size"] == ("small", "medium", "large")
    table = features.set_output(transform="pandas").transform(frame)
    assert list(table.columns) == list(names)
    again = pickle.loads(pickle.dumps(features))
    pd.testing.assert_frame_equal(again.transform(frame), table)
    with pytest.raises(NotFittedError):
        clone(features).transform(frame)


def test_objects_that_are_numbers_and_arrays_are_numbers():
    frame = pd.DataFrame({"a": np.array([1, 2.5, None], dtype=object)})
    assert TableFeatures().fit(frame).kinds_ == {"a": "number"}
    mixed = pd.DataFrame({"a": np.array([True, 2, "x"], dtype=object)})
    features = TableFeatures().fit(mixed)
    assert features.kinds_ == {"a": "category"}
    assert len(features.levels_["a"]) == 3
    X = np.random.default_rng(0).normal(size=(20, 2))
    found = TableFeatures().fit(X).transform(X)
    np.testing.assert_allclose(found[:, [0, 2]], (X - X.mean(0)) / X.std(0))
    np.testing.assert_allclose(
        TableFeatures().fit(pd.DataFrame(X, columns=[0, 1])).transform(X), found
    )
    with pytest.raises(ValueError, match=r"X must be finite.* Remove or impute"):
        TableFeatures().fit([[1.0], [np.nan]])


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (
            lambda f: f.drop(columns="age"),
            ValueError,
            "must have the columns of the ref.* lacks 'age'",
        ),
        (lambda f: f.assign(more=1), ValueError, "but has 'more'.*Rename"),
        (lambda f: f.assign(age="old"), TypeError, "'age' of X must hold num.*'old'"),
        (lambda f: f.assign(age=np.inf), ValueError, "'age' has 60 infinite.*row 0"),
        (lambda f: f.assign(age=[[1]] * 60), TypeError, r"'age' has \[1\] \(a list\)"),
        (lambda f: f.assign(age=pd.Timestamp(0)), TypeError, "holds datetime64"),
        (lambda f: f[:0], ValueError, "at least 1 row"),
    ],
)
def test_other_columns_are_refused(change, error, match):
    frame = make_table()
    features = TableFeatures().fit(frame)
    with pytest.raises(error, match=match):
        features.transform(change(frame))


# What is said of columns is said of those of the table, a category's as one.
OF_COLUMNS = {"classifier_two_sample_test", "column_pair_trends", "column_shapes"}
OF_ROWS = [metric for metric in METRICS if metric.__name__ not in OF_COLUMNS]


@pytest.mark.parametrize("library", [lambda frame: frame, in_polars])
@pytest.mark.parametrize("metric", OF_ROWS, ids=lambda f: f.__name__)
def test_metrics_take_tables_by_the_features_of_their_reference(metric, library):
    frames = {
        name: library(make_table(seed=i)) for i, name in enumerate(sets_of(metric))
    }
    features = TableFeatures().fit(next(iter(frames.values())))
    rows = {name: features.transform(X) for name, X in frames.items()}
    expected = measure(metric, rows)
    np.testing.assert_equal(measure(metric, frames), expected)
    order = frames[next(iter(frames))].columns[::-1]
    first, *others = frames
    shuffled = {first: frames[first]} | {n: frames[n][list(order)] for n in others}
    np.testing.assert_equal(measure(metric, shuffled), expected)


@pytest.mark.parametrize(
    "metric", [m for m in METRICS if len(sets_of(m)) > 1], ids=lambda f: f.__name__
)
def test_errors_about_tables_name_the_set(metric):
    frames = {name: make_table(seed=i) for i, name in enumerate(sets_of(metric))}
    for name in list(frames)[1:]:
        wrong = frames | {name: frames[name].drop(columns="age")}
        with pytest.raises(ValueError, match=rf"{name}.*lacks 'age'"):
            measure(metric, wrong)
        with pytest.raises(TypeError, match=rf"{name} must be a data frame, since"):
            measure(metric, frames | {name: np.zeros((60, 7))})


def test_optional_held_out_rows_may_be_a_table():
    train, new, test = (make_table(seed=i) for i in range(3))
    rows = [TableFeatures().fit(train).transform(X) for X in (train, new, test)]
    expected = metrics.authenticity(*rows[:2], X_test=rows[2])
    assert metrics.authenticity(train, new, X_test=test) == expected


def test_frames_of_numbers_and_booleans_are_rows_in_their_units():
    rng = np.random.default_rng(0)
    frames = [
        pd.DataFrame({"a": 100 * rng.normal(size=40), "b": rng.random(40) < 0.5})
        for _ in range(2)
    ]
    found = metrics.energy_distance(*frames).value
    rows = [frame.to_numpy().astype(float) for frame in frames]
    assert found == metrics.energy_distance(*rows).value
    gap = frames[1].assign(a=frames[1]["a"].where(frames[1].index > 3))
    assert metrics.energy_distance(frames[0], gap).value < 1


def test_another_unit_in_one_column_is_seen():
    real, other = make_table(seed=1), make_table(seed=2)
    alike = metrics.energy_distance(real, other, n_permutations=99, random_state=0)
    grams = other.assign(age=1000 * other["age"])
    found = metrics.energy_distance(real, grams, n_permutations=99, random_state=0)
    assert alike.p_value > 0.05
    assert alike.value < 0.2
    assert found.p_value == 0.01
    assert found.value > 100


def test_copies_in_a_table_are_found_beside_categories_and_gaps():
    train, test = make_table(300, 3), make_table(300, 4)
    new = pd.concat([train[:30], make_table(270, 5)], ignore_index=True)
    found = metrics.exact_copies(train, test, new, random_state=0)
    keys = {tuple(row) for row in train.astype(str).to_numpy()}
    share = np.mean([tuple(row) in keys for row in new.astype(str).to_numpy()])
    assert found.value == pytest.approx(share)
    assert share >= 0.1
    assert found.p_value < 0.01


def test_the_map_can_be_passed_as_features():
    frame = make_table()
    features = TableFeatures().fit(frame)
    np.testing.assert_array_equal(
        resolve_features(features)(frame), features.transform(frame)
    )
