import copy
import pickle
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
)
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from skvae import RAE, VAE, evaluate, make_sample_scorer, metrics, sample_pipeline
from skvae.metrics import density_coverage
from skvae.networks import MLP
from skvae.scorers import SCORERS, get_scorer
from skvae.scorers._metric import Metric, ReportRow
from skvae.scorers._table import METRICS

RNG = np.random.RandomState(0)
X = np.vstack([RNG.normal(size=(100, 4)), RNG.normal(size=(100, 4)) + 5])
RNG.shuffle(X)
X_TRAIN, X_TEST = X[:120], X[120:]
MIXTURE = GaussianMixture(2, random_state=0).fit(X_TRAIN)
QUICK = VAE(2, network=MLP((16,)), max_epochs=3, random_state=0)
VAE_FITTED = clone(QUICK).fit(X_TRAIN)
TRAIN = {"authenticity", "neg_abs_data_copying"}
OF_SAMPLES = [n for n in SCORERS if not n.startswith(("neg_fid", "neg_kid"))]


class Counting(BaseEstimator):
    """Shifts the training rows, and counts draws over all of its clones."""

    draws = 0

    def __init__(self, shift=0.0, fail=False):
        self.shift, self.fail = shift, fail

    def fit(self, X, y=None, sample_weight=None):
        self.X_ = np.asarray(X)
        return self

    def sample(self, n_samples=1, random_state=None):
        Counting.draws += 1
        rng = np.random.RandomState(random_state)
        rows = self.X_[rng.randint(len(self.X_), size=n_samples)] + self.shift
        return rows * np.nan if self.fail else rows

    def score(self, X, y=None):
        return 0.0


class CountingFeatures:
    def __init__(self):
        self.shapes = []

    def __call__(self, X):
        self.shapes.append(X.shape)
        return np.hstack([X, X[:, :1] ** 2])


def spread(X_real, X_generated, power=1):
    return float(np.mean(np.abs(X_generated.std(0) / X_real.std(0)) ** power))


def drawn(X_real, X_generated, *, random_state):
    return np.random.RandomState(random_state).uniform()


def shifting(X_real, X_generated):
    X_real += 100
    return 0.0


class Drawn:
    def __call__(self, X_real, X_generated, **options):
        return np.array(X_generated.std())


GRID = {"n_components": [1, 2, 3]}


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


