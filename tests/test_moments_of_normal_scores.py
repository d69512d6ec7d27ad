"""Means and variances of columns whose normal scores are normal, in blocks of rows."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch.utils._python_dispatch import TorchDispatchMode

from skvae._distributions import normal_scores
from skvae._distributions.normal_scores import NormalScores, ScoreMap
from skvae.likelihoods._margins import knots_of

rng = np.random.default_rng(0)
COLUMNS = [
    rng.lognormal(size=300),
    rng.integers(0, 4, size=300).astype(float),
    np.where(rng.random(300) < 0.4, 0.0, rng.exponential(size=300)),
    np.full(300, 3.0),
]


def distribution(*shape, log_scale=-1.0, spread=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    loc = spread * torch.randn(*shape, len(COLUMNS), generator=generator)
    log_scale = torch.full((len(COLUMNS),), log_scale)
    return NormalScores(loc, log_scale, ScoreMap([knots_of(c) for c in COLUMNS]))


def moments_by_quadrature(p, n=20_000):
    """Return mean and variance of values at quantiles of the scores in the range."""
    knots = p.map.table[1].double()
    loc, scale = p.loc.double(), p.log_scale.double().exp()
    low, high = (
        stats.norm.cdf((end - loc) / scale) for end in (knots[:, 0], knots[:, -1])
    )
    u = (np.arange(n)[:, None, None] + 0.5) / n
    y = loc + scale * torch.from_numpy(stats.norm.ppf(low + u * (high - low)))
    x = p.map.values(y)
    return x.mean(0), x.var(0, unbiased=False)


@pytest.mark.parametrize("log_scale", [-3.0, -1.0, 0.7])
@pytest.mark.parametrize("most_values", [1, 200, 2**17])
def test_moments_are_those_of_quadrature(log_scale, most_values, monkeypatch):
    monkeypatch.setattr(normal_scores, "_MOST_VALUES", most_values)
    p = distribution(7, log_scale=log_scale)
    mean, variance = moments_by_quadrature(p)
    np.testing.assert_allclose(p.mean, mean, rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(p.variance, variance, rtol=2e-2, atol=2e-3)


def test_far_from_all_values_moments_are_those_of_the_nearest():
    p = distribution(1, log_scale=-3.0)
    p.loc = torch.full((2, len(COLUMNS)), 30.0) * torch.tensor([[-1.0], [1.0]])
    ends = np.array([[c.min() for c in COLUMNS], [c.max() for c in COLUMNS]])
    np.testing.assert_allclose(p.mean, ends, rtol=1e-6)
    np.testing.assert_array_equal(p.variance, 0)


def test_rows_have_the_same_moments_in_any_shape():
    p = distribution(6, 50)
    rows = NormalScores(p.loc.flatten(0, 1), p.log_scale.expand(300, -1), p.map)
    for moment in ("mean", "variance"):
        expected = getattr(rows, moment).reshape(p.loc.shape)
        np.testing.assert_array_equal(getattr(p, moment), expected, strict=True)


class LargestTensor(TorchDispatchMode):
    """Keeps the size of the largest tensor that is made."""

    n_values = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **kwargs or {})
        made = out if isinstance(out, tuple | list) else [out]
        sizes = [t.numel() for t in made if isinstance(t, torch.Tensor)]
        self.n_values = max([self.n_values, *sizes])
        return out


@pytest.mark.parametrize("moment", ["mean", "variance"])
def test_knots_of_many_rows_are_not_held_at_once(moment):
    p = distribution(64_000)
    with LargestTensor() as largest:
        getattr(p, moment)
    assert largest.n_values <= max(p.loc.numel(), 2**17)
