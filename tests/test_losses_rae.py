"""Losses of regularised autoencoders against exact derivatives and formulas."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from skvae import RAE
from skvae.likelihoods import GaussianLikelihood
from skvae.losses import gradient_penalty, rae_loss, squared_weights, vae_loss
from skvae.networks import MLP

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
    s = torch.tensor(module.likelihood.scale_, dtype=torch.float32)
    log_p = torch.distributions.Normal(p.mean, s).log_prob(x).sum(-1)
    torch.testing.assert_close(terms["reconstruction"], -log_p)
    torch.testing.assert_close(terms["latent"], 0.25 * z.square().sum(-1))
    expected = 3 * squared_weights(module.decoder)
    torch.testing.assert_close(terms["regularizer"], expected)


def papers_objective(module, X, beta, weight, regularizer):
    """Compute ||x - D(z)||^2 + beta ||z||^2 / 2 + lambda R of the paper, by row."""
    x = torch.from_numpy(X)
    z = module.encode(x).mean
    error = (x - module.decode(z).mean).square().sum(-1)
    if regularizer == "l2":
        kernels = [p for p in module.decoder.parameters() if p.ndim > 1]
        R = sum(w.square().sum() for w in kernels)
    else:
        J = torch.func.vmap(torch.func.jacrev(lambda z: module.decode(z[None]).mean[0]))
        R = J(z).square().sum((1, 2))
    return error + beta * 0.5 * z.square().sum(-1) + weight * R


@pytest.mark.parametrize("regularizer", ["l2", "gradient_penalty"])
def test_a_fixed_scale_gives_the_papers_objective_with_its_weights(X, regularizer):
    beta, weight, X = 0.0128, 0.5, X[:20]
    spread = X.var(0).mean() ** 0.5
    by_jacobian = regularizer == "gradient_penalty"
    rae = RAE(
        2,
        likelihood=GaussianLikelihood(0.5**0.5),
        latent_penalty=beta,
        regularizer=regularizer,
        regularizer_weight=weight * float(spread) ** 2 if by_jacobian else weight,
        max_epochs=1,
        **SMALL,
    ).fit(X)
    n = 4000  # random directions
    terms = rae.loss(rae.module_, torch.from_numpy(X).repeat(n, 1), generator(), 1.0)
    draws = sum(t.expand(n * 20) for t in terms.values()).reshape(n, 20)
    expected = papers_objective(rae.module_, X, beta, weight, regularizer)
    less = papers_objective(rae.module_, X, beta, 0.9 * weight, regularizer)
    error = 4 * draws.std(0) / math.sqrt(n) + 1e-4
    constant = 6 / 2 * math.log(math.pi)
    assert ((draws.mean(0) - expected - constant).abs() < error).all()
    assert (expected - less > error).all()  # a tenth of lambda would be seen


def test_beta_fades_with_the_square_of_a_learned_scale(X):
    rae = RAE(2, likelihood=GaussianLikelihood("global"), max_epochs=30, **SMALL)
    module = rae.fit(X).module_.eval()
    scale = module.likelihood.scale_
    gradients = []
    for beta in (None, 2 * scale**2 * 0.1):
        module.zero_grad()
        if beta is None:
            options = {"latent_penalty": 0.1, "regularizer": None}
            x = torch.from_numpy(X)
            terms = rae_loss(module, x, generator=generator(), **options)
            loss = 2 * scale**2 * sum(terms.values()).mean()
        else:
            loss = papers_objective(module, X, beta, 0.0, "l2").mean()
        loss.backward()
        networks = [*module.encoder.parameters(), *module.decoder.parameters()]
        gradients.append([p.grad.clone() for p in networks])
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-6)


def test_without_regularizer_the_loss_is_a_vaes_with_a_point_posterior(X):
    rae = RAE(2, latent_penalty=0.3, regularizer=None, max_epochs=3)
    module, x = rae.set_params(**SMALL).fit(X).module_, torch.from_numpy(X)
    a = vae_loss(module, x, generator=generator(), beta=0.3)
    b = rae_loss(module, x, generator=generator(), latent_penalty=0.3, regularizer=None)
    torch.testing.assert_close(sum(a.values()), sum(b.values()))