class TestEstimators:
    @pytest.mark.parametrize("estimator", [KernelDensity(), GaussianMixture(2)])
    @pytest.mark.parametrize("name", ["neg_frechet_distance", "log_likelihood"])
    def test_of_scikit_learn_are_scored(self, estimator, name):
        score = get_scorer(name)(clone(estimator).fit(X_TRAIN), X_TEST)
        assert np.isfinite(score)

    def test_of_scikit_learn_are_left_as_they_are(self):
        model = GaussianMixture(2).fit(X_TRAIN)
        before = pickle.dumps(model)
        get_scorer("coverage")(model, X_TEST)
        assert pickle.dumps(model) == before

    def test_without_latent_likelihood_are_scored(self):
        rae = RAE(2, network=MLP((16,)), max_epochs=2, random_state=0).fit(X_TRAIN)
        assert get_scorer("coverage")(rae, X_TEST) >= 0

    @pytest.mark.parametrize(
        "scaler", [StandardScaler(), MinMaxScaler(), RobustScaler(), MaxAbsScaler()]
    )
    def test_in_pipelines_have_likelihoods_in_units_of_the_input(self, scaler):
        # A Gaussian with free covariance is equivariant.
        one = GaussianMixture(1, reg_covar=0)
        pipeline = make_pipeline("passthrough", scaler, one).fit(X_TRAIN)
        plain = clone(one).fit(X_TRAIN)
        scorer = get_scorer("log_likelihood")
        assert scorer(pipeline, X_TEST) == pytest.approx(scorer(plain, X_TEST))

    def test_in_pipelines_have_samples_in_units_of_the_input(self):
        pipeline = make_pipeline(MinMaxScaler(), clone(QUICK)).fit(1000 * X_TRAIN)
        names = ["neg_frechet_distance", "neg_reconstruction_error"]
        scorer = make_sample_scorer(names, n_samples=50)
        scores = scorer(pipeline, 1000 * X_TEST)
        assert scores["neg_frechet_distance"] < -1000
        assert scores["neg_reconstruction_error"] < -100
        seed = scorer._trial(pipeline, X_TEST).seed_for("sample")
        Y = sample_pipeline(pipeline, 50, random_state=seed)
        expected = metrics.frechet_distance(1000 * X_TEST, Y)
        assert scores["neg_frechet_distance"] == pytest.approx(-expected)

    def test_in_pipelines_that_bend_space_have_no_likelihood(self):
        step = QuantileTransformer(n_quantiles=10)
        pipeline = make_pipeline(step, GaussianMixture()).fit(X_TRAIN)
        scorer = make_sample_scorer("log_likelihood", on_error="raise")
        with pytest.raises(TypeError, match="'quantiletransformer' is a Quantile"):
            scorer(pipeline, X_TEST)

    def test_of_discrete_data_have_probabilities_whatever_the_scale(self):
        bits = (X.mean(0) < X) * 255.0
        bernoulli = clone(QUICK).set_params(likelihood="bernoulli", max_epochs=1)
        pipeline = make_pipeline(MinMaxScaler(), bernoulli).fit(bits)
        score = get_scorer("log_likelihood")(pipeline, bits)
        assert score == pytest.approx(pipeline.score(bits))

    def test_that_lack_a_method_are_refused(self):
        with pytest.raises(TypeError, match="that has sample, but PCA has none"):
            get_scorer("coverage")(PCA(2).fit(X_TRAIN), X_TEST)
        with pytest.raises(TypeError, match=r"Mixture has none. Choose .*elbo"):
            get_scorer("neg_reconstruction_error")(MIXTURE, X_TEST)

    def test_that_are_not_fitted_are_refused(self):
        with pytest.raises(NotFittedError):
            get_scorer("coverage")(clone(QUICK), X_TEST)

    def test_data_of_any_kind_are_scored(self):
        pandas = pytest.importorskip("pandas")
        scorer = get_scorer("coverage")
        expected = scorer(MIXTURE, X_TEST)
        assert scorer(MIXTURE, X_TEST.tolist()) == expected
        assert scorer(MIXTURE, torch.from_numpy(X_TEST)) == expected
        frame = pandas.DataFrame(X_TRAIN, columns=list("abcd"))
        model = GaussianMixture(2, random_state=0).fit(frame)
        held_out = pandas.DataFrame(X_TEST, columns=list("abcd"))
        assert scorer(model, held_out) == expected


class TestFeatures:
    def test_see_the_reference_once_and_the_samples_once(self):
        features = CountingFeatures()
        names = ["neg_frechet_distance", "coverage", "prd_f_8", "neg_mmd"]
        scorer = make_sample_scorer(names, features=features, n_samples=40)
        scorer(MIXTURE, X_TEST)
        assert features.shapes == [(40, 4), (80, 4)] or features.shapes == [
            (80, 4),
            (40, 4),
        ]
        scorer(VAE_FITTED, X_TEST.copy())
        assert features.shapes.count((80, 4)) == 1
        assert features.shapes.count((40, 4)) == 2

    def test_may_be_a_fitted_transformer(self):
        pca = PCA(2).fit(X_TRAIN)
        plain, mapped = (
            make_sample_scorer("neg_frechet_distance", features=f) for f in (None, pca)
        )
        assert plain(MIXTURE, X_TEST) != mapped(MIXTURE, X_TEST)

    def test_keep_the_shape_of_images(self):
        images = X_TEST.reshape(-1, 1, 2, 2)
        seen = []

        def features(X):
            seen.append(X.shape)
            return X.mean(axis=(2, 3)) + np.zeros((1, 2))

        make_sample_scorer("coverage", features=features)(VAE_FITTED, images)
        assert {shape[1:] for shape in seen} == {(1, 2, 2)}

    def test_that_lose_rows_are_refused(self):
        scorer = make_sample_scorer(
            "coverage", features=lambda X: X[:3], on_error="raise"
        )
        with pytest.raises(ValueError, match=r"each of the 80 rows of .*, got 3"):
            scorer(MIXTURE, X_TEST)

    @pytest.mark.parametrize("name", ["neg_fid", "neg_kid"])
    def test_of_inception_may_be_named_or_given(self, name):
        images = metrics.ImageFeatures("inception", image_shape=(2, 2))
        make_sample_scorer(name, features=images)
        assert "features='inception'" in repr(get_scorer(name))
        with pytest.raises(ValueError, match="needs Inception features, got"):
            make_sample_scorer(name, features="efficientnet-lite0")

    def test_may_be_a_network(self):
        pool = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        features = metrics.ImageFeatures(
            pool, image_shape=(2, 2), value_range=(-9, 15), clip=True
        )
        scorer = make_sample_scorer("neg_mmd", features=features, on_error="raise")
        assert np.isfinite(scorer(MIXTURE, X_TEST))

    def test_of_another_kind_are_refused(self):
        with pytest.raises(TypeError, match=r"or a callable, got 3 \(a int\)"):
            make_sample_scorer("coverage", features=3)


