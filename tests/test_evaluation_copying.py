"""Copying is measured on comparable sets, and findings are right about known models."""

import runpy
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm
from sklearn.base import BaseEstimator
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import VAE, evaluate, metrics
from skvae.evaluation._copying import _near_copies
from skvae.evaluation._latents import _decode
from skvae.likelihoods import GaussianLikelihood

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "calibration.py"
PLANE = np.random.RandomState(0).normal(size=(2, 32))


class Model(BaseEstimator):
    def fit(self, X, y=None):
        self.X_ = np.asarray(X)
        return self


class Noisy(Model):
    """Rows near a plane, the decoder's means on it."""

    def sample(self, n_samples=1, *, mean=True, random_state=None):
        rng = np.random.RandomState(random_state)
        x = rng.normal(size=(n_samples, 2)) @ PLANE
        return x if mean else x + 0.5 * rng.normal(size=x.shape)


class Copier(Model):
    def sample(self, n_samples=1, random_state=None):
        rng = np.random.RandomState(random_state)
        return self.X_[rng.randint(len(self.X_), size=n_samples)]


class CopierOfMeans(Copier):
    """A kernel density whose means are training rows and whose draws are not."""

    def sample(self, n_samples=1, *, mean=True, random_state=None):
        X = super().sample(n_samples, random_state)
        return X if mean else X + np.random.RandomState(0).normal(size=X.shape)


class Normal(Model):
    """The standard normal density, with a share of copies."""

    def __init__(self, copied=0.0):
        self.copied = copied

    def sample(self, n_samples=1, random_state=None):
        rng = np.random.RandomState(random_state)
        X = rng.normal(size=(n_samples, self.X_.shape[1]))
        copies = rng.uniform(size=n_samples) < self.copied
        X[copies] = self.X_[rng.randint(len(self.X_), size=copies.sum())]
        return X

    def score_samples(self, X):
        return multivariate_normal(np.zeros(X.shape[1])).logpdf(X)


class OnePoint(Model):
    def sample(self, n_samples=1, random_state=None):
        return np.zeros((n_samples, self.X_.shape[1]))


def kinds(model, train, test, **options):
    options = {"n_bootstrap": 0, **options}
    findings = evaluate(model.fit(train), train, test, **options).findings
    return [text.partition(":")[0] for text in findings]


def p_of_order(held_out, draws):
    """Probability of as many draws below the lowest held-out row, by simulation."""
    n, m = len(held_out), len(draws)
    is_test = np.random.default_rng(0).random((20000, n + m)).argsort(axis=1) < n
    n_first = is_test.argmax(axis=1)  # draws before the first held-out row
    return np.mean(n_first >= np.count_nonzero(draws <= held_out.min()))


def normal_sets(seed, d, *sizes):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, d)) for n in sizes]


class TestComparableSets:
    def test_noise_free_samples_of_the_truth_are_no_copies(self):
        X = Noisy().sample(1500, mean=False, random_state=1)
        reports = [
            evaluate(Noisy().fit(X), X[:1000], X[1000:], mean=mean, n_bootstrap=0)
            for mean in (True, False)
        ]
        for figure in ("authenticity", "near_copies", "distance_to_train"):
            row, of_draws = (report[figure] for report in reports)
            assert row.low <= row.floor <= row.high
            assert row == of_draws
        assert reports[0].findings == ()

    def test_samples_that_are_copies_are_found_although_draws_are_not(self):
        train, test = normal_sets(0, 4, 300, 200)
        assert "Copying" in kinds(CopierOfMeans(), train, test)
        assert "Copying" not in kinds(CopierOfMeans(), train, test, mean=False)

    def test_floors_are_those_of_as_many_samples(self):
        train, test = normal_sets(0, 5, 100, 100)
        report = evaluate(Normal().fit(train), train, test, n_samples=1000)
        for figure in ("frechet_distance", "coverage", "recall"):
            row = report[figure]
            assert row.low <= row.floor <= row.high

    @pytest.mark.slow
    def test_codes_are_decoded_as_samples_are(self):
        X = Noisy().sample(200, mean=False, random_state=0)
        vae = VAE(2, likelihood=GaussianLikelihood(0.5), max_epochs=2, random_state=0)
        model = make_pipeline(StandardScaler(with_std=False), vae).fit(X)
        codes = np.random.default_rng(0).normal(size=(500, 2))
        means, draws = (_decode(model, codes, mean, 0) for mean in (True, False))
        expected = model.inverse_transform(codes)
        np.testing.assert_allclose(np.sort(means, 0), np.sort(expected, 0), rtol=1e-5)
        assert (draws - means).std() == pytest.approx(0.5, rel=0.02)


