"""Likelihoods against scipy, numerical integrals and closed forms."""

import itertools
import math

import numpy as np
import pytest
import torch
from conftest import LIKELIHOODS as ALL
from conftest import describe, make_data, small
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats
from sklearn.base import clone
from torch import nn

from skvae._distributions.normal import Bernoulli, DiagonalNormal, IsotropicNormal
from skvae._utils.rows import summarise
from skvae.likelihoods import (
    BernoulliLikelihood,
    CountLikelihood,
    GaussianLikelihood,
    resolve_likelihood,
)
from skvae.likelihoods.scaled import ClosedFormScale

# Categories have tests of their own.
LIKELIHOODS = [v for v in ALL if not v.is_nominal]
COUNTS = [v for v in LIKELIHOODS if isinstance(v, CountLikelihood)]
GAUSSIANS = [v for v in LIKELIHOODS if isinstance(v, GaussianLikelihood)]


def built(likelihood, X):
    likelihood = clone(likelihood)
    likelihood.look(X)
    return likelihood.build(summarise(X))


def raw_outputs(likelihood, *shape, seed=0):
    """Return raw decoder outputs for `shape` = (..., n_features)."""
    generator = torch.Generator().manual_seed(seed)
    *rows, n_features = shape
    n_outputs = likelihood.outputs_per_feature * n_features
    return 0.7 * torch.randn((*rows, n_outputs), generator=generator)


# ------------------------------------------------------------------- all likelihoods


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
def test_draws_have_the_stated_mean(likelihood):
    X = make_data(50, 3)
    p = built(likelihood, X)(raw_outputs(likelihood, 1, 3).expand(40_000, -1))
    draws = p.sample(torch.Generator().manual_seed(1)).detach().double()
    standard_error = draws.std(0) / math.sqrt(40_000)
    assert (abs(draws.mean(0) - p.mean[0].detach()) < 4.5 * standard_error).all()


WITH_SUPPORT = [v for v in LIKELIHOODS if v.support is not None]


@pytest.mark.parametrize("likelihood", WITH_SUPPORT, ids=describe)
def test_probabilities_of_the_support_are_those_of_log_prob(likelihood):
    X = make_data(50, 3)
    p = built(likelihood, X)(raw_outputs(likelihood, 4, 3))
    found = p.probabilities().detach().double()
    assert found.shape == (4, 3, len(likelihood.support))
    for j in range(3):
        x = torch.zeros(len(likelihood.support), 4, 3)
        x[..., j] = torch.from_numpy(likelihood.support).float()[:, None]
        expected = p.log_prob(x).detach().double().softmax(0)
        np.testing.assert_allclose(found[:, j], expected.T, atol=3e-7)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
def test_draws_have_the_stated_variance(likelihood):
    X = make_data(50, 3)
    p = built(likelihood, X)(raw_outputs(likelihood, 1, 3).expand(100, 10_000, -1))
    if not hasattr(p, "variance"):
        pytest.skip("states no variance")
    draws = p.sample(torch.Generator().manual_seed(1)).detach().double()
    # The range of a hundred estimates holds the variance of any law that has one,
    # also where the estimates have no variance of their own.
    estimates, stated = draws.var(1), p.variance[0, 0].detach()
    assert torch.isfinite(draws).all()
    assert (estimates.min(0).values < stated).all()
    assert (estimates.max(0).values > stated).all()


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
def test_probabilities_of_draws_sum_or_integrate_to_one(likelihood):
    fitted, h = built(likelihood, make_data(50, 1)), raw_outputs(likelihood, 1, 1)
    p, g = fitted(h), torch.Generator().manual_seed(1)
    x = fitted(h.expand(100_000, -1)).sample(g).detach()
    if likelihood.discrete:
        total = p.log_prob(x.unique()[:, None]).double().exp().sum().item()
        assert total == pytest.approx(1, abs=1e-3)
        return
    # E[1 / p(x)] over the draws in an interval is its length.
    low, high = x.quantile(0.2).item(), x.quantile(0.8).item()
    inverse = (-p.log_prob(x).detach().double()).exp()
    inside = torch.where((low < x) & (x < high), 1.0, 0.0)[:, 0]
    ratios = inside * inverse / (high - low)
    standard_error = ratios.std().item() / math.sqrt(len(x))
    assert ratios.mean().item() == pytest.approx(1, abs=4.5 * standard_error)


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
def test_draws_lie_in_the_support(likelihood):
    X = make_data(50, 3)
    p = built(likelihood, X)(raw_outputs(likelihood, 100, 3))
    draws = p.sample(torch.Generator().manual_seed(1)).detach().numpy()
    built(likelihood, X).check_support(draws)


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
def test_sample_axis_comes_first(likelihood):
    X = make_data(6, 3)
    fitted, x = built(likelihood, X), torch.tensor(X)
    h = raw_outputs(likelihood, 4, 6, 3)
    together = fitted(h).log_prob(x)
    assert together.shape == (4, 6)
    for i in range(4):
        torch.testing.assert_close(together[i], fitted(h[i]).log_prob(x))


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
def test_log_probability_of_a_row_is_the_sum_over_its_features(likelihood):
    X = make_data(8, 2)
    fitted = built(likelihood, X)
    h, x = raw_outputs(likelihood, 8, 2), torch.tensor(X)
    p = fitted(h)
    moved = x.clone()
    moved[:, 1] = x[:, 0].clone()
    change = p.log_prob(moved) - p.log_prob(x)
    again = x.clone()
    again[:, 0] = 0.6
    also = again.clone()
    also[:, 1] = x[:, 0]
    torch.testing.assert_close(
        p.log_prob(also) - p.log_prob(again), change, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    "likelihood", [*GAUSSIANS, BernoulliLikelihood(), *COUNTS], ids=describe
)
def test_untrained_decoder_predicts_the_mean_of_the_data(likelihood):
    X = make_data(50, 3)
    h = torch.zeros_like(raw_outputs(likelihood, 1, 3))
    mean = built(likelihood, X)(h).mean[0]
    np.testing.assert_allclose(mean, X.mean(0), rtol=1e-4)


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
def test_gradient_of_the_log_probability_is_that_of_finite_differences(likelihood):
    X = make_data(5, 3)
    fitted = built(likelihood, X).double()
    x = torch.tensor(X).double()
    h = raw_outputs(likelihood, 5, 3).double().requires_grad_()
    parameters = tuple(fitted.parameters())
    assert torch.autograd.gradcheck(
        lambda h, *_: fitted(h).log_prob(x), (h, *parameters)
    )


