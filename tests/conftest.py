"""The lists that every battery runs over, computed from `__all__`, and small data."""

import os

os.environ["SCIPY_ARRAY_API"] = "1"  # else scikit-learn skips a check
os.environ.setdefault("MPLBACKEND", "agg")  # no windows

import copy
import inspect
import urllib.error
import warnings

import numpy as np
import pytest
import sklearn.datasets
import torch
from hypothesis import settings
from process_groups import group as group
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.neighbors import KernelDensity
from torch import nn

import skvae
from skvae import BaseAutoencoder, densities, likelihoods, networks, posteriors
from skvae._training import loop
from skvae._utils import sources
from skvae.likelihoods import Likelihood
from skvae.networks import MLP, CustomNetwork, ImageNetwork, Network
from skvae.posteriors import Posterior

torch.set_num_threads(min(2, torch.get_num_threads()))

# A machine under load may take its time over an example, and a run that failed fails
# again. New examples are tried with `--hypothesis-profile=random`.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("random", derandomize=False, deadline=None, print_blob=True)
settings.load_profile("same")


def make_dropout_net(n_in, n_out):
    return nn.Sequential(
        nn.Linear(n_in, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, n_out)
    )


# Parameters with which classes are tested: every value that changes which code runs, at
# the smallest size. A class that is not here is tested with its defaults.
VARIANTS = {
    "GaussianLikelihood": [
        {"scale": "global"},
        {"scale": "feature"},
        {"scale": "predicted"},
        {"scale": 0.5},
        {"scale": "global", "update": "gradient"},
        {"scale": "feature", "update": "gradient"},
    ],
    "ConstantPosterior": [{}, {"scale": 0.2}],
    "ConvNet": [
        {"channels": (2,), "hidden_layer_sizes": (), "normalization": normalization}
        for normalization in (None, "batch", "weight", "spectral")
    ],
    "CustomNetwork": [{"encoder": make_dropout_net, "decoder": make_dropout_net}],
    "FlowPosterior": [
        {"n_flows": 3},
        {"kind": "autoregressive", "n_flows": 3, "n_hidden": 16},
    ],
    "IWAE": [{}, {"gradient": "dreg"}],
    "InfoGANNet": [{"base_channels": 1}, {"base_channels": 1, "spectral_norm": True}],
    "MLP": [
        {"hidden_layer_sizes": (8,)},
        {"hidden_layer_sizes": ()},
        {"hidden_layer_sizes": (8, 6), "activation": "tanh", "skip": False},
    ],
    "NegativeBinomialLikelihood": [{}, {"dispersion": "predicted"}, {"dispersion": 2}],
    "RAE": [{}, {"regularizer": "gradient_penalty"}, {"regularizer": "spectral_norm"}],
    "RAENet": [{"base_channels": 1}],
    "ResNet": [{"base_channels": 1, "n_hidden": 4}],
    "VAE": [{}, {"input_noise": 0.1}],
    "WAE": [{}, {"divergence": "gan"}, {"kernel": "rbf"}],
    "WAENet": [{"base_channels": 1}, {"base_channels": 1, "first_stride": 1}],
}
SMALL = {
    "n_components": 2,
    "network": MLP(hidden_layer_sizes=(8,)),
    "batch_size": 16,
    "max_epochs": 3,
    "device": "cpu",
    "random_state": 0,
}
SMALL_SECOND_STAGE = skvae.VAE(2, network=MLP((8,)), batch_size=16, max_epochs=3)


def dropout_network():
    return CustomNetwork(**VARIANTS["CustomNetwork"][0])


class Framed(Network):
    """A network of images for rows of up to 81 features, which fill an image."""

    def __init__(self, network=None):
        self.network = network

    @property
    def uses_global_rng(self):
        return self.network.uses_global_rng

    def make_encoder(self, n_features, n_outputs, generator):
        network = clone(self.network).set_params(image_shape=(9, 9))
        encoder = network.make_encoder(81, n_outputs, generator)
        return nn.Sequential(nn.ConstantPad1d((0, 81 - n_features), 0.0), encoder)

    def make_decoder(self, n_components, n_outputs, generator):
        network = clone(self.network).set_params(image_shape=(9, 9))
        decoder = network.make_decoder(n_components, 81, generator)
        return nn.Sequential(decoder, nn.ConstantPad1d((0, n_outputs - 81), 0.0))


def public_classes(module, base):
    """Return the classes in `__all__` that derive from `base`, but no base classes."""
    found = (getattr(module, name) for name in module.__all__)
    classes = [c for c in found if inspect.isclass(c) and issubclass(c, base)]
    return [c for c in classes if not (c.__doc__ or "").startswith("Base class")]


def _options(classes):
    return [(cls, kw) for cls in classes for kw in VARIANTS.get(cls.__name__, [{}])]


def _instances(classes):
    return [cls(**kw) for cls, kw in _options(classes)]


def _for_rows(network):
    return Framed(network) if isinstance(network, ImageNetwork) else network


ESTIMATORS = public_classes(skvae, BaseAutoencoder)
LIKELIHOODS = _instances(public_classes(likelihoods, Likelihood))
POSTERIORS = [
    p
    for p in _instances(public_classes(posteriors, Posterior))
    if not p.deterministic  # for a VAE; RAE and WAE have no choice
]
IMAGE_NETWORKS = _instances(public_classes(networks, ImageNetwork))
NETWORKS = [_for_rows(n) for n in _instances(public_classes(networks, Network))]


def small(cls=skvae.VAE, **params):
    """Return an unfitted estimator that trains in milliseconds."""
    parts = accepted(cls, second_stage=SMALL_SECOND_STAGE)
    # A copy, so that set_params on a part of one estimator leaves all others alone.
    return cls(**{**copy.deepcopy(SMALL | parts), **params})


