"""Scores and samples against a model whose likelihood is known exactly."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from linear_gaussian import (
    N_FEATURES,
    SCALE,
    B,
    D,
    W,
    bound,
    draw,
    estimator_around,
    exact_log_density,
    generator,
    linear_gaussian,
)
from scipy import stats
from sklearn.mixture import GaussianMixture

from skvae.losses import importance_weights, vae_loss


def test_exact_posterior_makes_every_importance_weight_the_likelihood():
    X = draw(40)
    noise = torch.randn((6, 40, D), generator=generator())
    log_ratio, z = importance_weights(linear_gaussian(), torch.tensor(X), noise)
    log_w = log_ratio.detach().double() + stats.norm.logpdf(z.detach().numpy()).sum(-1)
    expected = np.broadcast_to(exact_log_density(X), (6, 40))
    np.testing.assert_allclose(log_w, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("k", [1, 3, 64, 5000])
def test_score_with_the_exact_posterior_is_exact_for_any_number_of_draws(k):
    X = draw(30)
    scores = estimator_around(linear_gaussian()).score_samples(
        X, n_importance_samples=k
    )
    np.testing.assert_allclose(scores, exact_log_density(X), rtol=1e-4, atol=1e-3)


def test_importance_sampled_score_is_within_its_standard_error():
    X = draw(1500)
    model = estimator_around(linear_gaussian(widen=1.4, shift=0.3))
    for k in (100, 1000):
        errors = model.score_samples(X, n_importance_samples=k) - exact_log_density(X)
        bias = -errors.var() / 2  # of a logarithm, to second order
        standard_error = errors.std() / math.sqrt(len(X))
        assert abs(errors.mean() - bias) < 4 * standard_error + 1e-4
        assert errors.std() < 12 / math.sqrt(k)


def test_likelihood_estimate_is_unbiased_before_the_logarithm():
    X = draw(4)
    noise = torch.randn((200_000, 4, D), generator=generator())
    module = linear_gaussian(widen=1.3, shift=0.2)
    log_ratio, z = importance_weights(module, torch.tensor(X), noise)
    log_w = log_ratio.detach().double() + stats.norm.logpdf(z.detach().numpy()).sum(-1)
    ratios = (log_w - torch.tensor(exact_log_density(X))).exp()
    standard_error = ratios.std(0) / math.sqrt(len(ratios))
    assert (abs(ratios.mean(0) - 1) < 4 * standard_error + 1e-3).all()


def test_bounds_tighten_towards_the_exact_likelihood():
    X = draw(3000)
    model = estimator_around(linear_gaussian(widen=1.6, shift=0.4))
    exact = exact_log_density(X)
    gaps = [exact - model.score_samples(X, n_importance_samples=k) for k in (1, 5, 100)]
    for wide, tight in pairwise(gaps):
        difference = wide - tight
        assert difference.mean() > 4 * difference.std() / math.sqrt(len(X))
    assert gaps[-1].mean() > -4 * gaps[-1].std() / math.sqrt(len(X))


def test_one_draw_score_is_the_evidence_lower_bound_on_average():
    X = draw(4000)
    model = estimator_around(linear_gaussian(widen=1.5, shift=0.5))
    scores = model.score_samples(X, n_importance_samples=1)
    terms = vae_loss(model.module_, torch.tensor(X), generator=generator())
    bounds = bound(terms).detach().double().numpy()
    difference = scores - bounds
    standard_error = difference.std() / math.sqrt(len(X))
    assert abs(difference.mean()) < 4 * standard_error


def test_score_uses_the_latent_density():
    # With the prior N(m, S) instead of N(0, I), p(x) = N(B + W m, W S W' + SCALE^2 I).
    X = draw(600)
    codes = 0.5 + 0.7 * np.random.default_rng(2).standard_normal((5000, D))
    model = estimator_around(linear_gaussian(widen=1.3))
    model.latent_density_ = mixture = GaussianMixture(1).fit(codes)
    mean, covariance = mixture.means_[0], mixture.covariances_[0]
    total = W @ covariance @ W.T + SCALE**2 * np.eye(N_FEATURES)
    exact = stats.multivariate_normal(B + W @ mean, total).logpdf(X)
    errors = model.score_samples(X, n_importance_samples=2000) - exact
    bias = -errors.var() / 2
    assert abs(errors.mean() - bias) < 4 * errors.std() / math.sqrt(len(X)) + 1e-3
    assert abs(errors).mean() < 0.2


def test_samples_of_the_linear_model_have_its_moments():
    model = estimator_around(linear_gaussian())
    noisy = model.sample(40_000, mean=False, random_state=0).astype(float)
    np.testing.assert_allclose(noisy.mean(0), B, atol=0.06)
    expected = W @ W.T + SCALE**2 * np.eye(N_FEATURES)
    np.testing.assert_allclose(np.cov(noisy.T), expected, atol=0.12)
    means = model.sample(40_000, random_state=0).astype(float)
    np.testing.assert_allclose(np.cov(means.T), W @ W.T, atol=0.12)
