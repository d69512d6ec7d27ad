"""Poisson and negative binomial distributions against SciPy and brute force."""

import numpy as np
import pytest
import torch
from scipy import stats

from skvae._distributions.counts import NegativeBinomial, Poisson

MEANS = [1e-3, 0.3, 1.0, 9.9, 10.0, 250.0, 1e4, 1e6]
DISPERSIONS = [1e-9, 1e-3, 0.2, 1.0, 30.0]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def law(mean, dispersion=None, dtype=torch.float32):
    """Return our distribution of one count, and SciPy's."""
    log_mean = torch.tensor([[mean]], dtype=dtype).log()
    mean = log_mean.double().exp().item()
    if dispersion is None:
        return Poisson(log_mean), stats.poisson(mean)
    log_dispersion = torch.tensor([dispersion], dtype=dtype).log()
    dispersion = log_dispersion.double().exp().item()
    ours = NegativeBinomial(log_mean, log_dispersion)
    return ours, stats.nbinom(1 / dispersion, 1 / (1 + mean * dispersion))


def quantiles_of(theirs):
    """Return counts over nearly all of a distribution, and 0 to 3."""
    shares = np.concatenate([[1e-9, 1e-4], np.linspace(0.01, 0.99, 25), [1 - 1e-6]])
    x = np.union1d(theirs.ppf(shares), [0, 1, 2, 3])
    return x.astype(np.float32).astype(float)


def log_prob(p, x):
    return p.log_prob(torch.as_tensor(x)[:, None]).double().numpy()


LAWS = [(m, d) for m in MEANS for d in [None, *DISPERSIONS[1:]]]


# -------------------------------------------------------------------- distributions


@pytest.mark.parametrize(("mean", "dispersion"), LAWS)
def test_log_probability_is_scipys(mean, dispersion):
    ours, theirs = law(mean, dispersion, torch.float64)
    x = quantiles_of(theirs)
    # SciPy's own error is 4e-8 where means and dispersions are large.
    np.testing.assert_allclose(log_prob(ours, x), theirs.logpmf(x), rtol=1e-7)


@pytest.mark.parametrize(("mean", "dispersion"), LAWS)
def test_float32_keeps_the_digits_of_large_counts(mean, dispersion):
    ours, theirs = law(mean, dispersion)
    x = quantiles_of(theirs)
    found = log_prob(ours, x.astype(np.float32))
    # What remains is the rounding of the logarithm of the mean.
    tolerance = 1e-5 + 2e-6 * np.sqrt(mean)
    np.testing.assert_allclose(found, theirs.logpmf(x), rtol=2e-6, atol=tolerance)


@pytest.mark.parametrize("x", [1e5, 1e7, 1e9])
@pytest.mark.parametrize("dispersion", [1.0, 1e2, 1e4])
def test_counts_far_beyond_their_mean_are_finite_in_float32(x, dispersion):
    ours, theirs = law(1e-3, dispersion)
    found = log_prob(ours, np.array([x], dtype=np.float32))
    np.testing.assert_allclose(found, theirs.logpmf(x), rtol=1e-3)


@pytest.mark.parametrize("mean", MEANS)
def test_without_dispersion_it_is_the_poisson_distribution(mean):
    p, theirs = law(mean, dtype=torch.float64)
    x = quantiles_of(theirs)
    nearly, _ = law(mean, 1e-15, torch.float64)
    np.testing.assert_allclose(log_prob(nearly, x), log_prob(p, x), rtol=1e-6)


@pytest.mark.parametrize("mean", [1e-3, 0.3, 7.0, 100.0])
@pytest.mark.parametrize("dispersion", [None, 1e-3, 0.2, 1.0, 3.0])
def test_sums_over_all_counts_are_one_the_mean_and_the_variance(mean, dispersion):
    p, theirs = law(mean, dispersion, torch.float64)
    x = np.arange(theirs.isf(1e-15) + 50)
    probability = np.exp(log_prob(p, x))
    assert probability.sum() == pytest.approx(1, abs=1e-9)
    assert probability @ x == pytest.approx(p.mean.item(), rel=1e-9)
    variance = probability @ (x - p.mean.item()) ** 2
    assert variance == pytest.approx(p.variance.item(), rel=1e-6)
    assert variance == pytest.approx(mean + (dispersion or 0) * mean**2, rel=1e-6)


