"""Estimators in scikit-learn's pipelines and searches."""

import numpy as np
import pytest
from conftest import small
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skvae.likelihoods import GaussianLikelihood


def test_pipeline_with_a_scaler_before_equals_the_steps_by_hand(X):
    pipe = make_pipeline(StandardScaler(), small()).fit(X)
    scaled = StandardScaler().fit_transform(X)
    model = small().fit(scaled)
    np.testing.assert_array_equal(pipe.transform(X), model.transform(scaled))
    assert pipe.score(X) == model.score(scaled)
    Z = pipe.transform(X)
    np.testing.assert_allclose(
        pipe.inverse_transform(Z),
        StandardScaler().fit(X).inverse_transform(model.inverse_transform(Z)),
        rtol=1e-6,
    )


def test_pipeline_with_a_classifier_after_learns_from_codes():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    X = rng.standard_normal((200, 6)) + 4 * y[:, None]
    vae = small(max_epochs=30, learning_rate=1e-2)
    pipe = make_pipeline(MinMaxScaler(), vae, LogisticRegression()).fit(X, y)
    assert pipe.score(X, y) > 0.95


GRID = {
    "n_components": [1, 3],
    "likelihood__scale": ["global", 0.3],
    "network__hidden_layer_sizes": [(4,), (6, 5)],
    "latent_density": [None, GaussianMixture(2)],
}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search_without_y_finds_the_best_of_all_candidates(n_jobs, X):
    model = small(likelihood=GaussianLikelihood(), max_epochs=2)
    search = GridSearchCV(model, GRID, cv=2, n_jobs=n_jobs, error_score="raise").fit(X)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 16
    assert np.isfinite(scores).all()
    assert search.best_score_ == scores.max() > scores.min()
    assert search.score(X) == search.best_estimator_.score(X)


def test_grid_search_scores_do_not_depend_on_the_number_of_jobs(X):
    model = small(likelihood=GaussianLikelihood(), max_epochs=2)
    searches = [GridSearchCV(model, GRID, cv=2, n_jobs=n).fit(X) for n in (1, 2)]
    one, two = (s.cv_results_["mean_test_score"] for s in searches)
    np.testing.assert_array_equal(one, two)


def test_halving_search_spends_epochs(X):
    model = small(likelihood=GaussianLikelihood())
    grid = {"n_components": [1, 2], "likelihood__scale": ["global", 0.3]}
    search = HalvingGridSearchCV(
        model,
        grid,
        resource="max_epochs",
        min_resources=1,
        max_resources=4,
        factor=2,
        cv=2,
        n_jobs=2,
        random_state=0,
        error_score="raise",
    ).fit(X)
    assert search.n_resources_ == [1, 2, 4]
    assert search.best_estimator_.n_epochs_ == search.n_resources_[-1]


def test_grid_search_in_a_pipeline_reaches_nested_parts(X):
    pipe = make_pipeline(StandardScaler(), small(likelihood=GaussianLikelihood()))
    search = GridSearchCV(pipe, {"vae__likelihood__scale": [0.1, 1.0]}, cv=2).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
