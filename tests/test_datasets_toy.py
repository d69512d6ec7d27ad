"""Toy densities against their own draws and the published entropies."""

import numpy as np
import pytest
from scipy.stats import chisquare

from skvae.datasets import Checkerboard, EightGaussians, TwoSpirals

DENSITIES = [EightGaussians(), Checkerboard(), TwoSpirals()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("density", "bits"), [*zip(DENSITIES, (-1.9168, -1.0, -2.3358), strict=True)]
)
def test_entropies_are_those_of_the_tutorial(density, bits):
    # The tutorial cuts the densities off at 0.5 and normalises what is left.
    assert density.entropy() / np.log(2) == pytest.approx(bits, abs=0.003)


@pytest.mark.slow
@pytest.mark.parametrize("density", DENSITIES)
def test_mean_log_density_of_draws_is_minus_the_entropy(density):
    log_p = density.score_samples(density.sample(20_000, random_state=0))
    error = 4 * log_p.std() / len(log_p) ** 0.5 + 1e-9
    assert log_p.mean() == pytest.approx(-density.entropy(), abs=error)


@pytest.mark.parametrize("density", DENSITIES)
def test_density_counts_its_draws(density):
    X = density.sample(50_000, random_state=0)
    edges = np.linspace(-0.5, 0.5, 9)
    count, _, _ = np.histogram2d(*X.T, bins=[edges, edges])
    fine = (np.arange(200) + 0.5) / 200 - 0.5
    grid = np.stack(np.meshgrid(fine, fine, indexing="ij"), -1).reshape(-1, 2)
    p = np.exp(density.score_samples(grid)).reshape(8, 25, 8, 25).mean((1, 3)) / 64
    assert p.sum() == pytest.approx(1, abs=0.02)
    often = p > 1e-3
    expected = p[often] / p[often].sum() * count[often].sum()
    assert chisquare(count[often], expected).pvalue > 1e-4


def test_draws_are_reproducible_and_differ():
    a, b = (TwoSpirals().sample(5, random_state=0) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, TwoSpirals().sample(5))
