"""Parts and models of the user's own."""

import numpy as np
import torch
from conftest import SMALL, small
from sklearn.base import BaseEstimator
from torch import nn

import skvae
from skvae.likelihoods import GaussianLikelihood
from skvae.networks import MLP, CustomNetwork, Network
from skvae.posteriors import DiagonalPosterior


class Tanh(nn.Module):
    """A layer that no file can name, with a function and a buffer of its own."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.layer = nn.Linear(n_in, n_out)
        self.register_buffer("twice", torch.tensor(2.0))
        self.function = lambda x: torch.tanh(x) * self.twice

    def forward(self, x):
        return self.layer(self.function(x))


def make(n_in, n_out):
    return nn.Sequential(nn.Linear(n_in, 7), nn.BatchNorm1d(7), Tanh(7, n_out))


def make_wider(n_in, n_out):
    return nn.Sequential(nn.Linear(n_in, 9), nn.BatchNorm1d(9), Tanh(9, n_out))


def own_network(make=make):
    return CustomNetwork(encoder=make, decoder=make)


class OwnNetwork(Network):
    """A network of the user's own class, which has parameters."""

    def __init__(self, width=7):
        self.width = width

    def make_encoder(self, n_features, n_outputs, generator):
        return self._make(n_features, n_outputs, generator)

    def make_decoder(self, n_components, n_outputs, generator):
        return self._make(n_components, n_outputs, generator)

    def _make(self, n_in, n_out, generator):
        modules = nn.Linear(n_in, self.width), Tanh(self.width, n_out)
        for module in modules:
            for p in module.parameters():
                p.data.normal_(0, 0.3, generator=generator)
        return nn.Sequential(*modules)


class OwnLikelihood(GaussianLikelihood):
    """A likelihood with attributes and a buffer of its own."""

    def build(self, summary):
        super().build(summary)
        self.lengths_ = {"n": summary.n_features, ("a", 1): [1.5, float("nan")]}
        self.register_buffer("extra", torch.arange(3))
        return self


class OwnPosterior(DiagonalPosterior):
    """A posterior with a weight of its own."""

    def build(self, n_components, generator):
        self.weight = nn.Parameter(torch.randn(n_components, generator=generator))
        return self

    def forward(self, h):
        mean, rest = h.chunk(2, dim=-1)
        return super().forward(torch.cat([mean + self.weight, rest], dim=-1))


class OwnDensity(BaseEstimator):
    """A normal density whose parameters are learned."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def fit(self, X, y=None):
        self.mean_, self.covariance_ = X.mean(0), self.factor * np.cov(X.T)
        return self

    def sample(self, n_samples=1, random_state=None):
        rng = np.random.default_rng(random_state)
        return rng.multivariate_normal(self.mean_, self.covariance_, n_samples)

    def score_samples(self, X):
        d = X - self.mean_
        return -0.5 * (d @ np.linalg.inv(self.covariance_) * d).sum(1)


class OwnVAE(skvae.VAE):
    """An estimator of the user's own class."""

    def __init__(self, n_components=2, *, weight=1.0, **parameters):
        super().__init__(n_components, **parameters)
        self.weight = weight


def halve(optimizer):
    return torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)


def second(**params):
    return skvae.VAE(2, **{"network": MLP((8,)), "max_epochs": 2, **params})


MODELS = {
    "functions": small(network=own_network()),
    "network": small(network=OwnNetwork(5)),
    "spectral": small(skvae.RAE, network=own_network(), regularizer="spectral_norm"),
    "adversary": small(skvae.WAE, network=own_network(), divergence="gan"),
    "likelihood": small(likelihood=OwnLikelihood("feature")),
    "posterior": small(posterior=OwnPosterior()),
    "density": small(latent_density=OwnDensity(1.5)),
    "schedule": small(lr_schedule=halve),
    "estimator": OwnVAE(weight=2.0, **{**SMALL, "network": own_network()}),
    "two stages": small(
        skvae.TwoStageVAE,
        network=own_network(),
        lr_schedule=halve,
        second_stage=second(network=OwnNetwork(), likelihood=OwnLikelihood()),
    ),
    "default stage": small(
        skvae.TwoStageVAE,
        second_stage=None,
        lr_schedule=lambda o: halve(o),
        max_epochs=1,
    ),
    "density is a VAE": small(latent_density=second(network=OwnNetwork())),
    "all": small(
        network=OwnNetwork(),
        likelihood=OwnLikelihood(),
        posterior=OwnPosterior(),
        latent_density=OwnDensity(),
    ),
}
NAMES = {
    "functions": ["network"],
    "two stages": [
        "lr_schedule",
        "network",
        "second_stage__likelihood",
        "second_stage__network",
    ],
    "default stage": ["lr_schedule"],
    "density is a VAE": ["latent_density__network"],
    "estimator": ["estimator", "network"],
}