class TestRandomness:
    def test_is_repeated_for_an_int_and_fresh_for_none(self):
        fixed, free = (
            make_sample_scorer("neg_frechet_distance", random_state=s)
            for s in (3, None)
        )
        assert fixed(MIXTURE, X_TEST) == fixed(MIXTURE, X_TEST)
        assert free(MIXTURE, X_TEST) != free(MIXTURE, X_TEST)

    @pytest.mark.parametrize(
        "state", [np.random.RandomState(0), np.random.default_rng(0)]
    )
    def test_of_a_generator_is_refused(self, state):
        with pytest.raises(TypeError, match=r"an int or None, got .*n_jobs. Pass an"):
            make_sample_scorer("coverage", random_state=state)

    def test_leaves_global_states_alone(self):
        names = [n for n in OF_SAMPLES if n not in TRAIN]
        before = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
        make_sample_scorer(names, random_state=None)(VAE_FITTED, X_TEST)
        after = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
        assert before == after


class TestSearches:
    def search(self, scoring, **options):
        options = {"refit": "coverage", "cv": 3, "error_score": "raise", **options}
        model = GaussianMixture(random_state=0)
        return GridSearchCV(model, GRID, scoring=scoring, **options).fit(X)

    def test_with_one_metric(self):
        assert self.search(get_scorer("neg_frechet_distance"), refit=True).best_score_

    def test_with_several_metrics_draw_once_a_fit(self):
        Counting.draws = 0
        scorer = make_sample_scorer(["neg_frechet_distance", "coverage", "neg_mmd"])
        search = GridSearchCV(
            Counting(), {"shift": [0, 1, 2]}, scoring=scorer, refit="coverage", cv=3
        ).fit(X)
        assert Counting.draws == 9
        assert len(scorer._references) == 3
        assert search.best_params_ == {"shift": 0}
        assert (
            search.score(X_TEST) == scorer(search.best_estimator_, X_TEST)["coverage"]
        )

    def test_with_two_jobs_give_the_same_numbers(self):
        scorer = make_sample_scorer(["neg_frechet_distance", "coverage"])
        one, two = (self.search(scorer, n_jobs=n) for n in (1, 2))
        for name in scorer.metrics:
            key = f"split0_test_{name}"
            np.testing.assert_array_equal(one.cv_results_[key], two.cv_results_[key])

    def test_of_other_kinds(self):
        scorer = make_sample_scorer(["coverage", "density"])
        model = GaussianMixture(random_state=0)
        search = RandomizedSearchCV(
            model, GRID, n_iter=2, scoring=scorer, refit="density", cv=2
        ).fit(X)
        assert search.best_score_ > 0
        assert "test_coverage" in cross_validate(model, X, scoring=scorer, cv=2)
        single = get_scorer("coverage")
        assert cross_val_score(model, X, scoring=single, cv=2).shape == (2,)

    def test_by_halving(self):
        search = HalvingGridSearchCV(
            GaussianMixture(random_state=0),
            GRID,
            scoring=get_scorer("neg_frechet_distance"),
            min_resources=60,
            cv=2,
            random_state=0,
        ).fit(X)
        assert search.best_params_["n_components"] > 1

    def test_over_a_pipeline_of_a_vae(self):
        pipeline = make_pipeline(StandardScaler(), clone(QUICK))
        grid = {
            "vae__n_components": [1, 2],
            "vae__latent_density": [None, GaussianMixture(2)],
        }
        scorer = make_sample_scorer(["neg_frechet_distance", "coverage"])
        search = GridSearchCV(pipeline, grid, scoring=scorer, refit="coverage", cv=2)
        assert np.isfinite(search.fit(X).cv_results_["mean_test_coverage"]).all()

    @pytest.mark.parametrize("routing", [False, True])
    def test_with_sample_weight_and_metadata_routing(self, routing):
        scorer = make_sample_scorer(["coverage", "density"])
        with config_context(enable_metadata_routing=routing):
            model = Counting()
            if routing:
                model.set_fit_request(sample_weight=True)
            search = GridSearchCV(
                model, {"shift": [0, 1]}, scoring=scorer, refit="density", cv=2
            )
            search.fit(X, sample_weight=np.ones(len(X)))
        assert search.best_params_ == {"shift": 0}

    def test_survive_a_model_that_fails(self):
        scorer = make_sample_scorer(["neg_frechet_distance", "coverage"])
        search = GridSearchCV(
            Counting(), {"fail": [True, False]}, scoring=scorer, refit="coverage", cv=2
        )
        with pytest.warns(UserWarning, match="coverage of Counting failed and is nan"):
            search.fit(X)
        assert search.best_params_ == {"fail": False}
        assert np.isnan(search.cv_results_["mean_test_coverage"][0])

    def test_with_training_rows_leave_held_out_ones_out(self):
        scorer = make_sample_scorer("authenticity", X_train=X)
        train, test = next(KFold(4).split(X))
        model = GaussianMixture(2, random_state=0).fit(X[train])
        own = make_sample_scorer("authenticity", X_train=X[train])
        assert scorer(model, X[test]) == own(model, X[test])


