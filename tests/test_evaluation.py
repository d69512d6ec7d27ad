import builtins
import math

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from skvae import VAE, evaluate, metrics
from skvae._utils import intervals
from skvae.networks import MLP

X_TRAIN, X_TEST = train_test_split(
    load_digits().data, train_size=900, test_size=300, random_state=0
)
BASE = VAE(16, network=MLP((64,), "silu"), batch_size=64, random_state=0)
SMALL = np.random.RandomState(0).normal(size=(200, 3)) @ np.diag([1.0, 2.0, 3.0])


class Memorises(BaseEstimator):
    """Returns training rows, a share of them as they are and the rest new."""

    def __init__(self, share=1.0, jitter=0.0):
        self.share, self.jitter = share, jitter

    def fit(self, X, y=None):
        self.X_ = np.asarray(X)
        self.model_ = GaussianMixture(10, reg_covar=0.1, random_state=0).fit(X)
        return self

    def sample(self, n_samples=1, random_state=None):
        rng = np.random.RandomState(random_state)
        n = int(self.share * n_samples)
        rows = self.X_[rng.randint(len(self.X_), size=n)]
        rows = rows + self.jitter * rng.normal(size=rows.shape)
        if n == n_samples:
            return rows
        return np.vstack([rows, self.model_.sample(n_samples - n)[0]])


@pytest.fixture(scope="module")
def healthy():
    model = clone(BASE).set_params(
        network=MLP((128,), "silu"),
        learning_rate=3e-3,
        max_epochs=40,
        latent_density=GaussianMixture(10),
        early_stopping=True,
    )
    return model.fit(X_TRAIN)


@pytest.fixture(scope="module")
def evaluation(healthy):
    return evaluate(healthy, X_TRAIN, X_TEST)


@pytest.mark.filterwarnings("ignore:Posterior collapse")
class TestFindings:
    def kinds(self, model, **options):
        found = evaluate(model, X_TRAIN, X_TEST, n_bootstrap=20, **options).findings
        return [text.partition(":")[0] for text in found]

    @pytest.mark.slow
    def test_are_none_for_a_healthy_model(self, evaluation):
        assert evaluation.findings == ()

    def test_are_none_for_a_mixture(self):
        model = GaussianMixture(10, reg_covar=0.1, random_state=0).fit(X_TRAIN)
        assert self.kinds(model) == []

    def test_are_none_for_held_out_rows_as_samples(self):
        class Truth(Memorises):
            def sample(self, n_samples=1, random_state=None):
                rng = np.random.RandomState(random_state)
                rest = load_digits().data
                seen = {row.tobytes() for row in np.vstack([X_TRAIN, X_TEST])}
                rest = rest[[row.tobytes() not in seen for row in rest]]
                return rest[rng.choice(len(rest), n_samples, replace=False)]

        assert self.kinds(Truth().fit(X_TRAIN)) == []

    def test_name_a_collapsed_posterior(self):
        model = clone(BASE).set_params(beta=1000.0, kl_warmup=0, max_epochs=15)
        kinds = self.kinds(model.fit(X_TRAIN))
        assert "Posterior collapse" in kinds
        assert "Low recall" in kinds
        assert "Prior mismatch" not in kinds

    def test_excuse_a_collapse_where_there_is_nothing_to_find(self):
        noise = np.random.RandomState(0).normal(size=(400, 20))
        model = clone(BASE).set_params(n_components=2, max_epochs=30)
        model.fit(noise[:200])
        found = evaluate(model, noise[:200], noise[200:], n_bootstrap=0).findings
        assert not [text for text in found if text.startswith("Posterior")]

    @pytest.mark.slow
    def test_name_a_prior_mismatch_and_its_remedy_removes_it(self):
        # Without the KL term nothing draws the codes to the prior.
        model = clone(BASE).set_params(beta=0.01, max_epochs=25).fit(X_TRAIN)
        assert "Prior mismatch" in self.kinds(model)
        model.set_params(latent_density=GaussianMixture(10), random_state=0)
        assert "Prior mismatch" not in self.kinds(model.fit(X_TRAIN))

    @pytest.mark.parametrize(("share", "jitter"), [(1, 0), (1, 0.5), (0.25, 0)])
    def test_name_copying(self, share, jitter):
        kinds = self.kinds(Memorises(share, jitter).fit(X_TRAIN))
        assert kinds == ["Copying"]

    def test_name_copying_by_a_narrow_kernel_density(self):
        assert "Copying" in self.kinds(KernelDensity(bandwidth=1).fit(X_TRAIN))

    def test_name_overfitting(self):
        few = X_TRAIN[:200]
        model = clone(BASE).set_params(network=MLP((256, 256)), max_epochs=100)
        model.set_params(early_stopping=False)
        found = evaluate(model.fit(few), few, X_TEST, n_bootstrap=20).findings
        assert [text for text in found if text.startswith("Overfit: a training row")]

    def test_name_overfitting_in_the_tails(self):
        model = GaussianMixture(10, random_state=0).fit(X_TRAIN)
        assert self.kinds(model) == ["Overfit"]

    def test_name_low_precision(self):
        assert "Low precision" in self.kinds(KernelDensity(bandwidth=4).fit(X_TRAIN))

    def test_name_missing_kinds_of_rows(self):
        ones = X_TRAIN[X_TRAIN[:, 20] > 12]
        model = GaussianMixture(1, reg_covar=0.1, random_state=0).fit(ones[:60])
        assert "Low recall" in self.kinds(model)


