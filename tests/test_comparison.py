"""Two models compared on the same held-out rows."""

import builtins

import numpy as np
import pytest
from compared_models import SHIFTED, TRUTH, WIDE, Normal, make_rows
from scipy import stats
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler

from skvae import VAE
from skvae.evaluation import compare, evaluate
from skvae.likelihoods import BernoulliLikelihood
from skvae.networks import MLP

SAMPLES = (
    *("frechet_distance", "maximum_mean_discrepancy", "precision", "recall"),
    *("density", "coverage", "nearest_neighbour_accuracy"),
)


@pytest.fixture(scope="module")
def vaes():
    X = make_rows(200, d=4) @ np.diag([1, 1, 0.3, 0.3])
    small = VAE(2, network=MLP((8,)), max_epochs=3, device="cpu", random_state=0)
    return X[150:], [clone(small).set_params(beta=b).fit(X[:150]) for b in (1, 20)]


def test_log_likelihoods_are_compared_row_by_row():
    X = make_rows()
    row = compare({"A": TRUTH, "B": SHIFTED}, X, n_bootstrap=0)["log_likelihood"]
    a, b = TRUTH.score_samples(X), SHIFTED.score_samples(X)
    assert row.first == pytest.approx(a.mean())
    assert row.second == pytest.approx(b.mean())
    assert row.difference == pytest.approx((a - b).mean())
    test = stats.ttest_rel(a, b).confidence_interval()
    np.testing.assert_allclose((row.low, row.high), test, rtol=0.1)
    unpaired = np.sqrt(a.var() + b.var()) / np.sqrt(150)
    assert row.high - row.low < 0.8 * 3.92 * unpaired
    assert row.verdict.startswith("better: A by ")


def test_what_is_hard_for_both_models_cancels():
    X = make_rows(100)
    X[::2] *= 50
    near = Normal(shift=0.01).fit()
    row = compare((TRUTH, near), X, n_bootstrap=0)["log_likelihood"]
    alone = evaluate(TRUTH, make_rows(seed=1), X, n_bootstrap=0)["log_likelihood"]
    assert row.high - row.low < 0.01 * (alone.high - alone.low)


def test_reconstructions_are_compared_row_by_row(vaes):
    X, models = vaes
    row = compare(models, X, n_bootstrap=0)["reconstruction_error"]
    squared = [np.mean((X - m.reconstruct(X)) ** 2, axis=1) for m in models]
    errors = [np.sqrt(s.mean()) for s in squared]
    assert (row.first, row.second) == pytest.approx(errors)
    assert row.difference == pytest.approx(errors[0] - errors[1])
    # The bootstrap of rows, the same ones for both models, is an oracle of its width.
    rows = np.random.default_rng(0).integers(len(X), size=(4000, len(X)))
    first, second = (np.sqrt(s[rows].mean(axis=1)) for s in squared)
    low, high = np.quantile(first - second, [0.025, 0.975])
    assert row.high - row.low == pytest.approx(high - low, rel=0.25)
    assert row.better == "lower"


def test_figures_of_samples_are_those_of_reports():
    X = make_rows()
    comparison = compare({"A": TRUTH, "B": WIDE}, X, n_bootstrap=4)
    for model, values in ((TRUTH, 1), (WIDE, 2)):
        report = evaluate(model, make_rows(seed=1), X, n_bootstrap=20)
        for name in ("frechet_distance", "precision", "recall", "coverage"):
            own, row = comparison[name][values], report[name]
            # Other draws of the same model.
            assert abs(own - row.value) < 1.5 * (row.high - row.low)
    for row in comparison.rows:
        assert row.difference == pytest.approx(row.first - row.second)


def test_density_and_accuracy_count_by_their_distance_from_real_rows():
    X = make_rows(d=8)
    truth, middle = Normal(d=8).fit(), Normal(scale=0.5, d=8).fit()
    comparison = compare({"truth": truth, "middle": middle}, X)
    for name in ("density", "nearest_neighbour_accuracy"):
        assert comparison[name].verdict.startswith("better: truth")
        assert comparison[name].better == "lower"
    report = evaluate(middle, make_rows(seed=1, d=8), X, n_bootstrap=0)
    density = report["density"].value
    assert density > 1.5
    assert comparison["density"].second == pytest.approx(density - 1, rel=0.3)


def test_one_model_under_two_names_does_not_differ():
    X = make_rows(100)
    comparison = compare({"A": TRUTH, "again": TRUTH}, X)
    row = comparison["log_likelihood"]
    assert (row.difference, row.low, row.high, row.p_value) == (0, 0, 0, 1)
    assert comparison.verdict == "No difference found."
    assert all(row.verdict == "no difference found" for row in comparison.rows)
    # Other draws of it, so that figures of samples are not the same.
    assert comparison["frechet_distance"].difference != 0


