"""Intervals cover, in simulation, what they are of."""

import numpy as np
import pytest
from scipy.stats import beta, binom, binomtest, t

from skvae._utils import intervals


def cover(interval, draw, truth, n_runs=400):
    ends = [interval(draw(np.random.default_rng(seed))) for seed in range(n_runs)]
    return np.mean([low <= truth <= high for low, high in ends])


def of_mean(values):
    return intervals.of_mean(values, np.random.RandomState(0))


@pytest.mark.parametrize("n", [2, 3, 5, 10, 30])
def test_of_few_normal_values_covers_their_mean(n):
    assert cover(of_mean, lambda rng: rng.normal(size=n), 0) > 0.92


def test_of_skewed_values_covers_their_mean_better_than_students():
    def draw(rng):
        return rng.lognormal(0, 1.5, size=30)

    def students(values):
        return intervals.of_mean(values[:9], None)

    truth = np.exp(1.125)
    assert cover(of_mean, draw, truth) > 0.87 > cover(students, draw, truth)


def test_of_one_value_does_not_exist_and_of_equal_ones_has_no_width():
    assert np.isnan(of_mean(np.ones(1))).all()
    assert of_mean(np.full(30, 2.0)) == (2, 2)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_of_share_is_wilsons(share):
    found = intervals.of_share(share, 20)
    exact = binomtest(int(20 * share), 20).proportion_ci(method="wilson")
    assert found == pytest.approx((exact.low, exact.high))
    assert found[0] < found[1]


def test_of_share_covers_rare_events():
    counts = np.arange(21)
    ends = np.array([intervals.of_share(k / 20, 20) for k in counts])
    held = (ends[:, 0] <= 0.01) & (ends[:, 1] >= 0.01)
    assert binom.pmf(counts, 20, 0.01)[held].sum() > 0.95


@pytest.mark.parametrize(("level", "truth"), [(0.5, np.log(2)), (0.05, -np.log(0.95))])
def test_of_quantile_covers_it(level, truth):
    def interval(values):
        return intervals.of_quantile(values, level)

    for n in (6, 20, 200):
        assert cover(interval, lambda rng, n=n: rng.exponential(size=n), truth) > 0.93


@pytest.mark.parametrize(("n", "n_floor"), [(200, 200), (2000, 20)])
def test_about_floor_holds_a_floor_of_the_same_rows(n, n_floor):
    def interval(shares):
        ends = zip(shares, (n, n_floor), strict=True)
        low, high = intervals.about_floor(
            *(x for p, m in ends for x in (p, intervals.of_share(p, m)))
        )
        return low - shares[1], high - shares[1]

    def draw(rng):
        return rng.binomial((n, n_floor), 0.3) / (n, n_floor)

    assert 0.92 < cover(interval, draw, 0) < 0.98


