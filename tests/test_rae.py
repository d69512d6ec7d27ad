"""Regularised autoencoders: spectral normalisation and the latent density."""

import copy
import math
import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture
from torch import nn

from skvae import RAE
from skvae.densities import StandardNormal
from skvae.likelihoods import GaussianLikelihood
from skvae.networks import MLP, CustomNetwork
from skvae.networks._spectral import SpectrallyNormalised, normalise_spectrally

TANH = MLP(hidden_layer_sizes=(12,), activation="tanh")
SMALL = {"network": TANH, "device": "cpu", "random_state": 0}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(300, 2))
    X = np.tanh(codes @ rng.normal(size=(2, 6))) + 0.05 * rng.normal(size=(300, 6))
    return X.astype(np.float32)


def test_every_normalised_layer_has_largest_singular_value_one(X):
    rae = RAE(2, regularizer="spectral_norm", max_epochs=30, **SMALL).fit(X)
    layers = [
        m for m in rae.module_.decoder.modules() if isinstance(m, SpectrallyNormalised)
    ]
    assert len(layers) == 2
    for layer in layers:
        largest = torch.linalg.matrix_norm(layer.weight, 2).item()
        assert largest == pytest.approx(1, abs=1e-5)
        layer.training = True  # the running estimate, which lags behind the weights
        largest = torch.linalg.matrix_norm(layer.weight, 2).item()
        assert largest == pytest.approx(1, abs=0.05)
    assert not any(
        isinstance(m, SpectrallyNormalised) for m in rae.module_.encoder.modules()
    )


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(4, 3), (2, 4)),
        (nn.Conv2d(4, 3, 3), (2, 4, 5, 5)),
        (nn.ConvTranspose2d(4, 3, 3, stride=2), (2, 4, 5, 5)),
    ],
)
def test_normalised_layers_of_all_kinds_agree_with_torch(layer, shape):
    reference = nn.utils.parametrizations.spectral_norm(
        copy.deepcopy(layer), n_power_iterations=200
    )
    ours = normalise_spectrally(copy.deepcopy(layer), generator())
    x = torch.randn(shape, generator=generator())
    for _ in range(200):
        out = ours(x)
    torch.testing.assert_close(out, reference(x), rtol=1e-3, atol=1e-4)
    ours.eval()
    before = ours.u.clone()
    ours(x)
    assert torch.equal(before, ours.u)


def test_spectral_norm_takes_its_start_from_the_fit_alone(X):
    rae = RAE(2, regularizer="spectral_norm", max_epochs=2, **SMALL)
    state = torch.get_rng_state()
    one = rae.fit(X).transform(X)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(1)
    np.testing.assert_array_equal(one, rae.fit(X).transform(X))


def test_spectral_norm_survives_copies_and_resumes(X):
    options = {"regularizer": "spectral_norm", "early_stopping": False, **SMALL}
    rae = RAE(2, max_epochs=2, **options).fit(X)
    for twin in (copy.deepcopy(rae), pickle.loads(pickle.dumps(rae))):
        np.testing.assert_array_equal(rae.reconstruct(X), twin.reconstruct(X))
    twice = RAE(2, max_epochs=2, **options)
    twice.partial_fit(X).partial_fit(X)
    np.testing.assert_array_equal(rae.transform(X), twice.transform(X))


def test_spectral_norm_reaches_the_users_decoder(X):
    network = CustomNetwork(encoder=nn.Linear, decoder=nn.Linear)
    rae = RAE(2, network=network, regularizer="spectral_norm", max_epochs=1)
    assert isinstance(rae.fit(X).module_.decoder, SpectrallyNormalised)


def test_spectral_norm_has_a_default_penalty_of_its_own(X):
    options = {"regularizer": "spectral_norm", "max_epochs": 2, **SMALL}
    default = RAE(2, **options).fit(X).transform(X)
    own = RAE(2, latent_penalty=0.01, **options).fit(X).transform(X)
    np.testing.assert_array_equal(default, own)
    tenth = RAE(2, latent_penalty=0.1, max_epochs=2, **SMALL).fit(X)
    other = RAE(2, max_epochs=2, **SMALL).fit(X)
    np.testing.assert_array_equal(tenth.transform(X), other.transform(X))


def test_codes_too_short_for_a_decoder_that_cannot_stretch_are_told():
    H = np.random.default_rng(0).normal(size=(400, 4))
    X = (H @ np.random.default_rng(1).normal(size=(4, 40))).astype(np.float32)
    options = {**SMALL, "regularizer": "spectral_norm", "max_epochs": 60}
    options |= {"network": MLP(hidden_layer_sizes=(32,)), "learning_rate": 1e-2}
    with pytest.warns(UserWarning, match="cannot stretch.* 40 features. Lower latent"):
        bad = RAE(4, latent_penalty=30.0, **options).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        good = RAE(4, **options).fit(X)
    error, variance = (np.square(X - r) for r in (good.reconstruct(X), X.mean(0)))
    assert error.mean() < 0.5 * variance.mean()
    assert np.square(X - bad.reconstruct(X)).mean() > 0.75 * variance.mean()


def test_score_is_the_reconstruction_log_likelihood(X):
    rae = RAE(2, likelihood=GaussianLikelihood("global"), max_epochs=3, **SMALL)
    rae.fit(X)
    s, error = rae.likelihood_.scale_, X - rae.reconstruct(X)
    expected = -0.5 * (error**2).sum(1) / s**2 - 3 * math.log(2 * math.pi * s**2)
    np.testing.assert_allclose(rae.score_samples(X), expected, rtol=1e-4, atol=1e-4)


def test_default_density_is_a_mixture_that_the_rows_can_bear(X):
    density = RAE(2, max_epochs=1, **SMALL).fit(X).latent_density_
    assert isinstance(density, GaussianMixture)
    assert density.n_components == 300 // 40
    assert density.max_iter == 100
    density = RAE(2, max_epochs=1, **SMALL).fit(np.tile(X, (2, 1))).latent_density_
    assert density.n_components == 10
    own = RAE(2, latent_density=StandardNormal(), max_epochs=1, **SMALL).fit(X)
    assert isinstance(own.latent_density_, StandardNormal)


def test_samples_of_the_default_density_have_the_spread_of_the_data(X):
    rae = RAE(2, max_epochs=60, batch_size=32, **SMALL).fit(X)
    rows = rae.sample(2000, random_state=0)
    assert rows.var(0).sum() == pytest.approx(X.var(0).sum(), rel=0.15)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"regularizer": "l1"}, ValueError, "'l2', 'gradient_penalty'.* Got 'l1'"),
        ({"latent_penalty": -1.0}, ValueError, r"\[0, inf\). Got -1.0"),
        ({"regularizer_weight": "x"}, TypeError, r"\[0, inf\). Got 'x'"),
    ],
)
def test_bad_parameters_name_the_value(X, parameters, error, message):
    with pytest.raises(error, match=message):
        RAE(2, max_epochs=1, **parameters).fit(X)
