"""A model whose likelihood and posterior are known exactly."""

import numpy as np
import torch
from conftest import small
from scipy import stats
from torch import nn

from skvae._utils.rows import DataSummary
from skvae.likelihoods import GaussianLikelihood
from skvae.module import AutoencoderModule
from skvae.posteriors import DiagonalPosterior

N_FEATURES, D, SCALE = 5, 2, 0.6
RNG = np.random.default_rng(0)
# Orthogonal columns: the exact posterior is then diagonal.
W = np.linalg.qr(RNG.standard_normal((N_FEATURES, D)))[0] * [2.0, 0.8]
B = RNG.standard_normal(N_FEATURES)


def linear_gaussian(widen=1.0, shift=0.0):
    """Return a module with p(x) = N(B, W W' + SCALE^2 I) and a known posterior.

    q(z|x) is the exact posterior, its scale multiplied by `widen` and its mean moved
    by `shift`.
    """
    precision = W.T @ W + SCALE**2 * np.eye(D)
    to_mean = np.linalg.solve(precision, W.T)
    sd = SCALE / np.sqrt(np.diag(precision)) * widen
    encoder, decoder = nn.Linear(N_FEATURES, 2 * D), nn.Linear(D, N_FEATURES)
    with torch.no_grad():
        encoder.weight.copy_(torch.tensor(np.vstack([to_mean, 0 * to_mean])))
        bias = np.concatenate([shift - to_mean @ B, np.log(sd)])
        encoder.bias.copy_(torch.tensor(bias))
        decoder.weight.copy_(torch.tensor(W))
        decoder.bias.copy_(torch.tensor(B))
    summary = DataSummary(np.zeros(N_FEATURES), np.ones(N_FEATURES))
    likelihood = GaussianLikelihood(scale=SCALE).build(summary)
    posterior = DiagonalPosterior()
    return AutoencoderModule(encoder, posterior, decoder, likelihood, summary, D).eval()


def draw(n, seed=1):
    """Return rows drawn from the model."""
    rng = np.random.default_rng(seed)
    Z, noise = rng.standard_normal((n, D)), rng.standard_normal((n, N_FEATURES))
    return (Z @ W.T + B + SCALE * noise).astype(np.float32)


def with_gaps(X, share=0.3, seed=0):
    """Return float rows of which a share of the values is missing at random."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(X.shape) < share, np.nan, X)


def exact_log_density(X):
    """Return log p(x) of every row."""
    covariance = W @ W.T + SCALE**2 * np.eye(N_FEATURES)
    return stats.multivariate_normal(B, covariance).logpdf(X)


def estimator_around(module):
    """Return a fitted VAE whose module is replaced by another."""
    model = small(n_components=D, max_epochs=1).fit(draw(30))
    model.module_ = module
    return model


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def bound(terms):
    """Return the evidence lower bound of every row."""
    return -(terms["reconstruction"] + terms["kl"])
