"""Fits of several processes, at which later calls look."""

import signal
import warnings

import numpy as np
import pytest
import torch.distributed as dist
from conftest import assert_same, make_data, outputs, small

from skvae import VAE

X = make_data(123, 16)
MODELS = {}  # of a process, by name: what later calls look at
CALLS = []  # of the loss of a process


def rank():
    return dist.get_rank()


def group_size():
    return dist.get_world_size()


def new(cls=VAE, **params):
    params = {"early_stopping": True, "max_epochs": 6, **params}
    return small(cls, distributed=True, **params)


def fit(model, *args, **kwargs):
    """Fit a model that others can look at, with warnings as a list."""
    MODELS["last"] = model
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        MODELS["told"] = told
        return model.fit(*args, **kwargs)


def last_outputs():
    model = MODELS["last"]
    texts = [str(w.message) for w in MODELS["told"]]
    return {**outputs(model, X), "n": np.array(model.n_epochs_)}, texts


def is_fitted():
    return hasattr(MODELS["last"], "module_")


def press():
    signal.raise_signal(signal.SIGINT)


def fit_plain():
    return outputs(new(max_epochs=2).fit(X), X)


def assert_all_same(found):
    for other in found[1:]:
        assert_same(other, found[0])


@pytest.fixture(autouse=True)
def next_fit_works(group):
    """After everything that fails, the same processes fit as if nothing had been."""
    yield
    found = group(fit_plain)
    assert_all_same(found)
    handlers = group(signal.getsignal, signal.SIGINT)
    assert handlers == [signal.default_int_handler] * group.size


def kinds(outcomes):
    return [outcome.error for outcome in outcomes]


def with_another_density():
    MODELS["last"].set_params(latent_density=None).fit_latent_density(X)
    return last_outputs()


def fit_with_density(density):
    fit(new(latent_density=density), X)
