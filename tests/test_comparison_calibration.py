"""How often comparisons of two models are right, also of several fits of each."""

import numpy as np
import pytest
from compared_models import TRUTH, WIDE, Normal, make_rows

from skvae.evaluation import compare


def drawn_fits(rng, n_fits, spread=0.2):
    """Return fits of a model whose training is random."""
    return [Normal(shift).fit() for shift in rng.normal(0, spread, size=n_fits)]


def test_fits_that_differ_by_their_seeds_are_no_better_model():
    rng, X = np.random.default_rng(0), make_rows(400)
    several, single, n_runs = 0, 0, 60
    for _ in range(n_runs):
        models = [drawn_fits(rng, 4) for _ in range(2)]
        one = [fits[0] for fits in models]
        several += _finds(models, X)
        single += _finds(one, X)
    assert several <= 6  # 3 expected; P(more than 6) = 0.03 at a rate of 5 %
    assert single > 0.5 * n_runs


def _finds(models, X):
    row = compare(models, X, n_samples=6, n_bootstrap=0)["log_likelihood"]
    return not row.low <= 0 <= row.high


def test_figures_of_several_fits_are_their_means():
    X, rng = make_rows(80), np.random.default_rng(0)
    models = {"A": drawn_fits(rng, 3), "B": drawn_fits(rng, 2)}
    comparison = compare(models, X, n_bootstrap=4)
    assert comparison.n_fits == (3, 2)
    row = comparison["log_likelihood"]
    expected = [np.mean([m.score_samples(X) for m in fits]) for fits in models.values()]
    assert (row.first, row.second) == pytest.approx(expected)
    assert "A v B: 3 and 2 fits, 80 held-out rows" in str(comparison)
    assert "randomness of training" not in str(comparison)
    # A figure of samples, whose fits' draws have the seeds of their places.
    values = comparison["frechet_distance"]
    assert values.difference == pytest.approx(values.first - values.second)


@pytest.mark.slow
def test_equal_models_differ_in_at_most_5_percent_of_comparisons():
    n_runs = 100
    found = sum(
        compare(
            (TRUTH, TRUTH), make_rows(40, s), n_bootstrap=20, random_state=s
        ).verdict
        != "No difference found."
        for s in range(n_runs)
    )
    assert found <= 9  # P(more) = 0.03 at a rate of 5 %; 5 of 300 were measured


@pytest.mark.slow
def test_a_known_difference_is_found_and_lies_in_its_interval():
    # Of N(0, I) and N(0, 1.5^2 I) in two dimensions, rows of the first.
    expected = 2 * (np.log(1.5) + 1 / (2 * 1.5**2) - 1 / 2)
    n_runs, held, found = 200, 0, 0
    for seed in range(n_runs):
        row = compare((TRUTH, WIDE), make_rows(100, seed), n_bootstrap=0)[
            "log_likelihood"
        ]
        held += row.low <= expected <= row.high
        found += row.verdict.startswith("better: first")
    assert 0.91 <= held / n_runs <= 0.98
    assert found / n_runs > 0.9
