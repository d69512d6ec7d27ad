"""In cross-validations, copying is judged by the rows that each fit has seen."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    KFold,
    ShuffleSplit,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skvae import make_sample_scorer, metrics

COPYING = ("authenticity", "neg_abs_data_copying")


class Copier(BaseEstimator):
    """Return rows that it was fitted on, each with a little noise."""

    def __init__(self, noise=0.0, n=0):
        self.noise, self.n = noise, n

    def fit(self, X, y=None):
        self.X_ = np.asarray(X)
        return self

    def partial_fit(self, X, y=None, classes=None):
        seen = [self.X_] if hasattr(self, "X_") else []
        return self.fit(np.vstack([*seen, X]))

    def sample(self, n_samples=1, random_state=None):
        rng = np.random.RandomState(random_state)
        rows = self.X_[rng.randint(len(self.X_), size=n_samples)]
        return rows + self.noise * rng.normal(size=rows.shape)


# Copies that are near enough to be found, and far enough for a score of many values.
NEAR = Copier(noise=0.3)


def make_rows(n=200, d=4):
    return np.random.default_rng(0).normal(size=(n, d)) + 1 / 3


def scorer_of(X, name="authenticity"):
    return make_sample_scorer(name, X_train=X, on_error="raise")


def score_of(X, train, test, name="authenticity"):
    """Score a fit to some rows on others, outside of a cross-validation."""
    return scorer_of(X[train], name)(NEAR.fit(X[train]), X[test])


def expected(X, splits, name="authenticity"):
    return [score_of(X, train, test, name) for train, test in splits]


@pytest.mark.parametrize("name", COPYING)
@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_rows_that_a_split_leaves_out_do_not_count(name, n_jobs):
    X = make_rows()
    splits = ShuffleSplit(3, train_size=0.3, test_size=0.3, random_state=0)
    found = cross_val_score(
        NEAR, X, scoring=scorer_of(X, name), cv=splits, n_jobs=n_jobs
    )
    np.testing.assert_array_equal(found, expected(X, splits.split(X), name))


@pytest.mark.parametrize("incremental", [False, True])
def test_learning_curves_count_the_rows_of_each_fit(incremental):
    X, sizes = make_rows(), [20, 60, 150]
    _, _, scores = learning_curve(
        NEAR,
        X,
        np.zeros(len(X), dtype=int) if incremental else None,
        cv=KFold(4),
        train_sizes=sizes,
        scoring=scorer_of(X),
        exploit_incremental_learning=incremental,
    )
    for n, found in zip(sizes, scores, strict=True):
        splits = [(train[:n], test) for train, test in KFold(4).split(X)]
        np.testing.assert_array_equal(found, expected(X, splits))


@pytest.mark.filterwarnings("error", "ignore:The total space of parameters")
@pytest.mark.parametrize("search", [HalvingGridSearchCV, HalvingRandomSearchCV])
def test_halving_by_rows_counts_the_rows_of_each_fit(search):
    X, grid, drawn = make_rows(300), {"n": [0, 1, 2, 3]}, {}

    def keep(real, generated):
        drawn["samples"] = generated
        return 0.0

    scorer = make_sample_scorer(["authenticity", keep], X_train=X, on_error="raise")

    def agrees(estimator, X_test, y=None):
        found = scorer(estimator, X_test)["authenticity"]
        return found == metrics.authenticity(estimator.X_, drawn["samples"]).value

    found = search(NEAR, grid, cv=2, min_resources=60, factor=2, scoring=agrees)
    found = found.fit(X).cv_results_
    assert len(set(found["n_resources"])) > 1
    assert (found["mean_test_score"] == 1.0).all()


@pytest.mark.parametrize("change", [lambda X: 2 * X, lambda X: X.round(2), np.float32])
def test_what_x_train_holds_is_of_no_matter_in_a_search(change):
    X = make_rows(90)
    found = cross_val_score(NEAR, change(X), scoring=scorer_of(X), cv=3)
    np.testing.assert_array_equal(found, expected(change(X), KFold(3).split(X)))


def test_scores_of_training_rows_are_of_the_rows_of_the_fit():
    X = make_rows(90)
    found = cross_validate(NEAR, X, scoring=scorer_of(X), cv=3, return_train_score=True)
    for i, (train, _) in enumerate(KFold(3).split(X)):
        others = make_rows(60) + 5  # of whom authenticity takes but the number
        alone = scorer_of(X[train])(NEAR.fit(X[train]), others)
        assert found["train_score"][i] == alone


def test_searches_within_cross_validation():
    X = make_rows(120)
    inner = GridSearchCV(NEAR, {"n": [0, 1]}, scoring=scorer_of(X), cv=2)
    found = cross_val_score(inner, X, scoring=scorer_of(X), cv=KFold(3))
    np.testing.assert_array_equal(found, expected(X, KFold(3).split(X)))


def test_frames_and_pipelines():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(make_rows(), columns=[*"abcd"])
    splits = ShuffleSplit(2, train_size=0.2, test_size=0.3, random_state=0)
    pipeline = make_pipeline(StandardScaler(), NEAR)
    found = cross_val_score(pipeline, X, scoring=scorer_of(X[[*"dcba"]]), cv=splits)
    for score, (train, test) in zip(found, splits.split(X), strict=True):
        alone = scorer_of(X.iloc[train])(pipeline.fit(X.iloc[train]), X.iloc[test])
        assert score == alone


def test_other_curves_of_scikit_learn():
    X = make_rows(90)
    splits = ShuffleSplit(2, train_size=0.3, test_size=0.3, random_state=0)
    _, scores = validation_curve(
        NEAR, X, None, param_name="n", param_range=[0], cv=splits, scoring=scorer_of(X)
    )
    np.testing.assert_array_equal(scores[0], expected(X, splits.split(X)))
    score, _, _ = permutation_test_score(
        NEAR, X, np.zeros(90), cv=splits, n_permutations=1, scoring=scorer_of(X)
    )
    assert score == np.mean(expected(X, splits.split(X)))


def test_frozen_models_have_seen_the_rows_of_x_train():
    X = make_rows(150)
    train, rest = X[:60], X[60:]
    frozen = FrozenEstimator(Copier(noise=0.3).fit(train))
    for model in (frozen, make_pipeline(FunctionTransformer(), frozen)):
        found = cross_val_score(
            model, rest, np.zeros(90), scoring=scorer_of(train), cv=KFold(3)
        )
        for score, (_, test) in zip(found, KFold(3).split(rest), strict=True):
            assert score == scorer_of(train)(frozen, rest[test])


def test_another_model_within_a_score_keeps_its_own_rows():
    X = make_rows(120)
    halves = np.arange(60), np.arange(60, 120)

    def score(estimator, X_test, y=None):
        return score_of(X, *halves)

    found = cross_val_score(Copier(), X, scoring=score, cv=2)
    np.testing.assert_array_equal(found, score_of(X, *halves))


def test_the_figure_is_that_of_the_metric():
    X = make_rows()
    train, test = np.arange(50), np.arange(100, 150)
    samples = {}

    def keep(real, generated):
        samples["generated"] = generated
        return 0.0

    scorer = make_sample_scorer(["authenticity", keep], X_train=X, on_error="raise")
    found = cross_validate(NEAR, X, scoring=scorer, cv=[(train, test)])
    value = metrics.authenticity(X[train], samples["generated"]).value
    assert found["test_authenticity"] == value
    assert value != metrics.authenticity(X, samples["generated"]).value
