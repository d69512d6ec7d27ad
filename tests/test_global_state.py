"""A fit neither reads nor changes global random states and its caller's settings."""

import os
import pickle
import random
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from conftest import (
    ESTIMATORS,
    NETWORKS,
    assert_same,
    describe,
    dropout_network,
    fit_outputs,
    has_score,
    outputs,
    small,
    small_variants,
)
from sklearn.mixture import GaussianMixture
from supports import taken_by

from skvae.likelihoods import GaussianLikelihood
from skvae.networks import CustomNetwork


class _DefaultDtype:
    def __init__(self, dtype):
        self.dtype = dtype

    def __enter__(self):
        torch.set_default_dtype(self.dtype)

    def __exit__(self, *error):
        torch.set_default_dtype(torch.float32)


CONTEXTS = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "default float64": lambda: _DefaultDtype(torch.float64),
    "default bfloat16": lambda: _DefaultDtype(torch.bfloat16),
    "default device meta": lambda: torch.device("meta"),
}
CASES = {
    "plain": {},
    "dropout": {"network": dropout_network()},
    "mixture": {"latent_density": GaussianMixture(2)},
    "weighted": {"beta": 0.3, "kl_warmup": 0.7, "n_samples": 2, "free_bits": 0.1},
    "early stopping": {"early_stopping": True},
    "predicted scale": {"likelihood": GaussianLikelihood(scale="predicted")},
    "isotropic": {"posterior": "isotropic"},
    "constant": {"posterior": "constant"},
}


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
@pytest.mark.parametrize("params", CASES.values(), ids=CASES)
def test_fit_in_the_context_of_a_caller_gives_the_same_model(context, params, X):
    expected = fit_outputs(X, **params)
    with context():
        model = small(**params).fit(X)
    assert_same(outputs(model, X), expected)


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
@pytest.mark.parametrize("density", [None, GaussianMixture(2)], ids=describe)
def test_outputs_in_the_context_of_a_caller_are_the_same(context, density, X):
    model = small(latent_density=density).fit(X)
    expected = outputs(model, X)
    with context():
        got = outputs(model, X)
    assert_same(got, expected)


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
def test_fit_restores_the_settings_of_its_caller(context, X):
    def settings():
        return (
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled("cpu"),
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            torch.get_float32_matmul_precision(),
            str(np.geterr()),
        )

    with context():
        before = settings()
        small().fit(X)
        assert settings() == before


def global_states():
    numpy_state = np.random.get_state()
    return (
        torch.get_rng_state().numpy().tobytes(),
        numpy_state[1].tobytes(),
        numpy_state[2:],
        random.getstate(),
    )


@pytest.fixture
def untouched_global_states():
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    before = global_states()
    yield
    assert global_states() == before, (
        "A global generator was used. Draw from the generator that is given; a network "
        "whose layers cannot, such as dropout, leaves `uses_global_rng` True."
    )


SEEDS = {"seed": 0, "no seed": None, "instance": np.random.RandomState(0)}


@pytest.mark.usefixtures("untouched_global_states")
@pytest.mark.parametrize("seed", SEEDS.values(), ids=SEEDS)
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_no_method_touches_a_global_generator(cls, seed, X):
    check_all_methods(small(cls, random_state=seed, network=dropout_network()), X)


@pytest.mark.usefixtures("untouched_global_states")
@pytest.mark.parametrize("variant", small_variants(), ids=describe)
def test_no_part_touches_a_global_generator(variant, X):
    check_all_methods(variant, taken_by(variant, X))


def check_all_methods(model, X):
    model.fit(X).partial_fit(X)
    outputs(model, X)
    model.sample(3)
    if has_score(model):
        model.score(X)
    model.fit_transform(X)
    model.get_feature_names_out()
    pickle.loads(pickle.dumps(model)).sample(2)


class _Stop(Exception):
    pass


@pytest.mark.usefixtures("untouched_global_states")
@pytest.mark.parametrize("network", NETWORKS, ids=describe)
def test_a_fit_that_raises_touches_no_global_generator(network, X):
    def raise_late(optimizer):
        torch.rand(3, generator=torch.Generator())
        raise _Stop

    with pytest.raises(_Stop):
        small(network=network, lr_schedule=raise_late).fit(X)
    with pytest.raises(ValueError, match="n_components"):
        small(network=network, n_components=0).fit(X)


@pytest.mark.usefixtures("untouched_global_states")
def test_a_custom_network_that_raises_touches_no_global_generator(X):
    def broken(n_in, n_out):
        torch.rand(3)
        raise _Stop

    with pytest.raises(_Stop):
        small(network=CustomNetwork(encoder=broken, decoder=broken)).fit(X)


def test_the_lock_of_custom_networks_is_free_after_a_failure(X):
    with pytest.raises(TypeError, match="encoder"):
        small(network=CustomNetwork()).fit(X)
    done = threading.Thread(target=small(network=dropout_network()).fit, args=[X])
    done.daemon = True
    done.start()
    done.join(30)
    assert not done.is_alive()


NESTED = """
import sys
sys.path.insert(0, {tests!r})
from conftest import *
inner = small(network=dropout_network(), max_epochs=1)
class Keep:
    def setup(self, estimator, context): pass
    def teardown(self, estimator, context): pass
    def on_fit_task_begin(self, estimator, context): pass
    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None): pass
model = small(network=dropout_network(), latent_density=inner, max_epochs=2)
model.set_callbacks(Keep()).fit(make_data())
print("done")
"""


@pytest.mark.slow
def test_custom_networks_in_model_and_density_do_not_lock_each_other_out():
    code = NESTED.format(tests=os.path.dirname(__file__))
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.stdout.strip() == "done", run.stderr