class TestErrors:
    def test_are_raised_or_returned_as_asked(self):
        broken = Counting(fail=True).fit(X_TRAIN)
        with pytest.raises(ValueError, match="samples must be finite"):
            make_sample_scorer("coverage", on_error="raise")(broken, X_TEST)
        with pytest.warns(UserWarning, match=r"failed and is -1\.5: ValueError"):
            assert make_sample_scorer("coverage", on_error=-1.5)(broken, X_TEST) == -1.5

    def test_of_one_metric_leave_the_others(self):
        scorer = make_sample_scorer(["coverage", "neg_frechet_distance"])
        with pytest.warns(UserWarning, match="more rows than the number of neighbours"):
            scores = scorer(MIXTURE, X_TEST[:4])
        assert np.isnan(scores["coverage"])
        assert np.isfinite(scores["neg_frechet_distance"])

    def test_few_rows_are_warned_of(self):
        with pytest.warns(UserWarning, match="compares 3 rows, fewer than their 4"):
            make_sample_scorer("neg_frechet_distance", n_samples=3)(MIXTURE, X_TEST)

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"metrics": "fid"}, ValueError, "one of 'neg_frechet.*Got 'fid'"),
            ({"metrics": []}, ValueError, r"different names, got \(\)"),
            ({"metrics": 3}, ValueError, "or a function. Got 3"),
            ({"metrics": [3]}, ValueError, "or a function. Got 3"),
            ({"metrics": [spread, spread]}, ValueError, r"got \('spread', 'spread'"),
            ({"metrics": [spread, lambda X, Y: 0]}, ValueError, "got <function.*def"),
            ({"metrics": ["coverage", density_coverage]}, ValueError, "got 'density_c"),
            ({"greater_is_better": 1}, TypeError, "greater_is_better.* Got 1"),
            ({"greater_is_better": False}, ValueError, r"got \['coverage'\]. Leave"),
            (
                {"metrics": spread, "metric_params": {"spread": {"k": 3}}},
                ValueError,
                r"\['power'\], got \['k'\]",
            ),
            ({"metrics": ["coverage"] * 2}, ValueError, "different names, got"),
            ({"metrics": "neg_fid"}, ValueError, "got features=None. Pass"),
            ({"metrics": "authenticity"}, ValueError, "got X_train=None"),
            ({"n_samples": 1}, ValueError, "n_samples.* Got 1"),
            ({"n_samples": "all"}, TypeError, "n_samples.* Got 'all'"),
            ({"mean": 1}, TypeError, "mean.* Got 1"),
            ({"on_error": "ignore"}, ValueError, "on_error.* Got 'ignore'"),
            ({"max_cached": -1}, ValueError, "max_cached.* Got -1"),
            ({"random_state": 1.5}, TypeError, "random_state.* Got 1.5"),
            ({"metric_params": {"frechet": {}}}, ValueError, "Got 'frechet'"),
            (
                {"metric_params": {"density_coverage": {"k": 3}}},
                ValueError,
                r"\['n_neighbors'\], got \['k'\]",
            ),
        ],
    )
    def test_of_parameters(self, options, error, message):
        with pytest.raises(error, match=message):
            make_sample_scorer(**{"metrics": "coverage", **options})


