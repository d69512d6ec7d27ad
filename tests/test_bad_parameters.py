"""Wrong parameters are refused in words, before any training; valid ones train."""

import numpy as np
import pytest
from basic_data import BASIC
from conftest import ESTIMATORS, accepted, describe, small
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.mixture import GaussianMixture
from torch import nn

from skvae.likelihoods import GaussianLikelihood
from skvae.networks import MLP, CustomNetwork
from skvae.posteriors import ConstantPosterior, PointPosterior

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
    ("input_noise", -0.1, ValueError, r"input_noise.*\[0, inf"),
    ("input_noise", np.inf, ValueError, r"input_noise.*\[0, inf"),
    ("input_noise", np.nan, ValueError, "input_noise"),
    ("input_noise", "0.1", TypeError, "input_noise"),
    ("input_noise", None, TypeError, "input_noise"),
    ("input_noise", 1e9, ValueError, "input_noise.*times the spread.*units of X"),
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
@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (
            lambda i, o: None,
            "'encoder' parameter .* must return an nn.Module. Got None",
        ),
        (lambda i: nn.Linear(i, 1), "1 positional argument but 2 were given"),
        (3, "'encoder' parameter .* must be an nn.Module or a callable.* Got 3"),
    ],
    ids=["returns no module", "takes one size", "is a number"],
)
def test_custom_network_that_is_no_network_is_refused(recipe, message):
    network = CustomNetwork(encoder=recipe, decoder=nn.Linear)
    with pytest.raises(TypeError, match=message):
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
