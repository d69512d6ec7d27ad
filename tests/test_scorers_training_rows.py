"""Which rows count as seen by a model, and references that are kept."""

import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

from skvae import make_sample_scorer, metrics
from skvae.scorers import SCORERS, get_scorer
from skvae.scorers._train_rows import training_rows


class Copier(BaseEstimator):
    """Return rows that it was fitted on."""

    def __init__(self, n=0):
        self.n = n

    def fit(self, X, y=None):
        self.X_ = np.asarray(X)
        return self

    def sample(self, n_samples=1, random_state=None):
        rows = np.random.RandomState(random_state).randint(len(self.X_), size=n_samples)
        return self.X_[rows]


def make_rows(n=300, d=4):
    return np.random.default_rng(0).normal(size=(n, d)) + 1 / 3


def scores_of(X, X_train, name="neg_abs_data_copying"):
    scorer = make_sample_scorer(name, X_train=X_train)
    models = GaussianMixture(1, random_state=0), Copier()
    return [cross_val_score(m, X, scoring=scorer, cv=3).mean() for m in models]


@pytest.mark.parametrize(
    "cast",
    [
        lambda X: X.astype(np.float32),
        lambda X: X.astype(np.float32).astype(np.float64),
        lambda X: X.astype(np.float16),
        lambda X: X.astype(">f8"),
        lambda X: np.asfortranarray(X),
        lambda X: X.astype(np.longdouble),
        lambda X: X.tolist(),
    ],
)
@pytest.mark.parametrize("name", ["neg_abs_data_copying", "authenticity"])
def test_a_copier_never_wins_whatever_the_type(cast, name):
    X = make_rows()
    for searched, given in ((cast(X), X), (X, cast(X))):
        model, copier = scores_of(searched, given, name)
        assert copier < model - 0.2


def test_whole_numbers_are_found_in_any_type():
    X = np.random.default_rng(0).integers(0, 256, size=(300, 4)).astype(np.uint8)
    expected = scores_of(X, X)
    for given in (X.astype(float), X.astype(np.int64), X.astype(np.float32)):
        assert scores_of(X, given) == expected


def test_held_out_rows_of_no_search_need_not_be_in_x_train():
    X = make_rows(200)
    scorer = make_sample_scorer("authenticity", X_train=X[:150])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search = GridSearchCV(Copier(), {"n": [1]}, scoring=scorer, cv=3)
        search.fit(X[:150])
        assert search.score(X[150:]) == scorer(search, X[150:]) == 0.0


@pytest.mark.parametrize("levels", [2, 4, 30])
def test_repeated_rows_are_taken_out_as_often_as_they_are_held_out(levels):
    X = np.random.default_rng(0).integers(0, levels, size=(120, 3)) / 7
    train, test = next(KFold(4, shuffle=True, random_state=0).split(X))
    rows = training_rows(X, X[test])
    order = np.lexsort(X[train].T), np.lexsort(rows.T)
    np.testing.assert_array_equal(X[train][order[0]], rows[order[1]])


def test_repeats_among_other_training_rows_stay():
    T = np.random.default_rng(0).integers(0, 4, size=(400, 4)).astype(float)
    copier = Copier().fit(T[:300])
    scorer = make_sample_scorer("authenticity", X_train=T[:300])
    samples = copier.sample(100, random_state=0)
    assert metrics.authenticity(T[:300], samples).value == 0.0
    assert scorer(copier, T[300:]) == 0.0


def test_negative_zeros_and_objects_are_found():
    X = np.array([[0.0, 1], [2, 3], [4, 5]])
    assert len(training_rows(X, np.array([[-0.0, 1]]))) == 2
    table = np.array([["a", 1], ["b", 2.0], ["a", 1]], dtype=object)
    assert len(training_rows(table, np.array([["a", 1.0]], dtype=object))) == 2


def test_no_training_row_left_is_an_error():
    X = make_rows(30)
    scorer = make_sample_scorer("authenticity", X_train=X, on_error="raise")
    with pytest.raises(ValueError, match="rows that are not held out, but all 30"):
        scorer(Copier().fit(X), X)


def test_columns_of_frames_are_matched_by_name():
    pandas = pytest.importorskip("pandas")
    rows = make_rows(90) * [1, 2, 3, 4] + [0, 5, 10, 15]
    X = pandas.DataFrame(rows, columns=[*"abcd"])
    other = X[["d", "c", "b", "a"]]
    model = GaussianMixture(1, random_state=0).fit(X[:60])
    for name in ("authenticity", "coverage", "neg_mmd"):
        scorer = make_sample_scorer(name, X_train=X, on_error="raise")
        expected = scorer(model, X[60:])
        assert scorer(model, other[60:]) == expected
        again = make_sample_scorer(name, X_train=other, on_error="raise")
        assert again(model, X[60:]) == expected
    with pytest.raises(ValueError, match=r"X must have the columns .* differ in \['a"):
        scorer(model, X[60:].rename(columns={"a": "z"}))


PLAIN = sorted(set(SCORERS) - {"neg_fid", "neg_kid", "neg_reconstruction_error"})


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_kept_of_held_out_rows_is_a_copy(name):
    X = make_rows(60)
    model = GaussianMixture(1, random_state=0).fit(X)
    given = make_rows(120)[60:]
    scorer = make_sample_scorer(name, X_train=given, on_error="raise")
    held_out = X.copy()
    expected = scorer(model, held_out)
    held_out += 100  # and its owner uses the memory for something else
    assert scorer(model, X) == expected


def test_a_map_that_is_fitted_again_does_not_mix_with_what_is_kept():
    X = make_rows(100)
    model, pca = GaussianMixture(1, random_state=0).fit(X), PCA(2).fit(X)
    scorer = make_sample_scorer("neg_frechet_distance", features=pca)
    expected = scorer(model, X)
    pca.fit(X * [1, 1, 10, 10])
    assert scorer(model, X) == expected
    fresh = make_sample_scorer("neg_frechet_distance", features=pca)
    assert fresh(model, X) != expected


def test_get_scorer_makes_no_use_of_training_rows():
    X = make_rows(60)
    assert np.isfinite(get_scorer("coverage")(Copier().fit(X), X))
