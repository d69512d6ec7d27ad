"""Columns that no longer depend on each other are found and named."""

import numpy as np
import pytest
from compared_models import report
from scipy.stats import spearmanr
from sklearn.base import BaseEstimator
from sklearn.datasets import make_moons

pytestmark = pytest.mark.filterwarnings("ignore:Column .* total variance")


class Factor(BaseEstimator):
    """Columns with a common factor, of which `shuffled` are shuffled in samples."""

    def __init__(self, d, shuffled=(), noise=0.5, keep=0.0):
        self.d, self.shuffled = d, shuffled
        self.noise, self.keep = noise, keep

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def draw(self, n, rng):
        factor = rng.normal(size=(n, 1))
        return factor + self.noise * rng.normal(size=(n, self.d))

    def sample(self, n_samples=1, random_state=None):
        rng = np.random.default_rng(random_state)
        X = self.draw(n_samples, rng)
        for j in self.shuffled:
            moved = np.flatnonzero(rng.random(n_samples) >= self.keep)
            X[moved, j] = rng.permutation(X[moved, j])
        return X


class HeavyTails(Factor):
    def draw(self, n, rng):
        return np.exp(1.5 * super().draw(n, rng))


class Zeros(Factor):
    def draw(self, n, rng):
        return np.maximum(super().draw(n, rng), 0)


def lost(found):
    return [text for text in found.findings if text.startswith("Lost correlations")]


@pytest.mark.parametrize(("d", "n_test"), [(2, 200), (50, 200), (10, 20)])
@pytest.mark.parametrize("kind", [Factor, HeavyTails, Zeros])
def test_shuffled_columns_are_found(kind, d, n_test):
    for seed in range(4):
        (text,) = lost(report(kind(d, tuple(range(d))), n_test=n_test, seed=seed))
        assert f" of {d} columns do not depend" in text


def test_one_shuffled_column_of_many_is_named_with_its_correlations():
    found = report(Factor(20, (7,)), 1000, 1000)
    (text,) = lost(found)
    assert "column 7 and column " in text
    pair = text.split("data: ")[1]
    in_samples, in_data = (
        float(pair.split(mark)[1].split(" ")[0])
        for mark in ("correlation of ", "samples, ")
    )
    assert in_samples == pytest.approx(0, abs=0.1)
    rows = Factor(2).draw(10**5, np.random.default_rng(0))
    assert in_data == pytest.approx(spearmanr(*rows.T).statistic, abs=0.05)
    assert found["lost_correlation"].value == pytest.approx(in_data, abs=0.15)
    assert found["lost_correlation"].floor < 0.15


def test_correlations_of_either_sign_are_found():
    class Signs(Factor):
        def draw(self, n, rng):
            return super().draw(n, rng) * [1, -1]

    (text,) = lost(report(Signs(2, (0,))))
    assert ", -0." in text
    assert not lost(report(Signs(2)))

    class Turned(Signs):
        def sample(self, n_samples=1, random_state=None):
            return super().sample(n_samples, random_state) * [1, -1]

    assert lost(report(Turned(2)))


def test_weak_correlations_do_not_count():
    assert not lost(report(Factor(3, (0,), noise=1.5), 2000, 2000))


def test_noise_among_tied_values_loses_nothing():
    class Ties(Factor):
        def draw(self, n, rng):
            return np.maximum(super().draw(n, rng) - 0.9, 0)

        def sample(self, n_samples=1, random_state=None):
            X = super().sample(n_samples, random_state)
            return X + 0.01 * np.random.default_rng(0).normal(size=X.shape)

    found = report(Ties(4, noise=0.3), 1000, 1000)
    assert found["lost_correlation"].value > 0.4
    assert not lost(found)


def test_most_of_a_correlation_is_enough():
    assert not lost(report(Factor(3, (0,), keep=0.8), 2000, 2000))
    assert lost(report(Factor(3, (0,), keep=0.2), 2000, 2000))


@pytest.mark.parametrize("kind", [Factor, HeavyTails, Zeros])
def test_the_truth_loses_none(kind):
    for seed in range(10):
        for noise in (0.5, 1.0, 20.0):
            found = report(kind(8, noise=noise), 60, 40, seed)
            assert lost(found) == []


def test_single_and_constant_columns_have_no_correlation():
    class Constant(Factor):
        def draw(self, n, rng):
            return super().draw(n, rng) * [1, 0]

    for model in (Factor(1), Constant(2)):
        with pytest.raises(KeyError):
            report(model)["lost_correlation"]


def test_what_correlations_miss_is_told_apart_by_neighbours():
    class Moons(Factor):
        """Two curves of which the samples have only the margins."""

        def draw(self, n, rng):
            seed = int(rng.integers(2**31))
            return make_moons(n, noise=0.01, random_state=seed)[0]

    found = report(Moons(2, (0,)), 1000, 1000).findings
    assert [text for text in found if text.startswith(("Low precision", "Samples"))]
