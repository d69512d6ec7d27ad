"""Tables of categories and other rows that once ended in obscure errors."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import HalvingGridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from skvae import VAE, evaluate, make_sample_scorer
from skvae.datasets import Checkerboard, EightGaussians, TwoSpirals
from skvae.networks import MLP

SMALL = {"network": MLP((8,)), "max_epochs": 3, "device": "cpu", "random_state": 0}


def make_table(n=300):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    return pandas.DataFrame(
        {"h": rng.normal(10, 2, n), "c": rng.choice(["a", "b"], n), "k": 1 + (n > 0)}
    )


def make_encoder():
    return make_column_transformer(
        (StandardScaler(), ["h", "k"]), (OneHotEncoder(sparse_output=False), ["c"])
    )


@pytest.mark.parametrize(
    "model",
    [GaussianMixture(2, random_state=0), VAE(1, **SMALL)],
    ids=["mixture", "vae"],
)
def test_tables_with_categories_are_judged_by_an_encoder(model):
    table = make_table()
    train, test = table[:200], table[200:]
    pipeline = make_pipeline(make_encoder(), model).fit(train)
    encoder = make_encoder().fit(train)
    report = evaluate(pipeline, train, test, features=encoder, n_bootstrap=0)
    assert report["coverage"].floor > 0.8
    scorer = make_sample_scorer(
        ["coverage", "authenticity"], features=encoder, X_train=table, on_error="raise"
    )
    scores = scorer(pipeline, test)
    assert scores["coverage"] == pytest.approx(report["coverage"].value, abs=0.3)
    assert 0 <= scores["authenticity"] <= 1
    # Columns in another order are the same table.
    assert scorer(pipeline, test[["k", "c", "h"]]) == scores
    swapped = evaluate(
        pipeline, train[["c", "k", "h"]], test, features=encoder, n_bootstrap=0
    )
    assert str(swapped) == str(report)


def test_categories_by_an_encoder_alone():
    rng = np.random.default_rng(0)
    table = rng.choice(["x", "y", "z"], size=(200, 3)).astype(object)
    pipeline = make_pipeline(
        OneHotEncoder(sparse_output=False), GaussianMixture(2, random_state=0)
    ).fit(table)
    encoder = OrdinalEncoder().fit(table)
    scorer = make_sample_scorer("coverage", features=encoder, on_error="raise")
    assert 0 <= scorer(pipeline, table[150:]) <= 1
    evaluate(pipeline, table[:150], table[150:], features=encoder, n_bootstrap=0)


def test_arrays_of_objects_need_an_encoder():
    table = make_table()
    pipeline = make_pipeline(make_encoder(), GaussianMixture(2)).fit(table)
    rows = table.to_numpy(dtype=object)
    of_rows = make_pipeline(OrdinalEncoder(), Copier()).fit(rows)
    with pytest.raises(TypeError, match=r"must hold real numbers.* Pass features"):
        evaluate(of_rows, rows[:200], rows[200:])
    with pytest.raises(ValueError, match=r"X_test must have at least 6 rows, got 3"):
        evaluate(pipeline, table[:200], table[:3], features=make_encoder().fit(table))


def test_frames_of_a_report_are_brought_to_one_order():
    pandas = pytest.importorskip("pandas")
    rows = np.random.default_rng(0).normal(size=(120, 2)) * [1, 3] + [0, 9]
    X = pandas.DataFrame(rows, columns=["a", "b"])
    for fitted in (X, rows):  # with names and without
        model = GaussianMixture(1, random_state=0).fit(fitted[:80])
        other = X[["b", "a"]]
        expected = str(evaluate(model, X[:80], X[80:], n_bootstrap=0))
        assert str(evaluate(model, X[:80], other[80:], n_bootstrap=0)) == expected
        if fitted is X:
            assert str(evaluate(model, other[:80], X[80:], n_bootstrap=0)) == expected
    with pytest.raises(ValueError, match=r"X_test must have the columns.* lacks 'b'"):
        evaluate(model, X[:80], X[80:].rename(columns={"b": "c"}))


def test_rows_of_which_most_are_equal_are_judged():
    X = np.random.default_rng(0).normal(size=(200, 3))
    X[np.arange(200) % 5 > 0] = 0
    model = GaussianMixture(2, random_state=0).fit(X[:100])
    report = evaluate(model, X[:100], X[100:], n_bootstrap=0)
    assert np.isfinite(report["maximum_mean_discrepancy"].value)


def test_rows_that_are_all_equal_are_refused_with_the_remedy():
    X = np.ones((60, 3))
    model = GaussianMixture(1).fit(X)
    with pytest.raises(ValueError, match="rows that differ, but all 30 are"):
        evaluate(model, X[:30], X[30:])


def test_densities_that_cannot_sample_say_so():
    X = np.random.default_rng(0).normal(size=(50, 2))
    model = KernelDensity(kernel="epanechnikov").fit(X)
    match = (
        r"KernelDensity\(kernel='epanechnikov'\) cannot draw.*'gaussian' or 'tophat'"
    )
    with pytest.raises(NotImplementedError, match=match):
        make_sample_scorer("coverage", on_error="raise")(model, X)
    with pytest.raises(NotImplementedError, match=match):
        evaluate(model, X[:25], X[25:])


@pytest.mark.parametrize("density", [EightGaussians(), TwoSpirals(), Checkerboard()])
def test_toy_densities_lie_in_the_plane(density):
    for X, match in [
        (np.zeros((1, 5)), "X must have 2 features.* got 5"),
        (np.zeros((0, 2)), "X must have at least 1 row, got 0"),
        (np.full((1, 2), np.nan), "X must be finite"),
        ([0.0, 0.0], "X must have shape"),
    ]:
        with pytest.raises(ValueError, match=match):
            density.score_samples(X)


def test_halving_by_several_metrics_is_explained():
    X = np.random.default_rng(0).normal(size=(120, 2))
    scorer = make_sample_scorer(["coverage", "density"])
    search = HalvingGridSearchCV(
        GaussianMixture(), {"n_components": [1, 2]}, scoring=scorer, refit="coverage"
    )
    with (
        pytest.warns(UserWarning, match="by halving ranks candidates by one score"),
        pytest.raises(KeyError),
    ):
        search.fit(X)


class Copier(BaseEstimator):
    """Draws training rows, categories included, and calls them samples."""

    def fit(self, X, y=None):
        self.rows_ = X
        return self

    def sample(self, n_samples=1, random_state=None):
        rng = np.random.default_rng(random_state)
        return self.rows_[rng.integers(len(self.rows_), size=n_samples)]


def test_copies_of_rows_with_categories_are_found():
    rows = make_table().to_numpy(dtype=object)
    train, test = rows[:200], rows[200:]
    encoder = OrdinalEncoder().fit(rows)
    copier = make_pipeline(OrdinalEncoder(), Copier()).fit(train)
    report = evaluate(copier, train, test, features=encoder, n_bootstrap=0)
    assert report["exact_copies"].value == 1
    assert report["exact_copies"].floor == 0
    assert any(finding.startswith("Copying") for finding in report.findings)
