"""What losses ask of posteriors beyond their density: constants, and a fair start."""

import pytest
import torch

from skvae._distributions.normal import DiagonalNormal, FullNormal, IsotropicNormal
from skvae.posteriors import FlowPosterior, FullCovariancePosterior


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def distributions():
    loc = randn(4, 3)
    factor = torch.linalg.cholesky(torch.eye(3) + 0.2).expand(4, 3, 3)
    return [
        (DiagonalNormal, loc, randn(4, 3, seed=1)),
        (IsotropicNormal, loc, randn(4, 1, seed=1)),
        (FullNormal, loc, factor),
    ]


@pytest.mark.parametrize(("cls", "loc", "scale"), distributions())
def test_a_detached_distribution_is_the_same_and_constant(cls, loc, scale):
    loc, scale = loc.clone().requires_grad_(), scale.clone().requires_grad_()
    q, z = cls(loc, scale), randn(4, 3, seed=2)
    assert q.log_prob(z).requires_grad
    constant = q.detach()
    assert type(constant) is cls
    assert not constant.log_prob(z).requires_grad
    torch.testing.assert_close(constant.log_prob(z), q.log_prob(z))
    z.requires_grad_()
    expected = torch.autograd.grad(q.log_prob(z).sum(), z)
    torch.testing.assert_close(
        torch.autograd.grad(constant.log_prob(z).sum(), z), expected
    )


@pytest.mark.parametrize("d", [4, 100])
def test_planar_flows_start_with_projections_of_unit_variance(d):
    posterior = FlowPosterior(n_flows=3).build(d, torch.Generator())
    h = randn(500, posterior.n_outputs(d))
    for flow in posterior(h).flows:
        for name in ("w", "u"):
            length = flow.keywords[name].square().sum(-1).mean()
            assert float(length) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("d", [4, 40])
def test_correlations_of_a_full_posterior_start_small_in_any_dimension(d):
    posterior = FullCovariancePosterior()
    h = randn(200, posterior.n_outputs(d))
    h[:, d : 2 * d] = 0  # a diagonal of ones
    rest = posterior(h).factor - torch.eye(d)
    assert float(rest.square().sum(-1).mean()) == pytest.approx(
        (d - 1) / 2 / d, rel=0.1
    )