class TestObject:
    def test_repr_makes_it_again(self):
        scorer = make_sample_scorer(["coverage", "density"], n_samples=9, mean=False)
        text = "make_sample_scorer(['coverage', 'density'], n_samples=9, mean=False)"
        assert repr(scorer) == text
        assert repr(eval(text)) == text
        assert repr(get_scorer("coverage")) == "make_sample_scorer('coverage')"

    def test_repr_is_short_whatever_the_rows(self):
        scorer = make_sample_scorer("authenticity", X_train=X)
        assert "X_train=<array of shape (200, 4)>" in repr(scorer)

    @pytest.mark.parametrize("copied", [pickle.dumps, copy.deepcopy])
    def test_copies_score_alike_and_carry_no_rows(self, copied):
        scorer = make_sample_scorer(["coverage", "neg_frechet_distance"])
        empty = len(pickle.dumps(scorer))
        score = scorer(MIXTURE, X_TEST)
        again = copied(scorer)
        again = pickle.loads(again) if isinstance(again, bytes) else again
        assert len(pickle.dumps(scorer)) == empty
        assert len(again._references) == 0
        assert again(MIXTURE, X_TEST) == score

    def test_cache_is_bounded_and_found_by_content(self):
        scorer = make_sample_scorer("coverage", max_cached=2)
        for shift in (0, 1, 2, 2, 1):
            scorer(MIXTURE, X_TEST + shift)
        assert len(scorer._references) == 2
        changed = X_TEST.copy()
        before = scorer(MIXTURE, changed)
        changed += 100
        assert scorer(MIXTURE, changed) != before

    def test_every_name_has_a_meaning_and_a_scorer(self):
        for name, meaning in SCORERS.items():
            assert meaning
            if name not in TRAIN:
                assert repr(get_scorer(name)).startswith(f"make_sample_scorer('{name}'")
        with pytest.raises(TypeError):
            SCORERS["mine"] = "x"


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


