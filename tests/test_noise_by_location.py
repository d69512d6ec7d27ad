"""Noise that falls towards the bounds of a mean: variance v0 + v1 m (1 - m)."""

import numpy as np
import pytest
import torch
from conftest import small
from scipy import stats
from scipy.optimize import minimize
from scipy.special import expit

from skvae import RAE
from skvae._utils.rows import summarise
from skvae.likelihoods import GaussianLikelihood, LaplaceLikelihood
from skvae.likelihoods._noise import NoiseByLocation, noise_by_location

POWERS = {GaussianLikelihood: 2, LaplaceLikelihood: 1}
V0, V1 = 0.0005, 0.08


def errors_by_location(cls, n=40_000, seed=0, v0=V0, v1=V1, bounds=(-1.0, 3.0)):
    """Return a likelihood, its errors, and shares m with errors e between 0 and 1."""
    rng = np.random.default_rng(seed)
    m = expit(3 * rng.normal(size=(n, 1)))
    scale = np.sqrt(v0 + v1 * m * (1 - m))
    p = POWERS[cls]
    e = scale * np.abs(
        rng.normal(size=m.shape) if p == 2 else rng.laplace(size=m.shape)
    )
    low, high = bounds
    likelihood = cls(bounds=bounds).build(summarise(low + (high - low) * m))
    found = likelihood.new_errors(held_out=True)
    loc = torch.tensor(low + (high - low) * m)
    found.add(loc, torch.tensor((high - low) * e) ** p, torch.ones(n, 1))
    return likelihood, found, m, (high - low) * e


def log_density(cls, e, scale):
    law = stats.norm if cls is GaussianLikelihood else stats.laplace
    return law.logpdf(e, scale=scale)


@pytest.mark.parametrize("cls", POWERS)
def test_noise_by_location_is_the_most_likely(cls):
    likelihood, found, m, e = errors_by_location(cls, n=4000)
    noise = noise_by_location(found, POWERS[cls], likelihood.lowest_calibrated)

    def loss(logs):
        return -log_density(
            cls, e, np.sqrt(np.exp(logs[0]) + np.exp(logs[1]) * m * (1 - m))
        ).mean()

    best = minimize(loss, np.log([16 * V0, 16 * V1]), method="Nelder-Mead")
    own = np.log([float(noise.constant), float(noise.factor)])
    assert loss(own) < best.fun + 2e-4  # values are grouped
    assert own[1] == pytest.approx(best.x[1], abs=0.05)


@pytest.mark.parametrize("cls", POWERS)
def test_noise_by_location_is_found_within_its_standard_error(cls):
    z = []
    for seed in range(8):
        likelihood, found, m, _ = errors_by_location(cls, seed=seed)
        likelihood.calibrate(found)
        noise = likelihood.noise
        variance = 16 * (V0 + V1 * m * (1 - m))
        # Fisher information of log variance: 1/2 for a normal, 1/4 for a Laplace error.
        slopes = np.c_[np.full(m.shape, 16 * V0), 16 * V1 * m * (1 - m)] / variance
        information = slopes.T @ slopes * (POWERS[cls] / 4)
        error = np.sqrt(np.diag(np.linalg.inv(information)))
        own = float(noise.constant), float(noise.factor)
        z.append(np.log(np.divide(own, [16 * V0, 16 * V1])) / error)
    assert np.abs(np.mean(z, 0)).max() < 4 / np.sqrt(8)
    assert np.abs(z).max() < 5


@pytest.mark.parametrize("cls", POWERS)
@pytest.mark.parametrize(("v0", "v1"), [(1e-6, 0.2), (0.01, 0.0), (1e-4, 1e-4)])
@pytest.mark.parametrize("n", [1, 5, 300])
def test_noise_by_location_is_never_worse_than_one_scale(cls, v0, v1, n):
    for seed in range(5):
        likelihood, found, m, e = errors_by_location(cls, n, seed, v0, v1)
        likelihood.calibrate(found)
        loc = torch.tensor(-1 + 4 * m, dtype=torch.float32)
        scale = likelihood.noise(loc).exp().numpy()
        p = POWERS[cls]
        lowest = float(likelihood.lowest_calibrated.exp())
        one = max(np.mean(e**p) ** (1 / p), lowest)
        own, best = (log_density(cls, e, s).mean() for s in (scale, one))
        assert own > best - 1e-3