def accepted(cls, **params):
    """Return those parameters that a class of estimators has."""
    names = inspect.signature(cls).parameters
    return {name: value for name, value in params.items() if name in names}


DENSITIES = [
    None,
    *(d() for d in public_classes(densities, object) if not hasattr(d, "of_class")),
    GaussianMixture(2),
    BayesianGaussianMixture(n_components=2, max_iter=20),
    KernelDensity(),
    small(max_epochs=1, batch_size=1000),
]


def small_estimators():
    """Return every estimator, in all its variants."""
    return [small(cls, **kw) for cls, kw in _options(ESTIMATORS)]


def small_vaes_with_parts():
    """Return VAEs that have every part a VAE may have, one after the other."""
    parts = {
        "likelihood": LIKELIHOODS,
        "posterior": POSTERIORS,
        "latent_density": DENSITIES[1:],
        "network": NETWORKS,
    }
    return [small(**{k: v}) for k, values in parts.items() for v in values]


def small_variants():
    """Return everything that the batteries run over."""
    return [*small_estimators(), *small_vaes_with_parts()]


def describe(value):
    """Return a short name for an estimator in the id of a test."""
    if not hasattr(value, "get_params") or inspect.isclass(value):
        return getattr(value, "__name__", str(value))
    default = type(value)().get_params(deep=False)
    options = {
        k: v
        for k, v in value.get_params(deep=False).items()
        if repr(v) not in (repr(default[k]), repr(SMALL.get(k))) and k != "second_stage"
    }
    inside = ",".join(f"{k}={describe(v)}" for k, v in options.items())
    return f"{type(value).__name__}({inside})"


def make_data(n_samples=80, n_features=5, seed=0):
    """Return rows near a plane, on the levels of 8-bit images, in float32."""
    rng = np.random.default_rng(seed)
    h = rng.standard_normal((n_samples, 2)) @ rng.standard_normal((2, n_features))
    h += 0.1 * rng.standard_normal(h.shape)
    return (np.round(255 / (1 + np.exp(-h))) / 255).astype(np.float32)


def has_score(estimator):
    """Tell whether a fitted estimator can have a score at all."""
    needs_density = not estimator.module_.posterior.deterministic
    return not needs_density or hasattr(estimator.latent_density_, "score_samples")


def score_samples(estimator, X, n_draws):
    """Return the scores of rows, with so many importance samples if there are any."""
    options = accepted(estimator.score_samples, n_importance_samples=n_draws)
    return estimator.score_samples(X, **options)


def outputs(estimator, X):
    """Return everything that a fitted estimator says about X, as one dict of arrays."""
    Z = estimator.transform(X)
    out = {
        "transform": Z,
        "inverse_transform": estimator.inverse_transform(Z),
        "reconstruct": estimator.reconstruct(X),
        "sample": estimator.sample(7, mean=True, random_state=3),
        "noisy": estimator.sample(7, mean=False, random_state=3),
    }
    if has_score(estimator):
        out["score"] = score_samples(estimator, X, 8)
    for name, tensor in estimator.module_.state_dict().items():
        out[f"module.{name}"] = tensor.detach().cpu().numpy()
    return out


def fit_outputs(X, **params):
    """Return the outputs of a small VAE that is fitted to X."""
    return outputs(small(**params).fit(X), X)


def assert_same(actual, expected):
    """Assert that two dicts of arrays are bit-identical."""
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value, err_msg=name, strict=True)


def assert_same_values(actual, expected):
    """Assert that two dicts of arrays are equal; rows come back in the type of X."""
    types = {name: value.dtype for name, value in expected.items()}
    assert_same({k: v.astype(types[k]) for k, v in actual.items()}, expected)


@pytest.fixture(scope="session")
def X():
    data = make_data()
    data.setflags(write=False)
    return data


@pytest.fixture(scope="session")
def fitted(X):
    return small().fit(X)


N_TRAIN = 120  # of the 200 digits


@pytest.fixture(scope="session")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:200].astype(np.float32), y[:200]


@pytest.fixture(scope="session")
def vae(digits):
    """Return a VAE of digits with three components."""
    return small(n_components=3, max_epochs=4).fit(digits[0][:N_TRAIN])


@pytest.fixture(scope="session")
def flat_vae(digits):
    """Return a VAE of digits with two components and a validation loss."""
    return small(early_stopping=True).fit(digits[0][:N_TRAIN])


@pytest.fixture
def closed_figures():
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.close("all")
    yield
    plt.close("all")


@pytest.fixture
def figures_without_warnings(closed_figures):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # also those of layout
        yield


@pytest.fixture
def small_blocks(monkeypatch):
    """Let stored rows be read by blocks of half a kilobyte, however few they are."""
    sizes = {"IN_MEMORY": 0, "BLOCK_BYTES": 512, "_LARGEST_BLOCK": 1024}
    for name, size in {**sizes, "_AHEAD_BYTES": 2048}.items():
        monkeypatch.setattr(sources, name, size)


@pytest.fixture
def no_training(monkeypatch):
    """Fail if a training step is taken."""

    def refuse(self, x):
        raise AssertionError("training had begun before the error was found")

    monkeypatch.setattr(loop.Step, "__call__", refuse)


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """Keep a test out of the user's folders and off the net."""

    def unreachable(*_, **__):
        raise urllib.error.URLError("no route to host")

    monkeypatch.delenv("SKVAE_DATA_HOME", raising=False)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "sklearn"))
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", unreachable)


def pytest_configure(config):
    # Most models here are trained too little to use all their components.
    config.addinivalue_line("filterwarnings", "ignore:Posterior collapse:UserWarning")


def pytest_collection_modifyitems(items):
    for item in items:
        if "gpu" in item.keywords and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))
