"""The battery: every estimator, with every part, keeps scikit-learn's promises."""

import inspect
import re
from itertools import chain

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import torch
from conftest import (
    ESTIMATORS,
    LIKELIHOODS,
    assert_same,
    describe,
    dropout_network,
    is_bounded,
    make_data,
    outputs,
    small,
    small_estimators,
    small_vaes_with_parts,
    small_variants,
)
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import estimator_checks

from skvae.likelihoods import GaussianLikelihood


class _Rescaled:
    """Puts any real data on levels in [0, 1], for a likelihood that needs it."""

    def _validate(self, X, *args, **kwargs):
        X = super()._validate(X, *args, **kwargs).astype(np.float64)
        levels = np.round(255 / (1 + np.exp(-X / 30))) / 255  # of 8 bits
        return np.where(np.isfinite(X), levels, X)


def _rescaled(cls):
    name = f"Rescaled{cls.__name__}"
    globals()[name] = type(name, (_Rescaled, cls), {"__module__": __name__})
    return globals()[name]


RESCALED = {cls: _rescaled(cls) for cls in ESTIMATORS}


def _accept_any_data(estimator):
    """Return the estimator, or for a bounded likelihood its rescaling subclass."""
    params = estimator.get_params(deep=False)
    likelihood = params.get("likelihood")
    if isinstance(likelihood, str) or not is_bounded(likelihood):
        return estimator
    return RESCALED[type(estimator)](**params)


def _checks(variant):
    """Return scikit-learn's checks of an estimator, as parameters of a test."""
    estimator = _accept_any_data(variant).set_params(max_epochs=2)
    name = describe(estimator)
    return [
        pytest.param(estimator, check, id=f"{name}-{check.func.__name__}")
        for estimator, check in estimator_checks.estimator_checks_generator(estimator)
    ]


