"""Wrong data and parameters are refused in words, before any training."""

import pickle
import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import sklearn
import torch
from conftest import (
    ESTIMATORS,
    LIKELIHOODS,
    accepted,
    assert_same,
    describe,
    dropout_network,
    is_bounded,
    make_data,
    outputs,
    small,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from torch import nn

from skvae._training import loop
from skvae.likelihoods import GaussianLikelihood
from skvae.networks import MLP, CustomNetwork
from skvae.posteriors import ConstantPosterior, PointPosterior

BASIC = make_data(40, 3)


@pytest.fixture
def no_training(monkeypatch):
    """Fail if a training step is taken."""

    def refuse(self, x):
        raise AssertionError("training had begun before the error was found")

    monkeypatch.setattr(loop.Step, "__call__", refuse)


def with_value(value, dtype=np.float64):
    X = BASIC.astype(dtype)
    X[7, 1] = value
    return X


# -------------------------------------------------------------------------- wrong data

BAD_DATA = {
    "NaN": (with_value(np.nan), ValueError, "NaN"),
    "NaN in float16": (with_value(np.nan, np.float16), ValueError, "NaN"),
    "infinity": (with_value(np.inf), ValueError, "infinity"),
    "minus infinity": (with_value(-np.inf), ValueError, "infinity"),
    "NaN in a tensor": (torch.tensor(with_value(np.nan)), ValueError, "NaN"),
    "NaN in a frame": (pd.DataFrame(with_value(np.nan)), ValueError, "NaN"),
    "None": (None, ValueError, "array"),
    "no rows": (np.empty((0, 3)), ValueError, r"0 sample.*minimum of 1"),
    "no features": (np.empty((5, 0)), ValueError, r"0 feature.*minimum of 1"),
    "a vector": (np.zeros(5), ValueError, "Reshape your data"),
    "a number": (3.0, ValueError, "scalar"),
    "five dimensions": (np.zeros((5, 3, 3, 3, 3)), ValueError, "has 5 dimensions"),
    "channels last": (np.zeros((5, 6, 6, 3)), ValueError, r"X.transpose\(0, 3, 1, 2"),
    "words": ([["a", "b"], ["c", "d"]], ValueError, "could not convert.*'a'"),
    "an array of words": (np.array([["a", "b"]]), ValueError, "could not convert.*'a'"),
    "objects": (np.array([[{}, 1], [2, 3]], object), TypeError, "must be.*dict"),
    "ragged rows": ([[1.0, 2.0], [3.0]], ValueError, "inhomogeneous|sequence"),
    "complex": (BASIC + 1j, ValueError, "Complex data not supported"),
    "complex tensor": (torch.tensor(BASIC + 1j), ValueError, "Complex data"),
    "sparse array": (
        scipy.sparse.csr_array(BASIC),
        TypeError,
        "[Ss]parse.*todense|dense",
    ),
    "sparse matrix": (scipy.sparse.csc_matrix(BASIC), TypeError, "[Ss]parse"),
    "a sparse tensor": (
        torch.tensor(BASIC).to_sparse(),
        (TypeError, ValueError),
        "parse",
    ),
    "beyond float32": (with_value(1e300), ValueError, r"1e\+300.*StandardScaler"),
    "below float32": (with_value(-1e39), ValueError, r"1e\+39.*StandardScaler"),
    "a frame with words": (pd.DataFrame({"a": ["x", "y"]}), ValueError, "'x'"),
}


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("case", BAD_DATA)
def test_fit_refuses(cls, case):
    X, error, message = BAD_DATA[case]
    model = small(cls)
    with pytest.raises(error, match=f"(?s){message}"):
        model.fit(X)
    assert not hasattr(model, "module_")
    assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize(
    "method", ["transform", "reconstruct", "score_samples", "score"]
)
@pytest.mark.parametrize("case", BAD_DATA)
def test_reading_refuses(method, case):
    X, error, message = BAD_DATA[case]
    if case in ("no features", "words", "an array of words", "a frame with words"):
        message = f"{message}|features"
    with pytest.raises(error, match=f"(?s){message}"):
        getattr(_fitted_model(), method)(X)


def _fitted_model(cache=[]):  # noqa: B006
    if not cache:
        cache.append(small().fit(BASIC))
    return cache[0]


@pytest.mark.parametrize(
    "method", ["transform", "reconstruct", "score_samples", "score"]
)
def test_wrong_number_of_features_is_named(method):
    with pytest.raises(ValueError, match=r"has 2 features.*expecting 3 features"):
        getattr(_fitted_model(), method)(BASIC[:, :2])


@pytest.mark.parametrize("n_columns", [1, 3])
def test_inverse_transform_names_the_number_of_components(n_columns):
    with pytest.raises(ValueError, match=f"{n_columns} columns.*n_components=2"):
        _fitted_model().inverse_transform(np.zeros((4, n_columns)))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_inverse_transform_refuses_values_that_are_not_finite(value):
    message = "NaN|infinity|range of float32"
    with pytest.raises(ValueError, match=message):
        _fitted_model().inverse_transform([[0.0, value]])


@pytest.mark.parametrize("n_samples", [0, -1])
def test_sample_refuses_numbers_below_one(n_samples):
    with pytest.raises(ValueError, match=rf"n_samples.*>= 1.*{n_samples}"):
        _fitted_model().sample(n_samples)


@pytest.mark.parametrize("n_samples", [1.5, "3", None, True])
def test_sample_refuses_what_is_no_integer(n_samples):
    with pytest.raises(TypeError, match=rf"n_samples.*integer.*{n_samples}"):
        _fitted_model().sample(n_samples)


@pytest.mark.parametrize("k", [0, -3, 2.0, "all"])
def test_score_samples_refuses_a_wrong_number_of_draws(k):
    with pytest.raises((ValueError, TypeError), match=rf"n_importance_samples.*{k}"):
        _fitted_model().score_samples(BASIC, n_importance_samples=k)


def test_score_samples_says_which_density_lacks_it():
    class Sampler(KernelDensity):
        score_samples = property()

    model = small(latent_density=Sampler()).fit(BASIC)
    with pytest.raises(AttributeError, match=r"Sampler has none.*latent_density=None"):
        model.score_samples(BASIC)


# ----------------------------------------------------------------------------- support

BOUNDED = [v for v in LIKELIHOODS if is_bounded(v)]


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("likelihood", BOUNDED, ids=describe)
@pytest.mark.parametrize(("value", "feature"), [(1.5, 0), (-0.25, 2), (255, 1)])
def test_values_outside_the_support_are_named_with_a_remedy(likelihood, value, feature):
    X = BASIC.astype(np.float64)
    X[3, feature] = value
    name = type(likelihood).__name__
    message = rf"{name}.*feature {feature}\D.*{re.escape(str(value))}.*(Scale|use)"
    with pytest.raises(ValueError, match=message):
        small(likelihood=likelihood).fit(X)


@pytest.mark.parametrize("likelihood", BOUNDED, ids=describe)
@pytest.mark.parametrize(
    "method", ["transform", "reconstruct", "score_samples", "score"]
)
def test_reading_keeps_to_the_support_too(likelihood, method):
    model = small(likelihood=likelihood).fit(BASIC)
    with pytest.raises(ValueError, match=r"feature 1\D.*1\.5"):
        getattr(model, method)(with_value(1.5))
    with pytest.raises(ValueError, match=r"feature 1\D.*1\.5"):
        model.partial_fit(with_value(1.5))


@pytest.mark.parametrize("likelihood", BOUNDED, ids=describe)
@pytest.mark.parametrize(("value", "message"), [(np.nan, "NaN"), (-np.inf, "infinity")])
def test_a_missing_value_is_not_said_to_leave_the_support(likelihood, value, message):
    model = small(likelihood=likelihood).fit(BASIC)
    with pytest.raises(ValueError, match=f"Input X contains {message}"):
        model.transform(with_value(value))


@pytest.mark.parametrize("likelihood", BOUNDED, ids=describe)
def test_rounding_is_within_the_support(likelihood):
    X = with_value(1 + 1e-7)
    X[2, 2] = -1e-9
    assert np.isfinite(small(likelihood=likelihood).fit(X).score(X))


def test_unsigned_pixels_are_outside_the_unit_interval():
    pixels = (BASIC * 255).astype(np.uint8)
    with pytest.raises(ValueError, match=r"\[0, 1\].*MinMaxScaler"):
        small(likelihood="bernoulli").fit(pixels)


# -------------------------------------------------------------------- wrong parameters

BAD_PARAMETERS = [
    ("n_components", 0, ValueError, "integer >= 1"),
    ("n_components", -2, ValueError, "integer >= 1"),
    ("n_components", 2.0, TypeError, "integer"),
    ("n_components", True, TypeError, "integer"),
    ("n_components", None, TypeError, "integer"),
    ("network", "resnet", ValueError, "mlp"),
    ("network", MLP, ValueError, "Network"),
    ("network", nn.Linear(3, 4), ValueError, "Network"),
    ("network", MLP((0,)), ValueError, "hidden_layer_sizes.*integers >= 1"),
    ("network", MLP((8, -1)), ValueError, "hidden_layer_sizes.*integers >= 1"),
    ("network", MLP((8.5,)), ValueError, "hidden_layer_sizes"),
    ("network", MLP("wide"), ValueError, "hidden_layer_sizes"),
    ("network", MLP(None), ValueError, "hidden_layer_sizes"),
    ("network", MLP((8,), activation="swish9"), ValueError, "activation.*'relu'"),
    ("network", CustomNetwork(), TypeError, "encoder.*Module.*callable"),
    ("likelihood", "poisson9", ValueError, "'gaussian'"),
    ("likelihood", None, ValueError, "'gaussian'"),
    ("likelihood", GaussianLikelihood, ValueError, "Likelihood"),
    ("likelihood", GaussianLikelihood(scale=0), ValueError, "scale.*> 0"),
    ("likelihood", GaussianLikelihood(scale=-1.0), ValueError, "scale.*> 0"),
    ("likelihood", GaussianLikelihood(scale=np.nan), ValueError, "scale.*> 0"),
    ("likelihood", GaussianLikelihood(scale="fixed"), ValueError, "scale.*'global'"),
    ("likelihood", GaussianLikelihood(scale=None), ValueError, "scale.*'global'"),
    ("likelihood", GaussianLikelihood(scale=[1.0]), ValueError, "scale.*'global'"),
    ("likelihood", GaussianLikelihood(update="adam"), ValueError, "update.*'gradient'"),
    ("posterior", "laplace9", ValueError, "'diagonal'"),
    ("posterior", None, ValueError, "'diagonal'"),
    ("posterior", PointPosterior(), ValueError, "KL.*infinite: use RAE"),
    ("posterior", ConstantPosterior(scale=0.0), ValueError, r"scale.*\(0, inf"),
    ("posterior", ConstantPosterior(scale="x"), TypeError, r"scale.*\(0, inf"),
    ("latent_density", "gmm", TypeError, "latent_density.*fit.*sample"),
    ("latent_density", GaussianMixture, TypeError, "latent_density.*fit.*sample"),
    ("latent_density", MLP(), TypeError, "latent_density.*fit.*sample"),
    ("beta", -0.1, ValueError, "beta.*0"),
    ("beta", np.nan, ValueError, "beta"),
    ("beta", "1", TypeError, "beta"),
    ("kl_warmup", 1.5, ValueError, r"kl_warmup.*\[0, 1\]"),
    ("kl_warmup", None, TypeError, "kl_warmup"),
    ("n_samples", 0, ValueError, "n_samples.*>= 1"),
    ("free_bits", -1, ValueError, "free_bits"),
    ("free_bits", np.inf, ValueError, "free_bits"),
    ("learning_rate", 0.0, ValueError, "learning_rate"),
    ("learning_rate", -1e-3, ValueError, "learning_rate"),
    ("learning_rate", np.inf, ValueError, "learning_rate"),
    ("learning_rate", np.nan, ValueError, "learning_rate"),
    ("learning_rate", "fast", TypeError, "learning_rate"),
    ("lr_schedule", "linear", ValueError, "lr_schedule.*'cosine'"),
    ("lr_schedule", None, ValueError, "lr_schedule.*'cosine'"),
    ("batch_size", 0, ValueError, "batch_size.*>= 1"),
    ("batch_size", 12.0, TypeError, "batch_size.*integer"),
    ("max_epochs", 0, ValueError, "max_epochs.*>= 1"),
    ("max_epochs", "10", TypeError, "max_epochs.*integer"),
    ("early_stopping", "yes", (ValueError, TypeError), "early_stopping.*True"),
    ("early_stopping", None, (ValueError, TypeError), "early_stopping.*True"),
    ("validation_fraction", 0.0, ValueError, r"validation_fraction.*\(0, 1\)"),
    ("validation_fraction", 1.0, ValueError, r"validation_fraction.*\(0, 1\)"),
    ("validation_fraction", 5, ValueError, r"validation_fraction.*\(0, 1\)"),
    ("n_iter_no_change", 0, ValueError, "n_iter_no_change.*>= 1"),
    ("precision", "float16", ValueError, "precision.*'bfloat16'"),
    ("precision", 32, ValueError, "precision.*'bfloat16'"),
    ("compile", "no", (ValueError, TypeError), "compile.*True"),
    ("device", "gpu9", ValueError, "device.*'auto'"),
    ("device", "cuda:99", ValueError, "device.*'auto'"),
    ("device", "meta", ValueError, "device.*'auto'"),
    ("device", None, ValueError, "device.*'auto'"),
    ("device", 3.5, ValueError, "device.*'auto'"),
    ("warm_start", "no", (ValueError, TypeError), "warm_start.*True"),
    ("verbose", "loud", (ValueError, TypeError), "verbose"),
    ("verbose", -1, (ValueError, TypeError), "verbose"),
    ("random_state", "lucky", ValueError, "'lucky'"),
    ("random_state", 1.5, ValueError, "1.5"),
]


def _bad_id(case):
    return f"{case[0]}={describe(case[1])}".replace("\n", "")


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("cls", "case"),
    [
        (c, case)
        for c in ESTIMATORS
        for case in BAD_PARAMETERS
        if accepted(c, **{case[0]: 0})
    ],
    ids=lambda v: v.__name__ if isinstance(v, type) else _bad_id(v),
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_parameter_is_refused(cls, method, case):
    name, value, error, message = case
    model = small(cls).set_params(**{name: value})
    with pytest.raises(error, match=f"(?s){message}") as caught:
        getattr(model, method)(BASIC)
    assert _shown(value) in str(caught.value)
    assert not hasattr(model, "module_")


def _shown(value):
    """Return what of the value the message must show."""
    if hasattr(value, "get_params") and not isinstance(value, type):
        default = type(value)().get_params(deep=False)
        params = value.get_params(deep=False)
        if not params:
            return repr(value)
        sizes = MLP().hidden_layer_sizes
        if isinstance(value, MLP) and value.hidden_layer_sizes == sizes:
            plain = value.activation == MLP().activation
            return "MLP" if plain else repr(value.activation)
        changed = [v for k, v in params.items() if repr(v) != repr(default[k])]
        return repr(changed[0]) if changed else "None"
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, nn.Module):
        return "Linear"
    return str(value)


