"""Regularised autoencoders: penalties against exact derivatives and decompositions."""

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
from skvae.losses import gradient_penalty, rae_loss, squared_weights, vae_loss
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


@pytest.fixture(scope="module")
def module(X):
    return RAE(2, max_epochs=3, **SMALL).fit(X).module_


def test_gradient_penalty_is_the_norm_of_the_jacobian_by_z(module):
    z = torch.randn((4, 2), generator=generator())

    def decode(z):
        return module.decode(z).mean

    J = torch.func.vmap(torch.func.jacrev(lambda z: decode(z[None])[0]))(z)
    exact = J.square().sum((1, 2))
    n = 8000
    g = generator(1)
    draws = gradient_penalty(decode, z.repeat(n, 1), g).reshape(n, 4).detach()
    error = 4 * draws.std(0) / math.sqrt(n)
    assert ((draws.mean(0) - exact).abs() < error).all()


def test_gradient_penalty_of_a_linear_decoder_is_the_norm_of_its_matrix():
    W = torch.randn((5, 3), generator=generator())
    penalty = gradient_penalty(lambda z: z @ W.T, torch.zeros(20_000, 3), generator(1))
    assert penalty.mean().item() == pytest.approx(W.square().sum().item(), rel=0.03)


def test_the_penalty_of_the_loss_is_in_the_encoders_units_and_by_z(module, X):
    x = torch.from_numpy(X[:5])
    terms = rae_loss(
        module,
        x,
        generator=generator(3),
        regularizer="gradient_penalty",
        regularizer_weight=2.0,
    )
    z = module.encode(x).mean
    J = torch.func.vmap(
        torch.func.jacrev(lambda z: (module.decode(z[None]).mean * module.factor)[0])
    )(z)
    v = torch.empty(5, 6).normal_(generator=generator(3))
    expected = 2 * torch.einsum("nfd,nf->nd", J, v).square().sum(-1)
    torch.testing.assert_close(terms["regularizer"], expected, rtol=1e-4, atol=1e-5)


def test_gradient_penalty_has_a_second_derivative_and_none_is_needed_to_evaluate(
    module,
):
    def decode(z):
        return module.decode(z).mean

    z = torch.zeros(3, 2)
    with torch.no_grad():
        value = gradient_penalty(decode, z, generator())
    again = gradient_penalty(decode, z, generator())
    torch.testing.assert_close(value, again)
    weight = module.decoder.hidden[0].weight
    (gradient,) = torch.autograd.grad(again.sum(), weight)
    assert gradient.abs().sum() > 0


def test_squared_weights_leave_biases_out():
    network = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 4))
    expected = network[0].weight.square().sum() + network[2].weight.square().sum()
    torch.testing.assert_close(squared_weights(network), expected)


def test_loss_has_the_terms_of_the_formula(module, X):
    x = torch.from_numpy(X[:7])
    terms = rae_loss(
        module, x, generator=generator(), latent_penalty=0.5, regularizer_weight=3.0
    )
    z = module.encode(x).mean
    p = module.decode(z)
    s = module.likelihood.log_scale.exp()
    log_p = torch.distributions.Normal(p.mean, s).log_prob(x).sum(-1)
    torch.testing.assert_close(terms["reconstruction"], -log_p)
    torch.testing.assert_close(terms["latent"], 0.25 * z.square().sum(-1))
    expected = 3 * squared_weights(module.decoder)
    torch.testing.assert_close(terms["regularizer"], expected)


def test_the_papers_objective_is_a_fixed_scale_of_root_one_half(X):
    likelihood = GaussianLikelihood(scale=0.5**0.5)
    rae = RAE(2, likelihood=likelihood, max_epochs=1, **SMALL).fit(X)
    module, x = rae.module_, torch.from_numpy(X)
    terms = rae_loss(
        module, x, generator=generator(), latent_penalty=0.064, regularizer=None
    )
    z = module.encode(x).mean
    paper = (x - module.decode(z).mean).square().sum(-1)
    paper = paper + 0.064 * 0.5 * z.square().sum(-1)
    constant = 6 / 2 * math.log(math.pi)
    torch.testing.assert_close(sum(terms.values()), paper + constant)


def test_without_regularizer_the_loss_is_a_vaes_with_a_point_posterior(X):
    rae = RAE(2, latent_penalty=0.3, regularizer=None, max_epochs=3)
    module, x = rae.set_params(**SMALL).fit(X).module_, torch.from_numpy(X)
    a = vae_loss(module, x, generator=generator(), beta=0.3)
    b = rae_loss(module, x, generator=generator(), latent_penalty=0.3, regularizer=None)
    torch.testing.assert_close(sum(a.values()), sum(b.values()))


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
    rae = RAE(2, regularizer="spectral_norm", max_epochs=2, **SMALL).fit(X)
    for twin in (copy.deepcopy(rae), pickle.loads(pickle.dumps(rae))):
        np.testing.assert_array_equal(rae.reconstruct(X), twin.reconstruct(X))
    twice = RAE(2, regularizer="spectral_norm", max_epochs=2, **SMALL)
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
    rae = RAE(2, max_epochs=3, **SMALL).fit(X)
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
