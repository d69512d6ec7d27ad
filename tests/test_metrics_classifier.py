import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu, norm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC
from tables import in_polars, make_table

from skvae.metrics import TableFeatures, classifier_two_sample_test
from skvae.metrics.classifier_test import _area


def two_sets(n=60, m=40, d=3, shift=0.8, seed=0):
    rng = np.random.RandomState(seed)
    X, Y = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    Y[:, 1] += shift
    return X, Y


def logistic(X, Y, **options):
    options = {"random_state": 0, **options}
    return classifier_two_sample_test(X, Y, classifier=LogisticRegression(), **options)


def test_value_is_scikit_learns_cross_validated_area():
    X, Y = two_sets()
    found = logistic(X, Y, n_folds=4, random_state=np.random.RandomState(7))
    rng = np.random.RandomState(7)
    rng.randint(2**31 - 1)  # the seed of the classifier
    folds = StratifiedKFold(4, shuffle=True, random_state=rng.randint(2**31 - 1))
    Z, labels = np.vstack([X, Y]), np.repeat([0, 1], [60, 40])
    expected = cross_val_score(
        LogisticRegression(), Z, labels, cv=folds, scoring="roc_auc"
    )
    assert found.value == pytest.approx(expected.mean(), abs=1e-12)
    assert found[-2:] == (60, 40)
    assert found.low < found.value < found.high


def test_variances_are_those_of_pairs_and_of_ranks():
    # DeLong's by the double loop over pairs, and the normal test of Mann and Whitney.
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [13, 9])
    scores = np.round(rng.normal(size=22) + labels, 1)  # with ties
    zeros, ones = scores[labels == 0], scores[labels == 1]
    wins = (ones[:, None] > zeros) + 0.5 * (ones[:, None] == zeros)
    expected = wins.mean(1).var(ddof=1) / 9 + wins.mean(0).var(ddof=1) / 13
    area, variance, of_random = _area(scores, labels)
    assert area == pytest.approx(roc_auc_score(labels, scores))
    assert variance == pytest.approx(expected)
    options = {"use_continuity": False, "alternative": "greater"}
    p_value = mannwhitneyu(ones, zeros, method="asymptotic", **options).pvalue
    assert norm.sf((area - 0.5) / np.sqrt(of_random)) == pytest.approx(p_value)


@pytest.mark.parametrize("library", [lambda frame: frame, in_polars])
def test_the_column_that_betrays_a_table_is_named(library):
    real, new = make_table(150, 1), make_table(150, 2)
    new["colour"] = new["colour"].replace("red", "blue")
    found = logistic(library(real), library(new[new.columns[::-1]]))
    assert found.column == "colour"
    assert found.columns == tuple(real.columns)
    assert np.argmax(found.importances) == 3
    assert found.importances[3] > 0.1
    assert np.abs(np.delete(found.importances, 3)).max() < 0.1
    assert found.p_value < 1e-3
    features = TableFeatures().fit(library(real))
    rows = [features.transform(library(frame)) for frame in (real, new)]
    assert logistic(*rows).value == found.value
    # A category that the reference has not is enough.
    unseen = make_table(150, 2).assign(smokes="often")
    assert logistic(real, unseen).value == 1


def test_columns_of_arrays_have_numbers_and_frames_of_numbers_names():
    X, Y = two_sets(shift=2)
    found = logistic(X, Y)
    assert (found.column, found.columns) == (1, (0, 1, 2))
    names = ["a", "b", "c"]
    framed = logistic(*(pd.DataFrame(A, columns=names) for A in (X, Y)))
    assert framed.column == "b"
    np.testing.assert_array_equal(framed.importances, found.importances)
    without = logistic(X, Y, n_repeats=0)
    assert without.column is None
    assert np.isnan(without.importances).all()
    assert without.value == found.value


def test_importance_is_the_fall_of_the_area():
    # A classifier that sees one column only falls to chance without it.
    X, Y = two_sets(n=400, m=400, shift=1.5)
    X[:, [0, 2]], Y[:, [0, 2]] = 0, 0
    found = logistic(X, Y)
    assert found.importances[1] == pytest.approx(found.value - 0.5, abs=0.05)
    np.testing.assert_allclose(found.importances[[0, 2]], 0, atol=1e-12)


def test_sets_apart_and_equal_sets():
    X, Y = two_sets(shift=50)
    found = logistic(X, Y)
    assert found.value == found.high == 1
    assert 0.8 < found.low < 1
    assert found.p_value < 1e-6
    equal = np.ones((20, 2))
    found = logistic(equal, equal)
    assert found.value == 0.5
    assert found.p_value == 0.5
    assert found.low < 0.5 < found.high


def test_classifiers_with_either_kind_of_scores():
    X, Y = two_sets(shift=1.5)
    for classifier in (GaussianNB(), LinearSVC(), None):
        found = classifier_two_sample_test(
            X, Y, classifier=classifier, n_repeats=1, random_state=0
        )
        assert found.value > 0.6
        assert found.column == 1
    tree = LogisticRegression()
    classifier_two_sample_test(X, Y, classifier=tree)
    assert not hasattr(tree, "coef_")


@pytest.mark.slow
def test_size_of_the_test_and_coverage_of_its_interval():
    def results(shift, n):
        classifier = LinearDiscriminantAnalysis()
        for seed in range(n):
            X, Y = two_sets(60, 60, shift=shift, seed=seed)
            options = {"n_repeats": 0, "random_state": seed}
            yield classifier_two_sample_test(X, Y, classifier=classifier, **options)[:4]

    # 3 standard errors of binomial shares.
    _, low, high, p = np.transpose(list(results(0.0, 150)))
    assert np.mean(p <= 0.1) < 0.1 + 3 * 0.025
    assert np.mean((low <= 0.5) & (high >= 0.5)) > 0.95 - 3 * 0.018
    value, low, high, _ = np.transpose(list(results(1.0, 50)))
    covered = (low <= value.mean()) & (high >= value.mean())
    assert covered.mean() > 0.95 - 3 * 0.031


def test_bad_arguments():
    X, Y = two_sets()
    with pytest.raises(TypeError, match=r"'classifier'.* must be a classifier"):
        classifier_two_sample_test(X, Y, classifier=LinearRegression())
    with pytest.raises(ValueError, match=r"n_folds.* >= 2. Got 1"):
        logistic(X, Y, n_folds=1)
    with pytest.raises(ValueError, match=r"n_repeats.* >= 0. Got -1"):
        logistic(X, Y, n_repeats=-1)
    with pytest.raises(ValueError, match="X_generated must have at least 10 rows"):
        logistic(X, Y[:9])
