"""What users of other libraries have reported about measures of samples.

Each test has an input of its own, and says in words what was wrong there, and where.
"""

import numpy as np
import pytest
import torch
from foreign_networks import Standardised, make_backbone
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import HalvingGridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from torch import nn

from skvae import evaluate, make_sample_scorer, metrics
from skvae.evaluation import compare
from skvae.metrics import FrechetStatistics, ImageFeatures


def normal(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


class Sampler(BaseEstimator):
    """Draw given rows, in their order or at random."""

    def __init__(self, rows=None):
        self.rows = rows

    def fit(self, X=None, y=None):
        self.n_features_in_ = np.shape(self.rows)[1]
        return self

    def sample(self, n_samples=1, random_state=None):
        rng = np.random.RandomState(random_state)
        return np.asarray(self.rows)[rng.randint(len(self.rows), size=n_samples)]


def test_covariances_that_are_none_are_refused():
    """An indefinite or asymmetric covariance gave a distance: pytorch/ignite#3444."""
    good = FrechetStatistics(np.zeros(3), np.eye(3))
    indefinite = FrechetStatistics(np.zeros(3), np.diag([1.0, -0.5, 2.0]))
    asymmetric = FrechetStatistics(np.zeros(3), np.eye(3) + np.eye(3, k=1))
    for bad, match in ((indefinite, "sigma must"), (asymmetric, "be symmetric")):
        for pair in ((bad, good), (good, bad)):
            with pytest.raises(ValueError, match=match):
                metrics.frechet_distance(*pair)
    assert metrics.frechet_distance(good, good) == pytest.approx(0, abs=1e-12)


def test_subsets_as_large_as_the_sets_have_no_spread():
    """Subsets of all rows claimed certainty, or raised: toshas/torch-fidelity#45."""
    X, Y = normal(60, 3), normal(60, 3, seed=1)
    whole = metrics.kernel_distance(X, Y, subset_size=1000, random_state=0)
    assert whole.subset_size == 60
    assert np.isnan(whole.subset_std)
    polynomial = metrics.maximum_mean_discrepancy(X, Y, kernel="polynomial").value
    assert whole.value == pytest.approx(polynomial)
    parts = metrics.kernel_distance(X, Y, subset_size=20, random_state=0)
    assert parts.subset_std > 0


@pytest.mark.parametrize("far", [1e6, 1e9, 1e12])
def test_offsets_and_far_rows_cancel_no_digits(far):
    """Squares that cancel made distances 0 or nan in Lightning-AI/torchmetrics#1351,
    scikit-learn/scikit-learn#9354 and gchq/coreax#855.
    """
    X, Y = np.round(64 * normal(80, 4)) / 64, np.round(64 * normal(80, 4, 1)) / 64
    near = metrics.precision_recall_density_coverage(X, Y)
    moved = metrics.precision_recall_density_coverage(X + far, Y + far)
    if far < 1e9:  # beyond, the offset itself has no room for the digits of X
        assert moved == near
    Z = Y.copy()
    Z[7] = far  # one diverged sample, against brute force
    found = metrics.precision_recall_density_coverage(X, Z)
    to_own = np.sort(np.linalg.norm(X[:, None] - X, axis=2), axis=1)
    to_samples = np.linalg.norm(X[:, None] - Z, axis=2)
    assert found.precision == np.mean((to_samples <= to_own[:, [3]]).any(axis=0))
    assert found.density == np.sum(to_samples <= to_own[:, [5]]) / (5 * len(Z))
    assert found.coverage == np.mean((to_samples <= to_own[:, [5]]).any(axis=1))
    discrepancy = metrics.maximum_mean_discrepancy(X, Z, bandwidth=2.0).value
    others = metrics.maximum_mean_discrepancy(X, np.delete(Z, 7, 0), bandwidth=2.0)
    assert abs(discrepancy - others.value) < 0.1


def test_a_median_distance_of_zero_divides_nothing():
    """Most rows being equal, the bandwidth was 0: neurodata/hyppo#92."""
    X = np.zeros((100, 2))
    X[:30] = normal(30, 2)
    bandwidth = metrics.median_bandwidth(X)
    assert np.isfinite(bandwidth)
    assert bandwidth > 0
    Y = np.zeros((100, 2))
    Y[:30] = normal(30, 2, seed=1) + 3
    same = metrics.maximum_mean_discrepancy(X, X[::-1]).value
    moved = metrics.maximum_mean_discrepancy(X, Y).value
    assert np.isfinite([same, moved]).all()
    assert same < moved
    model = GaussianMixture(1, random_state=0).fit(X)
    report = evaluate(model, X[::2], X[1::2], n_bootstrap=0)
    assert np.isfinite(report["maximum_mean_discrepancy"].value)


def test_a_subsample_of_the_reference_hides_no_memorised_row():
    """With many training rows, copies of those that a subsample had left out passed for
    new: sdv-dev/SDMetrics#934. Here a tenth of the samples are copies, and as many
    training rows as held-out rows are one in 20.
    """
    X = normal(2100, 5)
    train, test = X[:2000], X[2000:]
    rows = np.vstack([normal(900, 5, seed=2), train[1500:1600]])
    exact = metrics.exact_copies(train, test, rows, random_state=0)
    assert exact.value == pytest.approx(0.1)
    assert exact.p_value < 0.001
    found = evaluate(Sampler(rows).fit(), train, test, n_bootstrap=0).findings
    assert [text.partition(":")[0] for text in found] == ["Copying"]
    near = rows + 1e-3 * normal(1000, 5, seed=3)
    report = evaluate(Sampler(near).fit(), train, test, n_samples=1000, n_bootstrap=0)
    assert report["near_copies"].value > report["near_copies"].floor + 0.05


def test_constant_columns_are_no_obstacle():
    """A constant column, or one value for all rows, ended in an exception:
    sdv-dev/SDMetrics#739 and sbi-dev/sbi#1204.
    """
    X, Y = normal(120, 3), normal(120, 3, seed=1)
    padded = [np.hstack([A, np.full((120, 1), 7.0)]) for A in (X, Y)]
    for function in (
        metrics.precision_recall_density_coverage,
        metrics.one_nearest_neighbour_accuracy,
        metrics.frechet_distance,
        metrics.maximum_mean_discrepancy,
    ):
        plain, found = function(X, Y), function(*padded)
        assert np.allclose(found, plain, rtol=1e-9, equal_nan=True)
    model = GaussianMixture(1, random_state=0).fit(padded[0])
    assert evaluate(model, padded[0], padded[1], n_bootstrap=0)["recall"].value > 0.5
    equal = np.full((60, 2), 3.0)
    constant = GaussianMixture(1).fit(equal)
    for judge in (
        lambda: evaluate(constant, equal[:30], equal[30:]),
        lambda: compare((constant, constant), equal),
    ):
        with pytest.raises(ValueError, match="X_test must have rows that differ"):
            judge()


@pytest.mark.parametrize("missing", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_named(missing):
    """Missing values in samples made metrics vanish, or the error obscure:
    sdv-dev/SDMetrics#273, sdv-dev/SDV#1153 and vanderschaarlab/synthcity#293.
    """
    X = normal(80, 3)
    rows = X.copy()
    rows[::4, 1] = missing
    broken, sound = Sampler(rows).fit(), Sampler(X).fit()
    for judge in (
        lambda: evaluate(broken, X[:40], X[40:]),
        lambda: compare({"broken": broken, "sound": sound}, X),
        lambda: make_sample_scorer("coverage", on_error="raise")(broken, X),
    ):
        match = r"samples must be finite, but \d+ of \d+ are not, the first in row \d+"
        with pytest.raises(ValueError, match=match):
            judge()
    with pytest.raises(ValueError, match=r"X_generated must be finite.* column 1"):
        metrics.density_coverage(X, rows)
    # What needs no samples is scored all the same.
    broken.score_samples = lambda X: np.zeros(len(X))
    scorer = make_sample_scorer(["coverage", "log_likelihood"])
    with pytest.warns(UserWarning, match="coverage of Sampler failed and is nan"):
        scores = scorer(broken, X)
    assert np.isnan(scores["coverage"])
    assert scores["log_likelihood"] == 0


def test_columns_go_by_name():
    """Columns or indices in another order were compared by position:
    sdv-dev/SDMetrics#582 and #463.
    """
    pandas = pytest.importorskip("pandas")
    age, sex = 40 + normal(70, 1)[:, 0], np.arange(70) % 2
    real = pandas.DataFrame({"age": age, "sex": sex})
    other = real[["sex", "age"]]
    for function in (
        metrics.frechet_distance,
        metrics.maximum_mean_discrepancy,
        metrics.density_coverage,
        metrics.one_nearest_neighbour_accuracy,
    ):
        np.testing.assert_equal(function(real, other), function(real, real))
        with pytest.raises(ValueError, match="lacks 'sex' and has 'gender'"):
            function(real, other.rename(columns={"sex": "gender"}))
    shuffled = real.sample(frac=1, random_state=0)  # another index, the same rows
    assert metrics.frechet_distance(real, shuffled) == pytest.approx(0, abs=1e-9)
    model = GaussianMixture(1, random_state=0).fit(real)
    scorer = make_sample_scorer("coverage", on_error="raise")
    assert scorer(model, real) == scorer(model, other)


def test_copies_and_distances_come_with_what_new_rows_score():
    """Shares of new rows, exact matches and distances to the closest record were
    missing, or had nothing to be compared with: sdv-dev/SDMetrics#207, #720 and #719.
    """
    rng = np.random.default_rng(0)
    table = rng.integers(0, 6, size=(900, 3)).astype(float)
    train, test, new = table[:300], table[300:600], table[600:]
    for rows, copied in ((new, False), (train, True)):
        report = evaluate(Sampler(rows).fit(), train, test, n_bootstrap=0)
        exact, distance = report["exact_copies"], report["distance_to_train"]
        assert exact.floor == np.mean([(train == row).all(1).any() for row in test])
        to_train = np.linalg.norm(test[:, None] - train, axis=2).min(axis=1)
        assert distance.floor == np.median(to_train)
        assert any(f.startswith("Copying") for f in report.findings) == copied


def test_a_unit_that_hides_other_columns_is_said():
    """A scale of the data hid what mattered: sbi-dev/sbi#346."""
    X = normal(200, 5) * [1e4, 1, 1, 1, 1]
    wrong = Sampler(np.where(np.arange(5) == 0, normal(200, 5, 1) * 1e4, 9.0)).fit()
    for judge in (
        lambda: evaluate(wrong, X[:100], X[100:], n_bootstrap=0),
        lambda: compare((wrong, wrong), X, n_bootstrap=0),
        lambda: make_sample_scorer("coverage")(wrong, X),
    ):
        with pytest.warns(UserWarning, match=r"Column 0 of X.* hardly see them"):
            judge()
    scaler = StandardScaler().fit(X[:100])
    report = evaluate(wrong, X[:100], X[100:], features=scaler, n_bootstrap=0)
    assert any(text.startswith("Low") for text in report.findings)


def test_shares_of_0_and_1_have_intervals_with_a_width():
    """An interval of 0 out of N had no width: NVIDIA/garak#2076 and
    EleutherAI/lm-evaluation-harness#4090.
    """
    X = normal(200, 2)
    away = Sampler(normal(100, 2, seed=1) + 50).fit()
    report = evaluate(away, X[:100], X[100:], n_samples=100)
    for name in ("precision", "recall", "coverage", "exact_copies", "near_copies"):
        row = report[name]
        assert row.value == 0.0
        assert row.low == 0.0
        n = 2000 if name == "exact_copies" else 300  # draws, of 0 the upper limit
        assert row.high >= 1 - 0.05 ** (1 / n)
    comparison = compare((away, Sampler(normal(100, 2, seed=2) - 50).fit()), X[100:])
    for name in ("precision", "recall", "coverage"):
        row = comparison[name]
        assert row.low < row.difference == 0 < row.high


def test_what_is_kept_of_the_data_goes_with_the_map():
    """Features were read from a cache that another map or other data had filled:
    toshas/torch-fidelity#13 and pytorch/vision#6234.
    """
    X = normal(90, 4)
    model, pca = GaussianMixture(1, random_state=0).fit(X), PCA(2).fit(X)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4, 2))
    for features, change in (
        (pca, lambda: pca.fit(X * [1, 1, 9, 9])),
        (
            ImageFeatures(network, image_shape=(2, 2), value_range=(-9, 9), clip=True),
            lambda: nn.init.constant_(network[1].weight, 0.5),
        ),
    ):
        kept = make_sample_scorer("neg_mmd", features=features, on_error="raise")
        before = kept(model, X)
        change()
        fresh = make_sample_scorer("neg_mmd", features=features, on_error="raise")
        assert kept(model, X) == before != fresh(model, X)
    # Other rows in the same memory.
    scorer, rows = make_sample_scorer("neg_mmd"), X.copy()
    before = scorer(model, rows)
    rows[:] = normal(90, 4, seed=5) + 1
    assert scorer(model, rows) == make_sample_scorer("neg_mmd")(model, rows) != before


