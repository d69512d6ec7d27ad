"""Kinds of rows that samples leave out are found, and nothing is found by chance."""

import numpy as np
import pytest
from scipy.stats import fisher_exact
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans

from skvae import evaluate
from skvae.evaluation import _modes
from skvae.evaluation._real import ComparedRows, compared_rows
from skvae.evaluation._rows import FeatureSets

CENTRES = 4 * np.array([[np.cos(a), np.sin(a)] for a in np.arange(8) * np.pi / 4])


class Eight(BaseEstimator):
    """Eight Gaussians on a circle, of which the last have another share."""

    def __init__(self, share=1.0, n_wrong=1):
        self.share, self.n_wrong = share, n_wrong

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def sample(self, n_samples=1, random_state=None):
        rng = np.random.default_rng(random_state)
        weights = np.where(np.arange(8) < 8 - self.n_wrong, 1, self.share)
        modes = rng.choice(8, size=n_samples, p=weights / weights.sum())
        return CENTRES[modes] + 0.3 * rng.normal(size=(n_samples, 2))


class OfNoise(Eight):
    """A decoder whose means leave a mode out, and whose draws do not, or both."""

    def sample(self, n_samples=1, *, mean=True, random_state=None):
        model = Eight(0.0) if mean else Eight(self.share)
        return model.sample(n_samples, random_state)


def data(n, n_test, seed=0):
    X = Eight().sample(n + n_test, 1000 + seed)
    return X[:n], X[n:]


def report(model, n=400, n_test=200, seed=0, **options):
    train, test = data(n, n_test, seed)
    options = {"n_bootstrap": 0, "random_state": seed, **options}
    return evaluate(model.fit(train), train, test, **options), test


def missing(found):
    return [text for text in found.findings if text.startswith("Missing modes")]


@pytest.mark.parametrize("seed", range(10))
def test_one_of_eight_modes_is_found_with_its_share_and_an_example(seed):
    found, test = report(Eight(0.0), seed=seed)
    (text,) = missing(found)
    share, row = (float(text.split(mark)[1].split(end)[0]) for mark, end in MARKS)
    in_mode = np.linalg.norm(test - CENTRES[7], axis=1) < 1.5
    assert share / 100 == pytest.approx(in_mode.mean(), abs=0.05)
    assert in_mode[int(row)]
    assert "only 0.0% of the samples" in text


MARKS = [("Missing modes: ", "%"), ("X_test[", "]")]


def test_the_example_is_a_row_of_those_that_were_given():
    found, test = report(Eight(0.0), n_test=900, n_samples=300)
    (text,) = missing(found)
    row = int(text.split("X_test[")[1].split("]")[0])
    assert np.linalg.norm(test[row] - CENTRES[7]) < 1.5


def test_a_mode_of_a_tenth_of_its_share_is_found_and_half_of_its_share_is_not():
    assert missing(report(Eight(0.1), 1000, 1000)[0])
    assert not missing(report(Eight(0.5), 1000, 1000)[0])


def test_a_mode_is_missing_that_neither_samples_nor_draws_with_noise_have():
    assert missing(report(OfNoise(0.0))[0])
    assert not missing(report(OfNoise(1.0))[0])


def test_the_truth_leaves_nothing_out():
    for seed in range(20):
        found, _ = report(Eight(), 200, 100, seed)
        assert missing(found) == []
    row = found["left_out"]
    assert 0 <= row.floor <= 0.2


def test_the_figure_is_the_share_of_held_out_rows_in_modes_without_samples():
    found, test = report(Eight(0.0, n_wrong=2), 2000, 2000)
    in_modes = min(np.linalg.norm(test - c, axis=1).min() for c in CENTRES[6:])
    assert in_modes < 1.5
    assert found["left_out"].value == pytest.approx(0.25, abs=0.04)
    assert found["left_out"].floor < 0.02


def test_too_few_rows_are_not_judged():
    # A feature map may take long, so that no more than 8 draws are mapped.
    found, _ = report(Eight(0.0), 20, 8, features=lambda X: X)
    assert "Missing modes" in found.not_judged[0]
    assert not missing(found)


def comparison(n, n_test, n_draws, draw):
    train, test, draws = (draw(size) for size in (n, n_test, n_draws))
    sets = FeatureSets(train, test, train, draws, draws, draws)
    return compared_rows(sets, np.random.RandomState(0))


def test_p_values_are_those_of_fisher_and_corrected():
    real, generated = np.array([30, 5, 165]), np.array([2, 4, 94])
    expected = [
        fisher_exact([[r, 200 - r], [g, 100 - g]], alternative="greater")[1]
        for r, g in zip(real, generated, strict=True)
    ]
    np.testing.assert_allclose(_modes._p_values(real, generated), expected)


def test_bins_are_missing_beyond_chance_for_their_number_and_in_samples_too():
    real, samples = np.array([11, 14, 85]), np.array([0, 0, 100])
    draws = np.array([0, 0, 100])
    p_values = _modes._p_values(real, draws)
    assert p_values[1] < 0.001 / 3 < p_values[0] < 0.001
    assert _modes._are_missing(real, draws, samples).tolist() == [False, True, False]
    samples = np.array([10, 10, 80])
    assert not _modes._are_missing(real, draws, samples).any()


def test_the_largest_number_of_bins_is_used_of_which_an_empty_one_is_found():
    rng = np.random.default_rng(0)
    for sizes in [(200, 200, 200), (2000, 100, 60), (5000, 5000, 2000)]:
        rows = comparison(*sizes, lambda n: rng.normal(size=(n, 2)))
        k = _modes._n_bins(rows)

        def p_value(n_bins, rows=rows):
            n, m = len(rows.real), len(rows.draws)
            table = [[n // n_bins, n - n // n_bins], [0, m]]
            return n_bins * fisher_exact(table, alternative="greater")[1]

        assert p_value(k) <= 0.001
        limit = min(50, len(rows.chooser) // 10)
        assert k == limit or p_value(k + 1) > 0.001


def test_rows_that_place_the_bins_are_not_compared(monkeypatch):
    train = np.arange(100.0)[:, None]
    rows = compared_rows(
        FeatureSets(train, train + 0.5, *[train] * 4), np.random.RandomState(0)
    )
    assert isinstance(rows, ComparedRows)
    assert len(rows.chooser) == len(rows.rest) == 50
    assert not set(rows.chooser.ravel()) & set(rows.real.ravel())
    fitted = []
    fit = KMeans.fit
    monkeypatch.setattr(KMeans, "fit", lambda self, X: fit(self, fitted.append(X) or X))
    _modes.measure_modes(rows, np.arange(100), np.random.RandomState(0))
    np.testing.assert_array_equal(fitted[0], rows.chooser)