def test_message_of_a_wrong_value_states_rule_and_value():
    with pytest.raises(ValueError, match=r"must be an integer >= 1\. Got 0 "):
        small(n_components=0).fit(BASIC)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_custom_network_of_the_wrong_shape_is_named_with_both_sizes(part):
    network = CustomNetwork(encoder=nn.Linear, decoder=nn.Linear)
    network.set_params(**{part: nn.Linear(99, 1)})
    sizes = {"encoder": r"\(n, 3\) to \(n, 4\)", "decoder": r"\(n, 2\) to \(n, 3\)"}
    with pytest.raises(ValueError, match=f"{part} of CustomNetwork.*{sizes[part]}"):
        small(network=network).fit(BASIC)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("recipe", [lambda i, o: None, lambda i: nn.Linear(i, 1), 3])
def test_custom_network_that_is_no_network_is_refused(recipe):
    network = CustomNetwork(encoder=recipe, decoder=nn.Linear)
    with pytest.raises((TypeError, ValueError)):
        small(network=network).fit(BASIC)


@pytest.mark.usefixtures("no_training")
def test_custom_network_that_returns_no_module_says_so():
    network = CustomNetwork(encoder=lambda i, o: None, decoder=nn.Linear)
    with pytest.raises((TypeError, ValueError), match="encoder"):
        small(network=network).fit(BASIC)