class TestHalfSamples:
    """One set of normal rows with mean 0 or 1; the form is 0 or 1, less its bias."""

    N = 60

    def cover(self, function, centre, truth, **options):
        def interval(X):
            ends = intervals.by_half_samples(
                function, function(X), (X,), 40, np.random.RandomState(0), **options
            )
            return np.ravel(ends)

        def draw(rng):
            return rng.normal(centre, 1, size=(self.N, 8))

        return cover(interval, draw, truth, 300)

    @staticmethod
    def form(X):
        """Estimate the squared norm of the mean without bias."""
        total = np.square(X.sum(axis=0)) - np.square(X).sum(axis=0)
        return np.array([total.sum() / (len(X) * (len(X) - 1))])

    def test_cover_means(self):
        def mean(X):
            return X.mean(axis=0)[:1]

        assert 0.92 < self.cover(mean, 0, 0) < 0.98

    @pytest.mark.parametrize(("centre", "most"), [(0, 1), (1, 0.98)])
    def test_cover_quadratic_forms_whether_degenerate_or_not(self, centre, most):
        covered = self.cover(self.form, centre, 8 * centre)
        assert 0.92 < covered <= most

    def test_cover_shares_near_their_bounds(self):
        def share(X):
            return np.mean(X < 1.7, axis=0)[:1]

        assert 0.92 < self.cover(share, 0, 0.9554, shares=True) < 0.99

    def test_of_few_rows_or_without_resamples_are_of_shares_alone(self):
        function = self.form
        for n, n_resamples in ((10, 40), (60, 0)):
            X = np.random.default_rng(0).normal(size=(n, 2))
            options = function, np.array([0.9]), (X,), n_resamples, None
            assert np.isnan(intervals.by_half_samples(*options)).all()
            low, high = intervals.by_half_samples(*options, shares=True)
            assert (low[0], high[0]) == intervals.of_share(0.9, n)

    @pytest.mark.parametrize(("n", "factor"), [(160, 1), (60, 2**-0.25)])
    def test_allow_for_variances_that_fall_slowly(self, n, factor):
        def slow_mean(X):  # its variance falls as the root of the rows
            return X.mean(axis=0)[:1] * len(X) ** 0.25

        X = np.random.default_rng(0).normal(size=(n, 1))
        low, high = intervals.by_half_samples(
            slow_mean, slow_mean(X), (X,), 4000, np.random.RandomState(0)
        )
        error = X.std(ddof=1) / n**0.25
        upper = intervals.upper_quantile(2000, n)
        assert (high - low) / 2 == pytest.approx(upper * error * factor, rel=0.04)

    def test_do_not_shrink_where_variances_fall_fast(self):
        def fast_mean(X):  # its variance falls as the square of the rows
            return X.mean(axis=0)[:1] / np.sqrt(len(X))

        X = np.random.default_rng(0).normal(size=(160, 1))
        low, high = intervals.by_half_samples(
            fast_mean, fast_mean(X), (X,), 4000, np.random.RandomState(0)
        )
        by_halves = np.sqrt(2) * X.std(ddof=1) / 160
        upper = intervals.upper_quantile(2000, 160)
        assert (high - low) / 2 == pytest.approx(upper * by_halves, rel=0.04)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_of_dependent_rows_covers_shares_of_clusters(share):
    """Rows come in pairs of equal ones, so that 200 are worth 100."""

    def interval(hits):
        p, m = hits.mean(), len(hits)
        variance = hits.var(ddof=1) / m
        rows = intervals.independent_rows(p, variance, 2 * m, 4 * m)
        return intervals.of_dependent_rows(p, rows, 1.96)

    def draw(rng):
        return (rng.random(100) < share).astype(float)

    assert 0.92 < cover(interval, draw, share) < 0.985


def test_of_dependent_rows_has_a_width_at_the_bounds():
    assert intervals.of_dependent_rows(0.0, 50, 2.1)[0] == 0
    assert 0.03 < intervals.of_dependent_rows(0.0, 50, 2.1)[1] < 0.1
    low, high = intervals.of_dependent_rows(1.0, 50, 2.1)
    assert 0.9 < low < 0.97
    assert high == 1


@pytest.mark.parametrize("share", [0.2, 0.5, 0.96])
def test_of_dependent_rows_is_between_those_of_independent_ones(share):
    low, high = intervals.of_dependent_rows(share, 50, 1.96)
    hits, misses = 50 * share, 50 * (1 - share)
    shorter = beta.ppf((0.025, 0.975), hits + 0.5, misses + 0.5)
    longer = beta.ppf((0.025, 0.975), (hits, hits + 1), (misses + 1, misses))
    assert longer[0] < low < shorter[0]
    assert shorter[1] < high < longer[1]
    # A quantile of twice the size is worth a quarter of the rows.
    found = intervals.of_dependent_rows(share, 200, 2 * 1.96)
    assert found == pytest.approx((low, high), abs=1e-4)


def test_upper_quantile_allows_for_few_cuts_and_few_rows():
    assert intervals.upper_quantile(20, 10**9) == pytest.approx(t.ppf(0.975, 20))
    assert intervals.upper_quantile(10**9, 21) == pytest.approx(t.ppf(0.975, 20))
    assert intervals.upper_quantile(20, 21) == pytest.approx(t.ppf(0.975, 10))


def test_widened_adds_variances_on_both_sides():
    low, high = intervals.widened(1.0, (1 - 1.96 * 3, 1 + 1.96 * 6), 4.0)
    assert (low, high) == pytest.approx((1 - 1.96 * 5, 1 + 1.96 * 52**0.5), rel=1e-4)
