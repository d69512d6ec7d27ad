"""Wasserstein autoencoders: the parameters of the estimator and what it learns."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.datasets import make_moons

from skvae import WAE
from skvae.networks import MLP
from skvae.networks._discriminator import Discriminator

SMALL = {"network": MLP(hidden_layer_sizes=(32,)), "device": "cpu", "random_state": 0}


@pytest.fixture(scope="module")
def X():
    X = np.random.default_rng(0).normal(size=(200, 4))
    return (X @ np.array([[1, 2, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 1]]))[
        :, :4
    ].astype(np.float32)


@pytest.mark.parametrize(("n_features", "weight"), [(4, 4.0), (150, 100.0)])
def test_default_weight_is_one_for_each_feature_up_to_a_hundred(n_features, weight):
    X = np.random.default_rng(0).normal(size=(40, n_features)).astype(np.float32)
    default = WAE(2, max_epochs=2, **SMALL).fit(X).transform(X)
    own = WAE(2, divergence_weight=weight, max_epochs=2, **SMALL).fit(X).transform(X)
    np.testing.assert_array_equal(default, own)


def test_discriminator_trains_with_its_own_optimizer_and_resumes(X):
    options = {"divergence": "gan", "max_epochs": 3, "learning_rate": 1e-3, **SMALL}
    options["early_stopping"] = False  # as in partial_fit
    whole = WAE(2, **options).fit(X)
    parts = WAE(2, **options)
    for _ in range(3):
        parts.partial_fit(X)
    np.testing.assert_array_equal(whole.transform(X), parts.transform(X))
    a, b = (m.module_.discriminator.state_dict() for m in (whole, parts))
    assert all(torch.equal(a[k], b[k]) for k in a)
    start = Discriminator(2, torch.Generator().manual_seed(0)).hidden[1].weight
    assert not torch.equal(a["hidden.1.weight"], start)
    again = pickle.loads(pickle.dumps(whole))
    np.testing.assert_array_equal(again.sample(3, random_state=0).shape, (3, 4))


@pytest.mark.slow
@pytest.mark.parametrize("divergence", ["mmd", "gan"])
def test_two_moons_without_collapse(divergence):
    X = make_moons(1000, noise=0.05, random_state=0)[0].astype(np.float32)
    wae = WAE(
        2,
        divergence=divergence,
        network=MLP(hidden_layer_sizes=(64, 64)),
        max_epochs=60,
        device="cpu",
        random_state=0,
    ).fit(X)
    Z, S = wae.transform(X), wae.sample(1000, random_state=0)
    assert len(wae.active_components_) == 2
    assert np.mean((X - wae.reconstruct(X)) ** 2) < 0.02 * X.var()
    assert np.abs(Z.mean(0)).max() < 0.3
    assert np.all((Z.std(0) > 0.7) & (Z.std(0) < 1.3))
    distance = np.linalg.norm(S[:, None] - X[None], axis=-1)
    assert np.median(distance.min(1)) < 0.25  # samples lie near the data
    assert np.median(distance.min(0)) < 0.1  # and reach all of them


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"divergence": "kl"}, ValueError, "'mmd', 'gan'. Got 'kl'"),
        ({"kernel": "linear"}, ValueError, "'imq', 'rbf'. Got 'linear'"),
        ({"divergence_weight": -2.0}, ValueError, r"\[0, inf\). Got -2.0"),
    ],
)
def test_bad_parameters_name_the_value(X, parameters, error, message):
    with pytest.raises(error, match=message):
        WAE(2, max_epochs=1, **parameters).fit(X)