def test_names_resolve_to_their_classes():
    assert type(resolve_likelihood("gaussian")) is GaussianLikelihood
    assert type(resolve_likelihood("bernoulli")) is BernoulliLikelihood
    given = GaussianLikelihood(scale=0.3)
    assert resolve_likelihood(given) is given


# -------------------------------------------------------------------------- Gaussian


@pytest.mark.parametrize("likelihood", GAUSSIANS, ids=describe)
def test_gaussian_log_probability_is_scipys(likelihood):
    X = 30 * make_data(20, 4) - 5
    p = built(likelihood, X)(raw_outputs(likelihood, 20, 4))
    expected = stats.norm.logpdf(X, p.mean.detach(), p.variance.detach().sqrt()).sum(-1)
    np.testing.assert_allclose(
        p.log_prob(torch.tensor(X)).detach(), expected, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("likelihood", GAUSSIANS, ids=describe)
def test_gaussian_density_integrates_to_one(likelihood):
    X = make_data(20, 1)
    p = built(likelihood, X)(raw_outputs(likelihood, 1, 1))
    center, sd = p.mean.item(), p.variance.sqrt().item()
    grid = torch.linspace(center - 9 * sd, center + 9 * sd, 4001)[:, None]
    density = p.log_prob(grid).double().exp().detach().numpy()
    total = integrate.simpson(density, x=grid[:, 0].double().numpy())
    assert total == pytest.approx(1, abs=1e-4)


def test_scales_are_in_the_units_of_the_data():
    X = make_data(50, 3) * np.array([1, 10, 100], dtype=np.float32)
    feature = built(GaussianLikelihood(scale="feature"), X)
    np.testing.assert_allclose(feature.scale_, X.std(0) / math.e, rtol=1e-4)
    total = built(GaussianLikelihood(scale="global"), X)
    expected = math.sqrt(X.var(0, dtype=float).mean()) / math.e
    assert total.scale_ == pytest.approx(expected, rel=1e-4)
    fixed = built(GaussianLikelihood(scale=0.25), X)
    assert fixed.scale_ == pytest.approx(0.25)
    assert isinstance(fixed.scale_, float)


def test_fixed_scale_is_the_standard_deviation_not_the_variance():
    X = make_data(50, 3)
    likelihood = GaussianLikelihood(scale=0.25)
    p = built(likelihood, X)(raw_outputs(likelihood, 2, 3))
    torch.testing.assert_close(p.variance, torch.full((2, 3), 0.0625))


def test_fixed_scale_has_nothing_to_learn():
    assert not list(built(GaussianLikelihood(scale=0.5), make_data()).parameters())


def test_predicted_scale_has_no_scale_of_its_own():
    fitted = built(GaussianLikelihood(scale="predicted"), make_data())
    assert not hasattr(fitted, "scale_")
    assert fitted.outputs_per_feature == 2


def test_predicted_scale_follows_the_second_half_of_the_outputs():
    fitted = built(GaussianLikelihood(scale="predicted"), make_data(50, 3))
    h = torch.zeros(2, 6)
    h[1, 3:] = math.log(2)
    variance = fitted(h).variance
    torch.testing.assert_close(variance[1], 4 * variance[0])
    assert torch.equal(fitted(h).mean[0], fitted(h).mean[1])


def test_predicted_scale_cannot_reach_zero():
    fitted = built(GaussianLikelihood(scale="predicted"), make_data(50, 3))
    h = torch.full((1, 6), -1e6)
    assert (fitted(h).variance > 0).all()


# ------------------------------------------------------- the closed form of the scale


def closed_form(log_scale, count, lr):
    lowest = torch.full_like(log_scale, -20)
    return ClosedFormScale(log_scale, count, lowest, lr=lr)


def negative_log_likelihood(log_scale, errors):
    cls = IsotropicNormal if log_scale.ndim == 0 else DiagonalNormal
    return -cls(torch.zeros_like(errors), log_scale).log_prob(errors).mean()


ERRORS = torch.tensor(np.random.default_rng(0).normal(0, [0.2, 1, 5], (300, 3))).float()


@pytest.mark.parametrize("by_feature", [False, True])
@pytest.mark.parametrize("start", [-2.0, 0.0, 1.5])
def test_a_full_step_lands_on_the_mean_squared_error(by_feature, start):
    shape, count = ((3,), 1) if by_feature else ((), 3)
    log_scale = nn.Parameter(torch.full(shape, start))
    negative_log_likelihood(log_scale, ERRORS).backward()
    closed_form(log_scale, count, lr=1.0).step()
    mse = ERRORS.square().mean(0) if by_feature else ERRORS.square().mean()
    torch.testing.assert_close((2 * log_scale).exp(), mse, rtol=2e-3, atol=1e-4)


def test_a_tenth_step_goes_a_tenth_of_the_way():
    log_scale = nn.Parameter(torch.tensor(0.3))
    before = (2 * log_scale).exp().item()
    negative_log_likelihood(log_scale, ERRORS).backward()
    closed_form(log_scale, 3, lr=0.1).step()
    expected = 0.9 * before + 0.1 * ERRORS.square().mean().item()
    assert (2 * log_scale).exp().item() == pytest.approx(expected, rel=1e-5)


def test_the_mean_squared_error_is_the_optimum():
    def loss(s):
        return negative_log_likelihood(torch.tensor(s).float(), ERRORS).item()

    best = optimize.minimize_scalar(loss, bounds=(-3, 3), method="bounded").x
    mse = ERRORS.double().square().mean().item()
    assert math.exp(2 * best) == pytest.approx(mse, rel=5e-3)
    # There the data term is n/2 (log(2 pi MSE) + 1), Dai & Wipf.
    expected = 1.5 * (math.log(2 * math.pi * mse) + 1)
    assert loss(0.5 * math.log(mse)) == pytest.approx(expected, rel=1e-5)


def test_scale_does_not_fall_below_its_floor():
    log_scale = nn.Parameter(torch.tensor(0.0))
    update = ClosedFormScale(log_scale, 3, torch.tensor(-1.0), lr=0.5)
    for _ in range(20):
        log_scale.grad = None
        negative_log_likelihood(log_scale, torch.zeros(10, 3)).backward()
        update.step()
    assert log_scale.item() == -1.0


# ------------------------------------------------------------------------- Bernoulli


def test_bernoulli_log_probability_is_scipys():
    X = make_data(20, 4)
    p = built(BernoulliLikelihood(), X)(raw_outputs(BernoulliLikelihood(), 20, 4))
    bits = (X > 0.5).astype(np.float32)
    expected = stats.bernoulli.logpmf(bits, p.mean.double()).sum(-1)
    np.testing.assert_allclose(p.log_prob(torch.tensor(bits)), expected, rtol=1e-4)


def test_bernoulli_probabilities_sum_to_one():
    p = Bernoulli(torch.tensor([[-2.0, 0.3, 1.7, -0.1]]))
    states = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4)))
    assert p.log_prob(states).double().exp().sum().item() == pytest.approx(1, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.01, 0.99), st.floats(-5, 5))