class TestOwnFunctions:
    def test_are_scored_as_they_are(self):
        scorer = make_sample_scorer(spread, n_samples=30)
        Y = scorer._trial(MIXTURE, X_TEST).generated
        assert scorer(MIXTURE, X_TEST) == spread(X_TEST, Y)
        params = {"spread": {"power": 3}}
        negated = make_sample_scorer(
            spread, greater_is_better=False, n_samples=30, metric_params=params
        )
        assert negated(MIXTURE, X_TEST) == -spread(X_TEST, Y, power=3)

    def test_may_be_anonymous_if_alone(self):
        assert make_sample_scorer(lambda X_real, X_generated: 0.0)(MIXTURE, X_TEST) == 0
        assert make_sample_scorer(partial(spread, power=0))(MIXTURE, X_TEST) == 1
        assert make_sample_scorer(Drawn())(MIXTURE, X_TEST) >= 0

    def test_share_the_draw_and_the_features_with_named_metrics(self):
        features, Counting.draws = CountingFeatures(), 0
        scorer = make_sample_scorer(
            ["coverage", spread, "neg_mmd"], features=features, n_samples=40
        )
        scores = scorer(Counting().fit(X_TRAIN), X_TEST)
        assert list(scores) == ["coverage", "spread", "neg_mmd"]
        assert Counting.draws == 1
        assert sorted(features.shapes) == [(40, 4), (80, 4)]
        assert scores["coverage"] > 0
        scorer(MIXTURE, X_TEST)
        assert sorted(features.shapes) == [(40, 4), (40, 4), (80, 4)]

    def test_may_return_an_object_with_a_value(self):
        function, name = metrics.maximum_mean_discrepancy, "maximum_mean_discrepancy"
        params = {name: {"kernel": "imq"}}
        own, named = (
            make_sample_scorer(m, metric_params=params, greater_is_better=g)
            for m, g in ((function, False), ("neg_mmd", True))
        )
        assert own(MIXTURE, X_TEST) == named(MIXTURE, X_TEST)
        with pytest.warns(UserWarning, match="density_coverage must return a number"):
            assert np.isnan(make_sample_scorer(density_coverage)(MIXTURE, X_TEST))

    def test_are_given_a_seed_if_they_take_one(self):
        fixed, free = (
            make_sample_scorer(drawn, random_state=state) for state in (0, None)
        )
        assert fixed(MIXTURE, X_TEST) == fixed(MIXTURE, X_TEST)
        assert free(MIXTURE, X_TEST) != free(MIXTURE, X_TEST)
        together = make_sample_scorer([drawn, spread])(MIXTURE, X_TEST)
        assert together["drawn"] == fixed(MIXTURE, X_TEST)

    def test_cannot_change_what_other_metrics_see(self):
        scorer = make_sample_scorer([shifting, "neg_frechet_distance"])
        with pytest.warns(UserWarning, match="shifting of .* failed .*read-only"):
            scores = scorer(MIXTURE, X_TEST)
        alone = get_scorer("neg_frechet_distance")(MIXTURE, X_TEST)
        assert scores["neg_frechet_distance"] == alone

    def test_serve_in_a_search_of_two_processes(self):
        scorer = make_sample_scorer(["coverage", spread], greater_is_better=False)
        search = GridSearchCV(
            GaussianMixture(random_state=0), GRID, scoring=scorer, refit="spread", cv=2
        )
        one, two = (clone(search).set_params(n_jobs=n).fit(X) for n in (1, 2))
        assert (one.cv_results_["mean_test_spread"] < 0).all()
        key = "mean_test_spread"
        np.testing.assert_array_equal(one.cv_results_[key], two.cv_results_[key])

    def test_are_pickled_and_shown_by_their_name(self):
        scorer = make_sample_scorer(["density", spread], greater_is_better=False)
        text = "make_sample_scorer(['density', spread], greater_is_better=False)"
        assert repr(scorer) == repr(eval(text)) == text
        assert repr(make_sample_scorer(spread)) == "make_sample_scorer(spread)"
        again = pickle.loads(pickle.dumps(scorer))
        assert again(MIXTURE, X_TEST) == scorer(MIXTURE, X_TEST)

    def test_need_an_estimator_that_samples(self):
        with pytest.raises(TypeError, match=r"spread needs .* that has sample"):
            make_sample_scorer(spread)(PCA(2).fit(X_TRAIN), X_TEST)


def test_choose_the_right_number_of_components_of_digits():
    digits = load_digits().data[:600]
    scorer = make_sample_scorer(["coverage", "neg_frechet_distance"])
    model = GaussianMixture(covariance_type="spherical", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        search = GridSearchCV(
            model, {"n_components": [1, 20]}, scoring=scorer, refit="coverage", cv=2
        ).fit(digits)
    assert search.best_params_ == {"n_components": 20}


def test_cannot_score_a_classifier():
    classifier = LogisticRegression().fit(X, X[:, 0] > 0)
    with pytest.raises(TypeError, match="there is none"):
        get_scorer("coverage")(classifier, X)