@pytest.mark.usefixtures("no_training")
def test_early_stopping_without_rows_to_train_on_says_so():
    with pytest.raises(ValueError, match=r"n_samples = 1.*validation_fraction = 0\.1"):
        small(early_stopping=True).fit(BASIC[:1])


def test_unfitted_model_refuses_to_speak():
    for method in ("transform", "inverse_transform", "reconstruct", "score_samples"):
        with pytest.raises(ValueError, match="not fitted yet"):
            getattr(small(), method)(BASIC)
    with pytest.raises(ValueError, match="not fitted yet"):
        small().sample()


@pytest.mark.usefixtures("no_training")
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    name=st.sampled_from(
        [
            *("n_components", "batch_size", "max_epochs", "n_iter_no_change"),
            *("n_samples", "learning_rate", "beta", "kl_warmup", "free_bits"),
            *("validation_fraction", "precision", "lr_schedule"),
        ]
    ),
    value=st.one_of(
        st.integers(max_value=-1),
        st.floats(max_value=-1e-9),
        st.just(float("nan")),
        st.text(max_size=5).filter(
            lambda t: t not in ("plateau", "cosine", "constant", "float32", "bfloat16")
        ),
        st.none(),
        st.lists(st.integers(), max_size=2),
        st.binary(max_size=3),
        st.complex_numbers(),
    ),
)
def test_nonsense_is_refused_with_the_name_of_the_parameter(name, value):
    with pytest.raises((ValueError, TypeError), match=name):
        small(**{name: value}).fit(BASIC)


