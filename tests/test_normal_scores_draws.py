"""Moments and draws of columns whose scores are normal."""

import numpy as np
import pytest
import torch
from scipy import stats
from scored_columns import COLUMNS, built, density, knots_of

# ----------------------------------------------------------------- moments, draws


def exact_moments(likelihood, loc, scale):
    """Integrate over scores within the range of the map."""
    _, y = knots_of(likelihood)
    grid = np.unique(np.concatenate([np.linspace(y[0], y[-1], 20_001), y]))
    middle = (grid[1:] + grid[:-1]) / 2
    mass = np.diff(stats.norm.cdf(grid, loc, scale))
    x = likelihood.map.values(torch.tensor(middle)[:, None])[:, 0].numpy()
    mass /= mass.sum()
    mean = mass @ x
    return mean, mass @ np.square(x - mean)


@pytest.mark.parametrize("loc", [-2.0, 0.3, 4.0])
@pytest.mark.parametrize("log_scale", [-2.0, 0.0])
@pytest.mark.parametrize("name", COLUMNS)
def test_moments_are_those_of_quadrature(name, log_scale, loc):
    likelihood, _ = built(COLUMNS[name], log_scale)
    p = density(likelihood, loc)
    x, y = knots_of(likelihood)
    scale, span = np.exp(log_scale), np.ptp(x)
    low, high = stats.norm.cdf([y[0], y[-1]], loc, scale)
    if high - low > 1e-10:
        mean, variance = exact_moments(likelihood, loc, scale)
    else:  # all of it is at an end
        mean, variance = (x[0] if loc < y[0] else x[-1]), 0.0
    tiny = 1e-12 * (1 + abs(x[0]))
    assert float(p.mean) == pytest.approx(mean, rel=1e-5, abs=1e-4 * span + tiny)
    near = pytest.approx(variance, rel=1e-3, abs=1e-6 * span**2 + tiny)
    assert float(p.variance) == near


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("distance", [8, 20, 100, 1e6])
def test_moments_and_draws_of_far_locations_are_at_the_end(distance, sign):
    likelihood, _ = built(COLUMNS["normal"])
    p, x = density(likelihood, sign * distance), knots_of(likelihood)[0]
    end = x[0] if sign < 0 else x[-1]
    draws = likelihood(torch.full((100, 1), sign * float(distance))).sample(
        torch.Generator().manual_seed(0)
    )
    if distance > 8:
        assert float(p.mean) == pytest.approx(end)
        np.testing.assert_allclose(draws, end, rtol=1e-6)
    else:
        mean, variance = exact_moments(likelihood, sign * distance, 1.0)
        assert float(p.mean) == pytest.approx(mean, rel=1e-4)
        assert float(p.variance) == pytest.approx(variance, rel=1e-3)
        error = 4 * np.sqrt(variance / 100)
        assert float(draws.mean()) == pytest.approx(mean, abs=error)


@pytest.mark.parametrize("loc", [-1.0, 0.5, 6.0])
@pytest.mark.parametrize("name", COLUMNS)
def test_draws_have_the_distribution(name, loc):
    likelihood, _ = built(COLUMNS[name], -0.5)
    n, scale = 20_000, np.exp(-0.5)
    draws = likelihood(torch.full((n, 1), loc)).sample(torch.Generator().manual_seed(1))
    x, y = knots_of(likelihood)
    draws = draws[:, 0].double().numpy()
    assert draws.min() >= x[0]
    assert draws.max() <= x[-1]
    # Of values with two knots, the last one is where the distribution function ends.
    at = np.append(np.diff(x) > 0, True)
    cdf = stats.norm.cdf(y, loc, scale)
    cdf = (cdf - cdf[0]) / np.ptp(cdf) if np.ptp(cdf) else np.ones_like(cdf)
    found = (draws[:, None] <= x[at]).mean(0)
    assert np.abs(found - cdf[at]).max() < 1.95 / np.sqrt(n)


@pytest.mark.parametrize("name", sorted(COLUMNS.keys() - {"empty", "one value"}))
def test_draws_of_a_standard_normal_score_have_the_margin_of_the_column(name):
    column = COLUMNS[name][~np.isnan(COLUMNS[name])]
    likelihood, frame = built(COLUMNS[name])
    n, m = 20_000, len(column)
    draws = likelihood(torch.zeros(n, 1)).sample(torch.Generator().manual_seed(2))
    draws = frame.restore(draws.numpy())[:, 0]
    values, counts = np.unique(column, return_counts=True)
    for value, count in zip(values, counts, strict=True):
        if count >= max(2, m / 128):
            at = np.isclose(draws, value, rtol=1e-6, atol=1e-6 * np.ptp(column))
            assert at.mean() == pytest.approx(count / m, abs=0.3 / m + 4 / np.sqrt(n))
    tolerance = max(5, np.sqrt(m)) / m + 1.95 / np.sqrt(n)
    if name != "two different values":  # of which there is no root
        both = draws.astype(np.float32), column.astype(np.float32)
        assert stats.ks_2samp(*both).statistic < tolerance


@pytest.mark.parametrize("log_scale", [-3.0, -1.0, 0.0, 1.0])
@pytest.mark.parametrize("loc", [-40.0, -3.0, -0.6, 0.1, 2.0, 40.0])
@pytest.mark.parametrize("name", ["integer", "both ends repeated", "normal"])
def test_squared_errors_are_those_expected_of_the_scores_of_a_value(
    name, loc, log_scale
):
    likelihood, _ = built(COLUMNS[name], log_scale)
    x = torch.from_numpy(np.unique(COLUMNS[name])[::7]).float()[:, None]
    found = density(likelihood, loc).squared_errors(x)[:, 0].numpy()
    knots, scale = likelihood.map.locate(x), np.exp(log_scale)
    for i in range(len(x)):
        low, high = (float(knots[k][i]) for k in ("low", "y"))
        expected = (high - loc) ** 2
        if knots["is_atom"][i]:
            p = stats.norm.logpdf(np.linspace(low, high, 4001), loc, scale)
            p = np.exp(p - p.max())
            y = np.linspace(low, high, 4001)
            expected = np.trapezoid(p * (y - loc) ** 2, y) / np.trapezoid(p, y)
        # Far from the location, it is the square of the distance to the interval.
        assert found[i] == pytest.approx(expected, rel=0.02, abs=2e-3 * scale**2)
