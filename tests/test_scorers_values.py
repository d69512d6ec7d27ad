"""Scores are those of the metrics and of the report."""

import numpy as np
import pytest
from scored_models import (
    MIXTURE,
    OF_SAMPLES,
    TRAIN,
    VAE_FITTED,
    X_TEST,
    X_TRAIN,
    Counting,
    spread,
)
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from skvae import evaluate, make_sample_scorer, metrics
from skvae.scorers import SCORERS, get_scorer
from skvae.scorers._metric import Metric, ReportRow
from skvae.scorers._table import METRICS


def scorer_of(name, **options):
    if name in TRAIN:
        options["X_train"] = X_TRAIN
    return make_sample_scorer(name, **options)


def works_with(name, estimator):
    try:
        scorer_of(name)(estimator, X_TEST)
    except TypeError:
        return False
    return True


class TestValues:
    @pytest.mark.parametrize("name", OF_SAMPLES)
    def test_are_finite_floats_for_a_vae(self, name):
        score = scorer_of(name, on_error="raise")(VAE_FITTED, X_TEST)
        assert type(score) is float
        assert np.isfinite(score)

    def test_are_those_of_the_metrics(self):
        scorer = make_sample_scorer([n for n in OF_SAMPLES if n not in TRAIN])
        trial = scorer._trial(VAE_FITTED, X_TEST)
        scores, Y = scorer(VAE_FITTED, X_TEST), trial.generated
        balls = metrics.precision_recall_density_coverage(X_TEST, Y)
        mmd = metrics.maximum_mean_discrepancy(X_TEST, Y)
        frechet = metrics.frechet_distance(X_TEST, Y)
        assert scores["neg_frechet_distance"] == pytest.approx(-frechet, rel=1e-10)
        assert scores["neg_mmd"] == pytest.approx(-mmd.value, rel=1e-12)
        assert scores["improved_precision"] == balls.precision
        assert scores["improved_recall"] == balls.recall
        assert scores["density"] == balls.density
        assert scores["coverage"] == balls.coverage
        assert scores["log_likelihood"] == pytest.approx(VAE_FITTED.score(X_TEST))
        assert scores["neg_nll"] == scores["log_likelihood"]
        elbo = VAE_FITTED.score_samples(X_TEST, n_importance_samples=1).mean()
        assert scores["elbo"] == pytest.approx(elbo)
        bits = -VAE_FITTED.score(X_TEST) / (4 * np.log(2))
        assert scores["neg_bits_per_dimension"] == pytest.approx(-bits)
        error = X_TEST - VAE_FITTED.reconstruct(X_TEST)
        rms = np.sqrt(np.mean(error**2))
        assert scores["neg_reconstruction_error"] == pytest.approx(-rms)

    @pytest.mark.parametrize("pair", [("improved_recall", "coverage"), ("density",)])
    def test_do_not_depend_on_their_company(self, pair):
        together = make_sample_scorer(list(pair))(MIXTURE, X_TEST)
        for name in pair:
            assert together[name] == get_scorer(name)(MIXTURE, X_TEST)

    @pytest.mark.parametrize("name", sorted({*OF_SAMPLES} - TRAIN))
    def test_are_greater_for_the_better_model(self, name):
        if not works_with(name, MIXTURE):
            pytest.skip("a mixture does not reconstruct")
        worse = GaussianMixture(2, random_state=0).fit(X_TRAIN + 3)
        scorer = get_scorer(name)
        assert scorer(MIXTURE, X_TEST) > scorer(worse, X_TEST)

    def test_of_reconstruction_are_greater_for_the_better_model(self):
        scorer = get_scorer("neg_reconstruction_error")
        few, many = (PCA(k).fit(X_TRAIN) for k in (1, 3))
        assert scorer(many, X_TEST) > scorer(few, X_TEST)

    def test_of_copying_fall_for_copies(self):
        scorer = make_sample_scorer(sorted(TRAIN), X_train=X_TRAIN)
        copies = scorer(Counting(1e-3).fit(X_TRAIN), X_TEST)
        fair = scorer(MIXTURE, X_TEST)
        assert copies["authenticity"] == 0
        assert all(copies[name] < fair[name] for name in TRAIN)

    def test_unequal_numbers_of_rows_are_allowed(self):
        names = [n for n in OF_SAMPLES if works_with(n, MIXTURE) and n not in TRAIN]
        for n in (30, 200):
            scores = make_sample_scorer(names, n_samples=n, on_error="raise")
            assert np.isfinite(list(scores(MIXTURE, X_TEST).values())).all()

    def test_parameters_reach_the_metrics(self):
        params = {
            "density_coverage": {"n_neighbors": 1},
            "improved_precision_recall": {"n_neighbors": 9},
            "kernel_distance": {"n_subsets": 3, "subset_size": 10},
            "log_likelihood": {"n_importance_samples": 1},
            "maximum_mean_discrepancy": {"kernel": "imq", "bandwidth": 1.0},
            "bits_per_dimension": {"divisor": 2.0},
        }
        names = ["coverage", "improved_recall", "neg_kernel_distance", "neg_mmd"]
        scorer = make_sample_scorer(names, metric_params=params)
        Y = scorer._trial(MIXTURE, X_TEST).generated
        scores = scorer(MIXTURE, X_TEST)
        expected = metrics.density_coverage(X_TEST, Y, n_neighbors=1).coverage
        assert scores["coverage"] == expected
        expected = metrics.improved_precision_recall(X_TEST, Y, n_neighbors=9).recall
        assert scores["improved_recall"] == expected
        options = params["maximum_mean_discrepancy"]
        expected = metrics.maximum_mean_discrepancy(X_TEST, Y, **options).value
        assert scores["neg_mmd"] == -expected
        likelihood = make_sample_scorer("log_likelihood", metric_params=params)
        elbo = get_scorer("elbo")(VAE_FITTED, X_TEST)
        assert likelihood(VAE_FITTED, X_TEST) == elbo
        bits = make_sample_scorer("neg_bits_per_dimension", metric_params=params)
        shift = bits(MIXTURE, X_TEST) - get_scorer("neg_bits_per_dimension")(
            MIXTURE, X_TEST
        )
        assert shift == pytest.approx(-1.0)


