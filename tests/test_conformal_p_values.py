"""P-values of rows are valid, and say what an enumeration of ranks says."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import ShuffleSplit
from sklearn.neighbors import KernelDensity

from skvae.outliers import DensityOutlierDetector
from skvae.outliers._conformal import conformal_p_values, limits, rows_needed

LEVELS = np.array([0.02, 0.05, 0.1, 0.2, 0.5, 0.9])


def by_counting(score, calibration, *, two_sided):
    n = len(calibration)
    low = (1 + sum(c <= score for c in calibration)) / (n + 1)
    high = (1 + sum(c >= score for c in calibration)) / (n + 1)
    return min(1, 2 * min(low, high)) if two_sided else low


@pytest.mark.parametrize("two_sided", [False, True])
def test_p_values_are_ranks_counted_one_by_one(two_sided):
    rng = np.random.default_rng(0)
    calibration = np.sort(rng.integers(-6, 6, 31)).astype(float)  # with many ties
    scores = np.linspace(-8, 8, 33)
    expected = [by_counting(s, calibration, two_sided=two_sided) for s in scores]
    found = conformal_p_values(scores, calibration, two_sided=two_sided)
    np.testing.assert_array_equal(found, expected)


def test_scores_that_differ_by_rounding_are_ties():
    calibration = np.array([-1e4, -1.0, 0.0, 2e5])
    for nudge in (-1e-8, 1e-8):
        scores = calibration + nudge * np.maximum(1, np.abs(calibration))
        np.testing.assert_array_equal(
            conformal_p_values(scores, calibration, two_sided=False),
            [2 / 5, 3 / 5, 4 / 5, 1.0],
        )
        np.testing.assert_array_equal(
            conformal_p_values(scores, calibration, two_sided=True),
            [4 / 5, 1, 1, 4 / 5],
        )


@pytest.mark.parametrize("level", [0.025, 0.05, 0.1, 0.3, 0.5])
@pytest.mark.parametrize("n", [1, 5, 9, 18, 19, 20, 39, 59, 100])
def test_limits_are_where_p_values_reach_the_level(n, level):
    rng = np.random.default_rng(n)
    calibration = np.sort(np.round(rng.standard_normal(n), 1))
    scores = np.round(np.arange(-4, 4, 0.05), 2)
    low, high = limits(calibration, level)
    least = max(level, 1 / (n + 1))  # there is none below
    p_low = conformal_p_values(scores, calibration, two_sided=False)
    p_high = conformal_p_values(-scores, -calibration[::-1], two_sided=False)
    np.testing.assert_array_equal(scores < low, p_low <= least + 1e-12)
    np.testing.assert_array_equal(scores > high, p_high <= least + 1e-12)


@pytest.mark.parametrize(("level", "n"), [(0.05, 19), (0.025, 39), (0.1, 9), (1, 0)])
def test_rows_needed_are_the_fewest_with_which_a_level_is_reached(level, n):
    assert rows_needed(level) == n
    assert 1 / (n + 1) <= level + 1e-12 < 1 / n if n else True


class Coarse(GaussianMixture):
    """A density whose scores are whole numbers, of which many are equal."""

    def score_samples(self, X):
        return np.floor(super().score_samples(X))


def skewed(rng, n):
    return rng.standard_gamma(1.5, (n, 3)) @ [[1, 1, 0], [0, 1, 1], [0, 0, 1]]


def p_values_of_new_rows(density, *, n_sets, n=60, n_new=5, **options):
    """Return the p-values of rows that are like those of fit, one line per data set."""
    found = []
    for seed in range(n_sets):
        rng = np.random.default_rng(seed)
        detector = DensityOutlierDetector(density, random_state=seed, **options)
        found.append(detector.fit(skewed(rng, n)).p_values(skewed(rng, n_new)))
    return np.array(found)


def assert_valid(p, levels=LEVELS):
    """Assert that P(p <= a) <= a, up to four standard errors over data sets."""
    for level in levels:
        rates = (p <= level + 1e-12).mean(axis=1)
        error = rates.std(ddof=1) / np.sqrt(len(rates))
        assert rates.mean() <= level + 4 * error, level


SPLIT = ShuffleSplit(1, test_size=0.5, random_state=0)
QUICK = {"init_params": "random_from_data", "tol": 0.1, "reg_covar": 1e-3}
DENSITIES = {
    "mixture": GaussianMixture(2, **QUICK),
    "overfitted": KernelDensity(bandwidth=0.05),
    "wrong": PCA(1),
    "ties": Coarse(1, **QUICK),
}


@pytest.mark.parametrize("two_sided", [False, True])
@pytest.mark.parametrize("density", DENSITIES.values(), ids=DENSITIES)
@pytest.mark.filterwarnings("ignore:contamination")
def test_p_values_are_valid_over_many_data_sets(density, two_sided):
    p = p_values_of_new_rows(density, n_sets=300, two_sided=two_sided, cv=SPLIT)
    assert_valid(p)


def test_without_ties_p_values_are_uniform_on_their_grid():
    p = p_values_of_new_rows(PCA(1), n_sets=500, n=58, n_new=1, cv=SPLIT)
    counts = np.bincount(np.rint(p[:, 0] * 30).astype(int), minlength=31)[1:]
    assert counts.sum() == 500
    chi_squared = np.sum((counts - 500 / 30) ** 2) / (500 / 30)
    assert chi_squared < 29 + 4 * np.sqrt(2 * 29)


@pytest.mark.slow
@pytest.mark.parametrize("density", DENSITIES.values(), ids=DENSITIES)
@pytest.mark.parametrize("cv", [2, 5])
def test_p_values_of_folds_are_valid_up_to_one_half(density, cv):
    p = p_values_of_new_rows(density, n_sets=200, cv=cv)
    assert_valid(p, LEVELS[:-1])


def test_all_rows_calibrate_a_frozen_density():
    rng = np.random.default_rng(0)
    fitted = GaussianMixture(2, random_state=0).fit(skewed(rng, 50))
    X, new = skewed(rng, 40), skewed(rng, 10)
    detector = DensityOutlierDetector(FrozenEstimator(fitted)).fit(X)
    scores = fitted.score_samples(X)
    np.testing.assert_array_equal(detector.calibration_scores_, np.sort(scores))
    expected = [
        by_counting(s, scores, two_sided=False) for s in fitted.score_samples(new)
    ]
    np.testing.assert_array_equal(detector.p_values(new), expected)


def test_a_discovery_rate_is_controlled_as_the_user_guide_says():
    false_discovery_control = pytest.importorskip("scipy.stats").false_discovery_control
    rng, shares = np.random.default_rng(0), []
    for _ in range(40):
        detector = DensityOutlierDetector(GaussianMixture(1), cv=SPLIT)
        detector.fit(rng.standard_normal((800, 2)))
        new = rng.standard_normal((200, 2))
        new[:40] += 6
        alarms = false_discovery_control(detector.p_values(new)) <= 0.2
        shares.append(alarms[40:].sum() / max(alarms.sum(), 1))
        assert alarms[:40].mean() > 0.5
    error = np.std(shares, ddof=1) / np.sqrt(len(shares))
    assert np.mean(shares) <= 0.2 + 4 * error