# ----------------------------------------------------------------------- accepted data


GREY = np.round(make_data(60, 4) * 8) / 8


def memory_mapped(X, path):
    np.save(path / "X.npy", X)
    return np.load(path / "X.npy", mmap_mode="r")


ACCEPTED = {
    "float64": lambda X, path: X.astype(np.float64),
    "float16": lambda X, path: X.astype(np.float16),
    "longdouble": lambda X, path: X.astype(np.longdouble),
    "big-endian float32": lambda X, path: X.astype(">f4"),
    "big-endian float64": lambda X, path: X.astype(">f8"),
    "Fortran-ordered": lambda X, path: np.asfortranarray(X),
    "Fortran-ordered float64": lambda X, path: np.asfortranarray(X, np.float64),
    "read-only": lambda X, path: read_only(X),
    "memory-mapped": memory_mapped,
    "memory-mapped float64": lambda X, path: memory_mapped(X.astype(float), path),
    "memory-mapped big-endian": lambda X, path: memory_mapped(X.astype(">f4"), path),
    "memory-mapped Fortran": lambda X, path: memory_mapped(np.asfortranarray(X), path),
    "memory-mapped float16": lambda X, path: memory_mapped(X.astype("f2"), path),
    "negative strides": lambda X, path: X[::-1, ::-1].copy()[::-1, ::-1],
    "every other column": lambda X, path: np.repeat(X, 2, axis=1)[:, ::2],
    "list": lambda X, path: X.tolist(),
    "objects": lambda X, path: X.astype(object),
    "pandas": lambda X, path: pd.DataFrame(X),
    "pandas float64": lambda X, path: pd.DataFrame(X.astype(float)),
    "pandas nullable": lambda X, path: pd.DataFrame(X).astype("Float32"),
    "pandas mixed": lambda X, path: pd.DataFrame(X).astype({0: float, 1: "float16"}),
    "polars": lambda X, path: pl.DataFrame(X),
    "tensor": lambda X, path: torch.tensor(X),
}
INTEGERS = ["u1", "i1", "i2", "i4", "i8", "u2", "u4", "u8", ">i2", ">i8", ">u4"]


