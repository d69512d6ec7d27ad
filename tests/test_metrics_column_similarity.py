from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp, pearsonr
from tables import in_polars, make_table

from skvae.metrics import column_pair_trends, column_shapes

NUMBERS = ("age", "children", "visits")


def total_variation(x, y):
    shares = pd.Series(x).value_counts(normalize=True)
    other = pd.Series(y).value_counts(normalize=True)
    return shares.sub(other, fill_value=0).abs().sum() / 2


def shape_by_hand(real, new, column):
    x, y = real[column].dropna(), new[column].dropna()
    if column in NUMBERS:
        return 1 - ks_2samp(x.astype(float), y.astype(float)).statistic
    return 1 - total_variation(x.astype(str), y.astype(str))


def binned(real, frame, column):
    if column not in NUMBERS:
        return frame[column].astype(str).where(frame[column].notna(), "gap")
    x = real[column].astype(float)
    edges = np.linspace(x.min(), x.max(), 11)[1:-1]
    values = frame[column].astype(float)
    found = pd.Series([sum(v >= edges) for v in values], index=frame.index).astype(str)
    return found.where(values.notna(), "gap")


def trend_by_hand(real, new, a, b):
    if a in NUMBERS and b in NUMBERS:
        pairs = [f[[a, b]].dropna().astype(float) for f in (real, new)]
        r = [pearsonr(pair[a], pair[b])[0] for pair in pairs]
        return 1 - abs(r[0] - r[1]) / 2
    joint = [binned(real, f, a) + "|" + binned(real, f, b) for f in (real, new)]
    return 1 - total_variation(*joint)


@pytest.mark.parametrize("library", [lambda frame: frame, in_polars])
def test_shapes_are_those_of_scipy_and_of_counts(library):
    real, new = make_table(90, 1), make_table(70, 2)
    new["age"] += 4
    new["colour"] = new["colour"].replace("red", "violet")
    found = column_shapes(library(real), library(new[new.columns[::-1]]))
    expected = [shape_by_hand(real, new, column) for column in real]
    np.testing.assert_allclose(found.similarities, expected, atol=1e-12)
    assert found.value == pytest.approx(np.mean(expected))
    assert found.columns == tuple(real.columns)
    gaps = 1 - (real.isna().mean() - new.isna().mean()).abs()
    np.testing.assert_allclose(found.gap_similarities, gaps)
    assert gaps.min() < 1
    assert found[-3:] == (90, 70, 0)
    assert np.isnan(found.floor)


@pytest.mark.parametrize("library", [lambda frame: frame, in_polars])
def test_trends_are_those_of_scipy_and_of_contingency_tables(library):
    real, new = make_table(90, 1), make_table(70, 2)
    new["age"] *= 1.5  # beyond the range of the reference
    found = column_pair_trends(library(real), library(new[new.columns[::-1]]))
    pairs = tuple(combinations(real.columns, 2))
    expected = [trend_by_hand(real, new, *pair) for pair in pairs]
    np.testing.assert_allclose(found.similarities, expected, atol=1e-12)
    assert found.value == pytest.approx(np.mean(expected))
    assert found.pairs == pairs
    assert found[-3:] == (90, 70, 0)
    assert np.isnan(found.floor)


@pytest.mark.parametrize("metric", [column_shapes, column_pair_trends])
def test_equal_tables_have_one_and_floors_come_from_held_out_rows(metric):
    real, new, test = make_table(90, 1), make_table(70, 2), make_table(40, 3)
    assert metric(real, real[::-1]).value == pytest.approx(1)
    found, floor = metric(real, new, X_test=test), metric(real, test)
    shrinkage = np.sqrt((1 / 90 + 1 / 70) / (1 / 90 + 1 / 40))
    expected = 1 - shrinkage * (1 - floor.similarities)
    np.testing.assert_allclose(found.floors, expected)
    assert found.floor == pytest.approx(expected.mean())
    assert found.n_test == 40
    same = metric(real, new, X_test=new)
    assert same.floor == pytest.approx(same.value)


@pytest.mark.slow
@pytest.mark.parametrize("metric", [column_shapes, column_pair_trends])
def test_the_floor_is_what_a_perfect_model_has_at_its_size(metric):
    # Means over 40 draws, with 4 standard errors.
    def draws():
        for i in range(40):
            tables = [make_table(n, 1000 + 3 * i + k) for k, n in SIZES]
            found = metric(*tables[:2], X_test=tables[2])
            yield found.value, found.floor

    SIZES = [(0, 120), (1, 240), (2, 60)]
    values, floors = np.transpose(list(draws()))
    error = np.hypot(values.std(), floors.std()) / np.sqrt(len(values))
    assert values.mean() == pytest.approx(floors.mean(), abs=4 * error)
    assert error < 0.01
    # Of held-out rows as they are, a quarter as many, the floor would be too low.
    direct = [
        metric(make_table(120, i), make_table(60, 50 + i)).value for i in range(9)
    ]
    assert np.mean(direct) < values.mean() - 4 * error


def test_another_unit_is_seen_in_shapes():
    real, new = make_table(90, 1), make_table(90, 2)
    grams = new.assign(age=1000 * new["age"])
    found = column_shapes(real, grams)
    assert found.similarities[0] == 0
    assert (found.similarities[1:] > 0.7).all()
    # Bins are those of the reference, and show it in pairs with categories.
    pairs = column_pair_trends(real, grams)
    assert pairs.similarities[pairs.pairs.index(("age", "colour"))] < 0.2


def test_columns_without_values_and_constant_columns():
    real = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["x", "y", "y"], "c": [1, 1, 1]})
    empty = real.assign(a=np.nan, b=None)
    found = column_shapes(real, empty)
    np.testing.assert_array_equal(found.similarities, [0, 0, 1])
    np.testing.assert_array_equal(found.gap_similarities, [0, 0, 1])
    np.testing.assert_array_equal(column_shapes(empty, empty).similarities, 1)
    # The correlation with a constant column, or with none at all, is 0.
    other = real.assign(c=[1, 2, 3])
    trends = column_pair_trends(other, real)
    assert trends.similarities[trends.pairs.index(("a", "c"))] == 0.5
    assert column_pair_trends(empty, empty).value == 1
    assert column_pair_trends(real, empty).similarities[0] == 0


def test_correlations_far_from_the_origin_lose_no_digits():
    rng = np.random.default_rng(0)
    X, Y = np.round(64 * rng.normal(size=(2, 80, 2)))
    near, far = (column_pair_trends(X + c, Y + c).value for c in (0, 2.0**40))
    assert far == pytest.approx(near, abs=1e-3)


def test_one_column_has_no_pairs():
    with pytest.raises(ValueError, match=r"at least 2 columns.* column_shapes"):
        column_pair_trends([[1.0], [2.0]], [[1.0]])


@pytest.mark.parametrize("metric", [column_shapes, column_pair_trends])
def test_other_columns_are_refused_with_the_name_of_the_set(metric):
    real, new = make_table(30, 1), make_table(30, 2)
    with pytest.raises(ValueError, match=r"X_generated .* lacks 'age' and has 'years'"):
        metric(real, new.rename(columns={"age": "years"}))
    with pytest.raises(ValueError, match=r"X_test .* lacks 'age'"):
        metric(real, new, X_test=new.drop(columns="age"))
