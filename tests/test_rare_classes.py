"""Densities of rare classes: covariances between two estimates, and a warning."""

import numpy as np
import pytest
from labelled_models import make_classes
from scipy import stats
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.neighbors import KernelDensity

from skvae.densities import ClassConditionalDensity


def covariance_by_hand(Z, y, label):
    """Return the covariance of a class as the documentation defines it."""
    classes = np.unique(y)
    d = Z.shape[1]
    scatter = {c: np.cov(Z[y == c].T, bias=True) * np.sum(y == c) for c in classes}
    pooled = sum(scatter.values()) / (len(y) - len(classes))
    n = np.sum(y == label)
    return (scatter[label] + (d + 1) * pooled) / (n - 1 + d + 1) + 1e-6 * np.eye(d)


def test_normal_density_lies_between_that_of_the_class_and_that_of_all():
    rows, y = make_classes({"a": 100, "b": 4, "c": 50})
    density = ClassConditionalDensity().fit(rows, y)
    for label in "abc":
        expected = stats.multivariate_normal(
            rows[y == label].mean(0), covariance_by_hand(rows, y, label)
        )
        np.testing.assert_allclose(
            density.score_samples(rows, label), expected.logpdf(rows), rtol=1e-9
        )


def test_covariances_of_equal_classes_are_unbiased():
    rng, found = np.random.default_rng(0), []
    for _ in range(2000):
        rows, y = rng.normal(size=(9, 2)), np.repeat([0, 1, 2], [5, 3, 1])
        density = ClassConditionalDensity().fit(rows, y)
        found.append([part.covariance_ for part in density.densities_])
    for k in range(3):
        np.testing.assert_allclose(np.mean(found, 0)[k], np.eye(2), atol=0.06)


@pytest.mark.filterwarnings("ignore:Only one sample available")
def test_one_row_of_a_class_has_the_covariance_of_linear_discriminant_analysis():
    rows, y = make_classes({"a": 40, "b": 1, "c": 30})
    density = ClassConditionalDensity().fit(rows, y)
    lda = LinearDiscriminantAnalysis(solver="lsqr", store_covariance=True).fit(rows, y)
    of_one = density.of_class("b")
    np.testing.assert_allclose(of_one.mean_, rows[y == "b"][0])
    unbiased = lda.covariance_ * len(y) / (len(y) - 3)
    np.testing.assert_allclose(of_one.covariance_, unbiased + 1e-6 * np.eye(2))


@pytest.mark.parametrize("y", [["a"], ["a", "b"]])
def test_classes_of_one_row_each_have_the_identity(y):
    rows = np.array([[3.0, 4.0], [-5.0, 6.0]])[: len(y)]
    density = ClassConditionalDensity().fit(rows, y)
    np.testing.assert_allclose(density.of_class("a").covariance_, np.eye(2), atol=1e-5)
    np.testing.assert_allclose(density.of_class("a").mean_, [3, 4])


def test_draws_of_one_row_are_one_row():
    rows, y = make_classes({"a": 40, "b": 3, "c": 30})
    once = ClassConditionalDensity().fit(rows, y)
    repeated = ClassConditionalDensity().fit(rows.repeat(4, 0), y.repeat(4), n_draws=4)
    np.testing.assert_array_equal(once.class_count_, repeated.class_count_)
    for one, other in zip(once.densities_, repeated.densities_, strict=True):
        np.testing.assert_allclose(one.covariance_, other.covariance_)


MIXTURE = GaussianMixture(3, random_state=0)
LEAST = {  # of two features
    "a mixture": (MIXTURE, None, 9),
    "a Bayesian mixture": (BayesianGaussianMixture(n_components=2), None, 6),
    "another density": (KernelDensity(), None, 3),
    "min_samples": (MIXTURE, 5, 5),
}


@pytest.mark.parametrize(("inner", "least", "expected"), LEAST.values(), ids=LEAST)
def test_class_with_too_few_rows_has_a_normal_density(inner, least, expected):
    counts = {"a": expected, "b": expected - 1, "c": 100}
    rows, y = make_classes(counts)
    density = ClassConditionalDensity(inner, min_samples=least)
    message = (
        f"needs {expected} rows of a class, but 'b' has {expected - 1}. Such a class"
    )
    with pytest.warns(UserWarning, match=message):
        density.fit(rows, y)
    own, fallback, other = density.densities_
    assert type(own) is type(other) is type(inner)
    np.testing.assert_allclose(
        fallback.covariance_, covariance_by_hand(rows, y, "b"), rtol=1e-9
    )


def test_draws_do_not_make_a_rare_class_a_large_one():
    rows, y = make_classes({"a": 40, "b": 3, "c": 30})
    density = ClassConditionalDensity(MIXTURE)
    with pytest.warns(UserWarning, match="needs 9 rows of a class, but 'b' has 3"):
        density.fit(rows.repeat(10, 0), y.repeat(10), n_draws=10)


@pytest.mark.filterwarnings("error")
def test_large_classes_and_the_default_do_not_warn():
    ClassConditionalDensity(MIXTURE).fit(*make_classes())
    ClassConditionalDensity().fit(*make_classes({"a": 1, "b": 2, "c": 30}))


def test_error_in_the_density_of_a_class_names_the_class():
    rows, y = make_classes({"a": 40, "b": 3, "c": 30})
    density = ClassConditionalDensity(GaussianMixture(5), min_samples=1)
    with pytest.raises(ValueError, match=r"In class 'b': .*n_samples >= n_components"):
        density.fit(rows, y)
