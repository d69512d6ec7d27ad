"""Posteriors against torch.distributions and Monte Carlo."""

import copy
import math

import numpy as np
import pytest
import torch
from conftest import POSTERIORS, describe
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import (
    Independent,
    MultivariateNormal,
    Normal,
    kl_divergence,
)

from skvae._distributions.normal import (
    DiagonalNormal,
    rsample_with_kl,
    rsample_with_log_prob,
)
from skvae.posteriors import (
    ConstantPosterior,
    DiagonalPosterior,
    IsotropicPosterior,
    resolve_posterior,
)

D = 3


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def raw_outputs(posterior, n=5, scale=0.8, seed=0):
    h = torch.randn((n, posterior.n_outputs(D)), generator=generator(seed))
    return (scale * h).double()


def make(posterior, n=5, scale=0.8, seed=0):
    """Return q for random raw encoder outputs of n rows."""
    posterior = copy.deepcopy(posterior).build(D, generator()).double()
    return posterior(raw_outputs(posterior, n, scale, seed))


def reference(q):
    return Independent(Normal(q.mean, q.variance.sqrt()), 1)


def noise(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("posterior", POSTERIORS, ids=describe)
class TestEveryPosterior:
    def test_draws_have_documented_shapes(self, posterior):
        q = make(posterior)
        assert q.mean.shape == (5, D)
        z, log_q_z = rsample_with_log_prob(q, noise(4, 5, D))
        assert z.shape == (4, 5, D)
        assert log_q_z.shape == (4, 5)

    def test_density_integrates_to_one(self, posterior):
        # E_q[p(z) / q(z)] = 1 for a normal density p inside the support of q.
        q = make(posterior, n=1)
        with torch.no_grad():
            z, log_q_z = rsample_with_log_prob(q, noise(100_000, 1, D))
        z, log_q_z = z[:, 0], log_q_z[:, 0]
        inner = MultivariateNormal(z.mean(0), 0.1 * z.T.cov())
        ratios = (inner.log_prob(z) - log_q_z).exp()
        standard_error = ratios.std().item() / math.sqrt(len(z))
        assert ratios.mean().item() == pytest.approx(1, abs=4.5 * standard_error)

    def test_divergence_is_that_of_monte_carlo(self, posterior):
        q = make(posterior)
        with torch.no_grad():
            z, log_q_z = rsample_with_log_prob(q, noise(40_000, 5, D))
            kl = rsample_with_kl(q, noise(40_000, 5, D, seed=2))[1].sum(-1)
        ratios = log_q_z - Normal(0.0, 1.0).log_prob(z).sum(-1)
        standard_error = ratios.std(0) * math.sqrt(2 / 40_000)
        assert (abs(ratios.mean(0) - kl) < 4.5 * standard_error).all()

    def test_rows_are_independent(self, posterior):
        eps = noise(5, D)
        q = make(posterior).rsample(eps)
        posterior = copy.deepcopy(posterior).build(D, generator()).double()
        h = raw_outputs(posterior)
        torch.testing.assert_close(posterior(h[2:3]).rsample(eps[2:3]), q[2:3])


NORMALS = (DiagonalPosterior, IsotropicPosterior, ConstantPosterior)


@pytest.mark.parametrize(
    "posterior", [v for v in POSTERIORS if type(v) in NORMALS], ids=describe
)
class TestEveryDiagonalPosterior:
    def test_has_documented_shapes(self, posterior):
        q = make(posterior)
        assert q.mean.shape == q.variance.shape == (5, D)
        assert q.kl_to_standard_normal().shape == (5, D)
        assert q.rsample(noise(4, 5, D)).shape == (4, 5, D)
        assert q.log_prob(q.rsample(noise(4, 5, D))).shape == (4, 5)

    def test_kl_is_that_of_torch(self, posterior):
        q = make(posterior)
        prior = Normal(torch.zeros_like(q.mean), torch.ones_like(q.mean))
        expected = kl_divergence(Normal(q.mean, q.variance.sqrt()), prior)
        torch.testing.assert_close(q.kl_to_standard_normal(), expected)

    def test_log_probability_is_that_of_torch(self, posterior):
        q = make(posterior)
        z = 2 * noise(7, 5, D)
        torch.testing.assert_close(q.log_prob(z), reference(q).log_prob(z))

    def test_density_of_draws_is_the_density_at_draws(self, posterior):
        q = make(posterior)
        z, log_q_z = rsample_with_log_prob(q, noise(7, 5, D))
        torch.testing.assert_close(log_q_z, q.log_prob(z))

    def test_draws_have_the_standard_deviation_not_the_variance(self, posterior):
        q = make(posterior, scale=1.5)
        z = q.rsample(noise(40_000, 5, D))
        torch.testing.assert_close(z.std(0), q.variance.sqrt(), rtol=0.03, atol=0)
        standard_error = q.variance.sqrt() / 200
        assert (abs(z.mean(0) - q.mean) < 4.5 * standard_error).all()

    def test_zero_noise_is_the_mean(self, posterior):
        q = make(posterior)
        torch.testing.assert_close(q.rsample(torch.zeros(5, D).double()), q.mean)

    def test_draws_and_divergence_are_differentiable(self, posterior):
        generator = torch.Generator().manual_seed(0)
        h = torch.randn((4, posterior.n_outputs(D)), generator=generator).double()
        eps = noise(4, D)

        def everything(h):
            q = posterior(h)
            z = q.rsample(eps)
            return z, q.kl_to_standard_normal(), q.log_prob(z)

        assert torch.autograd.gradcheck(everything, (h.requires_grad_(),))


@settings(max_examples=60, deadline=None)
@given(
    mean=st.lists(st.floats(-20, 20), min_size=D, max_size=D),
    log_scale=st.lists(st.floats(-10, 5), min_size=D, max_size=D),
)
def test_divergence_is_never_negative(mean, log_scale):
    h = torch.tensor([mean + log_scale], dtype=torch.float64)
    q = DiagonalPosterior()(h)
    assert (q.kl_to_standard_normal() >= -1e-12).all()


def test_density_of_draws_holds_where_the_scale_underflows():
    log_scale = -121.0  # exp(-121) is no float32
    q = DiagonalNormal(torch.zeros(1, 1), torch.full((1, 1), log_scale))
    _, log_q_z = rsample_with_log_prob(q, torch.full((1, 1), 2.0))
    assert log_q_z.item() == pytest.approx(-0.5 * (4 + math.log(2 * math.pi)) + 121)


def test_standard_normal_has_no_divergence():
    for posterior in (DiagonalPosterior(), IsotropicPosterior()):
        q = posterior(torch.zeros(2, posterior.n_outputs(D)))
        assert torch.equal(q.kl_to_standard_normal(), torch.zeros(2, D))
    q = ConstantPosterior(scale=1.0)(torch.zeros(2, D))
    torch.testing.assert_close(q.kl_to_standard_normal(), torch.zeros(2, D))


def test_diagonal_head_is_mean_and_logarithm_of_the_standard_deviation():
    h = torch.tensor([[1.0, -2.0, math.log(0.5), math.log(3.0)]])
    q = DiagonalPosterior()(h)
    torch.testing.assert_close(q.mean, torch.tensor([[1.0, -2.0]]))
    torch.testing.assert_close(q.variance, torch.tensor([[0.25, 9.0]]))


def test_isotropic_divergence_is_that_of_a_gaussian_channel():
    # Yu, section 4.3: with |mean|^2 / d + N = 1 it is -(d / 2) log N.
    N = 0.3
    mean = np.array([1.0, 2.0, -0.5])
    mean *= math.sqrt(D * (1 - N)) / np.linalg.norm(mean)
    h = torch.tensor([[*mean, 0.5 * math.log(N)]])
    kl = IsotropicPosterior()(h).kl_to_standard_normal().sum()
    assert kl.item() == pytest.approx(-D / 2 * math.log(N), rel=1e-6)


def test_isotropic_scale_is_shared_by_components_not_rows():
    variance = make(IsotropicPosterior()).variance
    assert (variance == variance[:, :1]).all()
    assert len(variance[:, 0].unique()) == 5


def test_constant_scale_is_a_standard_deviation():
    q = make(ConstantPosterior(scale=0.2))
    torch.testing.assert_close(
        q.variance.double(), torch.full((5, D), 0.04).double(), rtol=1e-5, atol=0
    )
    assert ConstantPosterior().scale == 0.7


def test_names_resolve_to_their_classes():
    assert type(resolve_posterior("diagonal")) is DiagonalPosterior
    assert type(resolve_posterior("isotropic")) is IsotropicPosterior
    assert type(resolve_posterior("constant")) is ConstantPosterior
    given = ConstantPosterior(scale=0.3)
    assert resolve_posterior(given) is given