def test_order_of_models_changes_signs_only():
    X, far = make_rows(), Normal(shift=2.0).fit()
    there = compare({"A": TRUTH, "B": far}, X)
    back = compare({"B": far, "A": TRUTH}, X)
    # Precision and recall depend on a few balls, and vary by a third of the difference.
    for name in {row.figure for row in there.rows} - {"precision", "recall"}:
        row, other = there[name], back[name]
        assert np.sign(row.difference) == -np.sign(other.difference)
        assert row.verdict.startswith("better: A by ")
        assert other.verdict.startswith("better: A by ")
    row, other = there["log_likelihood"], back["log_likelihood"]
    assert (row.low, row.high) == pytest.approx((-other.high, -other.low))


def test_shares_that_are_1_for_both_models_have_an_interval_with_a_width():
    X = make_rows(60)
    row = compare((TRUTH, TRUTH), X, n_bootstrap=4)["coverage"]
    assert row.first > 0.9
    certain = compare((Normal(d=1).fit(),) * 2, make_rows(60, d=1), n_bootstrap=4)
    assert certain["coverage"].high > certain["coverage"].low


@pytest.mark.parametrize("sizes", [(19, 40, 40), (60, 12, 40), (60, 40, 0)])
def test_what_cannot_be_judged_is_said(sizes):
    n, n_samples, n_bootstrap = sizes
    comparison = compare(
        (TRUTH, SHIFTED), make_rows(n), n_samples=n_samples, n_bootstrap=n_bootstrap
    )
    for name in SAMPLES:
        row = comparison[name]
        assert np.isnan([row.low, row.high, row.p_value]).all()
        assert row.verdict == "not judged"
        assert np.isfinite(row.difference)
    assert comparison["log_likelihood"].p_value < 1


# ---------------------------------------------------------------- what can be compared


def test_figures_that_a_model_lacks_are_named():
    X = make_rows(60)
    mixture = GaussianMixture(1).fit(X)
    scaled = make_pipeline(PowerTransformer(), GaussianMixture(1)).fit(X)
    comparison = compare((mixture, scaled), X, n_bootstrap=0)
    assert [row.figure for row in comparison.rows] == list(SAMPLES)
    likelihood, reconstruction = comparison.not_compared
    assert "log_likelihood; that of GaussianMixture is in the units" in likelihood
    assert "reconstruction_error; GaussianMixture has no recon" in reconstruction
    assert likelihood in str(comparison)


def test_probabilities_are_not_compared_with_densities():
    X = (make_rows(60) > 0).astype(float)
    options = {"network": MLP((4,)), "max_epochs": 2, "device": "cpu"}
    bernoulli = VAE(1, likelihood=BernoulliLikelihood(), **options).fit(X)
    comparison = compare((bernoulli, VAE(1, **options).fit(X)), X, n_bootstrap=0)
    assert "a probability of discrete data" in comparison.not_compared[0]


def test_infinite_likelihoods_are_left_out():
    X = make_rows(60)
    tophat = KernelDensity(kernel="tophat", bandwidth=0.01).fit(X[:30])
    comparison = compare((tophat, TRUTH), X, n_bootstrap=0)
    assert "gives -inf for 30 of 60 rows of X_test" in comparison.not_compared[0]


def test_scaling_is_no_obstacle():
    X = make_rows(200) * [1, 100] + [5, 0]
    plain = GaussianMixture(1, reg_covar=0).fit(X)
    scaled = make_pipeline(StandardScaler(), GaussianMixture(1, reg_covar=0)).fit(X)
    search = GridSearchCV(scaled, {"gaussianmixture__n_components": [1]}).fit(X)
    with pytest.warns(UserWarning, match="Column 1 of X_test has"):
        comparison = compare((plain, search), X, n_bootstrap=0)
    row = comparison["log_likelihood"]
    assert row.difference == pytest.approx(0, abs=1e-9)


def test_frames_are_matched_by_their_columns():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(make_rows(120) * [1, 3] + [0, 9], columns=["a", "b"])
    models = [GaussianMixture(1).fit(X[c]) for c in (["a", "b"], ["b", "a"])]
    for order in (["a", "b"], ["b", "a"]):
        comparison = compare(models, X[order])
        assert comparison.verdict == "No difference found."
        assert comparison["log_likelihood"].difference == pytest.approx(0, abs=1e-9)


def test_features_are_what_is_compared():
    X = make_rows(80, d=3)
    first = PCA(1).fit(X * [100, 1, 1])
    models = Normal(d=3).fit(), Normal(d=3).fit()
    assert compare(models, X, features=first)["precision"].first > 0.8
    mapped = compare(models, X, features=lambda X: 0.5 * X, n_bootstrap=0)
    plain = compare(models, X, n_bootstrap=0)
    ratio = mapped["frechet_distance"].first / plain["frechet_distance"].first
    assert ratio == pytest.approx(0.25)


def test_images_are_compared():
    X = make_rows(60, d=16).reshape(60, 4, 4)
    small = VAE(1, network=MLP((4,)), max_epochs=2, device="cpu", random_state=0)
    models = small.fit(X), clone(small).set_params(random_state=1).fit(X)
    assert len(compare(models, X, n_bootstrap=2).rows) == 9