def test_scale_is_the_root_mean_square_over_all_values():
    likelihood, found, _, e = errors_by_location(GaussianLikelihood)
    likelihood.calibrate(found)
    assert likelihood.scale_ == pytest.approx(np.sqrt(np.mean(e**2)), rel=1e-4)
    likelihood, found, _, e = errors_by_location(LaplaceLikelihood)
    likelihood.calibrate(found)
    assert likelihood.scale_ == pytest.approx(e.mean(), rel=1e-4)


@pytest.mark.parametrize("unit", [1e-30, 1.0, 1e30])
def test_noise_between_bounds_is_that_of_the_model_s_errors(unit):
    rng = np.random.default_rng(0)
    m = expit(2 * rng.normal(size=(300, 2)) @ rng.normal(size=(2, 6)))
    Y = unit * np.clip(m + 0.2 * rng.normal(size=m.shape) * np.sqrt(m * (1 - m)), 0, 1)
    model = small(RAE, early_stopping=True).fit(Y[:200], X_val=Y[200:])
    noise = model.likelihood_.noise
    assert isinstance(noise, NoiseByLocation)
    share = model.reconstruct(Y) / unit
    squares = (Y / unit - share) ** 2
    train, held_out = squares[:200], squares[200:]
    n = len(held_out)
    ratio = (n * held_out.mean() / train.mean() + 10) / (n + 10)
    pooled = np.r_[train * ratio, held_out]
    spread = share * (1 - share)

    def loss(logs):
        variance = np.exp(logs[0]) + np.exp(logs[1]) * spread
        return np.mean(0.5 * np.log(variance) + pooled / (2 * variance))

    best = minimize(loss, np.log([1e-3, 0.05]), method="Nelder-Mead")
    factor = (unit / model.module_.frame.unit) ** 2
    own = np.log([float(noise.constant) / factor, float(noise.factor) / factor])
    assert loss(own) < best.fun + 1e-3
    assert model.likelihood_.scale_ == pytest.approx(
        unit * np.sqrt(pooled.mean()), rel=1e-4
    )


def errors_of_groups(seed):
    """Return errors of groups of values, some of them far larger than others."""
    rng = np.random.default_rng(seed)
    power = int(rng.integers(1, 3))
    likelihood = list(POWERS)[2 - power]("auto", bounds=(0, 1))
    likelihood.build(summarise(0.01 + 0.1 * rng.random((50, 1))))
    spread = np.exp(-np.sort(rng.uniform(0, 16, 64))) / 4
    count = rng.dirichlet(np.full(64, rng.choice([0.1, 1, 10])))
    e = np.sqrt(10 ** rng.uniform(-8, -1) + 10 ** rng.uniform(-6, 0) * spread) ** power
    e *= rng.gamma(rng.choice([0.5, 5, 50]), 1, 64) / 5
    e[rng.random(64) < 0.1] *= 100
    found = likelihood.new_errors(held_out=True)
    found.count[:], found.error[:] = torch.tensor(count), torch.tensor(count * e)
    found.spread[:] = torch.tensor(count * spread)
    return likelihood, found, power


@pytest.mark.parametrize("seed", [*range(20), 364, 533])
def test_no_other_noise_by_location_is_more_likely(seed):
    likelihood, found, power = errors_of_groups(seed)
    seen = found.count > 0
    count, error, spread = (
        v[seen].numpy() for v in (found.count, found.error, found.spread)
    )
    error, spread, count = error / count, spread / count, count / count.sum()

    def loss(log_v0, log_v1):
        v = np.exp(log_v0)[..., None] + np.exp(log_v1)[..., None] * spread
        return (np.log(v) / 2 + error / (power * v ** (power / 2))) @ count

    likelihood.calibrate(found)
    noise = likelihood.noise
    own = loss(
        noise.constant.double().log().numpy(), noise.factor.double().log().numpy()
    )
    least = 2 * float(likelihood.lowest_calibrated)
    grid = np.meshgrid(np.linspace(least, 8, 100), np.linspace(-25, 25, 200))
    assert own < loss(*grid).min() + 1e-5
    assert float(noise.constant.log()) > least - 1e-5
