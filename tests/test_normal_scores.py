"""Normal scores of any column: a distribution, its moments, draws and slopes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from skvae._distributions.normal_scores import NormalScores, log_interval
from skvae._utils.rows import summarise
from skvae.likelihoods import NormalScoresLikelihood

_RNG = np.random.default_rng(0)
_N = _RNG.standard_normal(400)
COLUMNS = {
    "normal": _N,
    "integer": np.round(3 * _N),
    "many integers": np.round(300 * _N),
    "zero-inflated": np.where(_RNG.random(400) < 0.4, 0, np.exp(_N)),
    "both ends repeated": _N.clip(-0.5, 1),
    "constant": np.full(50, 3.0),
    "one value": np.array([2.0]),
    "two values": _RNG.integers(0, 2, 100) * 4.0 - 1,
    "two different values": np.array([1.0, 2.0]),
    "timestamps": 1.7e9 + np.round(86_400 * _N),
    "tiny": 1e-20 * _N,
    "large": 1e20 * _N,
    "heavy tails": np.tan(1.5 * np.tanh(_N)) * np.exp(2 * np.abs(_N)),
    "two modes": np.where(_RNG.random(400) < 0.5, -100, 100) + _N,
    "bounded": _RNG.random(400),
    "gaps": np.where(_RNG.random(400) < 0.3, np.nan, _N),
    "empty": np.full(20, np.nan),
}


def built(column, log_scale=0.0, scale="feature"):
    """Return a likelihood of columns, its frame, and the scale that is asked for."""
    X = np.reshape(column, (len(column), -1)).astype(float)
    likelihood = NormalScoresLikelihood(scale)
    likelihood.look(X)
    summary = summarise(X)
    frame = likelihood.frame(summary)
    likelihood.build(summary.in_frame(frame))
    likelihood.requires_grad_(False)
    if scale == "feature":
        likelihood.log_scale.fill_(log_scale)
    return likelihood, frame


def density(likelihood, loc):
    """Return the distribution of one column at one location, in float64."""
    return likelihood(torch.tensor([[loc]], dtype=torch.float64))


def knots_of(likelihood):
    """Return the knots of one column, in units of the module, and their scores."""
    x, y = likelihood.map.table[:2, 0].double().numpy()
    return x, y


def log_prob(p, x):
    return p.log_prob(torch.as_tensor(x)[:, None]).numpy()


def integral(likelihood, loc):
    """Return the sum of all atoms and the integral of all that lies around them."""
    p, (x, _) = density(likelihood, loc), knots_of(likelihood)
    distinct, counts = np.unique(x, return_counts=True)
    # Behind the last knot of a column others may follow, which pad it.
    atoms = distinct[_is_atom(likelihood, distinct)]
    total = np.exp(log_prob(p, atoms)).sum() if len(atoms) else 0.0
    span = np.ptp(distinct) or 1.0
    far = span * 4.0 ** np.arange(-8, 7)
    ends = np.concatenate([distinct[0] - far[::-1], distinct, distinct[-1] + far])
    nodes, weights = np.polynomial.legendre.leggauss(80)
    half = np.diff(ends) / 2
    inner = ends[:-1] + half
    where = inner[:, None] + half[:, None] * nodes
    values = np.exp(log_prob(p, where.ravel())).reshape(where.shape)
    return total + (values @ weights * half).sum()


def _is_atom(likelihood, x):
    return likelihood.map.locate(torch.tensor(x)[:, None])["is_atom"][:, 0].numpy()


# -------------------------------------------------------------------- the density


@pytest.mark.parametrize("loc", [-1.5, 0.0, 0.7])
@pytest.mark.parametrize("log_scale", [-1.0, 0.0, 0.5])
@pytest.mark.parametrize("name", COLUMNS)
def test_probabilities_and_densities_sum_to_one(name, log_scale, loc):
    likelihood, _ = built(COLUMNS[name], log_scale)
    assert integral(likelihood, loc) == pytest.approx(1, abs=2e-4)


values = st.one_of(
    st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=60),
    st.lists(st.floats(-1e3, 1e3, width=16), min_size=1, max_size=60),
    st.lists(
        st.one_of(st.just(0.0), st.floats(0.5, 64, width=16)), min_size=1, max_size=60
    ),
)


@settings(max_examples=60)
@given(values, st.floats(-2, 2), st.floats(-1, 1))
def test_any_column_has_a_distribution(column, loc, log_scale):
    likelihood, _ = built(column, log_scale)
    assert integral(likelihood, loc) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", COLUMNS)
def test_values_anywhere_have_scores_and_finite_densities(name):
    likelihood, _ = built(COLUMNS[name])
    x = knots_of(likelihood)[0]
    span = np.ptp(x) or max(abs(x[0]), 1.0)
    ends = [x[0] - span, x[0] - 10 * span, x[-1] + span, x[-1] + 10 * span]
    found = np.concatenate([x, (x[:-1] + x[1:]) / 2, ends])
    assert np.isfinite(log_prob(density(likelihood, 0.3), found)).all()
    scores = likelihood.inputs(torch.tensor(found)[:, None])
    assert scores.isfinite().all()


def test_the_score_of_a_gap_is_a_gap():
    likelihood, _ = built(COLUMNS["integer"])
    assert likelihood.inputs(torch.tensor([[np.nan]])).isnan().all()


# ------------------------------------------------------------------------ the map


@pytest.mark.parametrize("name", COLUMNS)
def test_scores_rise_and_lead_back_to_values(name):
    column = COLUMNS[name][~np.isnan(COLUMNS[name])]
    likelihood, frame = built(COLUMNS[name])
    x = torch.from_numpy(np.unique(frame.to_frame(column)))
    between = (x[1:] + x[:-1]) / 2
    x = torch.cat([x, between]).sort().values.float()[:, None]
    scores = likelihood.inputs(x)
    assert (scores.diff(dim=0) >= 0).all()
    back = likelihood.map.values(scores.double())
    span = float(x.max() - x.min()) if len(x) else 0.0
    torch.testing.assert_close(back.float(), x, rtol=1e-5, atol=2e-5 * span)


@pytest.mark.parametrize("name", ["normal", "integer", "zero-inflated", "two modes"])
def test_scores_are_quantiles_of_ranks(name):
    column = COLUMNS[name]
    likelihood, frame = built(column)
    scores = likelihood.inputs(torch.from_numpy(frame.to_frame(column))[:, None])
    exact = stats.norm.ppf((stats.rankdata(column) - 0.5) / len(column))
    # Within a piece of the root of the number, ranks are interpolated.
    p, q = stats.norm.cdf(scores[:, 0].double().numpy()), stats.norm.cdf(exact)
    assert np.abs(p - q).max() < 20 / 400
    assert np.abs(p - q).mean() < 0.01


def test_values_at_the_ends_of_pieces_have_the_scores_of_their_ranks():
    column = np.sort(np.exp(_N))
    scores = built(column)[0].inputs(torch.from_numpy(column)[:, None])[:, 0].numpy()
    expected = stats.norm.ppf((np.arange(400) + 0.5) / 400)
    np.testing.assert_allclose(scores[[0, -1]], expected[[0, -1]], rtol=1e-5)
    assert (np.abs(scores - expected) < 1e-4).sum() >= 20


def test_atoms_stand_for_the_share_of_rows_that_have_them():
    column = COLUMNS["both ends repeated"]
    p = density(built(column)[0], 0.0)
    for value in (-0.5, 1.0):
        share = (column == value).mean()
        expected = share - 0.1 / 400  # a tenth of a row lies beside it
        assert np.exp(log_prob(p, [value]))[0] == pytest.approx(expected, abs=1e-6)


def test_a_gap_in_the_data_is_nearly_empty():
    p = density(built(COLUMNS["two modes"])[0], 0.0)
    between = np.exp(log_prob(p, np.linspace(-90, 90, 181))).sum()
    assert between < 2 / 400


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
    low = np.array([-1e4, -1000.0, -300, -40, -7, -6.5, -6.1, -5, -1, 0, 5, 30, 999])
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
    likelihood, _ = built(np.stack([COLUMNS["both ends repeated"], _N], axis=1))
    likelihood.requires_grad_(True).log_scale.data.fill_(log_scale)
    h = torch.full((6, 2), loc, requires_grad=True)
    x = torch.tensor([-3.0, -0.5, 0.0, 0.4, 1.0, 9.0])[:, None].expand(6, 2)
    log_p = likelihood(h).log_prob(x)
    log_p.sum().backward()
    assert log_p.isfinite().all()
    assert h.grad.isfinite().all()
    assert likelihood.log_scale.grad.isfinite().all()


def test_predicted_scales_are_those_of_the_second_half_of_outputs():
    X = np.stack([_N, np.round(_N)], axis=1)
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
    likelihood, _ = built(_N, -0.7)
    h = torch.tensor([[0.3]], requires_grad=True)
    (slope,) = torch.autograd.grad(likelihood(h).information_coordinates().sum(), h)
    assert float(slope**2) == pytest.approx(np.exp(1.4), rel=1e-6)


def test_rows_in_float64_are_those_in_float32():
    likelihood, _ = built(COLUMNS["zero-inflated"])
    x = torch.tensor([[0.0], [0.5], [1.25]])
    p = likelihood(torch.zeros(3, 1))
    assert torch.equal(p.log_prob(x.double()), p.log_prob(x))


def test_a_scale_that_is_none_is_refused():
    with pytest.raises(ValueError, match="'scale'.*'feature'.*'predicted'"):
        built(_N, scale="global")
