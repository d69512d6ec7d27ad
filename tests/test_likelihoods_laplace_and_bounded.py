"""Laplace, continuous Bernoulli and discretised logistic observation models."""

import math
import pickle

import numpy as np
import pytest
import torch
from torch.distributions import ContinuousBernoulli as TorchContinuousBernoulli
from torch.distributions import Laplace as TorchLaplace

from skvae import VAE
from skvae._distributions.observations import (
    ContinuousBernoulli,
    DiscretizedLogistic,
    Laplace,
    log_integral_exp,
)
from skvae.likelihoods import (
    DiscretizedLogisticLikelihood,
    LaplaceLikelihood,
)
from skvae.likelihoods.scaled import ClosedFormScale
from skvae.networks import MLP

SMALL = {"network": MLP(hidden_layer_sizes=(16,)), "device": "cpu", "random_state": 0}


def generator():
    return torch.Generator().manual_seed(0)


def test_laplace_is_that_of_torch():
    loc, log_scale = torch.randn((5, 3), generator=generator()), torch.tensor(-0.7)
    reference = TorchLaplace(loc, log_scale.exp())
    p, x = Laplace(loc, log_scale), torch.randn((5, 3), generator=generator())
    torch.testing.assert_close(p.log_prob(x), reference.log_prob(x).sum(-1))
    torch.testing.assert_close(p.variance, reference.variance)
    assert torch.equal(p.mean, loc)


def test_laplace_draws_have_its_moments():
    p = Laplace(torch.full((200_000, 1), 2.0), torch.tensor(-0.5))
    x = p.sample(generator())
    assert x.mean().item() == pytest.approx(2, abs=0.01)
    assert (x - 2).abs().mean().item() == pytest.approx(math.exp(-0.5), rel=0.01)


def test_closed_form_of_the_laplace_scale_reaches_the_mean_absolute_error():
    errors = torch.tensor([[0.3, -1.0, 2.0, 0.5], [0.1, 0.4, -0.2, 0.9]])
    log_scale = torch.nn.Parameter(torch.tensor(1.5))
    optimizer = ClosedFormScale(log_scale, 4, torch.tensor(-20.0), power=1, lr=1.0)
    loss = -Laplace(torch.zeros(2, 4), log_scale).log_prob(errors).mean()
    loss.backward()
    optimizer.step()
    assert log_scale.exp().item() == pytest.approx(errors.abs().mean().item(), rel=1e-5)


def test_fitted_laplace_scale_is_the_mean_absolute_error():
    rng = np.random.default_rng(0)
    X = rng.laplace(scale=0.7, size=(1000, 6))
    likelihood = LaplaceLikelihood("global")
    options = {"early_stopping": False, **SMALL}
    vae = VAE(1, likelihood=likelihood, max_epochs=30, **options).fit(X)
    error = np.abs(X - vae.reconstruct(X)).mean()
    assert vae.likelihood_.scale_ == pytest.approx(error, rel=0.15)
    assert vae.history_["scale"][-1] == pytest.approx(vae.likelihood_.scale_)


def test_continuous_bernoulli_is_that_of_torch():
    logits = torch.linspace(-8, 8, 33).reshape(11, 3)
    p, reference = ContinuousBernoulli(logits), TorchContinuousBernoulli(logits=logits)
    x = torch.rand((11, 3), generator=generator())
    torch.testing.assert_close(
        p.log_prob(x), reference.log_prob(x).sum(-1), rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(p.mean, reference.mean, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "logit", [0.0, 1e-6, -1e-3, 0.05, 0.199, 0.2, 0.201, 1, -9, 60]
)
def test_continuous_bernoulli_integrates_to_one_and_has_its_mean(logit):
    t = torch.linspace(0, 1, 200_001, dtype=torch.float64)[:, None]
    p = ContinuousBernoulli(torch.full((1, 1), float(logit), dtype=torch.float64))
    density = p.log_prob(t).exp()
    t = t[:, 0]
    assert torch.trapezoid(density, t).item() == pytest.approx(1, abs=1e-6)
    mean = torch.trapezoid(density * t, t).item()
    assert p.mean.item() == pytest.approx(mean, abs=1e-6)


def test_log_normaliser_and_its_gradient_are_smooth_in_float32():
    logits = torch.linspace(-0.5, 0.5, 1001, requires_grad=True)
    value = log_integral_exp(logits)
    exact = torch.where(
        logits.double().abs() < 1e-9,
        torch.ones(1, dtype=torch.float64),
        torch.expm1(logits.double()) / logits.double(),
    ).log()
    assert (value - exact).abs().max() < 3e-7
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    mean = ContinuousBernoulli(logits.detach()[:, None]).mean[:, 0]
    assert (gradient - mean).abs().max() < 2e-5
    assert torch.isfinite(log_integral_exp(torch.tensor([-500.0, 0, 500.0]))).all()


def test_continuous_bernoulli_draws_have_its_mean():
    for logit in (-6.0, 0.0, 1e-3, 3.0):
        p = ContinuousBernoulli(torch.full((100_000, 1), logit))
        x = p.sample(generator())
        assert x.min() >= 0
        assert x.max() <= 1
        assert x.mean().item() == pytest.approx(p.mean[0].item(), abs=0.005)


@pytest.mark.parametrize("loc", [-0.4, 0.0, 0.31, 1.0, 1.7])
@pytest.mark.parametrize("log_scale", [-9.0, -4.0, -1.0, 1.0])
def test_discretised_logistic_sums_to_one(loc, log_scale):
    levels = torch.linspace(0, 1, 256)[:, None]
    p = DiscretizedLogistic(torch.full((1, 1), loc), torch.tensor(log_scale))
    log_p = p.log_prob(levels).double()
    assert torch.isfinite(log_p).all()
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-4)
    mean = (log_p.exp() * levels[:, 0]).sum().item()
    assert p.mean.item() == pytest.approx(mean, abs=0.5 / 255 + 1e-4)


