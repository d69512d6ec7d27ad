"""Labels that are missing or of no class, and densities of classes of one's own."""

import numpy as np
import pytest
from conftest import describe, small
from labelled_models import (
    CLASSES,
    X,
    Y,
    make_judge,
    small_labelled_estimators,
    trained,
)
from sklearn.base import BaseEstimator, clone
from sklearn.mixture import GaussianMixture

from skvae import RAE
from skvae.densities import ClassConditionalDensity

LABELLED = small_labelled_estimators()


@pytest.fixture(scope="module")
def model():
    return trained().fit(X, Y)


@pytest.fixture(scope="module")
def judge():
    return make_judge()


@pytest.mark.parametrize("estimator", LABELLED, ids=describe)
@pytest.mark.parametrize("way", ["fit", "partial_fit"])
def test_labels_are_asked_for_before_training(estimator, way, no_training):
    name = type(estimator).__name__
    with pytest.raises(ValueError, match=f"{name} .* requires y to be passed"):
        getattr(clone(estimator), way)(X)
    with pytest.raises(ValueError, match=r"240 rows, but y has the shape \(3,\)"):
        getattr(clone(estimator), way)(X, Y[:3])


BEFORE_TRAINING = {
    "no label": ({}, [None] * len(X), "needs labels of some rows"),
    "priors": ({"priors": [0.5, 0.5]}, Y, r"'priors'.*\['low', 'mid', 'top'\]"),
    "mixture": ({"density": GaussianMixture(0)}, Y, "'n_components'.*Got 0"),
    "min_samples": ({"min_samples": 0}, Y, "'min_samples'.*Got 0"),
}


@pytest.mark.parametrize(
    ("parameters", "y", "message"), BEFORE_TRAINING.values(), ids=BEFORE_TRAINING
)
def test_what_cannot_work_is_refused_before_training(
    parameters, y, message, no_training
):
    density = ClassConditionalDensity(**parameters)
    with pytest.raises(ValueError, match=message):
        small(latent_density=density).fit(X, y)


class Useless(BaseEstimator):
    """A density of one's own that draws NaN."""

    def fit(self, Z, y=None):
        return self

    def sample(self, n_samples=1):
        return np.full((n_samples, 2), np.nan)


class OwnClasses(BaseEstimator):
    """A density of classes of one's own: a point for each, with noise if asked for."""

    def __init__(self, width=0.1, is_useless=False):
        self.width, self.is_useless = width, is_useless

    def fit(self, Z, y):
        self.Z_, self.y_ = Z, y
        self.classes_, counts = np.unique(y, return_counts=True)
        self.class_prior_ = counts / counts.sum()
        return self

    def sample(self, n_samples=1):
        return np.full((n_samples, 2), np.nan if self.is_useless else 0.0)

    def of_class(self, y):
        centre = self.Z_[self.y_ == y].mean(0)
        covariance = self.width**2 * np.eye(2)[None]
        part = GaussianMixture(1).fit(self.Z_)
        part.means_, part.covariances_ = centre[None], covariance
        part.precisions_cholesky_ = np.eye(2)[None] / self.width
        return part


@pytest.mark.parametrize(
    "density",
    [ClassConditionalDensity(Useless()), OwnClasses(is_useless=True)],
    ids=describe,
)
def test_useless_densities_of_ones_own_are_refused_before_training(
    density, no_training
):
    with pytest.raises(ValueError, match="NaN or infinity"):
        small(latent_density=density).fit(X, Y)


def test_a_density_of_classes_may_be_ones_own(judge):
    fitted = trained(latent_density=OwnClasses()).fit(X, Y)
    y = np.repeat(CLASSES, 40)
    assert np.mean(judge.predict(fitted.sample(120, y, random_state=0)) == y) > 0.95
    assert fitted.score_samples(X[:5], "mid").shape == (5,)
    with pytest.raises(AttributeError, match="OwnClasses has none"):
        fitted.score_samples(X[:5])


UNKNOWN = {
    "a label": ("high", r"classes \['low', 'mid', 'top'\], got 'high'"),
    "in a list": (["low", "high", "mid"], "got 'high'"),
    "too few": (["low", "mid"], r"each of 3 rows, but y has the shape \(2,\)"),
    "missing": (["low", None, "mid"], "missing labels"),
}


@pytest.mark.parametrize(("y", "message"), UNKNOWN.values(), ids=UNKNOWN)
def test_unknown_classes_are_refused(model, y, message):
    with pytest.raises(ValueError, match=message):
        model.sample(3, y)
    with pytest.raises(ValueError, match=message):
        model.score_samples(X[:3], y)
    if isinstance(y, str):
        with pytest.raises(ValueError, match=message):
            model.of_class(y)


@pytest.mark.parametrize("use", ["sample", "score_samples"])
def test_models_without_classes_refuse_a_class(use):
    fitted = small().fit(X, Y)
    first = 3 if use == "sample" else X[:3]
    message = rf"VAE.{use} takes y only .* StandardNormal is not. .*ClassConditional"
    with pytest.raises(ValueError, match=message):
        getattr(fitted, use)(first, "mid")


def test_scores_of_reconstruction_know_no_class():
    fitted = small(RAE, latent_density=ClassConditionalDensity()).fit(X, Y)
    with pytest.raises(ValueError, match=r"RAE takes no y.*latent_density_"):
        fitted.score_samples(X, "mid")
    codes = fitted.transform(X)
    assert fitted.latent_density_.score_samples(codes, "mid").shape == (len(X),)