# ----------------------------------------------------------------------- what is shown


def test_printing():
    X = make_rows()
    comparison = compare({"true": TRUTH, "shifted": SHIFTED}, X)
    text = str(comparison).splitlines()
    assert text[0] == "true v shifted: 150 held-out rows, 150 samples of each"
    head = text[2].split()
    assert head[:4] == ["figure", "true", "shifted", "difference"]
    line = next(line for line in text if line.startswith("log_likelihood"))
    row = comparison["log_likelihood"]
    assert row.verdict in line
    assert "nats (" in row.verdict
    assert comparison.verdict.startswith("Better: true in log_likelihood")
    assert comparison.verdict in text
    assert any("pass several fits of each" in line for line in text)
    with pytest.raises(KeyError, match="figure must be one of log_likelihood, fre"):
        comparison["fid"]


def test_names_of_a_pair():
    X = make_rows(60)
    assert compare((TRUTH, TRUTH), X, n_bootstrap=0).models == (
        "first Normal",
        "second Normal",
    )
    pair = TRUTH, make_pipeline(StandardScaler(), GaussianMixture(1)).fit(X)
    assert compare(pair, X, n_bootstrap=0).models == ("Normal", "GaussianMixture")


def test_to_frame(monkeypatch):
    pandas = pytest.importorskip("pandas")
    comparison = compare((TRUTH, SHIFTED), make_rows(60), n_bootstrap=4)
    frame = comparison.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == list(comparison.rows[0]._fields[1:])
    assert frame.loc["recall", "difference"] == comparison["recall"].difference

    def without_pandas(name, *args, **kwargs):
        if name == "pandas":
            raise ImportError(name)
        return import_module(name, *args, **kwargs)

    import_module = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", without_pandas)
    with pytest.raises(ImportError, match="pip install pandas"):
        comparison.to_frame()


def test_the_seed_decides_everything():
    X = make_rows(60)
    first, again, other = (
        str(compare((TRUTH, WIDE), X, n_bootstrap=4, random_state=s)) for s in (0, 0, 1)
    )
    assert first == again != other


@pytest.mark.parametrize(
    ("estimators", "error", "match"),
    [
        (TRUTH, ValueError, "must be two models, a dict by their names or a pair"),
        ((TRUTH,), ValueError, "must be two models.* got 1"),
        ({"a": TRUTH, "b": TRUTH, "c": TRUTH}, ValueError, r"got 3\. Compare more"),
        (([TRUTH, TRUTH], WIDE), ValueError, "at least two of each, got 2 and 1"),
        (([], [TRUTH]), ValueError, "at least two of each, got 0 and 1"),
        ((TRUTH, PCA()), TypeError, "that have sample, but PCA has none"),
        ((TRUTH, GaussianMixture()), Exception, "not fitted"),
    ],
)
def test_what_is_no_pair_of_models_is_refused(estimators, error, match):
    with pytest.raises(error, match=match):
        compare(estimators, make_rows())


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        (
            {"n_samples": 3},
            ValueError,
            "'n_samples' parameter of compare",
        ),
        ({"mean": "yes"}, TypeError, "mean"),
        ({"n_bootstrap": -1}, ValueError, "n_bootstrap"),
        ({"random_state": 1.5}, TypeError, "random_state"),
    ],
)
def test_parameters_are_checked(options, error, match):
    with pytest.raises(error, match=match):
        compare((TRUTH, WIDE), make_rows(), **options)
    with pytest.raises(ValueError, match=r"X_test must have at least 6 rows, got 5"):
        compare((TRUTH, WIDE), make_rows(5))


def test_samples_of_another_width_are_refused():
    with pytest.raises(ValueError, match="features as samples of Normal, got 2 and 3"):
        compare((TRUTH, Normal(d=3).fit()), make_rows())


def test_p_values_are_corrected_for_the_number_of_figures():
    X = make_rows(60)
    comparison = compare((TRUTH, WIDE), X, n_bootstrap=10)
    alone = compare((TRUTH, WIDE), X, n_bootstrap=0)["log_likelihood"].p_value
    raw = {"log_likelihood": alone}
    for name in SAMPLES:
        row = comparison[name]
        error = (row.high - row.low) / 2 / stats.t.ppf(0.975, 5)
        raw[name] = 2 * stats.t.sf(abs(row.difference) / error, 5)
    steps = sorted(raw, key=raw.get)
    largest = 0.0
    for n_left, name in zip(range(len(steps), 0, -1), steps, strict=True):
        largest = max(largest, min(1, n_left * raw[name]))
        assert comparison[name].p_value == pytest.approx(largest, rel=1e-6)


def test_the_verdict_names_the_better_model_for_each_figure():
    X, far = make_rows(), Normal(shift=2.0).fit()
    for models in ({"near": TRUTH, "far": far}, {"far": far, "near": TRUTH}):
        verdict = compare(models, X).verdict
        assert verdict.startswith("Better: near in log_likelihood, frechet_distance")
        assert "far in" not in verdict