def test_halving_by_several_metrics_says_what_to_do():
    """A search by halving ended in KeyError: 'mean_test_score' for several metrics:
    scikit-learn/scikit-learn#26109. Scorers are first asked after the first fit.
    """
    X, grid = normal(150, 2), {"n_components": [1, 2, 3]}
    options = {"cv": 2, "random_state": 0}
    several = make_sample_scorer(["density", "neg_mmd"])
    search = HalvingGridSearchCV(
        GaussianMixture(), grid, scoring=several, refit="density", **options
    )
    with (
        pytest.warns(UserWarning, match=r"fails with several, got 2.* Pass one"),
        pytest.raises(KeyError, match="mean_test_score"),
    ):
        search.fit(X)
    one = make_sample_scorer("neg_mmd")
    search = HalvingGridSearchCV(GaussianMixture(), grid, scoring=one, **options)
    assert search.fit(X).best_params_["n_components"] in (1, 2, 3)


@pytest.fixture
def network(tmp_path):
    """Return a small network, in place of DINOv2 or CLIP, read from a file."""
    torch.manual_seed(0)
    torch.save(make_backbone().state_dict(), tmp_path / "weights.pt")
    backbone = make_backbone()
    weights = torch.load(tmp_path / "weights.pt", weights_only=True)
    backbone.load_state_dict(weights)
    return Standardised(backbone, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_any_network_from_a_file_gives_the_features(network):
    """Distances in the features of DINOv2 or CLIP were asked for:
    Lightning-AI/torchmetrics#3110, chaofengc/IQA-PyTorch#230 and #268.
    """
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(60, 3, 14, 14), dtype=np.uint8)
    others = rng.integers(128, size=(60, 3, 14, 14), dtype=np.uint8)
    features = ImageFeatures(network, device="cpu")
    real, generated = features.transform(images), features.transform(others)
    with torch.no_grad():
        by_hand = network(torch.from_numpy(images / np.float32(255))).numpy()
    np.testing.assert_allclose(real, by_hand, atol=1e-5)
    assert metrics.frechet_distance(real, generated) > 0
    unit = [h / np.linalg.norm(h, axis=1, keepdims=True) for h in (real, generated)]
    cmmd = metrics.maximum_mean_discrepancy(*unit, bandwidth=10, estimator="biased")

    def kernel(X, Y):
        return np.exp(-np.square(X[:, None] - Y).sum(axis=2) / (2 * 10**2)).mean()

    first, second = unit
    expected = kernel(first, first) + kernel(second, second) - 2 * kernel(*unit)
    assert cmmd.value == pytest.approx(expected, rel=1e-6)
    sized = ImageFeatures(network, size=28, device="cpu").transform(images)
    assert sized.shape == (60, 4 * 4 * 4)


def test_such_a_network_serves_reports_and_scorers(network):
    """The same for a whole model of images: Lightning-AI/torchmetrics#3110."""
    X = np.random.default_rng(0).integers(256, size=(60, 3 * 14 * 14)) / 255
    clipped = FunctionTransformer(inverse_func=lambda X: np.clip(X, 0, 1))
    model = make_pipeline(clipped, GaussianMixture(1, reg_covar=0.01)).fit(X)
    features = ImageFeatures(
        network, image_shape=(3, 14, 14), value_range=(0, 1), clip=True, device="cpu"
    )
    report = evaluate(model[-1], X[:30], X[30:], features=features, n_bootstrap=0)
    scorer = make_sample_scorer("neg_mmd", features=features, on_error="raise")
    assert np.isfinite([report["recall"].value, scorer(model[-1], X[30:])]).all()
