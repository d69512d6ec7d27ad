"""Outliers among the rows of data frames with categories and gaps."""

import numpy as np
import pandas as pd
import pytest
from conftest import small
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from tables import in_polars, make_table

from skvae import VAE
from skvae.outliers import DensityOutlierDetector
from skvae.outliers._tables import typical_values

pytestmark = pytest.mark.filterwarnings("ignore:Column .* `fit` has not seen")


def kinds(n, seed):
    """Return rows of which `colour` tells `size`, and `weight` nothing."""
    rng = np.random.default_rng(seed)
    is_red = rng.random(n) < 0.5
    return pd.DataFrame(
        {
            "colour": np.where(is_red, "red", "blue"),
            "size": np.where(is_red, "large", "small"),
            "weight": rng.normal(size=n),
        }
    ).mask(rng.random((n, 3)) < 0.05)


class Frequencies(BaseEstimator):
    """The exact density of such rows: of pairs of categories, and N(0, 1)."""

    def fit(self, X, y=None):
        self.rows_ = X
        return self

    def score_samples(self, X):
        pairs = self.rows_[["colour", "size"]].dropna()
        scores = np.nan_to_num(norm.logpdf(X["weight"]))
        for i, (colour, size) in enumerate(zip(X["colour"], X["size"], strict=True)):
            fits = np.ones(len(pairs), dtype=bool)
            for name, value in (("colour", colour), ("size", size)):
                fits &= pd.isna(value) | (pairs[name] == value).to_numpy()
            scores[i] += np.log((fits.sum() + 0.5) / (len(pairs) + 2))
        return scores


@pytest.fixture(scope="module")
def detector():
    detector = DensityOutlierDetector(Frequencies(), cv=2, random_state=0)
    return detector.fit(kinds(400, 0))


def odd_rows():
    swap = {"size": {"large": "small", "small": "large"}}
    return kinds(100, 1).dropna().replace(swap)


def test_rows_that_break_a_rule_of_categories_are_found(detector):
    odd, new = odd_rows(), kinds(400, 2)
    assert np.mean(detector.predict(odd) == -1) > 0.95
    assert np.mean(detector.predict(new) == -1) < 0.1
    assert np.mean(detector.p_values(new) <= 0.2) < 0.28
    assert (detector.score_columns(odd).argmin(axis=1) < 2).all()


@pytest.mark.slow
def test_so_they_are_by_a_vae():
    detector = DensityOutlierDetector(VAE(2, random_state=0), cv=2, random_state=0)
    odd, new = odd_rows(), kinds(400, 2)
    detector.fit(kinds(400, 0))
    assert np.mean(detector.predict(odd) == -1) > 0.5
    assert np.mean(detector.predict(new) == -1) < 0.1
    assert np.mean(detector.score_columns(odd).argmin(axis=1) < 2) > 0.9


def test_polars_frames_have_the_same_scores():
    train, new = make_table(200, 0), make_table(40, 1)
    found = []
    train, new = (X.drop(columns=["size", "ward"]) for X in (train, new))
    for X, rows in ((train, new), (in_polars(train), in_polars(new))):
        model = small(max_epochs=2, random_state=0)
        detector = DensityOutlierDetector(model, cv=2, random_state=0).fit(X)
        found += [detector.p_values(rows), detector.score_columns(rows[:3])]
    np.testing.assert_allclose(found[0], found[2], rtol=1e-4)
    np.testing.assert_allclose(found[1], found[3], rtol=1e-3, atol=1e-3)


def test_scores_of_columns_are_those_of_rows_with_other_categories():
    X = kinds(300, 0).dropna(ignore_index=True)
    model = small(n_components=2, max_epochs=5, random_state=0).fit(X)
    detector = DensityOutlierDetector(FrozenEstimator(model)).fit(X)
    new = X[:4]
    # About half of the rows have each: of five values at even ranks, two or three.
    n_blue = np.sum((np.arange(5) + 0.5) / 5 < (X["colour"] == "blue").mean())
    for i in range(4):
        others = new.iloc[[i] * 5].assign(
            colour=["blue"] * n_blue + ["red"] * (5 - n_blue)
        )
        mean = logsumexp(detector.score_samples(others)) - np.log(5)
        expected = detector.score_samples(new.iloc[[i]])[0] - mean
        assert detector.score_columns(new)[i, 0] == pytest.approx(expected, rel=1e-4)


def test_gaps_say_nothing(detector):
    new = kinds(30, 3).dropna()
    new["size"] = None
    scores = detector.score_columns(new)
    assert (scores[:, 1] == 0).all()
    assert (scores[:, [0, 2]] != 0).all()


@pytest.mark.filterwarnings("ignore:Column 'nothing' of X has no values")
def test_columns_without_values_say_nothing():
    X = kinds(100, 0).assign(nothing=np.nan)
    detector = DensityOutlierDetector(small(max_epochs=1), cv=2, random_state=0).fit(X)
    assert (detector.score_columns(X[:5])[:, 3] == 0).all()


def test_typical_values_are_no_gaps():
    assert typical_values(pd.Series([None, "b", "a", None]), 2).tolist() == ["a", "b"]
    numbers = pd.Series([10, pd.NA, 2], dtype="Int64")
    assert typical_values(numbers, 2).tolist() == [2, 10]
    values = typical_values(np.array([np.nan, 3.0, np.nan, 1.0]), 2)
    assert values.tolist() == [1.0, 3.0]
    order = pd.Categorical(["c", "a", "b"], categories=["b", "c", "a"], ordered=True)
    assert typical_values(pd.Series(order), 3).tolist() == ["b", "c", "a"]