class TestRows:
    def test_are_those_of_the_metrics(self, healthy, evaluation):
        row = evaluation["log_likelihood"]
        assert row.value == pytest.approx(healthy.score(X_TEST))
        error = X_TEST - healthy.reconstruct(X_TEST)
        rms = np.sqrt(np.mean(error**2))
        assert evaluation["reconstruction_error"].value == pytest.approx(rms)
        n_active = len(healthy.active_components_)
        assert evaluation["active_components"].value == n_active
        assert evaluation.n_train == 900
        assert evaluation.n_test == evaluation.n_samples == 300

    def test_have_intervals_around_values_and_finite_floors(self, evaluation):
        for row in evaluation.rows:
            assert math.isfinite(row.value)
            if not math.isnan(row.low):
                assert row.low <= row.value <= row.high, row
        assert evaluation["coverage"].floor > evaluation["coverage"].value
        assert (
            evaluation["frechet_distance"].floor < evaluation["frechet_distance"].value
        )

    def test_are_repeated(self, healthy, evaluation):
        assert evaluate(healthy, X_TRAIN, X_TEST).rows == evaluation.rows

    @pytest.mark.filterwarnings("error:.*valid feature names")
    @pytest.mark.parametrize("kind", ["pandas", "polars"])
    def test_of_frames_are_those_of_arrays(self, kind):
        frame = pytest.importorskip(kind).DataFrame(
            dict(zip("abc", SMALL.T, strict=True))
        )
        model = make_pipeline(StandardScaler(), GaussianMixture(2, random_state=0))
        options = {"n_samples": 40, "n_bootstrap": 5}
        of_frames, of_arrays = (
            evaluate(clone(model).fit(X[:100]), X[:100], X[100:], **options).rows
            for X in (frame, SMALL)
        )
        for ours, theirs in zip(of_frames, of_arrays, strict=True):
            np.testing.assert_allclose(ours[1:5], theirs[1:5], rtol=1e-9)

    def test_leave_out_what_does_not_apply(self):
        model = GaussianMixture(2, random_state=0).fit(SMALL[:100])
        figures = [row.figure for row in evaluate(model, SMALL[:100], SMALL[100:]).rows]
        assert "log_likelihood" in figures
        assert "reconstruction_error" not in figures
        assert "active_components" not in figures

    def test_of_a_pipeline_are_in_units_of_its_input(self):
        one = GaussianMixture(1, reg_covar=0, random_state=0)
        plain = evaluate(one.fit(SMALL[:100]), SMALL[:100], SMALL[100:])
        pipeline = make_pipeline(StandardScaler(), one).fit(SMALL[:100])
        scaled = evaluate(pipeline, SMALL[:100], SMALL[100:])
        assert scaled["log_likelihood"].value == pytest.approx(
            plain["log_likelihood"].value
        )
        ratio = scaled["frechet_distance"].value / plain["frechet_distance"].value
        assert ratio == pytest.approx(1, abs=0.5)

    def test_of_a_pipeline_of_a_vae_look_into_its_last_step(self):
        vae = VAE(2, network=MLP((16,)), max_epochs=3, random_state=0)
        pipeline = make_pipeline(StandardScaler(), vae).fit(SMALL[:100])
        evaluation = evaluate(pipeline, SMALL[:100], SMALL[100:], n_bootstrap=5)
        assert "latent_discrepancy" in [row.figure for row in evaluation.rows]
        assert str(evaluation).startswith("Pipeline to VAE: 100 training rows")

    def test_of_a_pipeline_that_bends_space_say_their_units(self):
        step = QuantileTransformer(n_quantiles=20)
        model = make_pipeline(step, GaussianMixture(2)).fit(SMALL[:100])
        evaluation = evaluate(model, SMALL[:100], SMALL[100:], n_bootstrap=0)
        assert "the last step's units" in evaluation["log_likelihood"].meaning

    def test_are_of_features_where_given(self):
        model = GaussianMixture(2, random_state=0).fit(SMALL[:100])
        options = {"n_samples": 90, "n_bootstrap": 0, "random_state": 1}
        sets = model, SMALL[:100], SMALL[100:]
        plain = evaluate(*sets, **options)
        pca = evaluate(*sets, features=PCA(1).fit(SMALL), **options)
        assert plain["frechet_distance"] != pca["frechet_distance"]
        assert plain["log_likelihood"] == pca["log_likelihood"]
        assert plain.n_samples == 90

    def test_map_each_set_to_features_once(self):
        seen = []

        def features(X):
            seen.append(len(X))
            return X**2

        model = GaussianMixture(2, random_state=0).fit(SMALL[:120])
        evaluate(model, SMALL[:120], SMALL[120:], features=features, n_samples=40)
        assert sorted(seen) == [40, 40, 40, 120]