def read_only(X):
    X = X.copy()
    X.setflags(write=False)
    return X


def assert_fits_the_same(given_X, X, **params):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Posterior collapse")
        warnings.filterwarnings("ignore", "X (does not have valid|has) feature names")
        model = small(**params).fit(given_X)
        got = outputs(model, given_X)
    assert_same(got, outputs(small(**params).fit(X), X))


@pytest.mark.parametrize("make", ACCEPTED.values(), ids=ACCEPTED)
def test_equal_values_give_the_equal_model(make, tmp_path):
    assert_fits_the_same(make(GREY, tmp_path), GREY)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("mapped", [False, True])
def test_integers_give_the_model_of_their_float32_values(dtype, mapped, tmp_path):
    X = (GREY * 8).astype(dtype)
    given_X = memory_mapped(X, tmp_path) if mapped else X
    assert_fits_the_same(given_X, X.astype(np.float32))


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
def test_booleans_give_the_model_of_zeros_and_ones(likelihood):
    X = GREY > 0.5
    assert_fits_the_same(X, X.astype(np.float32), likelihood=likelihood)
    frame = pd.DataFrame(X)
    assert_fits_the_same(frame, X.astype(np.float32), likelihood=likelihood)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_fit_and_reading_leave_the_data_alone(order, dtype):
    X = (GREY * 8).astype(dtype, order=order)
    before = X.copy()
    small(max_epochs=2, learning_rate=0.1).fit(X).transform(X)
    np.testing.assert_array_equal(X, before)


