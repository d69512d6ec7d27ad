"""Scores of detectors are the log densities of their estimators."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import ShuffleSplit
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae.outliers import DensityOutlierDetector

BANDWIDTH = 0.3


def exact(centres, X):
    """Return the log density of Gaussian kernels, as their sum."""
    n, d = centres.shape
    exponents = -0.5 * cdist(X, centres, "sqeuclidean") / BANDWIDTH**2
    constant = np.log(n) + d * np.log(BANDWIDTH * np.sqrt(2 * np.pi))
    return logsumexp(exponents, axis=1) - constant


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("frozen", [False, True])
def test_kernels_of_many_features_are_summed_exactly(scaled, frozen):
    """The sums of scikit-learn over a tree are wrong here by up to 76 nats."""
    rng = np.random.default_rng(0)
    X, new = 3 * rng.normal(size=(800, 16)), 3 * rng.normal(size=(200, 16))
    kernels = KernelDensity(bandwidth=BANDWIDTH)
    density = make_pipeline(StandardScaler(), kernels) if scaled else kernels
    split = ShuffleSplit(1, test_size=0.2, random_state=0)
    train = X if frozen else X[next(split.split(X))[0]]
    if frozen:
        density = FrozenEstimator(density.fit(X))
    detector = DensityOutlierDetector(density, cv=split).fit(X)
    if scaled:
        scaler = StandardScaler().fit(train)
        train, new_scaled = scaler.transform(train), scaler.transform(new)
    else:
        new_scaled = new
    np.testing.assert_allclose(detector.score_samples(new), exact(train, new_scaled))