class TestShow:
    def test_a_table_with_aligned_columns(self, evaluation):
        lines = str(evaluation).splitlines()
        head, body = lines[2], lines[3 : 3 + len(evaluation.rows)]
        start = head.index("meaning")
        assert {line[start - 2 : start] for line in body} == {"  "}
        assert all(line[start] != " " for line in body)
        assert lines[-1] == "No finding passed its threshold."

    def test_a_frame(self, evaluation):
        pytest.importorskip("pandas")
        frame = evaluation.to_frame()
        assert frame.loc["coverage", "value"] == evaluation["coverage"].value
        columns = ["value", "low", "high", "floor", "better", "meaning"]
        assert list(frame.columns) == columns

    def test_how_to_get_a_frame_without_pandas(self, evaluation, monkeypatch):
        plain_import = builtins.__import__

        def without_pandas(name, *args, **kwargs):
            if name == "pandas":
                raise ImportError(name)
            return plain_import(name, *args, **kwargs)

        monkeypatch.setattr(builtins, "__import__", without_pandas)
        with pytest.raises(ImportError, match="pip install pandas"):
            evaluation.to_frame()

    def test_which_figures_there_are(self, evaluation):
        with pytest.raises(KeyError, match=r"one of .*coverage.*got 'fid'"):
            evaluation["fid"]


class TestIntervals:
    def test_of_half_samples_spread_as_the_whole_does(self):
        rng = np.random.RandomState(0)
        X = rng.normal(size=400)
        low, high = intervals.by_half_samples(
            lambda A: np.array([A.mean()]), np.array([X.mean()]), (X,), 2000, rng
        )
        expected = 2 * 1.96 * X.std() / np.sqrt(400)
        assert high[0] - low[0] == pytest.approx(expected, rel=0.08)

    def test_of_half_samples_cover_the_spread_of_fresh_sets(self):
        rng = np.random.RandomState(0)

        def coverage(X, Y):
            return np.array([metrics.density_coverage(X, Y).coverage])

        values, widths = [], []
        for _ in range(30):
            X, Y = rng.normal(size=(2, 200, 3)) + np.array([[[0]], [[1]]])
            values.append(coverage(X, Y)[0])
            ends = intervals.by_half_samples(
                coverage, np.array(values[-1:]), (X, Y), 30, rng
            )
            widths.append(ends[1][0] - ends[0][0])
        assert np.mean(widths) == pytest.approx(2 * 1.96 * np.std(values), rel=0.5)

    def test_of_means_and_shares_agree(self):
        hits = np.repeat([1.0, 0.0], [30, 70])
        of_mean = intervals.of_mean(hits, np.random.RandomState(0))
        assert of_mean == pytest.approx(intervals.of_share(0.3, 100), abs=0.02)

    def test_are_absent_for_few_rows(self):
        few = np.zeros((10, 2))
        low, _ = intervals.by_half_samples(len, np.zeros(1), (few,), 9, None)
        assert np.isnan(low).all()


class TestErrors:
    MODEL = GaussianMixture(2, random_state=0).fit(SMALL[:100])

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"n_samples": 5}, ValueError, "n_samples.* Got 5"),
            ({"n_bootstrap": -1}, ValueError, "n_bootstrap.* Got -1"),
            ({"mean": "yes"}, TypeError, "mean.* Got 'yes'"),
            ({"random_state": "a"}, TypeError, "random_state.* Got 'a'"),
            ({"features": 3}, TypeError, "features must be .* got 3"),
        ],
    )
    def test_of_parameters(self, options, error, message):
        with pytest.raises(error, match=message):
            evaluate(self.MODEL, SMALL[:100], SMALL[100:], **options)

    def test_of_rows(self):
        with pytest.raises(ValueError, match="X_test must have at least 6 rows"):
            evaluate(self.MODEL, SMALL[:100], SMALL[:3])
        with pytest.raises(ValueError, match="same number of features, got 3 and 2"):
            evaluate(self.MODEL, SMALL[:100], SMALL[100:, :2])
        with pytest.raises(ValueError, match="X_train must be finite"):
            evaluate(self.MODEL, SMALL * np.nan, SMALL[100:])

    def test_of_models(self):
        with pytest.raises(TypeError, match="sample, but PCA has none"):
            evaluate(PCA(2).fit(SMALL), SMALL, SMALL)
        with pytest.raises(NotFittedError):
            evaluate(GaussianMixture(2), SMALL, SMALL)
