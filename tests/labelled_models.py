"""Latent densities that take labels, estimators that have one, and labelled rows."""

import numpy as np
from conftest import SMALL_SECOND_STAGE, public_classes, small
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KernelDensity

import skvae
from skvae import TwoStageVAE, densities
from skvae.densities import ClassConditionalDensity
from skvae.densities._adapter import takes_labels
from skvae.likelihoods import GaussianLikelihood
from skvae.networks import MLP

LABELLED_DENSITIES = [
    *(d() for d in public_classes(densities, object) if takes_labels(d)),
    ClassConditionalDensity(KernelDensity(), min_samples=5),
    small(
        max_epochs=1,
        batch_size=1000,
        latent_density=ClassConditionalDensity(),
    ),
]


def small_labelled_estimators():
    """Return estimators whose latent density takes labels."""
    return [
        *(small(latent_density=density) for density in LABELLED_DENSITIES),
        small(skvae.RAE, latent_density=LABELLED_DENSITIES[0]),
        small(
            skvae.TwoStageVAE,
            second_stage=clone(SMALL_SECOND_STAGE).set_params(
                latent_density=LABELLED_DENSITIES[0]
            ),
        ),
    ]


CLASSES = ["low", "mid", "top"]


def make_rows(n=240, seed=0, shares=(0.5, 0.3, 0.2)):
    """Return rows of three classes, far from each other, and their labels."""
    rng = np.random.default_rng(seed)
    y = rng.choice(3, n, p=shares)
    plane = np.random.default_rng(0).normal(size=(2, 5))
    centres = 4 * np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    H = centres[y] + rng.normal(size=(n, 2))
    X = H @ plane + 0.3 * rng.normal(size=(n, 5))
    return X.astype(np.float32), np.array(CLASSES)[y]


X, Y = make_rows()


# Which tells the classes apart after a few steps, from principal components on.
SHARP = {
    "network": MLP((8,)),
    "likelihood": GaussianLikelihood(scale=0.3),
    "early_stopping": False,
    "kl_warmup": 0.0,
    "batch_size": 64,
    "max_epochs": 3,
}


def trained(**parameters):
    """Return a VAE that will tell the classes apart."""
    density = {"latent_density": ClassConditionalDensity()}
    return small(**{**density, **SHARP, **parameters})


def two_sharp_stages():
    """Return a model of two stages, of which the second knows classes."""
    likelihood = GaussianLikelihood(scale=0.1)
    options = {"likelihood": likelihood, "max_epochs": 60, "learning_rate": 0.01}
    second = trained(random_state=None, **options)  # it does not start at components
    return small(TwoStageVAE, second_stage=second, **SHARP)


def make_judge():
    """Return a classifier that knows the classes of new rows."""
    judge = LogisticRegression().fit(*make_rows(600, seed=1))
    assert judge.score(*make_rows(600, seed=2)) > 0.99
    return judge


def in_chunks(model, X, y, n=3):
    for i in range(n):
        model.partial_fit(X[i::n], y[i::n])
    return model


COUNTS = {"c": 300, "a": 120, "b": 60}
CENTRES = {"a": [0, 0], "b": [3, 0], "c": [0, 4]}


def make_classes(counts=COUNTS, seed=0):
    """Return rows of normal classes in the plane, of different widths, and labels."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(list(counts), list(counts.values())))
    centres = np.array([CENTRES[label] for label in y], float)
    widths = np.where(y == "a", 0.5, 1.0)[:, None] * [1.0, 0.7]
    return centres + widths * rng.normal(size=(len(y), 2)), y
