"""Simulated counts: held-out scores beside the true density and a normal model."""

import functools

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import gammaln, logsumexp

from skvae import VAE
from skvae._distributions.normal import rsample_with_log_prob, standard_normal_log_prob
from skvae.likelihoods import GaussianLikelihood, NegativeBinomialLikelihood

SIZE, D, N_TRAIN = 3.0, 3, 1000
SEEDS = [0, 1, 2]


def parameters(seed):
    """Return loadings and offsets of the log means of 20 features."""
    loadings = np.random.default_rng(100 + seed).normal(size=(D, 20)) / 2
    return loadings, np.random.default_rng(200 + seed).uniform(-1, 5, 20)


def simulated(kind, seed):
    """Return training rows and rows held out."""
    rng, (W, b) = np.random.default_rng(seed), parameters(seed)
    mean = np.exp(b + rng.normal(size=(1500, D)) @ W)
    if kind == "overdispersed":
        mean = rng.gamma(SIZE, mean / SIZE)
    X = rng.poisson(mean).astype(float)
    return X[:N_TRAIN], X[N_TRAIN:]


def true_score(kind, seed):
    """Return the mean log probability of rows held out, by an integral over a grid."""
    (W, b), X = parameters(seed), simulated(kind, seed)[1]
    grid, total = np.linspace(-4.8, 4.8, 81), -np.inf
    for first in grid:
        z = np.stack(np.meshgrid([first], grid, grid), -1).reshape(-1, D)
        log_mean = b + z @ W
        if kind == "overdispersed":
            log_total = np.logaddexp(np.log(SIZE), log_mean)
            log_p = X @ (log_mean - log_total).T
            log_p -= SIZE * (log_total - np.log(SIZE)).sum(1)
        else:
            log_p = X @ log_mean.T - np.exp(log_mean).sum(1)
        log_p += stats.norm.logpdf(z).sum(1) + D * np.log(grid[1] - grid[0])
        total = np.logaddexp(total, logsumexp(log_p, axis=1))
    constant = -gammaln(X + 1)
    if kind == "overdispersed":
        constant += gammaln(X + SIZE) - gammaln(SIZE)
    return (total + constant.sum(1)).mean()


def normal_score(model, X, k=512):
    """Return the mean log probability of the unit intervals around counts."""
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        q = model.module_.encode(torch.tensor(X).float())
        noise = torch.randn(k, *q.mean.shape, generator=rng)
        z, log_q = rsample_with_log_prob(q, noise)
        p = model.module_.decode(z)
        log_w = (standard_normal_log_prob(z) - log_q).double().numpy()
        distance = (torch.tensor(X) - p.mean).abs().numpy()
        scale = p.variance.sqrt().double().numpy()
    near = stats.norm.logsf((distance - 0.5) / scale)
    far = stats.norm.logsf((distance + 0.5) / scale)
    log_p = near + np.log(-np.expm1(np.minimum(far - near, -1e-300)))
    return (logsumexp(log_p.sum(-1) + log_w, axis=0) - np.log(k)).mean()


@functools.cache
def scores(kind, seed):
    """Return the held-out scores of four likelihoods, and the learned dispersion."""
    X, X_test = simulated(kind, seed)
    found = {}
    for likelihood in ("poisson", NegativeBinomialLikelihood("predicted")):
        name = likelihood if isinstance(likelihood, str) else "predicted"
        model = VAE(D, likelihood=likelihood, random_state=seed).fit(X)
        found[name] = model.score(X_test)
    normal = VAE(D, likelihood=GaussianLikelihood("feature"), random_state=seed).fit(X)
    found["normal"] = normal_score(normal, X_test)
    model = VAE(D, likelihood="negative_binomial", random_state=seed).fit(X)
    found["negative binomial"] = model.score(X_test)
    return found, model.likelihood_.dispersion_


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_overdispersed_counts_are_negative_binomial(seed):
    found, dispersion = scores("overdispersed", seed)
    truth = true_score("overdispersed", seed)
    for name in ("negative binomial", "predicted"):
        assert truth - 1 < found[name] < truth
        assert found[name] > found["poisson"] + 5
        assert found[name] > found["normal"] + 5
    common = simulated("overdispersed", seed)[0].mean(0) > 5
    assert np.median(dispersion[common]) == pytest.approx(1 / SIZE, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_poisson_counts_are_fitted_by_both(seed):
    found, dispersion = scores("poisson", seed)
    truth = true_score("poisson", seed)
    for name in ("poisson", "negative binomial", "predicted"):
        assert truth - 1.5 < found[name] < truth
        assert found[name] > found["normal"] + 3
    assert np.median(dispersion) < 0.05