def test_model_does_not_change_when_the_data_change_later():
    X = GREY.copy()
    model = small().fit(X)
    before = outputs(model, GREY)
    X[:] = 0.0
    assert_same(outputs(model, GREY), before)


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
@pytest.mark.parametrize("value", [0.0, 0.2, 1.0])  # of the 256 levels
@pytest.mark.parametrize("n_samples", [1, 50])
def test_constant_data_are_reconstructed(likelihood, value, n_samples):
    X = np.full((n_samples, 3), value, dtype=np.float64)
    options = {"max_epochs": 100, "batch_size": 50, "learning_rate": 1e-2}
    model = small(likelihood=likelihood, **options).fit(X)
    assert np.isfinite(model.score_samples(X)).all()
    np.testing.assert_allclose(model.reconstruct(X), X, atol=0.3)


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
@pytest.mark.parametrize("constant", [0.0, 0.2, 1.0])
def test_constant_columns_do_no_harm(likelihood, constant):
    X = make_data(60, 4).astype(np.float64)
    X[:, 2] = constant
    model = small(likelihood=likelihood).fit(X)
    assert all(np.isfinite(v).all() for v in outputs(model, X).values())


@pytest.mark.parametrize("offset", [1e3, -1e6])
def test_constant_column_with_a_large_offset_does_no_harm(offset):
    X = np.column_stack([BASIC, np.full(len(BASIC), offset)]).astype(np.float64)
    for scale in ("global", "feature", "predicted"):
        model = small(likelihood=GaussianLikelihood(scale=scale)).fit(X)
        assert np.isfinite(model.score_samples(X)).all()
        assert abs(model.reconstruct(X)[:, 3] - offset).max() < abs(offset) / 10


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
@pytest.mark.parametrize("n_components", [1, 9])
def test_one_sample_is_enough(likelihood, n_components):
    X = BASIC[:1]
    model = small(likelihood=likelihood, n_components=n_components).fit(X)
    assert model.transform(X).shape == (1, n_components)
    assert np.isfinite(model.score(X))


