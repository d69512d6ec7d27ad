"""Scorers in searches and cross-validation."""

import warnings

import numpy as np
import pytest
from scored_models import GRID, QUICK, X_TEST, Counting, X
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import make_sample_scorer
from skvae.scorers import get_scorer


class TestSearches:
    def search(self, scoring, **options):
        options = {"refit": "coverage", "cv": 3, "error_score": "raise", **options}
        model = GaussianMixture(random_state=0)
        return GridSearchCV(model, GRID, scoring=scoring, **options).fit(X)

    def test_with_one_metric(self):
        search = self.search(get_scorer("neg_frechet_distance"), refit=True)
        scores = search.cv_results_["mean_test_score"]
        assert search.best_score_ == scores.max() > scores.min()

    def test_with_several_metrics_draw_once_a_fit(self):
        Counting.draws = 0
        scorer = make_sample_scorer(["neg_frechet_distance", "coverage", "neg_mmd"])
        search = GridSearchCV(
            Counting(), {"shift": [0, 1, 2]}, scoring=scorer, refit="coverage", cv=3
        ).fit(X)
        assert Counting.draws == 9
        assert len(scorer._references) == 3
        assert search.best_params_ == {"shift": 0}
        assert (
            search.score(X_TEST) == scorer(search.best_estimator_, X_TEST)["coverage"]
        )

    def test_with_two_jobs_give_the_same_numbers(self):
        scorer = make_sample_scorer(["neg_frechet_distance", "coverage"])
        one, two = (self.search(scorer, n_jobs=n) for n in (1, 2))
        for name in scorer.metrics:
            key = f"split0_test_{name}"
            np.testing.assert_array_equal(one.cv_results_[key], two.cv_results_[key])

    def test_of_other_kinds(self):
        scorer = make_sample_scorer(["coverage", "density"])
        model = GaussianMixture(random_state=0)
        search = RandomizedSearchCV(
            model, GRID, n_iter=2, scoring=scorer, refit="density", cv=2
        ).fit(X)
        assert search.best_score_ > 0
        assert "test_coverage" in cross_validate(model, X, scoring=scorer, cv=2)
        single = get_scorer("coverage")
        assert cross_val_score(model, X, scoring=single, cv=2).shape == (2,)

    def test_by_halving(self):
        search = HalvingGridSearchCV(
            GaussianMixture(random_state=0),
            GRID,
            scoring=get_scorer("neg_frechet_distance"),
            min_resources=60,
            cv=2,
            random_state=0,
        ).fit(X)
        assert search.best_params_["n_components"] > 1

    def test_over_a_pipeline_of_a_vae(self):
        pipeline = make_pipeline(StandardScaler(), clone(QUICK))
        grid = {
            "vae__n_components": [1, 2],
            "vae__latent_density": [None, GaussianMixture(2)],
        }
        scorer = make_sample_scorer(["neg_frechet_distance", "coverage"])
        search = GridSearchCV(pipeline, grid, scoring=scorer, refit="coverage", cv=2)
        assert np.isfinite(search.fit(X).cv_results_["mean_test_coverage"]).all()

    @pytest.mark.parametrize("routing", [False, True])
    def test_with_sample_weight_and_metadata_routing(self, routing):
        scorer = make_sample_scorer(["coverage", "density"])
        with config_context(enable_metadata_routing=routing):
            model = Counting()
            if routing:
                model.set_fit_request(sample_weight=True)
            search = GridSearchCV(
                model, {"shift": [0, 1]}, scoring=scorer, refit="density", cv=2
            )
            search.fit(X, sample_weight=np.ones(len(X)))
        assert search.best_params_ == {"shift": 0}

    def test_survive_a_model_that_fails(self):
        scorer = make_sample_scorer(["neg_frechet_distance", "coverage"])
        search = GridSearchCV(
            Counting(), {"fail": [True, False]}, scoring=scorer, refit="coverage", cv=2
        )
        with pytest.warns(UserWarning, match="coverage of Counting failed and is nan"):
            search.fit(X)
        assert search.best_params_ == {"fail": False}
        assert np.isnan(search.cv_results_["mean_test_coverage"][0])

    def test_with_training_rows_leave_held_out_ones_out(self):
        scorer = make_sample_scorer("authenticity", X_train=X)
        train, test = next(KFold(4).split(X))
        model = GaussianMixture(2, random_state=0).fit(X[train])
        own = make_sample_scorer("authenticity", X_train=X[train])
        assert scorer(model, X[test]) == own(model, X[test])


def test_choose_the_right_number_of_components_of_digits():
    digits = load_digits().data[:600]
    scorer = make_sample_scorer(["coverage", "neg_frechet_distance"])
    model = GaussianMixture(covariance_type="spherical", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        search = GridSearchCV(
            model, {"n_components": [1, 20]}, scoring=scorer, refit="coverage", cv=2
        ).fit(digits)
    assert search.best_params_ == {"n_components": 20}