def test_grey_levels_cost_at_least_their_entropy(x, logit):
    entropy = -(x * math.log(x) + (1 - x) * math.log1p(-x))
    grey = torch.tensor([[x]])
    assert -Bernoulli(torch.tensor([[logit]])).log_prob(grey).item() > entropy - 1e-5
    best = torch.tensor([[math.log(x / (1 - x))]])
    assert -Bernoulli(best).log_prob(grey).item() == pytest.approx(entropy, abs=1e-5)


def test_certain_bernoulli_stays_finite():
    p = Bernoulli(torch.tensor([[-200.0, 200.0]]))
    np.testing.assert_allclose(
        p.log_prob(torch.tensor([[1.0, 0.0]])), [-400], rtol=1e-6
    )
    np.testing.assert_allclose(p.log_prob(torch.tensor([[0.0, 1.0]])), [0], atol=1e-6)


def test_bernoulli_takes_features_that_are_always_zero_or_one():
    X = np.array([[0.0, 1.0], [0.0, 1.0]], dtype=np.float32)
    mean = built(BernoulliLikelihood(), X)(torch.zeros(1, 2)).mean[0]
    assert 0 < mean[0] < 0.01
    assert 0.99 < mean[1] < 1


@pytest.mark.parametrize("name", ["bernoulli", "continuous_bernoulli"])
def test_a_likelihood_without_a_scale_is_fitted_with_rows_held_out(name):
    X = (np.random.default_rng(0).random((120, 4)) < 0.3).astype(np.float32)
    assert np.isfinite(small(likelihood=name, early_stopping=True).fit(X).score(X))
