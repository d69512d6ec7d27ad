"""Terms of the loss of a VAE, against a model that is known exactly."""

import math

import numpy as np
import pytest
import torch
from conftest import make_data, small
from linear_gaussian import (
    N_FEATURES,
    SCALE,
    B,
    D,
    W,
    bound,
    draw,
    exact_log_density,
    generator,
    linear_gaussian,
)

from skvae.likelihoods import GaussianLikelihood
from skvae.losses import vae_loss
from skvae.networks import MLP


def test_evidence_gap_is_the_divergence_from_the_true_posterior():
    X, widen, shift = draw(3), 1.5, 0.5
    module = linear_gaussian(widen, shift)
    x = torch.tensor(X).repeat_interleave(40_000, 0)
    bounds = bound(vae_loss(module, x, generator=generator())).detach().double()
    bounds = bounds.reshape(3, -1).numpy()
    sd = SCALE / np.sqrt(np.diag(W.T @ W + SCALE**2 * np.eye(D)))
    kl = 0.5 * (widen**2 - 1 + (shift / sd) ** 2 - 2 * math.log(widen)).sum()
    gap = exact_log_density(X) - bounds.mean(1)
    standard_error = bounds.std(1) / math.sqrt(40_000)
    assert (abs(gap - kl) < 4.5 * standard_error + 1e-3).all()


def test_reconstruction_term_has_the_expectation_of_the_textbook():
    X = draw(3)
    module = linear_gaussian(widen=1.2, shift=0.1)
    x = torch.tensor(X)
    q = module.encode(x)
    residual = X - (q.mean.detach().numpy() @ W.T + B)
    spread = q.variance.detach().numpy() @ (W**2).sum(0)
    squared_error = (residual**2).sum(1) + spread
    constant = N_FEATURES / 2 * math.log(2 * math.pi * SCALE**2)
    expected = squared_error / (2 * SCALE**2) + constant
    terms = vae_loss(module, x, generator=generator(), n_samples=40_000)
    np.testing.assert_allclose(terms["reconstruction"].detach(), expected, rtol=0.01)


OPTIONS = [
    {},
    {"beta": 2.5},
    {"n_samples": 3},
    {"free_bits": 0.5},
    {"beta": 0.3, "n_samples": 2, "free_bits": 0.2},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_terms_are_by_row(options):
    x = torch.tensor(draw(7))
    terms = vae_loss(linear_gaussian(), x, generator=generator(), **options)
    assert list(terms) == ["reconstruction", "kl"]
    assert all(term.shape == (7,) for term in terms.values())


def test_beta_multiplies_the_divergence_alone():
    x = torch.tensor(draw(7))
    one = vae_loss(linear_gaussian(), x, generator=generator())
    many = vae_loss(linear_gaussian(), x, generator=generator(), beta=2.5)
    torch.testing.assert_close(many["kl"], 2.5 * one["kl"])
    assert torch.equal(many["reconstruction"], one["reconstruction"])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", ["gaussian", "predicted", "bernoulli"])
def test_gradient_is_that_of_finite_differences(options, name):
    X = make_data(12, 4)
    likelihood = GaussianLikelihood(scale=name) if name == "predicted" else name
    network = MLP((6,), activation="tanh")
    model = small(network=network, likelihood=likelihood, max_epochs=2).fit(X)
    module, x = model.module_, torch.tensor(X)
    module.likelihood.noise = None  # what training sees
    parameters = [p.requires_grad_() for p in module.parameters()]

    def loss():
        terms = vae_loss(module, x, generator=generator(), **options)
        return sum(term.double().mean() for term in terms.values())

    gradients = torch.autograd.grad(loss(), parameters)
    for seed in range(3):
        g = generator(seed)
        steps = [torch.randn(p.shape, generator=g) for p in parameters]
        slope = sum((a * b).sum() for a, b in zip(gradients, steps, strict=True))
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                for p, step in zip(parameters, steps, strict=True):
                    p.add_(step, alpha=sign * 1e-3)
                values.append(loss().item())
                for p, step in zip(parameters, steps, strict=True):
                    p.add_(step, alpha=-sign * 1e-3)
        assert (values[0] - values[1]) / 2e-3 == pytest.approx(
            slope.item(), rel=0.02, abs=0.02
        )


@pytest.mark.parametrize("free_bits", [0.05, 0.5, 3.0])
def test_free_bits_are_granted_to_every_component_of_a_row(free_bits):
    x = torch.tensor(draw(50))
    module = linear_gaussian(widen=3.0)
    kl = module.encode(x).kl_to_standard_normal()
    terms = vae_loss(module, x, generator=generator(), free_bits=free_bits)
    expected = kl.clamp(min=free_bits * math.log(2)).sum(-1)
    torch.testing.assert_close(terms["kl"], expected)
    assert (terms["kl"] >= D * free_bits * math.log(2) - 1e-6).all()


def test_components_below_their_free_bits_are_not_pushed():
    x = torch.tensor(draw(50))
    module = linear_gaussian()
    terms = vae_loss(module, x, generator=generator(), free_bits=100.0)
    (gradient,) = torch.autograd.grad(terms["kl"].sum(), module.encoder.weight)
    assert (gradient == 0).all()
    plain = vae_loss(module, x, generator=generator(), free_bits=0.0)
    (gradient,) = torch.autograd.grad(plain["kl"].sum(), module.encoder.weight)
    assert (gradient != 0).any()


@pytest.mark.parametrize("k", [4, 16])
def test_more_draws_lower_the_variance_in_proportion(k):
    module = linear_gaussian(widen=1.5)
    x = torch.tensor(draw(1)).expand(4000, -1)
    one = vae_loss(module, x, generator=generator(0))["reconstruction"].detach()
    many = vae_loss(module, x, generator=generator(1), n_samples=k)
    many = many["reconstruction"].detach()
    assert (one.var() / many.var()).item() == pytest.approx(k, rel=0.15)
    standard_error = one.std().item() / math.sqrt(4000)
    assert abs(one.mean() - many.mean()).item() < 5 * standard_error


def test_rows_of_a_batch_get_independent_noise():
    x = torch.tensor(draw(1)).expand(2000, -1)
    terms = vae_loss(linear_gaussian(), x, generator=generator())
    values = terms["reconstruction"].detach()
    assert len(values.unique()) > 1990
    assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 4 / math.sqrt(2000)


def test_warm_up_raises_the_weight_of_the_divergence_from_zero(X):
    model = small(kl_warmup=1.0, max_epochs=10).fit(X)
    assert model.annealing(0.0) == 0
    assert model.annealing(0.5) == pytest.approx(0.5)
    assert model.annealing(1.0) == 1
    assert small(kl_warmup=0.0).annealing(0.0) == 1
    assert model.history_["kl"][0] < model.history_["kl"][-1]
