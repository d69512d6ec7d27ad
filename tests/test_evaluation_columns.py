"""Columns that lie elsewhere or spread otherwise are found and named."""

import numpy as np
import pytest
from compared_models import report
from scipy.stats import ks_2samp, wasserstein_distance
from sklearn.base import BaseEstimator

from skvae import evaluate
from skvae.evaluation._columns import cdf_distances


class Changed(BaseEstimator):
    """Normal rows of which the columns `wrong` are changed."""

    def __init__(self, d, change=None, wrong=(0,)):
        self.d, self.change, self.wrong = d, change, wrong

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def draw(self, n, rng):
        return rng.normal(size=(n, self.d))

    def sample(self, n_samples=1, random_state=None):
        X = self.draw(n_samples, np.random.default_rng(random_state))
        for j in self.wrong if self.change else ():
            X[:, j] = self.change(X[:, j])
        return X


class Discrete(Changed):
    """Counts, a rare category and a constant beside them."""

    def draw(self, n, rng):
        rare = rng.random((n, 1)) < 0.03
        return np.hstack([rng.poisson(1, (n, self.d - 2)), rare, np.full((n, 1), 7.0)])


class Decoder(Changed):
    """Means without the noise that makes most of the first column's spread."""

    def sample(self, n_samples=1, *, mean=True, random_state=None):
        changed = super().sample(n_samples, random_state)
        if not mean:
            return changed
        return self.draw(n_samples, np.random.default_rng(0)) * ([0.1] * self.d)


def wrong(found):
    return [text for text in found.findings if text.startswith("Wrong columns")]


CHANGES = {
    "threefold scale": lambda x: 3 * x,
    "a third of the scale": lambda x: x / 3,
    "shifted by 1": lambda x: x + 1,
    "constant": lambda x: 0 * x,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize(("d", "n_test"), [(2, 200), (50, 200), (10, 20)])
def test_one_wrong_column_is_found_and_named_alone(change, d, n_test):
    for seed in range(5):
        found = report(Changed(d, change, (d - 1,)), n_test=n_test, seed=seed)
        (text,) = wrong(found)
        assert f"1 of {d} columns" in text
        assert f": column {d - 1} has mean" in text


def test_the_worst_columns_are_named_first_by_their_names():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    names = [*"abcdefghij"]
    X = pandas.DataFrame(rng.normal(size=(400, 10)), columns=names)
    model = Changed(10, lambda x: 3 * x, (1, 4, 5, 7))
    found = evaluate(model.fit(X), X[:200], X[200:], n_bootstrap=0)
    (text,) = wrong(found)
    assert text.startswith("Wrong columns: 4 of 10")
    assert text.count(" has mean ") == 3
    assert "; and so on." in text
    assert {text.split("column '")[i][0] for i in (1, 2, 3)} <= {*"befh"}
    values = [float(part.split()[0]) for part in text.split("standard deviation ")[1:]]
    assert np.allclose(values, 3, rtol=0.2)


def test_of_features_there_are_only_numbers():
    pandas = pytest.importorskip("pandas")
    X = np.random.default_rng(0).normal(size=(400, 2))
    frame = pandas.DataFrame(X, columns=["a", "b"])
    model = Changed(2, lambda x: 3 * x)
    options = {"n_bootstrap": 0, "features": lambda X: X**3}
    (text,) = wrong(evaluate(model.fit(X), frame[:200], frame[200:], **options))
    assert ": column 0 has mean" in text


def test_the_truth_has_no_wrong_column():
    for model in (Changed(20), Discrete(6)):
        for seed in range(15):
            found = report(model, 100, 40, seed)
            assert wrong(found) == []
        assert found["column_distance"].floor < 1


def test_discrete_and_constant_columns_are_judged():
    for change, j in [
        (lambda x: x + 2, 0),
        (lambda x: x + 5, 5),
        (lambda x: 1 - x, 4),
    ]:
        (text,) = wrong(report(Discrete(6, change, (j,))))
        assert f": column {j} has mean" in text
    # A little noise on columns that vary in few rows only is no matter.
    for j in (4, 5):
        jitter = np.random.default_rng(0).normal(size=200)
        model = Discrete(6, lambda x, jitter=jitter: x + 0.3 * jitter, (j,))
        assert not wrong(report(model, n_samples=200))


def test_columns_of_any_unit_are_judged():
    class Income(Changed):
        def draw(self, n, rng):
            return super().draw(n, rng) * [1e5, *[1e-3] * (self.d - 1)]

    with pytest.warns(UserWarning, match="total variance"):
        (text,) = wrong(report(Income(6, lambda x: 3 * x, (4,))))
    assert ": column 4 has mean" in text


def test_the_worst_column_comes_first():
    class Two(Changed):
        def sample(self, n_samples=1, random_state=None):
            return super().sample(n_samples, random_state) + np.array([0, 1, 0, 9])

    (text,) = wrong(report(Two(4)))
    assert text.index("column 3") < text.index("column 1")


def test_a_column_is_no_finding_that_is_right_in_the_samples_shown():
    class Noise(Changed):
        def sample(self, n_samples=1, *, mean=True, random_state=None):
            X = super().sample(n_samples, random_state)
            return X if mean else 3 * X

    assert not wrong(report(Noise(3)))
    assert wrong(report(Noise(3), mean=False))


def test_a_column_is_wrong_with_and_without_noise():
    assert not wrong(report(Decoder(3)))
    assert wrong(report(Decoder(3, lambda x: 3 * x)))
    assert wrong(report(Decoder(3, lambda x: 3 * x), mean=False))


def test_a_scale_that_is_a_little_off_is_no_finding():
    assert not wrong(report(Changed(3, lambda x: 1.3 * x), 4000, 2000))


def test_rows_that_are_too_few_are_not_judged():
    found = report(Changed(2, lambda x: x + 9), 6, 6, features=lambda X: X)
    assert "Wrong columns" in found.not_judged[0]


def test_distances_are_those_of_scipy_with_ties_and_without():
    rng = np.random.default_rng(0)
    for X, Y in [
        (rng.normal(size=(50, 3)), 2 * rng.normal(size=(70, 3)) + 1),
        (rng.integers(0, 4, (50, 3)) * 1.0, rng.integers(1, 3, (20, 3)) * 1.0),
    ]:
        found = cdf_distances(X, Y)
        for j in range(3):
            statistic = ks_2samp(X[:, j], Y[:, j]).statistic
            assert found[0][j] == pytest.approx(statistic)
            distance = wasserstein_distance(X[:, j], Y[:, j])
            assert found[1][j] == pytest.approx(distance)


def test_the_figure_is_the_distance_in_standard_deviations():
    found = report(Changed(2, lambda x: x + 1), 4000, 2000)
    assert found["column_distance"].value == pytest.approx(1, abs=0.1)
    assert found["column_distance"].floor < 0.1
