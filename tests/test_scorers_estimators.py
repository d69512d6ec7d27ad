"""Estimators and data that scorers take, and those that they refuse."""

import pickle

import numpy as np
import pytest
import torch
from scored_models import MIXTURE, QUICK, X_TEST, X_TRAIN, X
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from skvae import RAE, make_sample_scorer, metrics, sample_pipeline
from skvae.networks import MLP
from skvae.scorers import get_scorer


class TestEstimators:
    @pytest.mark.parametrize("estimator", [KernelDensity(), GaussianMixture(2)])
    @pytest.mark.parametrize("name", ["neg_frechet_distance", "log_likelihood"])
    def test_of_scikit_learn_are_scored(self, estimator, name):
        score = get_scorer(name)(clone(estimator).fit(X_TRAIN), X_TEST)
        assert np.isfinite(score)

    def test_of_scikit_learn_are_left_as_they_are(self):
        model = GaussianMixture(2).fit(X_TRAIN)
        before = pickle.dumps(model)
        get_scorer("coverage")(model, X_TEST)
        assert pickle.dumps(model) == before

    def test_without_latent_likelihood_are_scored(self):
        rae = RAE(2, network=MLP((16,)), max_epochs=2, random_state=0).fit(X_TRAIN)
        assert get_scorer("coverage")(rae, X_TEST) >= 0

    @pytest.mark.parametrize(
        "scaler", [StandardScaler(), MinMaxScaler(), RobustScaler(), MaxAbsScaler()]
    )
    def test_in_pipelines_have_likelihoods_in_units_of_the_input(self, scaler):
        # A Gaussian with free covariance is equivariant.
        one = GaussianMixture(1, reg_covar=0)
        pipeline = make_pipeline("passthrough", scaler, one).fit(X_TRAIN)
        plain = clone(one).fit(X_TRAIN)
        scorer = get_scorer("log_likelihood")
        assert scorer(pipeline, X_TEST) == pytest.approx(scorer(plain, X_TEST))

    def test_in_pipelines_have_samples_in_units_of_the_input(self):
        pipeline = make_pipeline(MinMaxScaler(), clone(QUICK)).fit(1000 * X_TRAIN)
        names = ["neg_frechet_distance", "neg_reconstruction_error"]
        scorer = make_sample_scorer(names, n_samples=50)
        scores = scorer(pipeline, 1000 * X_TEST)
        assert scores["neg_frechet_distance"] < -1000
        assert scores["neg_reconstruction_error"] < -100
        seed = scorer._trial(pipeline, X_TEST).seed_for("sample")
        Y = sample_pipeline(pipeline, 50, random_state=seed)
        expected = metrics.frechet_distance(1000 * X_TEST, Y)
        assert scores["neg_frechet_distance"] == pytest.approx(-expected)

    def test_in_pipelines_that_bend_space_have_no_likelihood(self):
        step = QuantileTransformer(n_quantiles=10)
        pipeline = make_pipeline(step, GaussianMixture()).fit(X_TRAIN)
        scorer = make_sample_scorer("log_likelihood", on_error="raise")
        with pytest.raises(TypeError, match="'quantiletransformer' is a Quantile"):
            scorer(pipeline, X_TEST)

    def test_of_discrete_data_have_probabilities_whatever_the_scale(self):
        bits = (X.mean(0) < X) * 255.0
        bernoulli = clone(QUICK).set_params(likelihood="bernoulli", max_epochs=1)
        pipeline = make_pipeline(MinMaxScaler(), bernoulli).fit(bits)
        score = get_scorer("log_likelihood")(pipeline, bits)
        assert score == pytest.approx(pipeline.score(bits))

    def test_that_lack_a_method_are_refused(self):
        with pytest.raises(TypeError, match="that has sample, but PCA has none"):
            get_scorer("coverage")(PCA(2).fit(X_TRAIN), X_TEST)
        with pytest.raises(TypeError, match=r"Mixture has none. Choose .*elbo"):
            get_scorer("neg_reconstruction_error")(MIXTURE, X_TEST)

    def test_that_are_not_fitted_are_refused(self):
        with pytest.raises(NotFittedError):
            get_scorer("coverage")(clone(QUICK), X_TEST)

    def test_data_of_any_kind_are_scored(self):
        pandas = pytest.importorskip("pandas")
        scorer = get_scorer("coverage")
        expected = scorer(MIXTURE, X_TEST)
        assert scorer(MIXTURE, X_TEST.tolist()) == expected
        assert scorer(MIXTURE, torch.from_numpy(X_TEST)) == expected
        frame = pandas.DataFrame(X_TRAIN, columns=list("abcd"))
        model = GaussianMixture(2, random_state=0).fit(frame)
        held_out = pandas.DataFrame(X_TEST, columns=list("abcd"))
        assert scorer(model, held_out) == expected


def test_cannot_score_a_classifier():
    classifier = LogisticRegression().fit(X, X[:, 0] > 0)
    with pytest.raises(TypeError, match="there is none"):
        get_scorer("coverage")(classifier, X)
