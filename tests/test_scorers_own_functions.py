"""Metrics of the user's own."""

import pickle
from functools import partial

import numpy as np
import pytest
from scored_models import (
    GRID,
    MIXTURE,
    X_TEST,
    X_TRAIN,
    Counting,
    CountingFeatures,
    X,
    spread,
)
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV

from skvae import make_sample_scorer, metrics
from skvae.metrics import density_coverage
from skvae.scorers import get_scorer


def drawn(X_real, X_generated, *, random_state):
    return np.random.RandomState(random_state).uniform()


def shifting(X_real, X_generated):
    X_real += 100
    return 0.0


class Drawn:
    def __call__(self, X_real, X_generated, **options):
        return np.array(X_generated.std())


class TestOwnFunctions:
    def test_are_scored_as_they_are(self):
        scorer = make_sample_scorer(spread, n_samples=30)
        Y = scorer._trial(MIXTURE, X_TEST).generated
        assert scorer(MIXTURE, X_TEST) == spread(X_TEST, Y)
        params = {"spread": {"power": 3}}
        negated = make_sample_scorer(
            spread, greater_is_better=False, n_samples=30, metric_params=params
        )
        assert negated(MIXTURE, X_TEST) == -spread(X_TEST, Y, power=3)

    def test_may_be_anonymous_if_alone(self):
        assert make_sample_scorer(lambda X_real, X_generated: 0.0)(MIXTURE, X_TEST) == 0
        assert make_sample_scorer(partial(spread, power=0))(MIXTURE, X_TEST) == 1
        assert make_sample_scorer(Drawn())(MIXTURE, X_TEST) >= 0

    def test_share_the_draw_and_the_features_with_named_metrics(self):
        features, Counting.draws = CountingFeatures(), 0
        scorer = make_sample_scorer(
            ["coverage", spread, "neg_mmd"], features=features, n_samples=40
        )
        scores = scorer(Counting().fit(X_TRAIN), X_TEST)
        assert list(scores) == ["coverage", "spread", "neg_mmd"]
        assert Counting.draws == 1
        assert sorted(features.shapes) == [(40, 4), (80, 4)]
        assert scores["coverage"] > 0
        scorer(MIXTURE, X_TEST)
        # Some held-out rows tell whether the map is still the same.
        assert sorted(features.shapes) == [(16, 4), (40, 4), (40, 4), (80, 4)]

    def test_may_return_an_object_with_a_value(self):
        function, name = metrics.maximum_mean_discrepancy, "maximum_mean_discrepancy"
        params = {name: {"kernel": "imq"}}
        own, named = (
            make_sample_scorer(m, metric_params=params, greater_is_better=g)
            for m, g in ((function, False), ("neg_mmd", True))
        )
        assert own(MIXTURE, X_TEST) == named(MIXTURE, X_TEST)
        with pytest.warns(UserWarning, match="density_coverage must return a number"):
            assert np.isnan(make_sample_scorer(density_coverage)(MIXTURE, X_TEST))

    def test_are_given_a_seed_if_they_take_one(self):
        fixed, free = (
            make_sample_scorer(drawn, random_state=state) for state in (0, None)
        )
        assert fixed(MIXTURE, X_TEST) == fixed(MIXTURE, X_TEST)
        assert free(MIXTURE, X_TEST) != free(MIXTURE, X_TEST)
        together = make_sample_scorer([drawn, spread])(MIXTURE, X_TEST)
        assert together["drawn"] == fixed(MIXTURE, X_TEST)

    def test_cannot_change_what_other_metrics_see(self):
        scorer = make_sample_scorer([shifting, "neg_frechet_distance"])
        with pytest.warns(UserWarning, match="shifting of .* failed .*read-only"):
            scores = scorer(MIXTURE, X_TEST)
        alone = get_scorer("neg_frechet_distance")(MIXTURE, X_TEST)
        assert scores["neg_frechet_distance"] == alone

    def test_serve_in_a_search_of_two_processes(self):
        scorer = make_sample_scorer(["coverage", spread], greater_is_better=False)
        search = GridSearchCV(
            GaussianMixture(random_state=0), GRID, scoring=scorer, refit="spread", cv=2
        )
        one, two = (clone(search).set_params(n_jobs=n).fit(X) for n in (1, 2))
        assert (one.cv_results_["mean_test_spread"] < 0).all()
        key = "mean_test_spread"
        np.testing.assert_array_equal(one.cv_results_[key], two.cv_results_[key])

    def test_are_pickled_and_shown_by_their_name(self):
        scorer = make_sample_scorer(["density", spread], greater_is_better=False)
        text = "make_sample_scorer(['density', spread], greater_is_better=False)"
        assert repr(scorer) == repr(eval(text)) == text
        assert repr(make_sample_scorer(spread)) == "make_sample_scorer(spread)"
        again = pickle.loads(pickle.dumps(scorer))
        assert again(MIXTURE, X_TEST) == scorer(MIXTURE, X_TEST)

    def test_need_an_estimator_that_samples(self):
        with pytest.raises(TypeError, match=r"spread needs .* that has sample"):
            make_sample_scorer(spread)(PCA(2).fit(X_TRAIN), X_TEST)
