"""Data, models, a metric and a feature map for the tests of scorers."""

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.mixture import GaussianMixture

from skvae import VAE
from skvae.networks import MLP
from skvae.scorers import SCORERS

RNG = np.random.RandomState(0)
X = np.vstack([RNG.normal(size=(100, 4)), RNG.normal(size=(100, 4)) + 5])
RNG.shuffle(X)
X_TRAIN, X_TEST = X[:120], X[120:]
MIXTURE = GaussianMixture(2, random_state=0).fit(X_TRAIN)
QUICK = VAE(2, network=MLP((16,)), max_epochs=3, random_state=0)
VAE_FITTED = clone(QUICK).fit(X_TRAIN)
TRAIN = {"authenticity", "neg_abs_data_copying"}
OF_SAMPLES = [n for n in SCORERS if not n.startswith(("neg_fid", "neg_kid"))]
GRID = {"n_components": [1, 2, 3]}


class Counting(BaseEstimator):
    """Shifts the training rows, and counts draws over all of its clones."""

    draws = 0

    def __init__(self, shift=0.0, fail=False):
        self.shift, self.fail = shift, fail

    def fit(self, X, y=None, sample_weight=None):
        self.X_ = np.asarray(X)
        return self

    def sample(self, n_samples=1, random_state=None):
        Counting.draws += 1
        rng = np.random.RandomState(random_state)
        rows = self.X_[rng.randint(len(self.X_), size=n_samples)] + self.shift
        return rows * np.nan if self.fail else rows

    def score(self, X, y=None):
        return 0.0


class CountingFeatures:
    """Adds the square of the first column, and notes the shapes it is given."""

    def __init__(self):
        self.shapes = []

    def __call__(self, X):
        self.shapes.append(X.shape)
        return np.hstack([X, X[:, :1] ** 2])


def spread(X_real, X_generated, power=1):
    """Return the mean ratio of standard deviations, to some power."""
    return float(np.mean(np.abs(X_generated.std(0) / X_real.std(0)) ** power))
