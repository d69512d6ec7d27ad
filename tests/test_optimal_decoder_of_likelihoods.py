"""The optimal decoder by brute force: the best p(x|z) for weighted rows."""

import numpy as np
import pytest
import torch
from conftest import LIKELIHOODS, describe, make_data, small
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.base import clone
from supports import taken_by

from skvae import IWAE, RAE, WAE, TwoStageVAE
from skvae.diagnostics import (
    optimal_decoder,
    posterior_moments,
    reconstruction_matching,
)
from skvae.likelihoods import (
    GaussianLikelihood,
    LaplaceLikelihood,
    Likelihood,
    ScaledLikelihood,
)
from skvae.metrics import optimal_decoder_weights
from skvae.plotting import PerplexityDisplay

WITH_OPTIMUM = [p for p in LIKELIHOODS if p.optimal_average is not None]
MEANS = ["GaussianLikelihood", "BernoulliLikelihood", "ContinuousBernoulliLikelihood"]
MEANS += ["PoissonLikelihood", "NegativeBinomialLikelihood"]


def wide_posteriors(likelihood):
    """Return a VAE with posteriors that overlap, and its rows."""
    X = taken_by(likelihood, make_data(60, 3))
    model = small(likelihood=clone(likelihood), posterior="constant", max_epochs=2)
    return model.fit(X), X