@pytest.mark.parametrize("factor", [1e-12, 1e-3, 1e6, 1e15])
def test_units_of_the_data_do_not_matter_to_training(factor):
    X = BASIC.astype(np.float64) * factor
    model = small(max_epochs=20).fit(X)
    unit = small(max_epochs=20).fit(BASIC)
    np.testing.assert_allclose(
        model.reconstruct(X) / factor, unit.reconstruct(BASIC), atol=0.02
    )


@settings(max_examples=20, deadline=None)
@given(
    X=hnp.arrays(
        dtype=st.sampled_from(["f2", "f4", "f8", ">f4", "u1", "i4", "i8", "?"]),
        shape=hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
        elements={"min_value": 0, "max_value": 1},
    ),
    likelihood=st.sampled_from(["gaussian", "bernoulli"]),
)
def test_any_finite_data_in_the_unit_interval_can_be_fitted(X, likelihood):
    model = small(likelihood=likelihood, max_epochs=2).fit(X)
    assert model.transform(X).shape == (len(X), 2)
    assert np.isfinite(model.score_samples(X, n_importance_samples=2)).all()
    assert model.sample(3, random_state=0).shape == (3, X.shape[1])


@settings(max_examples=20, deadline=None)
@given(
    n_components=st.integers(1, 12),
    hidden=st.lists(st.integers(1, 20), max_size=3).map(tuple),
    batch_size=st.integers(1, 100),
    max_epochs=st.integers(1, 3),
    beta=st.floats(0, 10),
    kl_warmup=st.floats(0, 1),
    free_bits=st.floats(0, 3),
    n_samples=st.integers(1, 3),
    learning_rate=st.floats(1e-6, 0.1),
    early_stopping=st.booleans(),
    validation_fraction=st.floats(0.01, 0.9),
    lr_schedule=st.sampled_from(["constant", "plateau", "cosine"]),
)
def test_any_valid_parameters_train(hidden, **params):
    model = small(network=MLP(hidden), **params).fit(BASIC)
    assert all(np.isfinite(v).all() for v in model.history_.values())
    assert model.n_epochs_ <= params["max_epochs"]
    assert np.isfinite(model.score(BASIC))


# ------------------------------------------------------------------------- atomic fits


class _Failure(Exception):
    pass


class _Raise:
    """A callback that raises at the end of the fit's second epoch."""

    def __init__(self, error, at=1):
        self.error, self.at, self.n_ended = error, at, 0

    def setup(self, estimator, context):
        self.n_ended = 0

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.n_ended += 1
        if self.n_ended > self.at:
            raise self.error


def _interrupt(optimizer):
    raise KeyboardInterrupt


FAILURES = {
    "bad data": (lambda m, X: m.fit(with_value(np.nan)), ValueError),
    "data beyond float32": (lambda m, X: m.fit(X.astype(float) + 1e300), ValueError),
    "bad parameter": (lambda m, X: m.set_params(n_components=0).fit(X), ValueError),
    "bad device": (lambda m, X: m.set_params(device="gpu9").fit(X), ValueError),
    "callback": (lambda m, X: m.set_callbacks(_Raise(_Failure())).fit(X), _Failure),
    "last callback": (
        lambda m, X: m.set_callbacks(_Raise(_Failure(), at=3)).fit(X),
        _Failure,
    ),
    "interrupt before the first epoch": (
        lambda m, X: m.set_params(lr_schedule=_interrupt).fit(X),
        KeyboardInterrupt,
    ),
    "density": (
        lambda m, X: m.set_params(latent_density=GaussianMixture(0)).fit(X),
        ValueError,
    ),
    "diverging": (
        lambda m, X: m.set_params(learning_rate=1e30).fit(X),
        FloatingPointError,
    ),
    "diverging partial fit": (
        lambda m, X: m.set_params(learning_rate=1e30).partial_fit(X),
        FloatingPointError,
    ),
}


