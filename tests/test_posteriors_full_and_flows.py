"""Full-covariance, flow and point posteriors against independent calculations."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from conftest import POSTERIORS

from skvae import VAE
from skvae._distributions.flows import InverseAutoregressiveFlow, planar_flow
from skvae._distributions.normal import (
    DiagonalNormal,
    rsample_with_kl,
    rsample_with_log_prob,
)
from skvae.likelihoods import GaussianLikelihood
from skvae.losses import vae_loss
from skvae.networks import MLP
from skvae.posteriors import (
    FlowPosterior,
    FullCovariancePosterior,
    PointPosterior,
    resolve_posterior,
)

FLOWS = [p for p in POSTERIORS if isinstance(p, FlowPosterior)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(*shape, seed=0):
    return torch.randn(shape, generator=generator(seed))


def full_normal(d, n=5, seed=0):
    posterior = FullCovariancePosterior()
    return posterior(randn(n, posterior.n_outputs(d), seed=seed))


def flow_normal(posterior, d, n=5, seed=0):
    posterior = copy.deepcopy(posterior).build(d, generator(seed))
    for name, parameter in posterior.named_parameters():
        if "out" in name:
            parameter.data *= 10  # away from the identity
    return posterior.double()(randn(n, posterior.n_outputs(d), seed=seed).double())


@pytest.mark.parametrize("d", [1, 2, 5])
def test_full_normal_is_that_of_torch(d):
    q = full_normal(d)
    reference = torch.distributions.MultivariateNormal(q.loc, scale_tril=q.factor)
    prior = torch.distributions.MultivariateNormal(torch.zeros(d), torch.eye(d))
    z = randn(7, 5, d)
    torch.testing.assert_close(q.log_prob(z), reference.log_prob(z))
    torch.testing.assert_close(q.variance, reference.variance)
    kl = torch.distributions.kl_divergence(reference, prior)
    torch.testing.assert_close(q.kl_to_standard_normal().sum(-1), kl)


def test_full_normal_divergence_against_monte_carlo():
    q = full_normal(3)
    z = q.rsample(randn(40_000, 5, 3))
    log_p = -0.5 * z.square().sum(-1) - 1.5 * math.log(2 * math.pi)
    ratio = q.log_prob(z) - log_p
    error = (ratio.mean(0) - q.kl_to_standard_normal().sum(-1)).abs()
    assert (error < 4 * ratio.std(0) / math.sqrt(len(z))).all()


def test_full_normal_draws_have_its_covariance():
    q = full_normal(3, n=1)
    z = q.rsample(randn(100_000, 1, 3))[:, 0]
    expected = (q.factor @ q.factor.mT)[0]
    torch.testing.assert_close(z.T.cov(), expected, rtol=0.05, atol=0.05)


def test_chain_rule_split_of_the_full_divergence():
    q = full_normal(2)
    marginal = torch.distributions.Normal(q.loc[:, 0], q.factor[:, 0, 0])
    prior = torch.distributions.Normal(0.0, 1.0)
    kl = torch.distributions.kl_divergence(marginal, prior)
    torch.testing.assert_close(q.kl_to_standard_normal()[:, 0], kl)


@pytest.mark.parametrize("d", [1, 2, 4])
def test_planar_determinant_against_autograd(d):
    z, u, w, b = (2 * randn(6, k, seed=i) for i, k in enumerate((d, d, d, 1)))
    _, log_det = planar_flow(z, u, w, b)
    for i in range(6):
        row = slice(i, i + 1)
        J = torch.func.jacrev(
            lambda r, row=row: planar_flow(r[None], u[row], w[row], b[row])[0][0]
        )(z[i])
        sign, expected = torch.linalg.slogdet(J)
        assert sign > 0
        torch.testing.assert_close(log_det[i].sum(), expected, rtol=1e-4, atol=1e-4)


def test_planar_flow_stays_finite_where_it_nearly_folds():
    w = torch.full((1, 2), 5.0)
    u, b = -8 * w, torch.zeros(1, 1)
    f_z, log_det = planar_flow(torch.tensor([[0.01, 0.02]]), u, w, b)
    assert torch.isfinite(f_z).all()
    assert torch.isfinite(log_det).all()


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("reverse", [False, True])
def test_autoregressive_jacobian_is_triangular_and_its_determinant_right(d, reverse):
    flow = InverseAutoregressiveFlow(d, 16, reverse, generator())
    flow.out.data *= 30
    z, context = randn(d), randn(16, seed=1)
    J = torch.func.jacrev(lambda z: flow(z[None], context)[0][0])(z)
    above = torch.tril(J, -1) if reverse else torch.triu(J, 1)
    assert (above == 0).all()
    _, log_det = flow(z[None], context)
    torch.testing.assert_close(log_det[0], J.diagonal().log(), rtol=1e-4, atol=1e-5)


def test_autoregressive_flows_alternate_the_order_of_the_components():
    # One flow alone leaves half of the Jacobian at zero, and so would any number of
    # flows in one order.
    q = flow_normal(FlowPosterior("autoregressive", n_flows=2, n_hidden=16), 3, n=1)
    J = torch.func.jacrev(lambda e: q.rsample(e[None])[0])(randn(3).double())
    assert (J != 0).all()


@pytest.mark.parametrize("posterior", FLOWS, ids=lambda p: p.kind)
def test_flow_log_density_against_the_change_of_variables(posterior):
    q = flow_normal(posterior, 3, n=1)
    noise = randn(1, 3, seed=4).double()
    _, log_q = rsample_with_log_prob(q, noise)
    J = torch.func.jacrev(lambda e: q.rsample(e[None])[0])(noise[0])
    log_p = -0.5 * (noise.square() + math.log(2 * math.pi))
    expected = log_p.sum() - torch.linalg.slogdet(J)[1]
    torch.testing.assert_close(log_q[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("posterior", FLOWS, ids=lambda p: p.kind)
def test_flow_densities_integrate_to_one(posterior):
    # E_q[N(z; m, S) / q(z)] = 1 for a normal density inside the support of q.
    q = flow_normal(posterior, 2, n=1, seed=1)
    with torch.no_grad():
        z, log_q = rsample_with_log_prob(q, randn(200_000, 1, 2).double())
    z, log_q = z[:, 0], log_q[:, 0]
    inner = torch.distributions.MultivariateNormal(z.mean(0), 0.1 * z.T.cov())
    ratio = (inner.log_prob(z) - log_q).exp()
    assert ratio.mean() == pytest.approx(1, abs=5 * ratio.std().item() / len(z) ** 0.5)


@pytest.mark.parametrize("posterior", FLOWS, ids=lambda p: p.kind)
def test_estimated_divergence_of_a_flow_without_effect_is_the_closed_form(posterior):
    posterior = copy.deepcopy(posterior).build(2, generator())
    h = torch.zeros(3, posterior.n_outputs(2))
    h[:, :4] = randn(3, 4)
    for name, parameter in posterior.named_parameters():
        if "out" in name or "bias" in name:
            parameter.data.zero_()
    q = posterior(h)
    base = DiagonalNormal(h[:, :2], h[:, 2:4])
    if posterior.kind == "autoregressive":  # three gates of one half
        base = DiagonalNormal(base.loc / 8, base.log_scale - math.log(8))
    _, kl = rsample_with_kl(q, randn(50_000, 3, 2))
    torch.testing.assert_close(kl, base.kl_to_standard_normal(), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("name", ["full", "flow"])
def test_fitted_model_has_all_diagnostics(name):
    X = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    vae = VAE(3, posterior=name, max_epochs=2, random_state=0, device="cpu").fit(X)
    assert vae.kl_per_component_.shape == (3,)
    assert np.isfinite(vae.kl_per_component_).all()
    assert set(vae.active_components_) <= {0, 1, 2}
    again = pickle.loads(pickle.dumps(vae))
    np.testing.assert_array_equal(again.score_samples(X), vae.score_samples(X))
    np.testing.assert_array_equal(vae.score_samples(X)[:7], vae.score_samples(X[:7]))


@pytest.mark.parametrize("name", ["full", "diagonal"])
def test_only_the_full_posterior_reaches_the_exact_likelihood_of_a_linear_model(name):
    scale, A = 0.3, torch.tensor([[1.0, 0.9], [0.9, 1.0], [0.5, 0.5]])
    X = randn(3000, 2) @ A.T + scale * randn(3000, 3, seed=1)
    vae = VAE(
        2,
        posterior=name,
        likelihood=GaussianLikelihood(scale=scale),
        network=MLP(hidden_layer_sizes=()),
        max_epochs=1,
        random_state=0,
        device="cpu",
    ).fit(X)
    module, mean = vae.module_, X.mean(0)
    module.decoder.output.weight.data = A / module.likelihood.spread
    module.decoder.output.bias.data.zero_()
    # The exact posterior is N(P^-1 A'(x - mean) / s^2, P^-1), P = I + A'A / s^2.
    P = torch.eye(2) + A.T @ A / scale**2
    weight, bias = module.encoder.output.weight.data, module.encoder.output.bias.data
    weight.zero_(), bias.zero_()
    weight[:2] = torch.linalg.inv(P) @ A.T / scale**2 / module.factor
    if name == "full":
        L = torch.linalg.cholesky(torch.linalg.inv(P))
        bias[2:4], bias[4] = L.diagonal().log(), L[1, 0] * math.sqrt(2)
    else:  # the normal distribution with the smallest KL divergence to it
        bias[2:4] = -0.5 * P.diagonal().log()
    with torch.no_grad():
        terms = vae_loss(module, X, generator=generator(9), n_samples=100)
    marginal = torch.distributions.MultivariateNormal(
        mean, A @ A.T + scale**2 * torch.eye(3)
    )
    gap = (marginal.log_prob(X) + sum(terms.values())).mean().item()
    expected = 0.5 * (P.diagonal().log().sum() - torch.logdet(P)).item()
    assert gap == pytest.approx(0 if name == "full" else expected, abs=0.01)
    assert expected > 0.5


def test_sigma_vae_limit_of_the_tutorial():
    # X6: -ELBO - flow NLL = e^2 tr(A^-1 A^-T) / 2 for f(z) = A z, Sigma = e^2 (A'A)^-1.
    A = torch.tensor([[1.5, 0.3], [-0.4, 0.8]], dtype=torch.float64)
    inverse, x = torch.linalg.inv(A), torch.tensor([0.3, -0.7], dtype=torch.float64)
    prior = torch.distributions.MultivariateNormal(
        torch.zeros(2).double(), torch.eye(2).double()
    )
    for e in (0.1, 0.01):
        covariance = e**2 * inverse @ inverse.T
        factor = torch.linalg.cholesky(covariance)
        q = type(full_normal(2))(inverse @ x, factor)
        reconstruction = 0.5 * (2 + 2 * math.log(2 * math.pi * e**2))
        neg_elbo = reconstruction + q.kl_to_standard_normal().sum()
        flow_nll = -prior.log_prob(inverse @ x) + torch.linalg.slogdet(A)[1]
        gap = 0.5 * e**2 * torch.trace(inverse @ inverse.T)
        assert (neg_elbo - flow_nll).item() == pytest.approx(gap.item(), abs=1e-6)


def test_point_posterior_is_the_limit_of_the_constant_one():
    h = randn(4, 3)
    q = PointPosterior()(h)
    assert torch.equal(q.rsample(randn(2, 4, 3)), h.expand(2, 4, 3))
    assert torch.equal(q.variance, torch.zeros(4, 3))
    narrow = DiagonalNormal(h, torch.tensor(-4.0)).kl_to_standard_normal()
    constant = 4 + 0.5 * math.exp(-8) - 0.5
    torch.testing.assert_close(q.kl_to_standard_normal() + constant, narrow)


def test_point_posterior_says_why_it_has_no_importance_samples():
    q = PointPosterior()(randn(4, 3))
    with pytest.raises(TypeError, match="a PointPosterior has none"):
        q.log_prob(randn(4, 3))


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"kind": "radial"}, ValueError, "'planar', 'autoregressive'. Got 'radial'"),
        ({"n_flows": 0}, ValueError, "integer >= 1. Got 0"),
        ({"n_hidden": 1.5}, TypeError, "integer >= 1. Got 1.5"),
    ],
)
def test_bad_flow_parameters_name_the_value(parameters, error, message):
    vae = VAE(2, posterior=FlowPosterior(**parameters), max_epochs=1)
    with pytest.raises(error, match=message):
        vae.fit(np.eye(4))


@pytest.mark.parametrize("name", ["full", "flow"])
def test_names(name):
    assert type(resolve_posterior(name)).__name__.lower().startswith(name)
