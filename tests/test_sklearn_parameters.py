"""Parameters, also of parts, are read, set, cloned and left alone."""

import pytest
from conftest import (
    LIKELIHOODS,
    assert_same,
    describe,
    make_data,
    outputs,
    small,
    small_variants,
)
from sklearn.base import clone
from sklearn.mixture import GaussianMixture
from supports import taken_by

from skvae.likelihoods import GaussianLikelihood


def _plain(value):
    return repr(value)


@pytest.mark.parametrize("variant", small_variants(), ids=describe)
def test_clone_is_a_new_estimator_with_equal_parameters(variant):
    copy = clone(variant)
    assert copy is not variant
    before, after = variant.get_params(), copy.get_params()
    assert list(before) == list(after)
    assert list(map(_plain, before.values())) == list(map(_plain, after.values()))
    for name in ("likelihood", "posterior", "network", "latent_density"):
        if hasattr(before.get(name), "get_params"):
            assert after[name] is not before[name]


@pytest.mark.parametrize("variant", small_variants(), ids=describe)
def test_clone_of_a_fitted_estimator_fits_the_same(variant, X):
    X = taken_by(variant, X)
    first = variant.fit(X)
    second = clone(first)
    assert not hasattr(second, "module_")
    assert_same(outputs(second.fit(X), X), outputs(first, X))


@pytest.mark.parametrize("variant", small_variants(), ids=describe)
def test_fit_leaves_every_parameter_as_it_was(variant, X):
    estimator = clone(variant)
    before = estimator.get_params(deep=False)
    described = repr(estimator.get_params())
    estimator.fit(taken_by(variant, X))
    after = estimator.get_params(deep=False)
    assert all(after[name] is before[name] for name in before)
    assert repr(estimator.get_params()) == described


def test_nested_parameters_are_set_and_used(X):
    model = small(likelihood=GaussianLikelihood(), latent_density=GaussianMixture(2))
    model.set_params(
        likelihood__scale=0.25,
        network__hidden_layer_sizes=(3,),
        latent_density__n_components=4,
    )
    model.fit(X)
    assert model.likelihood_.scale_ == pytest.approx(0.25)
    assert model.latent_density_.n_components == 4
    widths = {tuple(p.shape) for p in model.module_.encoder.parameters()}
    assert (3, X.shape[1]) in widths


def test_parts_are_not_the_fitted_ones(X):
    likelihood, density = GaussianLikelihood(), GaussianMixture(2)
    model = small(likelihood=likelihood, latent_density=density).fit(X)
    assert model.likelihood_ is not likelihood
    assert model.latent_density_ is not density
    assert not hasattr(density, "means_")
    assert not list(likelihood.parameters())


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
def test_one_likelihood_serves_estimators_with_different_data(likelihood):
    narrow, wide = (taken_by(likelihood, make_data(20, n)) for n in (3, 6))
    first = small(likelihood=likelihood).fit(narrow)
    second = small(likelihood=likelihood).fit(wide)
    assert first.sample().shape == (1, 3)
    assert second.sample().shape == (1, 6)


@pytest.mark.parametrize("variant", small_variants(), ids=describe)
def test_repr_shows_text_and_html(variant, X):
    assert type(variant).__name__ in repr(variant)
    fitted = clone(variant).fit(taken_by(variant, X))
    assert type(variant).__name__ in fitted._repr_html_()
