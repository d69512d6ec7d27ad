"""Small models whose rows can be written as messages, and rows for them."""

import functools

import numpy as np
from conftest import SMALL_SECOND_STAGE, small
from sklearn.base import clone
from sklearn.datasets import load_digits

from skvae import IWAE, VAE, TwoStageVAE
from skvae.likelihoods import DiscretizedLogisticLikelihood
from skvae.networks import ConvNet
from skvae.posteriors import ConstantPosterior

DIGITS = load_digits().images.astype(np.uint8)  # levels 0 to 16
LEVELS = DIGITS.reshape(len(DIGITS), -1)
BITS = (LEVELS > 7).astype(np.uint8)


def of_levels(scale="global"):
    return DiscretizedLogisticLikelihood(n_levels=17, high=16, scale=scale)


CONVNET = ConvNet(channels=(4,), hidden_layer_sizes=())
SECOND = clone(SMALL_SECOND_STAGE).set_params(random_state=0)
# What is fitted: class, rows, parameters.
RECIPES = {
    "bits": (VAE, BITS, {}),
    "bits, isotropic": (VAE, BITS, {"posterior": "isotropic"}),
    "bits, constant": (VAE, BITS, {"posterior": ConstantPosterior(0.3)}),
    "bits, full": (VAE, BITS, {"posterior": "full", "n_components": 4}),
    "bits, full, one": (VAE, BITS, {"posterior": "full", "n_components": 1}),
    "bits, IWAE": (IWAE, BITS, {}),
    "bits, two stages": (TwoStageVAE, BITS, {}),
    "bits, codes of codes": (VAE, BITS, {"latent_density": SECOND}),
    "levels": (VAE, LEVELS, {"likelihood": of_levels()}),
    "levels, by feature": (VAE, LEVELS, {"likelihood": of_levels("feature")}),
    "levels, predicted": (VAE, LEVELS, {"likelihood": of_levels("predicted")}),
    "levels, two stages": (TwoStageVAE, LEVELS, {"likelihood": of_levels()}),
    "images": (VAE, DIGITS, {"likelihood": of_levels(), "network": CONVNET}),
    "pictures": (VAE, DIGITS[:, None] > 7, {"network": CONVNET}),
}


@functools.cache
def model_and_rows(name):
    """Return a fitted model and rows that it has not seen."""
    cls, X, params = RECIPES[name]
    model = small(cls, **{"likelihood": "bernoulli", "max_epochs": 5, **params})
    return model.fit(X[:400]), X[400:]