@pytest.mark.parametrize(
    ("estimator", "check"), chain.from_iterable(map(_checks, small_estimators()))
)
@pytest.mark.filterwarnings("error::sklearn.exceptions.SkipTestWarning")
def test_estimator_passes(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "check"), chain.from_iterable(map(_checks, small_vaes_with_parts()))
)
@pytest.mark.filterwarnings("error::sklearn.exceptions.SkipTestWarning")
def test_estimator_with_any_part_passes(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_estimator_at_its_defaults_passes_every_check(cls):
    estimator = cls(max_epochs=2)  # whatever their number, epochs run the same code
    results = estimator_checks.check_estimator(estimator, on_skip=None, on_fail=None)
    problems = [(r["check_name"], r["exception"]) for r in results if r["exception"]]
    assert problems == []
    assert {r["status"] for r in results} == {"passed"}


FURTHER_CHECKS = [
    estimator_checks.check_dataframe_column_names_consistency,
    estimator_checks.check_get_feature_names_out_error,
    estimator_checks.check_global_output_transform_pandas,
    estimator_checks.check_global_set_output_transform_polars,
    estimator_checks.check_inplace_ensure_writeable,
    estimator_checks.check_set_output_transform,
    estimator_checks.check_set_output_transform_pandas,
    estimator_checks.check_set_output_transform_polars,
    estimator_checks.check_transformer_get_feature_names_out,
    estimator_checks.check_transformer_get_feature_names_out_pandas,
    # Run by scikit-learn on estimators with partial_fit, or without a target.
    estimator_checks.check_estimators_partial_fit_n_features,
    estimator_checks.check_transformers_unfitted,
]


@pytest.mark.parametrize("check", FURTHER_CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("variant", [small(c) for c in ESTIMATORS], ids=describe)
def test_estimator_passes_the_checks_of_scikit_learns_own(variant, check):
    with sklearn.config_context():
        check(type(variant).__name__, clone(variant))


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_column_names_are_checked_while_early_stopping_validates(cls):
    estimator = small(cls, early_stopping=True, n_iter_no_change=1)
    estimator_checks.check_dataframe_column_names_consistency(cls.__name__, estimator)


def test_partial_fit_with_other_features_names_both_numbers(X):
    model = small().partial_fit(X)
    with pytest.raises(ValueError, match=r"has 4 features, .* expecting 5 features"):
        model.partial_fit(X[:, :4])


# ------------------------------------------------------------------ nested parameters


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
    first = variant.fit(X)
    second = clone(first)
    assert not hasattr(second, "module_")
    assert_same(outputs(second.fit(X), X), outputs(first, X))


@pytest.mark.parametrize("variant", small_variants(), ids=describe)
def test_fit_leaves_every_parameter_as_it_was(variant, X):
    estimator = clone(variant)
    before = estimator.get_params(deep=False)
    described = repr(estimator.get_params())
    estimator.fit(X)
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
    first = small(likelihood=likelihood).fit(make_data(20, 3))
    second = small(likelihood=likelihood).fit(make_data(20, 6))
    assert first.sample().shape == (1, 3)
    assert second.sample().shape == (1, 6)


@pytest.mark.parametrize("variant", small_variants(), ids=describe)
def test_repr_shows_text_and_html(variant, X):
    assert type(variant).__name__ in repr(variant)
    assert type(variant).__name__ in clone(variant).fit(X)._repr_html_()


# ------------------------------------------------------------- pipelines and searches


def test_pipeline_with_a_scaler_before_equals_the_steps_by_hand(X):
    pipe = make_pipeline(StandardScaler(), small()).fit(X)
    scaled = StandardScaler().fit_transform(X)
    model = small().fit(scaled)
    np.testing.assert_array_equal(pipe.transform(X), model.transform(scaled))
    assert pipe.score(X) == model.score(scaled)
    Z = pipe.transform(X)
    np.testing.assert_allclose(
        pipe.inverse_transform(Z),
        StandardScaler().fit(X).inverse_transform(model.inverse_transform(Z)),
        rtol=1e-6,
    )


def test_pipeline_with_a_classifier_after_learns_from_codes():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    X = rng.standard_normal((200, 6)) + 4 * y[:, None]
    vae = small(max_epochs=30, learning_rate=1e-2)
    pipe = make_pipeline(MinMaxScaler(), vae, LogisticRegression()).fit(X, y)
    assert pipe.score(X, y) > 0.95


GRID = {
    "n_components": [1, 3],
    "likelihood__scale": ["global", 0.3],
    "network__hidden_layer_sizes": [(4,), (6, 5)],
    "latent_density": [None, GaussianMixture(2)],
}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search_without_y_finds_the_best_of_all_candidates(n_jobs, X):
    model = small(likelihood=GaussianLikelihood(), max_epochs=2)
    search = GridSearchCV(model, GRID, cv=2, n_jobs=n_jobs, error_score="raise").fit(X)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 16
    assert np.isfinite(scores).all()
    assert search.best_score_ == scores.max() > scores.min()
    assert search.score(X) == search.best_estimator_.score(X)


def test_grid_search_scores_do_not_depend_on_the_number_of_jobs(X):
    model = small(likelihood=GaussianLikelihood(), max_epochs=2)
    searches = [GridSearchCV(model, GRID, cv=2, n_jobs=n).fit(X) for n in (1, 2)]
    one, two = (s.cv_results_["mean_test_score"] for s in searches)
    np.testing.assert_array_equal(one, two)


def test_halving_search_spends_epochs(X):
    model = small(likelihood=GaussianLikelihood())
    grid = {"n_components": [1, 2], "likelihood__scale": ["global", 0.3]}
    search = HalvingGridSearchCV(
        model,
        grid,
        resource="max_epochs",
        min_resources=1,
        max_resources=4,
        factor=2,
        cv=2,
        n_jobs=2,
        random_state=0,
        error_score="raise",
    ).fit(X)
    assert search.n_resources_ == [1, 2, 4]
    assert search.best_estimator_.n_epochs_ == search.n_resources_[-1]


def test_grid_search_in_a_pipeline_reaches_nested_parts(X):
    pipe = make_pipeline(StandardScaler(), small(likelihood=GaussianLikelihood()))
    search = GridSearchCV(pipe, {"vae__likelihood__scale": [0.1, 1.0]}, cv=2).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


# ---------------------------------------------------------------- containers and types


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize(
    ("container", "frame"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)]
)
def test_set_output_names_the_components(cls, container, frame, X):
    model = small(cls).set_output(transform=container).fit(X)
    Z = model.transform(X)
    assert isinstance(Z, frame)
    prefix = cls.__name__.lower()
    assert list(Z.columns) == [f"{prefix}{i}" for i in range(model.n_components)]
    np.testing.assert_array_equal(Z.to_numpy(), small(cls).fit(X).transform(X))


def test_pandas_output_keeps_the_index(X):
    frame = pd.DataFrame(X, index=[f"row {i}" for i in range(len(X))])
    frame.columns = list("abcde")
    Z = small().set_output(transform="pandas").fit_transform(frame)
    assert list(Z.index) == list(frame.index)


def test_feature_names_are_remembered_and_enforced(X):
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = small().fit(frame)
    assert list(model.feature_names_in_) == list("abcde")
    with pytest.raises(ValueError, match="same order"):
        model.transform(frame[list("edcba")])


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize(
    "dtype",
    [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8],
    ids=str,
)
def test_tensor_is_taken_like_the_array_of_its_values(cls, dtype, X):
    tensor = torch.tensor(X * 8).round().div(8).to(dtype)
    array = tensor.to(torch.float32).numpy()
    assert_same(
        outputs(small(cls).fit(tensor), tensor), outputs(small(cls).fit(array), array)
    )


def test_tensor_that_requires_a_gradient_is_left_alone(X):
    tensor = torch.tensor(X).requires_grad_()
    model = small().fit(tensor)
    assert_same(outputs(model, tensor), outputs(small().fit(X), X))
    assert tensor.grad is None
    assert isinstance(model.transform(tensor), np.ndarray)


def test_parameter_as_a_view_of_a_larger_tensor_is_accepted(X):
    wide = torch.zeros(len(X), 2 * X.shape[1])
    wide[:, ::2] = torch.tensor(X)
    strided = wide[:, ::2]
    assert_same(outputs(small().fit(strided), strided), outputs(small().fit(X), X))


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_outputs_are_plain_arrays_of_documented_types(cls, X):
    model = small(cls).fit(X.astype(np.float64))
    Z = model.transform(X)
    shape = X.shape
    assert (Z.shape, Z.dtype) == ((len(X), 2), np.float32)
    for array in (model.inverse_transform(Z), model.reconstruct(X)):
        assert (array.shape, array.dtype) == (shape, np.float32)
    assert model.sample(4).shape == (4, shape[1])
    scores = model.score_samples(X)
    assert (scores.shape, scores.dtype) == ((len(X),), np.float64)
    assert type(model.score(X)) is float
    assert model.score(X) == scores.mean()


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_fitted_attributes_have_documented_shapes(cls, X):
    model = small(cls, max_epochs=4).fit(X)
    assert model.n_epochs_ == 4
    assert {len(v) for v in model.history_.values()} == {4}
    assert np.shape(model.kl_per_component_) == (2,)
    assert set(model.active_components_) <= {0, 1}
    assert model.n_features_in_ == X.shape[1]
    assert not model.module_.training


def test_likelihood_reports_its_scale_in_the_units_of_the_data(X):
    unit = small(max_epochs=20).fit(X).likelihood_.scale_
    kilo = small(max_epochs=20).fit(1000 * X).likelihood_.scale_
    assert kilo == pytest.approx(1000 * unit, rel=0.05)


def test_custom_network_gets_the_sizes_it_must_map(X):
    asked = []

    def record(n_in, n_out):
        asked.append((n_in, n_out))
        return torch.nn.Linear(n_in, n_out)

    network = dropout_network().set_params(encoder=record, decoder=record)
    likelihood = GaussianLikelihood(scale="predicted")
    small(n_components=3, network=network, likelihood=likelihood).fit(X)
    assert asked == [(5, 6), (3, 10)]


# ------------------------------------------------------------------------------- docs


COMMON = [
    *("network", "learning_rate", "lr_schedule", "batch_size", "max_epochs"),
    *("early_stopping", "validation_fraction", "n_iter_no_change", "precision"),
    *("compile", "device", "warm_start", "verbose", "random_state"),
]


def _parameter_texts(cls):
    """Return {parameter: its type and text} from a numpydoc class docstring."""
    doc = inspect.getdoc(cls)
    section = re.search(
        r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}$|\Z)", doc, re.S | re.M
    )
    texts = {}
    for entry in re.split(r"^(?=\S)", section.group(1) if section else "", flags=re.M):
        head, _, text = entry.partition("\n")
        names, _, kind = head.partition(" : ")
        texts.update({n.strip(): (kind, text.strip()) for n in names.split(",")})
    return texts


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_every_parameter_is_documented(cls):
    parameters = list(inspect.signature(cls).parameters)
    texts = _parameter_texts(cls)
    assert [name for name in parameters if name not in texts] == []
    assert [name for name in texts if name and name not in parameters] == []


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_documented_defaults_are_the_defaults(cls):
    texts = _parameter_texts(cls)
    for name, parameter in inspect.signature(cls).parameters.items():
        stated = re.search(r"default=(.+)$", texts[name][0])
        assert stated, f"{name} states no default"
        text, default = stated.group(1).strip("'\""), parameter.default
        is_real = isinstance(default, float)
        assert float(text) == default if is_real else text == str(default), name


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_common_parameters_have_one_text(cls):
    reference, texts = _parameter_texts(ESTIMATORS[0]), _parameter_texts(cls)
    for name in COMMON:
        assert texts[name] == reference[name], name
