"""A detector around any density: labels, offsets, splits, and what is refused."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from conftest import small
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import KFold, RepeatedKFold, ShuffleSplit
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import skvae
from skvae.outliers import DensityOutlierDetector


def rows(n=100, d=3, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


def fitted(density=None, X=None, **options):
    density = GaussianMixture(1) if density is None else density
    X = rows() if X is None else X
    return DensityOutlierDetector(density, random_state=0, **options).fit(X)


def test_scores_are_the_mean_log_density_of_the_folds():
    X, new = rows(), rows(20, seed=1)
    detector = fitted(X=X, cv=KFold(4))
    scores, held_out = [], []
    for train, test in KFold(4).split(X):
        mixture = GaussianMixture(1, random_state=0).fit(X[train])
        scores.append(mixture.score_samples(new))
        held_out.extend(mixture.score_samples(X[test]))
    np.testing.assert_allclose(detector.score_samples(new), np.mean(scores, axis=0))
    np.testing.assert_allclose(detector.calibration_scores_, np.sort(held_out))
    assert len(detector.estimators_) == 4


def test_one_split_is_one_density_and_its_rows_held_out():
    X = rows()
    split = ShuffleSplit(1, test_size=0.3, random_state=5)
    detector = fitted(X=X, cv=split)
    ((train, test),) = split.split(X)
    mixture = GaussianMixture(1).fit(X[train])
    expected = np.sort(mixture.score_samples(X[test]))
    np.testing.assert_allclose(detector.calibration_scores_, expected)
    np.testing.assert_allclose(detector.score_samples(X), mixture.score_samples(X))


@pytest.mark.parametrize("two_sided", [False, True])
@pytest.mark.parametrize("density", [GaussianMixture(1), KernelDensity()])
def test_auto_calls_rows_outliers_whose_p_value_is_at_most_5_percent(
    density, two_sided
):
    X, new = rows(), np.vstack([3 * rows(200, seed=1), np.zeros((5, 3))])
    detector = fitted(density, X, two_sided=two_sided)
    is_outlier = detector.p_values(new) <= 0.05
    np.testing.assert_array_equal(detector.predict(new) == -1, is_outlier)
    assert 0.1 < is_outlier.mean() < 0.9
    assert is_outlier[-5:].all() == two_sided  # the centre, which is too likely


def test_two_sided_scores_are_distances_from_the_limits():
    detector, likely = fitted(two_sided=True), fitted()
    new = 2 * rows(50, seed=1)
    log_p, held_out = likely.score_samples(new), likely.calibration_scores_
    low, high = held_out[1], held_out[-2]  # k = floor(0.025 * 101) - 1 = 1
    expected = np.minimum(log_p - low, high - log_p)
    np.testing.assert_allclose(detector.score_samples(new), expected, atol=1e-4)
    assert detector.offset_ == 0


@pytest.mark.parametrize("two_sided", [False, True])
@pytest.mark.parametrize("contamination", [0.01, 0.13, 0.5])
def test_contamination_is_the_share_of_outliers_in_X(contamination, two_sided):
    X = rows(400)
    detector = fitted(X=X, contamination=contamination, two_sided=two_sided)
    assert np.mean(detector.predict(X) == -1) == pytest.approx(contamination)
    labels = clone(detector).fit_predict(X)
    np.testing.assert_array_equal(labels, detector.predict(X))
    decision = detector.score_samples(X) - detector.offset_
    np.testing.assert_array_equal(detector.decision_function(X), decision)


def test_a_row_at_the_threshold_is_no_outlier():
    X = rows(101)
    detector = fitted(X=X, contamination=0.5)  # the median is that of a row
    assert 0 in detector.decision_function(X)
    assert np.sum(detector.predict(X) == -1) == 50


def test_few_false_alarms_on_new_rows_where_the_density_overfits():
    alarms = []
    for seed in range(10):
        detector = fitted(KernelDensity(bandwidth=0.2), rows(100, seed=seed))
        alarms.append(np.mean(detector.predict(rows(500, seed=100 + seed)) == -1))
    error = np.std(alarms, ddof=1) / np.sqrt(10)
    assert np.mean(alarms) < 0.05 + 4 * error


def test_folds_rank_outliers_among_the_rows_of_fit_where_a_density_overfits():
    far = rows(10, seed=1)
    X = np.vstack([rows(), 6 * far / np.linalg.norm(far, axis=1, keepdims=True)])
    found = {}
    for cv in (5, ShuffleSplit(1, test_size=0.2, random_state=0)):
        detector = fitted(KernelDensity(bandwidth=0.3), X, contamination=0.09, cv=cv)
        found[cv] = np.mean(detector.predict(X)[-10:] == -1)
    of_folds, of_split = found.values()
    assert of_folds >= 0.7
    assert of_split < 0.5


@pytest.mark.parametrize("n", [10, 18, 19, 20])
def test_too_few_rows_for_the_level_are_said(n):
    least = rf"19 calibration rows, but {n} are held out: .* below {1 / (n + 1):.2g}"
    if n < 19:
        with pytest.warns(UserWarning, match=least):
            detector = fitted(X=rows(n))
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            detector = fitted(X=rows(n))
    assert detector.predict(np.full((1, 3), 50.0)) == [-1]  # below all of them
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted(X=rows(n), contamination=0.1)  # needs no p-value


def test_two_sided_needs_twice_as_many_rows():
    with pytest.warns(UserWarning, match=r"39 calibration rows, but 38"):
        fitted(X=rows(38), two_sided=True)


def test_infinite_scores_are_ranked():
    tophat = KernelDensity(kernel="tophat", bandwidth=0.5)
    X = np.vstack([rows(), [[9.0, 9, 9]]])
    for options in ({}, {"two_sided": True}, {"contamination": 0.4}):
        detector = fitted(tophat, X, **options)
        far = np.array([[9e9, 0, 0]])
        assert np.isfinite(detector.decision_function(far)).all()
        assert np.isfinite(detector.offset_)
        assert 0 < detector.p_values(far)[0] <= 1


class Odd(GaussianMixture):
    """A density with scores that are none."""

    def __init__(self, wrong="nan"):
        super().__init__()
        self.wrong = wrong

    def score_samples(self, X):
        scores = super().score_samples(X)
        scores[len(scores) // 2] = np.nan
        return scores[:, None] if self.wrong == "shape" else scores


@pytest.mark.parametrize(
    ("wrong", "message"),
    [("nan", r"Odd must return numbers.*NaN for 1 of 20 rows.*row 10.*Leave"),
     ("shape", r"Odd must return one number.*\(20,\), got shape \(20, 1\)")],
)  # fmt: skip
def test_scores_that_are_no_numbers_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        fitted(Odd(wrong))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"estimator": "vae"}, TypeError, "estimator.*must be None or a density"),
        ({"estimator": GaussianMixture}, TypeError, "Got <class.*no usable `fit`"),
        ({"estimator": RandomForestClassifier()}, TypeError, "`score_samples`"),
        ({"contamination": 0.0}, ValueError, r"contamination.*\(0, 0.5\].*Got 0.0"),
        ({"contamination": 0.6}, ValueError, r"contamination.*\(0, 0.5\].*Got 0.6"),
        ({"contamination": "all"}, ValueError, r"'auto', or a float in \(0, 0.5\]"),
        ({"contamination": None}, TypeError, r"contamination.*Got None"),
        ({"two_sided": "yes"}, TypeError, "two_sided.*True or False"),
        ({"cv": 1}, ValueError, "cv.*integer >= 2.*Got 1"),
        ({"cv": 0.2}, TypeError, "cv.*integer >= 2.*Got 0.2"),
        ({"cv": None}, TypeError, "cv.*integer >= 2.*Got None"),
        ({"cv": RepeatedKFold(n_repeats=2)}, ValueError, "hold out no row more than"),
        ({"random_state": "x"}, ValueError, "random_state"),
    ],
)
def test_wrong_parameters_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        DensityOutlierDetector(**{"estimator": GaussianMixture(), **options}).fit(
            rows()
        )


@pytest.mark.parametrize("method", ["predict", "p_values", "score_columns"])
def test_methods_need_a_fit(method):
    with pytest.raises(NotFittedError):
        getattr(DensityOutlierDetector(GaussianMixture()), method)(rows())
    with pytest.raises(NotFittedError):
        DensityOutlierDetector(FrozenEstimator(GaussianMixture())).fit(rows())


class Limited(GaussianMixture):
    """A density that scores no more than 60 rows at once."""

    def score_samples(self, X):
        if len(X) > 60:
            raise ValueError("too many rows")
        return super().score_samples(X)


def test_a_fit_that_fails_leaves_the_detector_as_it_was():
    detector = fitted(Limited(), rows(50), contamination=0.1)
    before = detector.score_samples(rows(50))
    with pytest.raises(ValueError, match="too many rows"):  # when all is fitted
        detector.fit(rows(100, d=2))
    assert detector.n_features_in_ == 3
    np.testing.assert_array_equal(detector.score_samples(rows(50)), before)


def test_the_estimator_that_was_passed_is_not_fitted():
    density = GaussianMixture(1)
    fitted(density)
    assert not hasattr(density, "means_")


def test_a_frozen_density_is_used_as_it_is():
    mixture = GaussianMixture(1).fit(rows())
    detector = fitted(FrozenEstimator(mixture), rows(50, seed=1))
    assert detector.estimators_[0].estimator is mixture
    assert len(detector.calibration_scores_) == 50


@pytest.mark.filterwarnings("ignore:contamination")
def test_one_seed_decides_split_and_density():
    pipeline = make_pipeline(StandardScaler(), small(random_state=None))
    X = rows(40)
    first, again = (
        DensityOutlierDetector(pipeline, cv=2, random_state=3).fit(X) for _ in range(2)
    )
    other = DensityOutlierDetector(pipeline, cv=2, random_state=4).fit(X)
    np.testing.assert_array_equal(first.score_samples(X), again.score_samples(X))
    assert (first.score_samples(X) != other.score_samples(X)).all()
    own = DensityOutlierDetector(small(random_state=7), cv=2).fit(X)
    assert {e.random_state for e in own.estimators_} == {7}


@pytest.mark.filterwarnings("ignore:contamination")
def test_the_default_density_is_a_vae():
    detector = DensityOutlierDetector(cv=2, random_state=0)
    detector.fit(rows(20))
    assert {type(e) for e in detector.estimators_} == {skvae.VAE}


def test_pickled_detectors_give_the_same_scores():
    detector, X = fitted(), rows(10, seed=1)
    again = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(again.p_values(X), detector.p_values(X))
    np.testing.assert_array_equal(again.score_columns(X), detector.score_columns(X))


def mixed_frame(n=60, seed=0):
    rng = np.random.default_rng(seed)
    kind = rng.choice(["a", "b"], n)
    size = np.where(kind == "a", -2.0, 2.0) + 0.3 * rng.standard_normal(n)
    return pd.DataFrame({"kind": kind, "size": size, "noise": rng.standard_normal(n)})


def as_polars(columns):
    return pl.DataFrame(pd.DataFrame(columns).to_dict("list"))


def mixed_density():
    columns = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["kind"]), remainder="passthrough"
    )
    return make_pipeline(columns, GaussianMixture(2, reg_covar=1e-3, random_state=0))


@pytest.mark.parametrize(
    "make",
    [pd.DataFrame, lambda X: pl.DataFrame(X.to_dict("list"))],
    ids=["pandas", "polars"],
)
def test_frames_with_categories_reach_the_density(make):
    X = make(mixed_frame())
    detector = fitted(mixed_density(), X)
    assert list(detector.feature_names_in_) == ["kind", "size", "noise"]
    odd = make(
        pd.DataFrame({"kind": ["a", "a"], "size": [2.0, -2.0], "noise": [0.0, 0]})
    )
    assert detector.predict(odd).tolist() == [-1, 1]
    scores = detector.score_columns(odd)
    assert scores[0].argmin() in (0, 1)
    assert scores.shape == (2, 3)
    with pytest.raises(ValueError, match="feature names"):
        detector.predict(odd[["size", "kind", "noise"]])


def test_images_reach_the_density_as_they_are():
    X = np.random.default_rng(0).random((40, 6, 6))
    detector = fitted(small(), X)
    assert detector.p_values(X).shape == (40,)
    with pytest.raises(ValueError, match=r"score_columns needs.*\(40, 6, 6\)"):
        detector.score_columns(X)


def test_array_api_dispatch_changes_nothing():
    X = rows()
    expected = fitted(X=X).score_samples(X)
    with sklearn.config_context(array_api_dispatch=True):
        np.testing.assert_array_equal(fitted(X=X).score_samples(X), expected)
