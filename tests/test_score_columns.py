"""Scores of columns: which one made a row an outlier."""

import numpy as np
import pandas as pd
import pytest
from conftest import small
from scipy.special import logsumexp
from sklearn.datasets import load_diabetes, load_wine
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler

from skvae.outliers import DensityOutlierDetector
from skvae.outliers._tables import typical_values, with_column


def normal_rows(n=200, seed=0):
    rng = np.random.default_rng(seed)
    return rng.multivariate_normal([1, -2, 0], [[1, 0.9, 0], [0.9, 1, 0], [0, 0, 4]], n)


def detector_of(density, X):
    return DensityOutlierDetector(FrozenEstimator(density.fit(X))).fit(X)


def test_scores_are_those_of_rows_with_one_value_replaced():
    X = normal_rows()
    detector = detector_of(GaussianMixture(2, random_state=0), X)
    new = normal_rows(4, seed=1)
    # Ranks 20, 60, ... of 200: the middles of five parts.
    values = np.sort(X, axis=0)[[20, 60, 100, 140, 180]]
    for i, row in enumerate(new):
        for j in range(3):
            others = np.repeat(row[None], 5, axis=0)
            others[:, j] = values[:, j]
            mean = logsumexp(detector.score_samples(others)) - np.log(5)
            expected = detector.score_samples(row[None])[0] - mean
            assert detector.score_columns(new)[i, j] == pytest.approx(expected)


def test_an_independent_column_says_nothing_of_the_others():
    X = normal_rows(2000)
    detector = detector_of(GaussianMixture(1), X)
    scores = detector.score_columns(np.array([[1.0, -2, 0], [1, -2, 20], [3, -4, 0]]))
    assert np.abs(scores[0]).max() < 2
    assert scores[1].argmin() == 2
    assert np.abs(scores[1, :2] - scores[0, :2]).max() < 0.5
    assert scores[2].argmax() == 2  # columns 0 and 1 belong together
    assert scores[2, :2].max() < -3


def corrupted(X, rng):
    X, columns = X.copy(), rng.integers(X.shape[1], size=len(X))
    X[np.arange(len(X)), columns] = 5 * rng.choice([-1, 1], len(X))
    return X, columns


@pytest.mark.parametrize("load", [load_wine, load_diabetes])
@pytest.mark.parametrize(
    "density",
    [GaussianMixture(2, reg_covar=0.01), PCA(3), KernelDensity(bandwidth=0.5)],
)
def test_a_column_five_deviations_off_has_the_lowest_score(load, density):
    X = StandardScaler().fit_transform(load().data)
    shares = []
    for seed in range(3):
        train, test = train_test_split(X, test_size=40, random_state=seed)
        rows, columns = corrupted(test, np.random.default_rng(seed))
        detector = DensityOutlierDetector(density, random_state=seed).fit(train)
        shares.append(np.mean(detector.score_columns(rows).argmin(1) == columns))
    assert np.mean(shares) >= 0.95


@pytest.mark.slow
def test_so_it_is_with_a_vae():
    X = StandardScaler().fit_transform(load_wine().data)
    train, test = train_test_split(X, test_size=15, random_state=0)
    rows, columns = corrupted(test, np.random.default_rng(0))
    detector = DensityOutlierDetector(small(max_epochs=50), cv=2).fit(train)
    assert np.mean(detector.score_columns(rows).argmin(1) == columns) >= 0.9


def test_a_constant_column_gives_finite_scores():
    X = normal_rows()
    X[:, 2] = 7
    detector = detector_of(GaussianMixture(1), X)
    scores = detector.score_columns(np.add(X[:3], [0, 0, 1]))
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(scores.argmin(1), 2)


def test_real_values_in_a_column_of_whole_numbers_keep_their_fractions():
    X = np.array([[1, 2], [3, 4]])
    assert with_column(X, 1, np.array([0.5, 1.5])).tolist() == [[1, 0.5], [3, 1.5]]
    assert X.tolist() == [[1, 2], [3, 4]]


def test_replaced_columns_of_a_frame_keep_their_types():
    frame = pd.DataFrame({"a": [1, 2], "b": pd.Categorical(["x", "y"])})
    values = typical_values(frame["b"], 2)
    replaced = with_column(frame, 1, values.iloc[[1, 1]])
    assert replaced["b"].tolist() == ["y", "y"]
    assert replaced.dtypes.equals(frame.dtypes)
    assert frame["b"].tolist() == ["x", "y"]


def test_typical_values_are_at_the_middles_of_equal_parts():
    values = np.random.default_rng(0).permutation(np.arange(100.0))
    assert typical_values(values, 5).tolist() == [10, 30, 50, 70, 90]
    words = np.array(["b", "a", "a", "a", "c", "a"], dtype=object)
    assert typical_values(words, 3).tolist() == ["a", "a", "c"]
