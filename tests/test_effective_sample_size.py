"""Effective sample sizes say how far importance samples can be trusted."""

import warnings

import numpy as np
import pytest
import torch
from linear_gaussian import draw, estimator_around, exact_log_density, linear_gaussian
from scipy.special import logsumexp
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import RAE, evaluate
from skvae.estimators._scoring import _averages
from skvae.evaluation import evaluate_likelihood
from skvae.evaluation._importance import too_low
from skvae.metrics.likelihood import importance_sampling_bias
from skvae.pipeline._abilities import LogLikelihoods, log_likelihoods

K = 1024


def sizes_of(model, X, k):
    return model.score_samples(
        X, n_importance_samples=k, return_effective_sample_size=True
    )


@pytest.mark.parametrize("widen", [1.0, 1.3, 2.0, 0.9])
def test_is_that_of_the_weights_in_closed_form(widen):
    """Of a q with s times the scale, the weights have a known second moment."""
    scores, sizes = sizes_of(estimator_around(linear_gaussian(widen)), draw(40), K)
    expected = K * (np.sqrt(2 * widen**2 - 1) / widen**2) ** 2  # two components
    assert np.median(sizes) == pytest.approx(expected, rel=0.03)
    assert sizes.shape == scores.shape == (40,)
    assert (sizes <= K * (1 + 1e-9)).all()


def test_of_one_draw_is_one_and_leaves_scores_as_they_are():
    model, X = estimator_around(linear_gaussian(1.5)), draw(10)
    scores, sizes = sizes_of(model, X, 1)
    np.testing.assert_allclose(sizes, 1)
    np.testing.assert_array_equal(
        scores, model.score_samples(X, n_importance_samples=1)
    )
    with pytest.raises(TypeError, match="return_effective_sample_size"):
        model.score_samples(X, return_effective_sample_size="yes")


def test_of_far_rows_is_that_of_the_draws_that_were_used():
    model = estimator_around(linear_gaussian(0.2, shift=6.0))
    X = 40 * draw(6)
    scores, sizes = sizes_of(model, X, 256)
    np.testing.assert_allclose(scores, exact_log_density(X), atol=0.3)
    # From q(z|x) itself, not one draw in a hundred would count.
    assert sizes.min() > 30


def simulated(scale, k, n_components, n_rows=20_000):
    """Return errors of rows and sample sizes of a q with so many times the scale."""
    z = scale * np.random.default_rng(0).normal(size=(k, n_rows, n_components))
    log_w = (np.square(z) * (scale**-2 - 1) / 2 + np.log(scale)).sum(axis=-1)
    sizes = np.exp(2 * logsumexp(log_w, axis=0) - logsumexp(2 * log_w, axis=0))
    return np.log(k) - logsumexp(log_w, axis=0), sizes


@pytest.mark.parametrize("scale", [0.7, 1.2, 1.5])
def test_bias_is_that_of_simulated_weights(scale):
    errors, sizes = simulated(scale, 32, n_components=3)
    bias, found = errors.mean(), importance_sampling_bias(sizes, 32)
    # Too small a q hides the weights that matter.
    assert 0.4 * bias < found < (1.15 if scale > 1 else 0.8) * bias


def test_too_few_samples_are_said_beside_the_error_of_rows():
    few = LogLikelihoods(np.zeros(9), np.full(9, 8.0), 10)  # a bias of 0.0125
    assert too_low(few, 0.04).startswith(
        "too few: log p(x) comes out too low, by 0.012"
    )
    assert too_low(few, 0.06) == ""
    tiny = LogLikelihoods(np.zeros(9), np.full(9, 4.0), 64)
    assert "by 0.12 nats or more" in too_low(tiny, 100.0)
    alone = LogLikelihoods(np.zeros(1), np.ones(1), 1)
    assert "evidence lower bound" in too_low(alone, np.nan)
    assert too_low(LogLikelihoods(np.zeros(9)), 0.1) == ""


class TestEvaluateLikelihood:
    def test_warns_of_a_posterior_that_is_too_narrow(self):
        model, X = estimator_around(linear_gaussian(np.sqrt(0.5))), draw(2000)
        with pytest.warns(
            UserWarning, match="effective sample size of .* of 10: too few"
        ):
            found = evaluate_likelihood(model, X, n_importance_samples=10)
        errors, sizes = simulated(np.sqrt(0.5), 10, n_components=2)
        bias = found.nll + exact_log_density(X).mean()
        assert abs(bias - errors.mean()) < 4 * errors.std() / np.sqrt(len(X))
        assert found.bias == pytest.approx(importance_sampling_bias(sizes, 10), rel=0.1)
        assert found.effective_sample_size == pytest.approx(np.median(sizes), rel=0.05)

    def test_does_not_warn_of_a_good_posterior(self):
        model, X = estimator_around(linear_gaussian(1.1)), draw(2000)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = evaluate_likelihood(model, X)
        assert found.bias < 0.001
        assert found.effective_sample_size > 50

    def test_finds_the_sizes_of_the_last_step(self):
        X = draw(60)
        scaler, model = StandardScaler().fit(X), estimator_around(linear_gaussian(1.2))
        pipeline = make_pipeline(scaler, model)
        found = log_likelihoods(pipeline, X, 16)
        assert found.n_importance_samples == 16
        sizes = sizes_of(model, scaler.transform(X), 16)[1]
        np.testing.assert_array_equal(found.effective_sample_sizes, sizes)


class TestReport:
    def test_has_a_row_with_a_hint_where_samples_are_too_few(self):
        model, X = estimator_around(linear_gaussian(0.4)), draw(600)
        options = {"n_bootstrap": 0}
        row = evaluate(model, X[:300], X[300:], **options)["effective_sample_size"]
        assert 1 < row.value < 40
        assert "of 64 importance samples" in row.meaning
        assert "too low" in row.meaning
        model.module_ = linear_gaussian(1.05)
        row = evaluate(model, X[:300], X[300:], **options)["effective_sample_size"]
        assert row.value > 60
        assert row.meaning == "of 64 importance samples a row, median"
        assert row.better == "higher"

    def test_has_none_where_the_score_is_exact_or_no_likelihood(self):
        X = draw(80)
        for model in (
            GaussianMixture(1, random_state=0),
            RAE(1, max_epochs=1, latent_density=GaussianMixture(1), random_state=0),
        ):
            report = evaluate(model.fit(X[:40]), X[:40], X[40:], n_bootstrap=0)
            assert "log_likelihood" in [row.figure for row in report.rows]
            assert "effective_sample_size" not in [row.figure for row in report.rows]


@pytest.mark.parametrize("size", [1.0, 1e8, 1e14, 1e30])
def test_is_at_most_the_number_of_draws_however_large_the_logarithms(size):
    log_w = torch.full((64, 3), -size, dtype=torch.float64)
    assert (_averages(log_w)[1] == 64).all()
    log_w[0] += 3 * size  # only one of them counts
    assert (_averages(log_w)[1] >= 1).all()