def best_distribution(likelihood, w, X):
    """Minimise the weighted loss over all raw outputs of a decoder, from three starts.

    A learned scale stays at its fitted value. Return p(x|z) at the optimum.
    """
    rows, weights = torch.from_numpy(X).double(), torch.from_numpy(w)
    likelihood = likelihood.double()
    n_outputs = likelihood.outputs_per_feature * X.shape[1]

    def loss(h):
        h = torch.tensor(h, requires_grad=True)
        value = -(weights * likelihood(h).log_prob(rows)).sum()
        value.backward()
        return value.item(), h.grad.numpy()

    rng = np.random.default_rng(0)
    starts = [np.zeros(n_outputs), *rng.normal(size=(2, n_outputs))]
    options = {"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-10}
    found = [
        minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
        for start in starts
    ]
    best = min(found, key=lambda result: result.fun)
    with torch.no_grad():
        return likelihood(torch.from_numpy(best.x))


@pytest.mark.parametrize("likelihood", WITH_OPTIMUM, ids=describe)
def test_the_optimal_decoder_is_the_best_output_there_is(likelihood):
    model, X = wide_posteriors(likelihood)
    if isinstance(likelihood, ScaledLikelihood):
        model.likelihood_.noise = None  # as in training: the same at all locations
    best = optimal_decoder(model, X[:3], X, keep_weights=True)
    assert best.perplexity.min() > 5  # or every average would do
    for average, w in zip(best.averages, best.weights, strict=True):
        mean = best_distribution(model.likelihood_, w, X).mean.numpy()
        tolerance = 1e-4 if likelihood.optimal_average == "mean" else 0.01
        np.testing.assert_allclose(average, mean, atol=tolerance * max(1, X.max()))


@pytest.mark.parametrize(
    "likelihood",
    [p for p in LIKELIHOODS if p.optimal_average is None and not p.is_nominal],
    ids=describe,
)
def test_no_average_is_the_optimum_of_those_that_are_refused(likelihood):
    model, X = wide_posteriors(likelihood)
    means, deviations = posterior_moments(model, X)
    codes = model.transform(X[:3]), means, deviations, X
    averages = [
        optimal_decoder_weights(*codes, average=average, keep_weights=True)
        for average in ("mean", "median")
    ]
    for i, w in enumerate(averages[0].weights):
        best = best_distribution(model.likelihood_, w, X).mean.numpy()
        for result in averages:
            assert np.abs(result.averages[i] - best).max() > 2e-3


def test_the_optimum_has_the_weighted_mean_of_the_sufficient_statistic():
    # Of a normal distribution with a scale of its own, T(x) = (x, x^2).
    model, X = wide_posteriors(GaussianLikelihood("predicted", bounds=None))
    model.likelihood_.noise = None
    result = optimal_decoder(model, X[:3], X, keep_weights=True)
    for w, average in zip(result.weights, result.averages, strict=True):
        best = best_distribution(model.likelihood_, w, X)
        second = best.variance + best.mean.square()
        np.testing.assert_allclose(best.mean, average, atol=1e-5)
        np.testing.assert_allclose(second, w @ X.astype(float) ** 2, atol=1e-5)


@pytest.mark.parametrize("scale", ["global", "feature", "predicted", 0.3])
def test_no_output_has_a_smaller_absolute_error_than_the_median(scale):
    model, X = wide_posteriors(LaplaceLikelihood(scale))
    best = optimal_decoder(model, X[:5], X, keep_weights=True)
    for average, w in zip(best.averages, best.weights, strict=True):

        def cost(g, w=w):  # by feature
            return w @ np.abs(X.astype(float) - g)

        lowest = np.min([cost(row) for row in X], axis=0)  # one row is an optimum
        np.testing.assert_allclose(cost(average), lowest, rtol=1e-12)
        assert (cost(w @ X) > lowest + 1e-4).any()  # as the mean is not


def test_medians_of_equal_weights_are_those_of_numpy():
    rng = np.random.default_rng(0)
    for n in (1, 2, 6, 7, 10, 49):
        X = rng.integers(0, 4, (n, 5)).astype(float)  # with ties
        codes = [[0.0]], np.zeros((n, 1)), 1.0
        result = optimal_decoder_weights(*codes, X, average="median")
        np.testing.assert_array_equal(result.averages[0], np.median(X, axis=0))


def test_a_median_of_three_weights_by_hand():
    # Weights 1/4, 1/2, 1/4 from posteriors of the same mean and different scales.
    deviations = np.array([[2.0], [1.0], [2.0]])
    X = [[0.0, 5.0], [1.0, 7.0], [3.0, 0.0]]
    result = optimal_decoder_weights(
        [[0.0]], np.zeros((3, 1)), deviations, X, average="median", keep_weights=True
    )
    np.testing.assert_allclose(result.weights, [[0.25, 0.5, 0.25]])
    np.testing.assert_array_equal(result.averages, [[1.0, 6.0]])  # a gap from 5 to 7


def test_rows_without_weight_do_not_move_the_median(monkeypatch):
    rng = np.random.default_rng(0)
    X, means = rng.normal(size=(9, 4)), np.repeat([[0.0], [1e4], [0.0]], 3, axis=0)
    near = means[:, 0] == 0
    expected = np.median(X[near], axis=0)
    for entries in (1, 20, 2**22):
        monkeypatch.setattr("skvae._utils.rows.BLOCK_ENTRIES", entries)
        result = optimal_decoder_weights([[0.0]], means, 1.0, X, average="median")
        np.testing.assert_allclose(result.averages[0], expected, rtol=1e-12)


def test_only_means_and_medians_are_averages():
    with pytest.raises(ValueError, match=r"'average'.*'mean'.*'median'.*'mode'"):
        optimal_decoder_weights([[0.0]], [[0.0]], 1.0, [[1.0]], average="mode")


class NotAnAverage(GaussianLikelihood):
    """A likelihood of one's own that says that no average is its optimum."""

    optimal_average = None


@pytest.mark.parametrize("likelihood", ["discretized_logistic", NotAnAverage()])
def test_likelihoods_without_an_optimum_are_refused_by_name(likelihood):
    X = make_data()
    model = small(likelihood=likelihood).fit(X)
    name = type(model.likelihood_).__name__
    for function in (optimal_decoder, reconstruction_matching):
        with pytest.raises(TypeError, match=f"{name} has no `optimal_average`.* Fit"):
            function(model, X[:3], X)


def test_perplexities_are_known_for_every_likelihood(closed_figures):
    X = make_data()
    model = small(likelihood="discretized_logistic").fit(X)
    display = PerplexityDisplay.from_estimator(model, X[:9], X)
    q = model.module_.encode(torch.from_numpy(X))
    z = torch.from_numpy(model.transform(X[:9]))[:, None]
    log_q = torch.distributions.Normal(q.mean, q.variance.sqrt()).log_prob(z).sum(-1)
    log_w = log_q.detach().double().numpy()
    log_w -= logsumexp(log_w, axis=1, keepdims=True)
    perplexity = np.exp(-(np.exp(log_w) * log_w).sum(axis=1))
    np.testing.assert_allclose(display.perplexity, perplexity, rtol=1e-4)


def test_a_likelihood_says_nothing_of_its_optimum_unless_it_does():
    assert Likelihood.optimal_average is None
    by_mean = {type(p).__name__ for p in LIKELIHOODS if p.optimal_average == "mean"}
    assert by_mean == set(MEANS)


@pytest.mark.parametrize("model", [RAE, WAE])
def test_points_are_refused_with_what_helps(model):
    X = make_data()
    with pytest.raises(TypeError, match=f"{model.__name__} has codes .*use a VAE"):
        optimal_decoder(small(model).fit(X), X[:3], X)


@pytest.mark.parametrize("model", [IWAE, TwoStageVAE])
def test_other_models_are_decoded_by_their_own_posteriors(model):
    X = make_data()
    fitted = small(model).fit(X)
    result = optimal_decoder(fitted, X[:4], X, keep_weights=True)
    q = fitted.module_.encode(torch.from_numpy(X))
    expected = optimal_decoder_weights(
        fitted.transform(X[:4]), q.mean.detach(), q.variance.sqrt().detach(), X
    )
    np.testing.assert_allclose(result.averages, expected.averages, rtol=1e-4)
