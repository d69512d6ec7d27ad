"""Columns of many shapes, and likelihoods of normal scores that are built for them."""

import numpy as np
import torch

from skvae._utils.rows import summarise
from skvae.likelihoods import NormalScoresLikelihood

RNG = np.random.default_rng(0)
N = RNG.standard_normal(400)
COLUMNS = {
    "normal": N,
    "integer": np.round(3 * N),
    "many integers": np.round(300 * N),
    "zero-inflated": np.where(RNG.random(400) < 0.4, 0, np.exp(N)),
    "both ends repeated": N.clip(-0.5, 1),
    "constant": np.full(50, 3.0),
    "one value": np.array([2.0]),
    "two values": RNG.integers(0, 2, 100) * 4.0 - 1,
    "two different values": np.array([1.0, 2.0]),
    "timestamps": 1.7e9 + np.round(86_400 * N),
    "tiny": 1e-20 * N,
    "large": 1e20 * N,
    "heavy tails": np.tan(1.5 * np.tanh(N)) * np.exp(2 * np.abs(N)),
    "two modes": np.where(RNG.random(400) < 0.5, -100, 100) + N,
    "bounded": RNG.random(400),
    "gaps": np.where(RNG.random(400) < 0.3, np.nan, N),
    "empty": np.full(20, np.nan),
}


def built(column, log_scale=0.0, scale="feature"):
    """Return a likelihood of columns, its frame, and the scale that is asked for."""
    X = np.reshape(column, (len(column), -1)).astype(float)
    likelihood = NormalScoresLikelihood(scale)
    likelihood.look(X)
    summary = summarise(X)
    frame = likelihood.frame(summary)
    likelihood.build(summary.in_frame(frame))
    likelihood.requires_grad_(False)
    if scale == "feature":
        likelihood.log_scale.fill_(log_scale)
    return likelihood, frame


def density(likelihood, loc):
    """Return the distribution of one column at one location, in float64."""
    return likelihood(torch.tensor([[loc]], dtype=torch.float64))


def knots_of(likelihood):
    """Return the knots of one column, in units of the module, and their scores."""
    x, y = likelihood.map.table[:2, 0].double().numpy()
    return x, y


def log_prob(p, x):
    return p.log_prob(torch.as_tensor(x)[:, None]).numpy()