def _attributes(model):
    return {k for k in vars(model) if k.endswith("_") or k in ("_seed",)}


@pytest.mark.filterwarnings("ignore:In epoch:RuntimeWarning")
@pytest.mark.parametrize("case", FAILURES)
def test_failed_fit_leaves_an_unfitted_model_unfitted(case):
    fail, error = FAILURES[case]
    model = small()
    with pytest.raises(error):
        fail(model, BASIC)
    assert _attributes(model) == set()
    with pytest.raises(ValueError, match="not fitted yet"):
        model.transform(BASIC)


@pytest.mark.filterwarnings("ignore:In epoch:RuntimeWarning")
@pytest.mark.parametrize(("warm", "n_features"), [(False, 4), (False, 3), (True, 3)])
@pytest.mark.parametrize("case", FAILURES)
def test_failed_fit_leaves_a_fitted_model_unchanged(case, warm, n_features):
    fail, error = FAILURES[case]
    if "partial" in case:
        n_features = 3
    model = small(warm_start=warm).fit(BASIC)
    before, history = outputs(model, BASIC), dict(model.history_)
    with pytest.raises(error):
        fail(model, make_data(30, n_features, seed=9))
    assert model.n_features_in_ == 3
    assert_same(outputs(model, BASIC), before)
    for name, values in history.items():
        np.testing.assert_array_equal(model.history_[name], values)


@pytest.mark.filterwarnings("ignore:In epoch:RuntimeWarning")
@pytest.mark.parametrize("case", ["callback", "diverging", "density"])
def test_failed_continuation_leaves_the_optimizer_unchanged(case):
    fail, error = FAILURES[case]
    model = small(warm_start=True).fit(BASIC)
    params = model.get_params(deep=False)
    with pytest.raises(error):
        fail(model, make_data(30, 3, seed=9))
    model.set_params(**params).set_callbacks()
    expected = small(warm_start=True).fit(BASIC).fit(BASIC)
    assert_same(outputs(model.fit(BASIC), BASIC), outputs(expected, BASIC))


@pytest.mark.parametrize("continues", ["partial_fit", "fit"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_components", 3),
        ("network", MLP((9,))),
        ("likelihood", "laplace"),
        ("likelihood", GaussianLikelihood(scale=0.5)),
        ("posterior", "full"),
    ],
)
def test_continuation_with_other_networks_is_refused(name, value, continues):
    model = small(warm_start=True).fit(BASIC)
    before, old = outputs(model, BASIC), model.get_params(deep=False)[name]
    model.set_params(**{name: value})
    with pytest.raises(ValueError, match=rf"go on with .* but {name} has changed"):
        getattr(model, continues)(BASIC)
    assert_same(outputs(model, BASIC), before)
    again = pickle.loads(pickle.dumps(model.set_params(**{name: old})))
    with sklearn.config_context(print_changed_only=False):
        again.partial_fit(BASIC)


def test_failed_fit_does_not_keep_feature_names():
    frame = pd.DataFrame(BASIC, columns=list("abc"))
    model = small()
    with pytest.raises(ValueError, match="n_components"):
        model.set_params(n_components=0).fit(frame)
    assert not hasattr(model, "feature_names_in_")


def test_interrupt_in_the_first_epoch_is_passed_on(monkeypatch):
    def step(self, x):
        raise KeyboardInterrupt

    model = small(network=dropout_network())
    monkeypatch.setattr(loop.Step, "__call__", step)
    with pytest.raises(KeyboardInterrupt):
        model.fit(BASIC)
    assert _attributes(model) == set()


def test_a_fit_after_a_failed_one_is_as_if_nothing_had_happened():
    model = small()
    with pytest.raises(_Failure):
        model.set_callbacks(_Raise(_Failure())).fit(BASIC)
    model.set_callbacks()
    assert_same(outputs(model.fit(BASIC), BASIC), outputs(small().fit(BASIC), BASIC))
