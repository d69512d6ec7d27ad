"""Scorers of models of data frames with categories and gaps."""

import numpy as np
import pandas as pd
import pytest
from conftest import small
from sklearn.compose import make_column_transformer
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from tables import Truth, errors_of_rows, in_polars, make_table

from skvae import make_sample_scorer, metrics
from skvae.metrics import TableFeatures
from skvae.pipeline._tables import with_gaps_of
from skvae.scorers import SCORERS
from skvae.scorers._train_rows import training_rows

pytestmark = pytest.mark.filterwarnings(
    "ignore:Column .* `fit` has not seen",
    "ignore:The Fréchet distance",
)
TRAIN, TEST = make_table(150, 0), make_table(80, 1)
COMPLETE = make_table(80, 1, gaps=0)
ALL = sorted(set(SCORERS) - {"neg_fid", "neg_kid"})


@pytest.fixture(scope="module")
def vae():
    return small(max_epochs=5, random_state=0).fit(TRAIN)


def scored(model, X, names, **options):
    return make_sample_scorer(names, on_error="raise", **options)(model, X)


@pytest.mark.slow
@pytest.mark.parametrize("make", [lambda X: X, in_polars], ids=["pandas", "polars"])
def test_all_of_them_take_frames(make):
    model = small(max_epochs=2, random_state=0).fit(make(TRAIN))
    scores = scored(model, make(TEST), ALL, X_train=make(TRAIN))
    assert set(scores) == set(ALL)
    assert np.isfinite(list(scores.values())).all()


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("coverage", lambda X, Y: metrics.density_coverage(X, Y).coverage),
        ("neg_frechet_distance", lambda X, Y: -metrics.frechet_distance(X, Y)),
        ("density", lambda X, Y: metrics.density_coverage(X, Y).density),
    ],
)
def test_values_are_those_of_the_metrics_of_frames(vae, name, metric):
    scorer = make_sample_scorer(name, on_error="raise")
    seed = scorer._trial(vae, COMPLETE).seed_for("sample")
    vae_of_complete = small(max_epochs=5, random_state=0)
    vae_of_complete.fit(make_table(150, 0, gaps=0))
    for model in (vae, vae_of_complete):
        samples = model.sample(80, random_state=seed)
        expected = metric(COMPLETE, samples)
        assert scorer(model, COMPLETE) == pytest.approx(expected, rel=1e-9)


def test_errors_of_reconstructions_leave_out_gaps(vae):
    squared = errors_of_rows(TEST, vae.reconstruct(TEST), TEST)
    expected = -np.sqrt(squared.mean())
    name = "neg_reconstruction_error"
    assert scored(vae, TEST, name) == pytest.approx(expected, rel=1e-6)
    # Other features are for samples.
    features = TableFeatures().fit(TRAIN)
    assert scored(vae, TEST, name, features=features) == pytest.approx(expected)


def test_rows_without_values_have_no_error(vae):
    name = "neg_reconstruction_error"
    with_empty = pd.concat([TEST, TEST.iloc[:3].mask(np.ones((3, 7), dtype=bool))])
    assert scored(vae, with_empty, name) == pytest.approx(scored(vae, TEST, name))


def test_columns_are_found_by_name(vae):
    names = ["coverage", "log_likelihood", "neg_reconstruction_error", "authenticity"]
    expected = scored(vae, TEST, names, X_train=TRAIN)
    backwards = TEST[TEST.columns[::-1]]
    assert scored(vae, backwards, names, X_train=TRAIN) == pytest.approx(expected)


def test_samples_of_tables_have_noise_unless_means_are_asked_for(vae):
    noisy, means = (scored(vae, TEST, "coverage", mean=mean) for mean in (False, True))
    assert scored(vae, TEST, "coverage") == noisy != means
    X = np.random.default_rng(0).normal(size=(80, 3))
    of_array = small(max_epochs=2, random_state=0).fit(X)
    noisy, means = (scored(of_array, X, "coverage", mean=m) for m in (False, True))
    assert scored(of_array, X, "coverage") == means != noisy


@pytest.mark.parametrize("gaps", [0, 0.5])
def test_a_model_of_complete_rows_is_not_told_by_gaps(gaps):
    X = make_table(200, 1, gaps=0.5)
    names = ["coverage", "neg_abs_nearest_neighbour_accuracy"]
    scores = scored(Truth(gaps=gaps).fit(X), X, names)
    assert scores["coverage"] > 0.9
    assert scores["neg_abs_nearest_neighbour_accuracy"] > -0.1