class TestFindings:
    def test_name_copiers_of_tables(self):
        rng = np.random.default_rng(0)
        categories = rng.integers(0, 3, size=(800, 4)).astype(float)
        zeros = rng.normal(size=(800, 4))
        zeros[rng.random(800) < 0.55] = 0
        for X in (categories, zeros, np.round(zeros)):
            assert "Copying" in kinds(Copier(), X[:500], X[500:])

    def test_do_not_name_the_density_of_a_table(self):
        class Table(Model):
            def sample(self, n_samples=1, random_state=None):
                rng = np.random.default_rng(random_state)
                return rng.integers(0, 3, size=(n_samples, 4)).astype(float)

        for seed in range(5):
            X = Table().sample(500, seed + 100)
            assert kinds(Table(), X[:300], X[300:], random_state=seed) == []

    def test_name_copiers_of_tables_with_nine_kinds_of_rows(self):
        def table(n, rng):
            return rng.integers(0, 3, size=(n, 2)).astype(float)

        class Nine(Model):
            def sample(self, n_samples=1, random_state=None):
                return table(n_samples, np.random.default_rng(random_state))

        found = {Copier: 0, Nine: 0}
        for seed in range(20):
            rng = np.random.default_rng(seed)
            train, test = table(200, rng), table(200, rng)
            for model in found:
                report = evaluate(
                    model().fit(train), train, test, n_bootstrap=0, random_state=seed
                )
                found[model] += any(f.startswith("Copying") for f in report.findings)
        assert found[Copier] >= 18
        assert found[Nine] <= 1
        assert report.not_judged == (
            "Not judged: copies of a part of the rows; 100% of held-out rows equal a "
            "training row, as new rows do where so few kinds are possible.",
        )

    def test_do_not_name_close_draws_beside_few_held_out_rows(self):
        n_found = 0
        for seed in range(100):
            held_out, draws = np.random.default_rng(seed).random((2, 200))
            near = _near_copies(held_out[:20], draws)
            n_found += near.row.low > near.row.floor + 0.05 and near.p_value <= 0.002
            if seed == 0:
                assert near.p_value == pytest.approx(
                    p_of_order(held_out[:20], draws), abs=0.02
                )
        assert n_found == 0
        copies = np.where(np.arange(200) < 80, 0.0, draws)
        assert _near_copies(held_out[:20], copies).p_value <= 0.002

    @pytest.mark.parametrize("n_test", [20, 1000])
    def test_name_three_percent_of_copies(self, n_test):
        train, test = normal_sets(0, 4, 2000, n_test)
        assert kinds(Normal(0.03), train, test, n_samples=1000) == ["Copying"]

    @pytest.mark.parametrize("n_test", [6, 19, 100])
    @pytest.mark.parametrize("n_bootstrap", [0, 40])
    def test_name_a_sampler_of_one_point(self, n_test, n_bootstrap):
        train, test = normal_sets(0, 3, 200, n_test)
        assert "Low recall" in kinds(OnePoint(), train, test, n_bootstrap=n_bootstrap)

    def test_name_training_rows_among_the_held_out(self):
        X, others = normal_sets(0, 4, 400, 200)
        with pytest.warns(UserWarning, match="X_test has rows of X_train"):
            report = evaluate(Copier().fit(X), X, X, n_bootstrap=0)
        assert report.findings[0].startswith("Shared rows: 50%")
        assert "Not judged: Copying, Overfit" in str(report)
        half = np.vstack([X[:100], others[:100]])
        with pytest.warns(UserWarning, match="X_test has rows of X_train"):
            evaluate(Normal().fit(X), X, half, n_bootstrap=0)

    def test_say_which_could_not_have_been_made(self):
        train, test = normal_sets(0, 3, 200, 6)
        report = evaluate(Normal().fit(train), train, test, n_bootstrap=0)
        assert report.not_judged[0].startswith("Not judged: Overfit; 6 held-out rows")
        train, test = normal_sets(0, 3, 200, 100)
        assert evaluate(Normal().fit(train), train, test).not_judged == ()

    @pytest.mark.slow
    @pytest.mark.parametrize("d", [3, 5, 10])
    def test_do_not_name_the_true_density(self, d):
        found = []
        for seed in range(100):
            train, test = normal_sets(seed, d, 200, 20)
            options = {"n_samples": 2000, "random_state": seed}
            found += kinds(Normal(), train, test, **options)
        assert len(found) <= 4


