"""Models without training, whose differences are known."""

import numpy as np
from scipy import stats
from sklearn.base import BaseEstimator

from skvae import evaluate


class Normal(BaseEstimator):
    """The density N(shift, scale^2 I), which nothing was learned for."""

    def __init__(self, shift=0.0, scale=1.0, d=2):
        self.shift, self.scale, self.d = shift, scale, d

    def fit(self, X=None, y=None):
        self.n_features_in_ = self.d
        return self

    def sample(self, n_samples=1, random_state=None):
        noise = np.random.RandomState(random_state).normal(size=(n_samples, self.d))
        return self.shift + self.scale * noise

    def score_samples(self, X):
        return stats.norm(self.shift, self.scale).logpdf(X).sum(axis=1)


TRUTH, SHIFTED, WIDE = (
    m.fit() for m in (Normal(), Normal(shift=0.5), Normal(scale=1.5))
)


def make_rows(n=150, seed=0, d=2):
    return np.random.default_rng(seed).normal(size=(n, d))


def report(model, n=200, n_test=200, seed=0, **options):
    """Evaluate a model that draws rows of the data, too, on such rows."""
    rng = np.random.default_rng(seed + 1000)
    train, test = (model.draw(size, rng) for size in (n, n_test))
    options = {"n_bootstrap": 0, "random_state": seed, **options}
    return evaluate(model.fit(train), train, test, **options)
