"""Slopes of the density of columns whose scores are normal."""

import numpy as np
import pytest
import torch
from scipy import stats
from scored_columns import COLUMNS, N, built

from skvae._distributions.normal_scores import NormalScores, log_interval

# -------------------------------------------------------------------- gradients


@pytest.mark.parametrize("x", [-3.0, 0.0, 0.4, 1.0, 7.0])
def test_slopes_are_those_of_differences(x):
    likelihood, _ = built(COLUMNS["both ends repeated"])
    row = torch.tensor([[x]])

    def f(loc, log_scale):
        return NormalScores(loc, log_scale, likelihood.map).log_prob(row)

    arguments = torch.tensor([[0.3]]).double(), torch.tensor([[-0.4]]).double()
    inputs = [a.requires_grad_() for a in arguments]
    assert torch.autograd.gradcheck(f, inputs, eps=1e-5, atol=1e-4)


def test_probabilities_of_intervals_keep_their_digits_and_slopes():
    low = np.array(
        [-1e4, -1000.0, -300, -40, -7.2, -6.5, -6.1, -5, -1, 0, 5.1, 30, 999]
    )
    high = low + np.array([0.1, 0.1, 1, 1, 1, 1, 1, 0.1, 2, 1, 1, 1, 1])
    single = [
        torch.tensor(v, dtype=torch.float32).requires_grad_() for v in (low, high)
    ]
    double = [v.detach().double().requires_grad_() for v in single]
    found, exact = log_interval(*single), log_interval(*double)
    a, b = (v.detach().numpy() for v in double)
    near = slice(3, 11)  # where scipy has digits
    p = stats.norm.logcdf(-np.abs(np.where(a + b > 0, a, b)))
    q = stats.norm.logcdf(-np.abs(np.where(a + b > 0, b, a)))
    p = p + np.log1p(-np.exp(q - p))
    inside = np.log(stats.norm.cdf(b) - stats.norm.cdf(a), where=a * b < 0, out=p)
    np.testing.assert_allclose(exact.detach()[near], inside[near], rtol=1e-6)
    np.testing.assert_allclose(found.detach(), exact.detach(), rtol=2e-3)
    found.sum().backward()
    exact.sum().backward()
    for s, d in zip(single, double, strict=True):
        np.testing.assert_allclose(s.grad, d.grad, rtol=2e-2, atol=1e-3)
    slopes = torch.autograd.gradcheck(
        log_interval, [v.detach()[near].requires_grad_() for v in double]
    )
    assert slopes


@pytest.mark.parametrize("log_scale", [-20.0, np.log(0.01), np.log(3), 20.0])
@pytest.mark.parametrize("loc", [-1e6, -30.0, 0.0, 30.0, 1e6])
def test_slopes_are_finite_however_far_the_location_is(loc, log_scale):
    likelihood, _ = built(np.stack([COLUMNS["both ends repeated"], N], axis=1))
    likelihood.requires_grad_(True).log_scale.data.fill_(log_scale)
    h = torch.full((6, 2), loc, requires_grad=True)
    x = torch.tensor([-3.0, -0.5, 0.0, 0.4, 1.0, 9.0])[:, None].expand(6, 2)
    log_p = likelihood(h).log_prob(x)
    log_p.sum().backward()
    assert log_p.isfinite().all()
    assert h.grad.isfinite().all()
    assert likelihood.log_scale.grad.isfinite().all()


def test_predicted_scales_are_those_of_the_second_half_of_outputs():
    X = np.stack([N, np.round(N)], axis=1)
    likelihood, _ = built(X, scale="predicted")
    h = torch.tensor([[0.2, -0.1, 0.5, -0.3]])
    x = torch.tensor([[0.4, 1.0]])
    assert likelihood.n_outputs(2) == 4
    other, _ = built(X)
    other.log_scale.data = torch.tensor([-0.5, -1.3])
    torch.testing.assert_close(likelihood(h).log_prob(x), other(h[:, :2]).log_prob(x))


def test_columns_are_independent_of_each_other():
    both, _ = built(np.stack([COLUMNS["integer"], COLUMNS["zero-inflated"]], axis=1))
    x = torch.tensor([[1.0, 0.0], [0.5, 2.0], [-4.0, -1.0]])
    h = torch.tensor([[0.2, -0.4]]).expand(3, 2)
    parts = [built(COLUMNS[name])[0] for name in ("integer", "zero-inflated")]
    expected = [
        part(h[:, [j]]).log_prob_by_feature(x[:, [j]]) for j, part in enumerate(parts)
    ]
    torch.testing.assert_close(both(h).log_prob_by_feature(x), torch.cat(expected, -1))
    torch.testing.assert_close(both(h).log_prob(x), torch.cat(expected, -1).sum(-1))


def test_squared_slopes_are_the_information_on_the_location():
    likelihood, _ = built(N, -0.7)
    h = torch.tensor([[0.3]], requires_grad=True)
    (slope,) = torch.autograd.grad(likelihood(h).information_coordinates().sum(), h)
    assert float(slope**2) == pytest.approx(np.exp(1.4), rel=1e-6)


def test_rows_in_float64_are_those_in_float32():
    likelihood, _ = built(COLUMNS["zero-inflated"])
    x = torch.tensor([[0.0], [0.5], [1.25]])
    p = likelihood(torch.zeros(3, 1))
    assert torch.equal(p.log_prob(x.double()), p.log_prob(x))


def test_a_scale_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"'scale'.*'feature'.*'predicted'"):
        built(N, scale="global")
