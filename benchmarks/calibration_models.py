"""Densities that are known, and models that are one of them or have a known fault."""

import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.base import BaseEstimator
from sklearn.neighbors import KernelDensity

# ------------------------------------------------------------------------- populations


class Modes:
    """Three normal modes in a row, along one direction that all features share."""

    def __init__(self, d):
        self.d = d
        direction = np.ones(d) / np.sqrt(d)
        self.centres = np.array([-5.0, 0.0, 5.0])[:, None] * direction
        self.covariance = 0.2 * np.eye(d) + 0.8 * np.outer(direction, direction)

    def draw(self, n, rng):
        factor = np.linalg.cholesky(self.covariance)
        return self.centres[rng.integers(3, size=n)] + rng.normal(size=(n, self.d)) @ (
            factor.T
        )

    def score(self, X):
        parts = [
            multivariate_normal(c, self.covariance).logpdf(X) for c in self.centres
        ]
        return logsumexp(np.atleast_2d(parts), axis=0) - np.log(3)


class Normal(Modes):
    """One normal density with one variance, the one that "Overfit" compares with."""

    def draw(self, n, rng):
        return rng.normal(size=(n, self.d))

    def score(self, X):
        return -0.5 * (np.square(X) + np.log(2 * np.pi)).sum(axis=1)


class Table(Modes):
    """Independent columns of three levels: rows repeat."""

    def draw(self, n, rng):
        return rng.integers(0, 3, size=(n, min(self.d, 4))).astype(float)

    def score(self, X):
        return np.full(len(X), -X.shape[1] * np.log(3))


# ------------------------------------------------------------------------------ models


class Truth(BaseEstimator):
    """The population itself, which has learned nothing."""

    def __init__(self, population):
        self.population = population

    def fit(self, X, y=None):
        self.X_ = X
        return self

    def sample(self, n_samples=1, random_state=None):
        return self.new_rows(n_samples, np.random.default_rng(random_state))

    def new_rows(self, n, rng):
        return self.population.draw(n, rng)

    def score_samples(self, X):
        return self.population.score(X)


class Copier(Truth):
    share = 1.0

    def new_rows(self, n, rng):
        X = self.population.draw(n, rng)
        copied = rng.random(n) < self.share
        X[copied] = self.X_[rng.integers(len(self.X_), size=copied.sum())]
        return X


class PartialCopier(Copier):
    share = 0.1


class RareCopier(Copier):
    share = 0.03


class OnePoint(Truth):
    def new_rows(self, n, rng):
        return np.repeat(self.X_.mean(axis=0)[None], n, axis=0)


class MissingMode(Truth):
    def new_rows(self, n, rng):
        X = self.population.draw(4 * n + 40, rng)
        return X[X.mean(axis=1) < np.quantile(self.X_.mean(axis=1), 2 / 3)][:n]


class WrongScale(Truth):
    def new_rows(self, n, rng):
        X = self.population.draw(n, rng)
        X[:, 0] *= 3
        return X


class Overfit(Truth):
    """A kernel density that is far too narrow."""

    def fit(self, X, y=None):
        self.density_ = KernelDensity(bandwidth=0.1).fit(X)
        return self

    def sample(self, n_samples=1, random_state=None):
        return self.density_.sample(n_samples, random_state)

    def score_samples(self, X):
        return self.density_.score_samples(X)


class Collapsed(Truth):
    """The mean row with the noise of all features, as of a collapsed posterior."""

    def sample(self, n_samples=1, *, mean=True, random_state=None):
        rng = np.random.default_rng(random_state)
        noise = 0 if mean else rng.normal(size=(n_samples, self.X_.shape[1]))
        return self.X_.mean(axis=0) + self.X_.std() * noise + np.zeros((n_samples, 1))


class ShuffledColumns(Truth):
    def new_rows(self, n, rng):
        return rng.permuted(self.population.draw(n, rng), axis=0)


MODELS = {
    "truth": Truth,
    "copier": Copier,
    "copier of a tenth": PartialCopier,
    "copier of 3 %": RareCopier,
    "one point": OnePoint,
    "missing mode": MissingMode,
    "wrong scale": WrongScale,
    "overfit": Overfit,
    "collapsed": Collapsed,
    "shuffled columns": ShuffledColumns,
}