@pytest.mark.parametrize("dispersion", [None, *DISPERSIONS[1:]])
def test_gradients_are_those_of_finite_differences(dispersion):
    x = torch.tensor([0.0, 1.0, 3.0, 15.0, 16.0, 17.0, 400.0], dtype=torch.float64)
    for mean in (1e-3, 1.0, 3.0, 20.0, 350.0):  # near x and far from it
        log_mean = torch.full_like(x, np.log(mean)).requires_grad_()
        log_dispersion = torch.full_like(x, np.log(dispersion or 1)).requires_grad_()

        def value(log_mean, log_dispersion):
            if dispersion is None:
                return Poisson(log_mean).log_prob_by_feature(x)
            return NegativeBinomial(log_mean, log_dispersion).log_prob_by_feature(x)

        inputs = log_mean, log_dispersion
        assert torch.autograd.gradcheck(value, inputs, atol=1e-7)


@pytest.mark.parametrize("dispersion", [None, *DISPERSIONS])
def test_gradients_of_ordinary_counts_are_finite_in_float32(dispersion):
    for mean in MEANS:
        _, theirs = law(mean, dispersion)
        x = torch.tensor(quantiles_of(theirs)).float()
        log_mean = torch.full_like(x, np.log(mean)).requires_grad_()
        log_dispersion = torch.tensor(np.log(dispersion or 1.0)).float()
        log_dispersion.requires_grad_()
        p = Poisson(log_mean)
        if dispersion is not None:
            p = NegativeBinomial(log_mean, log_dispersion)
        p.log_prob(x).backward()
        # d log p / d log m = (x - m) / (1 + dispersion m)
        expected = (x.numpy() - mean) / (1 + (dispersion or 0) * mean)
        # float32 has the logarithm of a mean of 1e6 to one part in a million.
        error = 1e-4 + 1e-6 * mean
        np.testing.assert_allclose(log_mean.grad, expected, rtol=1e-4, atol=error)
        assert dispersion is None or torch.isfinite(log_dispersion.grad)


def chi_squared(draws, theirs):
    """Return the p-value of draws, in some thirty groups of like probability."""
    edges = np.unique(theirs.ppf(np.linspace(0, 1, 31)[1:-1]))
    groups = np.searchsorted(edges, draws)
    counts = np.bincount(groups, minlength=len(edges) + 1)
    below = np.concatenate([[0], theirs.cdf(edges), [1]])
    expected = len(draws) * np.diff(below)
    kept = expected > 5
    if kept.sum() < 2:
        return 1.0
    counts, expected = counts[kept], expected[kept]
    return stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue


@pytest.mark.parametrize(("mean", "dispersion"), LAWS)
def test_frequencies_of_draws_are_those_of_the_distribution(mean, dispersion):
    p, theirs = law(mean, dispersion)
    p.log_mean = p.log_mean.expand(100_000, 1)
    draws = p.sample(generator(3))[:, 0].double().numpy()
    assert (draws == np.rint(draws)).all()
    assert chi_squared(draws, theirs) > 1e-4  # of forty
    some = theirs.sf(0)  # how many draws are 0 says much where the mean is small
    share = (draws > 0).mean()
    assert abs(share - some) <= 4 * np.sqrt(some * (1 - some) / len(draws)) + 1e-12


def test_draws_are_those_of_the_generator_alone():
    for p in (law(300.0)[0], law(300.0, 0.5)[0]):
        p.log_mean = p.log_mean.expand(50, 4)
        torch.manual_seed(0)
        first = p.sample(generator(1))
        torch.manual_seed(1)
        assert torch.equal(p.sample(generator(1)), first)
        assert not torch.equal(p.sample(generator(2)), first)
        assert len(first.unique()) > 20


@pytest.mark.parametrize("mean", [1e12, 1e15, 1e18, 1e20, 1e30])
def test_draws_of_enormous_means_are_near_them(mean):
    p, _ = law(mean)
    np.testing.assert_allclose(p.sample(generator()).item(), mean, rtol=1e-5)
    p, _ = law(mean, 1.0)
    p.log_mean = p.log_mean.expand(2000, 1)
    draws = p.sample(generator())[:, 0].double().numpy() / mean
    assert stats.kstest(draws, stats.expon.cdf).pvalue > 1e-3