def test_discretised_logistic_is_a_difference_of_distribution_functions():
    loc, s, k = 0.4, 0.05, 100
    p = DiscretizedLogistic(torch.full((1, 1), loc), torch.tensor(math.log(s)))
    edges = (torch.tensor([k + 0.5, k - 0.5], dtype=torch.float64) / 255 - loc) / s
    expected = (edges[0].sigmoid() - edges[1].sigmoid()).log().item()
    got = p.log_prob(torch.tensor([[k / 255]])).item()
    assert got == pytest.approx(expected, rel=1e-4)


def test_discretised_draws_are_levels_with_the_right_frequencies():
    p = DiscretizedLogistic(torch.full((100_000, 1), 0.5), torch.tensor(-1.0), 0, 1, 4)
    x = p.sample(generator())
    levels = torch.arange(4)[:, None] / 3
    share = torch.isclose(x, levels.T).float().mean(0)
    one = DiscretizedLogistic(torch.full((1, 1), 0.5), torch.tensor(-1.0), 0, 1, 4)
    torch.testing.assert_close(share, one.log_prob(levels).exp(), rtol=0, atol=0.01)


def test_bits_per_dimension_of_8_bit_noise():
    # Uniform bytes have 8 bits; the best logistic model of them has somewhat more.
    X = np.random.default_rng(0).integers(0, 256, size=(2000, 8)).astype(np.uint8)
    likelihood = DiscretizedLogisticLikelihood(high=255)
    vae = VAE(1, likelihood=likelihood, max_epochs=30, **SMALL).fit(X)
    bits = -vae.score(X) / (8 * math.log(2))
    levels = torch.arange(256.0)[:, None]
    centre = torch.full((1, 1), 127.5)
    best = min(
        -DiscretizedLogistic(centre, s, 0, 255).log_prob(levels).mean()
        for s in torch.linspace(3.5, 5.0, 50)
    )
    assert 8 <= bits < best / math.log(2) + 0.05


def test_units_do_not_change_bits():
    X = np.random.default_rng(0).binomial(255, 0.4, size=(500, 5)).astype(np.float32)
    one = VAE(1, likelihood=DiscretizedLogisticLikelihood(high=255), max_epochs=4)
    two = VAE(1, likelihood="discretized_logistic", max_epochs=4)
    a = one.set_params(**SMALL).fit(X).history_["loss"]
    b = two.set_params(**SMALL).fit(X / 255).history_["loss"]
    np.testing.assert_allclose(a, b, rtol=1e-3)


@pytest.mark.parametrize(
    "name", ["laplace", "continuous_bernoulli", "discretized_logistic"]
)
def test_fitted_models_survive_pickling_and_sample_in_the_support(name):
    X = np.random.default_rng(0).integers(0, 256, size=(80, 4)) / 255
    vae = VAE(2, likelihood=name, max_epochs=2, **SMALL).fit(X)
    again = pickle.loads(pickle.dumps(vae))
    np.testing.assert_array_equal(again.score_samples(X), vae.score_samples(X))
    rows = vae.sample(50, mean=False, random_state=0)
    assert rows.shape == (50, 4)
    if name != "laplace":
        assert 0 <= rows.min() <= rows.max() <= 1


@pytest.mark.parametrize(
    ("likelihood", "value", "message"),
    [
        ("continuous_bernoulli", 1.5, "feature 1 has the value 1.5"),
        ("discretized_logistic", 0.5, "feature 1 has the value 0.5. Round X"),
        ("discretized_logistic", 2.0, r"256 even levels of \[0, 1\].*the value 2"),
    ],
)
def test_data_outside_the_support_are_refused(likelihood, value, message):
    with pytest.raises(ValueError, match=message):
        VAE(1, likelihood=likelihood).fit([[0.0, 1.0], [1.0, value]])


@pytest.mark.parametrize(
    ("likelihood", "message"),
    [
        (LaplaceLikelihood(scale=-1), "LaplaceLikelihood must be .* Got -1 instead"),
        (LaplaceLikelihood(update="x"), "LaplaceLikelihood must be .* Got 'x' instead"),
        (DiscretizedLogisticLikelihood(n_levels=1), "integer >= 2. Got 1"),
        (DiscretizedLogisticLikelihood(high=-1), "'high' .* Got -1"),
        (DiscretizedLogisticLikelihood(scale="x"), "Got 'x' instead"),
    ],
)
def test_bad_parameters_name_the_value(likelihood, message):
    with pytest.raises(ValueError, match=message):
        VAE(1, likelihood=likelihood).fit([[0.0, 1.0], [1.0, 0.0]])