class Fixed(BaseEstimator):
    """Has the same samples in every draw."""

    def __init__(self, samples):
        self.samples = samples

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def sample(self, n_samples=1, random_state=None):
        return self.samples[:n_samples]


class TestTable:
    def test_gives_scores_and_reports_the_same_numbers(self):
        model = Fixed(GaussianMixture(1).fit(X_TRAIN).sample(80)[0]).fit(X_TRAIN)
        report = evaluate(model, X_TRAIN, X_TEST, n_bootstrap=0)
        shown = {n: m for n, m in METRICS.items() if m.row and not m.row.value}
        assert len(shown) >= 6
        for name, metric in shown.items():
            score = get_scorer(name)(model, X_TEST)
            value = report[metric.row.name].value
            assert metric.sign * value == pytest.approx(score, rel=1e-12), name

    @pytest.mark.parametrize("random_state", [0, 1])
    def test_gives_random_metrics_the_same_seed_in_both(
        self, monkeypatch, random_state
    ):
        def chance(X_real, X_generated, random_state):
            return np.random.default_rng(random_state).random()

        entry = Metric(chance, "a random number", row=ReportRow("chance", "0.5"))
        monkeypatch.setitem(METRICS, "chance", entry)
        model = Fixed(X_TEST).fit(X_TRAIN)
        options = {"n_bootstrap": 0, "random_state": random_state}
        report = evaluate(model, X_TRAIN, X_TEST, **options)
        score = make_sample_scorer("chance", random_state=random_state)(model, X_TEST)
        assert report["chance"].value == score
        assert 0 < score < 1

    def test_makes_a_scorer_and_a_row_of_the_report_from_one_entry(self, monkeypatch):
        row = ReportRow("spread", "lower", (0, 2))
        entry = Metric(spread, "ratio of standard deviations", sign=-1, row=row)
        monkeypatch.setitem(METRICS, "neg_spread", entry)
        model = Fixed(2 * X_TEST).fit(X_TRAIN)
        score = make_sample_scorer("neg_spread", metric_params={"spread": {"power": 3}})
        assert score(model, X_TEST) == pytest.approx(-8)
        report = evaluate(model, X_TRAIN, X_TEST)["spread"]
        assert report.value == pytest.approx(2)
        assert report.low < report.high == 2
        assert report[-2:] == ("lower", "ratio of standard deviations")

    def test_meanings_say_what_is_negated(self):
        for name, meaning in SCORERS.items():
            negated = name.startswith("neg_") and name != "neg_nll"
            assert meaning.endswith(", negated") == negated