def test_samples_are_given_the_gaps_of_rows_at_random():
    X = make_table(300, 1, gaps=0.5)
    table = TableFeatures().fit(X)
    features = metrics.resolve_features(table)
    real, Y = (table.transform(rows) for rows in (X, make_table(400, 2, gaps=0)))
    Z = with_gaps_of(real, Y, features, 0)
    for column, part in table.slices_.items():
        is_gap = (Z[:, part] == table.features_of_gap(column)).all(axis=1)
        assert is_gap.mean() == pytest.approx(X[column].isna().mean(), abs=0.1)
        np.testing.assert_array_equal(Z[~is_gap, part], Y[~is_gap, part])
    # Samples with gaps of their own keep these.
    own = table.transform(make_table(400, 2, gaps=0.2))
    np.testing.assert_array_equal(with_gaps_of(real, own, features, 0), own)


def test_the_gaps_of_a_row_come_together():
    X = pd.DataFrame({"a": [1.0, None] * 50, "b": ["x", None] * 50})
    table = TableFeatures().fit(X)
    real, features = table.transform(X), metrics.resolve_features(table)
    Z = with_gaps_of(real, np.repeat(real[:1], 60, axis=0), features, 0)
    assert len(np.unique(Z, axis=0)) == 2


def test_held_out_rows_with_gaps_are_taken_out_of_training_rows():
    held_out = TRAIN.iloc[[3, 7, 20]]
    kept = training_rows(TRAIN, held_out)
    assert kept.index.tolist() == [i for i in range(150) if i not in (3, 7, 20)]
    with_gaps = TRAIN[TRAIN.isna().any(axis=1)]
    assert len(training_rows(TRAIN, with_gaps)) == 150 - len(with_gaps)
    assert training_rows(in_polars(TRAIN), in_polars(TRAIN)[:2]).shape == (148, 7)


@pytest.mark.slow
def test_searches_judge_by_the_rows_of_each_fit():
    scorer = make_sample_scorer(["authenticity", "coverage"], X_train=TRAIN)
    model, cv = small(max_epochs=2, random_state=0), KFold(2)
    options = {"scoring": scorer, "refit": "coverage", "cv": cv}
    search = GridSearchCV(model, {"n_components": [1, 2]}, **options).fit(TRAIN)
    for i, (train, test) in enumerate(cv.split(TRAIN)):
        fitted = small(n_components=2, max_epochs=2, random_state=0)
        fitted.fit(TRAIN.iloc[train])
        alone = make_sample_scorer("authenticity", X_train=TRAIN.iloc[train])
        expected = alone(fitted, TRAIN.iloc[test])
        assert search.cv_results_[f"split{i}_test_authenticity"][1] == expected
    halving = HalvingGridSearchCV(
        model, {"n_components": [1, 2]}, scoring=make_sample_scorer("coverage"), cv=2
    ).fit(TRAIN)
    assert np.isfinite(halving.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize(
    "before",
    [
        FunctionTransformer(),
        make_column_transformer(
            (StandardScaler(), ["age"]),
            remainder="passthrough",
            verbose_feature_names_out=False,
        ).set_output(transform="pandas"),
    ],
    ids=["identity", "columns"],
)
def test_pipelines_with_frames_inside_are_scored(before):
    pipeline = make_pipeline(before, small(max_epochs=2, random_state=0))
    scorer = make_sample_scorer(["coverage", "neg_frechet_distance"], on_error="raise")
    scores = cross_validate(pipeline, TRAIN, scoring=scorer, cv=2)
    assert (scores["test_coverage"] > 0.5).all()


def test_categories_that_a_model_was_told_are_compared_as_such():
    rng = np.random.default_rng(0)
    X = np.c_[rng.choice([0, 1, 100], 120), rng.normal(size=120)]
    X[5] = np.nan, 1
    X[6, 1] = np.nan
    model = small(categorical_features=[0], max_epochs=3, random_state=0).fit(X)
    names = ["neg_frechet_distance", "coverage", "authenticity"]
    scores = scored(model, X, names, X_train=X[:60])
    # Names of categories are no distances.
    renamed = X.copy()
    renamed[:, 0] = np.where(X[:, 0] == 100, 2, X[:, 0])
    other = small(categorical_features=[0], max_epochs=3, random_state=0)
    scores_of_renamed = scored(other.fit(renamed), renamed, names, X_train=renamed[:60])
    assert scores_of_renamed == pytest.approx(scores)
    frame = pd.DataFrame({"k": X[:, 0], "x": X[:, 1]})
    told = small(categorical_features=["k"], max_epochs=3, random_state=0).fit(frame)
    assert scored(told, frame, names, X_train=frame[:60]) == pytest.approx(scores)
