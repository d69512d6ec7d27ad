"""Samples of the user's own models: their number, type, and order of columns."""

import numpy as np
import pytest
from compared_models import Normal, make_rows

from skvae import evaluate
from skvae.evaluation import compare
from skvae.pipeline.sampling import sample_rows
from skvae.scorers import make_sample_scorer

pd = pytest.importorskip("pandas")

MEANS = np.array([0.0, 9.0])
TRAIN, TEST = make_rows(80) + MEANS, make_rows(60, seed=1) + MEANS


class Own(Normal):
    """Returns what `change` makes of the rows that are asked for."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def sample(self, n_samples=1, random_state=None):
        return self.change(super().sample(n_samples, random_state) + MEANS)

    def score_samples(self, X):
        return super().score_samples(np.asarray(X) - MEANS)


class WithMean(Own):
    def sample(self, n_samples=1, mean=True, random_state=None):
        return super().sample(n_samples, random_state)


def judge(model, train, test):
    yield lambda: evaluate(model, train, test, n_bootstrap=2)
    yield lambda: compare([model, model], test, n_bootstrap=2)
    yield lambda: make_sample_scorer("coverage", on_error="raise")(model, test)


@pytest.mark.parametrize("cls", [Own, WithMean])
@pytest.mark.parametrize(
    ("change", "shape"),
    [
        (lambda rows: rows[:-1], r"\d+, 2\)"),
        (lambda rows: np.vstack([rows, rows]), r"\d+, 2\)"),
        (lambda rows: rows[:, 0], r"\d+,\)"),
        (lambda rows: None, r"\)"),
    ],
)
def test_of_another_number_are_refused_by_the_name_of_the_model(cls, change, shape):
    words = rf"^`sample` of {cls.__name__} must return \d+ rows.* shape \({shape}"
    for function in judge(cls(change).fit(), TRAIN, TEST):
        with pytest.raises(ValueError, match=words):
            function()


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.tolist(),
        lambda rows: rows.astype(object),
        lambda rows: pd.DataFrame(rows),
        lambda rows: pd.DataFrame(rows, columns=["a", "b"])[["b", "a"]],
    ],
)
@pytest.mark.parametrize("cls", [Own, WithMean])
def test_are_read_whatever_holds_them(cls, change):
    plain, model = (cls(f).fit() for f in (np.asarray, change))
    frames = [pd.DataFrame(X, columns=["a", "b"]) for X in (TRAIN, TEST)]
    expected = [f() for f in judge(plain, *frames)]
    found = [f() for f in judge(model, *frames)]
    assert found[0].findings == expected[0].findings == ()
    assert str(found[0]) == str(expected[0])
    assert str(found[1]) == str(expected[1])
    assert found[2] == expected[2]


def test_with_other_columns_are_refused():
    model = Own(lambda rows: pd.DataFrame(rows, columns=["a", "c"])).fit()
    frames = [pd.DataFrame(X, columns=["a", "b"]) for X in (TRAIN, TEST)]
    words = r"columns of the rows .* \['a', 'b'\], but has returned \['a', 'c'\]"
    for function in judge(model, *frames):
        with pytest.raises(ValueError, match=words):
            function()


def test_of_categories_are_read_with_a_map():
    def to_table(rows):
        return pd.DataFrame({"a": rows[:, 0], "b": np.where(rows[:, 1] > 9, "x", "y")})

    def numbers(rows):
        rows = np.asarray(rows)
        return np.c_[rows[:, 0].astype(float), rows[:, 1] == "x"]

    model = Own(to_table).fit()
    scorer = make_sample_scorer("coverage", features=numbers, on_error="raise")
    assert scorer(model, to_table(TEST)) > 0.8


def test_columns_are_in_the_order_of_the_fit_where_no_rows_tell_it():
    model = Own(lambda rows: pd.DataFrame(rows, columns=["b", "a"])).fit()
    rows = sample_rows(model, 5, True, 0)
    model.feature_names_in_ = np.array(["a", "b"])
    np.testing.assert_array_equal(sample_rows(model, 5, True, 0), rows[:, ::-1])