class TestIntervals:
    """Of training, held-out and new rows from one density, they hold the floors."""

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "sizes", [(2, 200, 200, 200), (50, 200, 200, 2000), (20, 100, 100, 1000)]
    )
    def test_of_figures_of_copying_cover_their_floors(self, sizes):
        d, n, n_test, n_samples = sizes
        held = {"closer_to_train": 0, "near_copies": 0, "authenticity": 0}
        for seed in range(100):
            train, test = normal_sets(seed, d, n, n_test)
            options = {"n_samples": n_samples, "n_bootstrap": 0, "random_state": seed}
            report = evaluate(Normal().fit(train), train, test, **options)
            for figure in held:
                row = report[figure]
                held[figure] += row.low <= row.floor <= row.high
        assert min(held.values()) >= 89  # 95 of 100, less 2.8 standard deviations

    def test_of_shares_have_a_width_at_their_bounds(self):
        train, test = normal_sets(0, 2, 200, 30)
        report = evaluate(OnePoint().fit(train), train, test)
        assert report["recall"].value == 0 < report["recall"].high
        # All samples have the same nearest row: they are one observation.
        row = report["closer_to_train"]
        assert row.high - row.low > 0.7

    def test_of_likelihoods_have_a_width_where_all_pairs_are_told(self):
        train, test = normal_sets(0, 2, 60, 30)
        model = GaussianMixture(60, reg_covar=1e-12, random_state=0)
        row = evaluate(model.fit(train), train, test)["train_more_likely"]
        assert row.low < row.value <= row.high

    def test_numbers_beyond_all_bounds_are_short(self):
        train, test = normal_sets(0, 2, 60, 30)
        report = evaluate(Copier().fit(train * 1e12), train, test, n_bootstrap=0)
        assert max(map(len, str(report).splitlines()[3].split())) < 20


def test_data_copying_has_a_p_value():
    train, test, new = normal_sets(0, 5, 300, 200, 250)
    result = metrics.data_copying_test(train, test, new, random_state=0)
    weights = result.cell_shares_test
    z = result.cell_scores @ weights / np.linalg.norm(weights)
    assert result.value / result.standard_error == pytest.approx(z)
    assert result.p_value == pytest.approx(2 * norm.sf(abs(z)))


def test_closer_to_train_is_worth_what_random_labels_say():
    rng = np.random.default_rng(0)
    rows, new = rng.normal(size=(8, 2)), rng.normal(size=(40, 2))

    def closer(train):
        test = np.delete(rows, train, axis=0)
        return metrics.nearest_neighbour_distances(rows[list(train)], test, new)

    found = [closer(train) for train in combinations(range(8), 4)]
    shares = [result.closer_to_train for result in found]
    worth = 0.25 / np.var(shares)  # of all 70 ways to choose the training rows
    assert 4 < worth < 39
    assert [r.n_independent for r in found] == pytest.approx([worth] * 70)


def test_closer_to_train_is_worth_its_rows_at_most():
    rows = np.arange(8.0)[:, None]
    found = metrics.nearest_neighbour_distances(rows[::2], rows[1::2], rows)
    assert found.n_independent == 8
    found = metrics.nearest_neighbour_distances(rows[::2], rows[1::2], rows[[2, 2]])
    assert found.n_independent == pytest.approx(1)


@pytest.mark.slow
def test_calibration_runs_and_goes_on_where_it_was(tmp_path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    main, path = runpy.run_path(str(SCRIPT))["main"], tmp_path / "runs.jsonl"
    arguments = ["--quick", "--only", "modes", "--file", str(path)]
    main([*arguments, "--runs", "1"])
    first = path.read_text()
    assert "1 of 2: modes, truth" in capsys.readouterr().out
    main([*arguments, "--runs", "2"])
    assert first.splitlines()[0] in path.read_text().splitlines()
    assert len(path.read_text().splitlines()) == 4
    shown = capsys.readouterr().out
    assert "| fault | 2/40/30/30 |" in shown
    assert "| copier, modes | Copying 100% |" in shown
    assert "| mean of 5 normal values | | " in shown


def test_scaled_features_do_not_change_what_is_a_copy():
    train, test = normal_sets(0, 3, 300, 200)
    options = {"features": StandardScaler().fit(train)}
    assert "Copying" in kinds(Copier(), train, test, **options)
