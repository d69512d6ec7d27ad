"""Normal scores of any column: a distribution, and a map that leads back."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scored_columns import COLUMNS, N, built, density, knots_of, log_prob


def integral(likelihood, loc):
    """Return the sum of all atoms and the integral of all that lies around them."""
    p, (x, _) = density(likelihood, loc), knots_of(likelihood)
    distinct = np.unique(x)
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
    column = np.sort(np.exp(N))
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


@pytest.mark.parametrize("name", ["normal", "two modes", "bounded", "heavy tails"])
def test_values_that_are_repeated_rarely_are_no_atoms(name):
    column = np.repeat(COLUMNS[name], 3)
    likelihood, _ = built(column)
    assert likelihood.repeated_values() == [[]]
    assert integral(likelihood, 0.2) == pytest.approx(1, abs=2e-4)


def test_values_that_are_repeated_often_are_atoms():
    column = np.append(COLUMNS["normal"], [7.0] * 5 + [9.0] * 3)
    assert built(column)[0].repeated_values() == [[7.0]]
    assert built(COLUMNS["both ends repeated"])[0].repeated_values() == [[-0.5, 1.0]]


def test_a_gap_in_the_data_is_nearly_empty():
    p = density(built(COLUMNS["two modes"])[0], 0.0)
    between = np.exp(log_prob(p, np.linspace(-90, 90, 181))).sum()
    assert between < 2 / 400
