"""Statistics of rows with missing values: those of the values that are there."""

import numpy as np
import pytest
import torch
from conftest import small
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from skvae._distributions.counts import NegativeBinomial, Poisson
from skvae._distributions.normal import Bernoulli, DiagonalNormal, IsotropicNormal
from skvae._distributions.observations import (
    ContinuousBernoulli,
    DiscretizedLogistic,
    Laplace,
)
from skvae._distributions.observed import Observed
from skvae._training import linear_start
from skvae._training.outliers import without_outliers
from skvae._utils import rows as rows_module
from skvae._utils.float32 import Frame
from skvae._utils.rows import extremes, has_missing, summarise, without_values
from skvae.likelihoods import GaussianLikelihood

RNG = np.random.default_rng(0)


def tensor(*shape):
    return torch.tensor(RNG.normal(size=shape))


DISTRIBUTIONS = [
    DiagonalNormal(tensor(6, 4), tensor(4)),
    DiagonalNormal(tensor(6, 4), tensor(6, 4)),
    IsotropicNormal(tensor(6, 4), tensor()),
    IsotropicNormal(tensor(6, 4), tensor(6, 1)),
    Laplace(tensor(6, 4), tensor(6, 4)),
    Bernoulli(tensor(6, 4)),
    ContinuousBernoulli(tensor(6, 4)),
    DiscretizedLogistic(tensor(6, 4), tensor(6, 4), n_levels=5),
    Poisson(tensor(6, 4)),
    NegativeBinomial(tensor(6, 4), tensor(4)),
]


@pytest.mark.parametrize("p", DISTRIBUTIONS, ids=lambda p: type(p).__name__)
def test_the_density_of_a_row_is_the_sum_over_what_is_there(p):
    x = torch.tensor(RNG.integers(0, 5, size=(6, 4)) / 4)
    parts = p.log_prob_by_feature(x)
    assert parts.shape == (6, 4)
    torch.testing.assert_close(parts.sum(-1), p.log_prob(x))
    missing = torch.tensor(RNG.random((6, 4)) < 0.5)
    found = Observed(p, torch.zeros(4)).log_prob(x.masked_fill(missing, np.nan))
    torch.testing.assert_close(found, parts.masked_fill(missing, 0).sum(-1))


def test_what_is_missing_has_no_gradient():
    loc = tensor(3, 2).requires_grad_()
    x = torch.tensor([[1.0, np.nan], [np.nan, np.nan], [1.0, 2.0]])
    p = Observed(DiagonalNormal(loc, torch.zeros(2)), torch.zeros(2))
    p.log_prob(x).sum().backward()
    assert torch.isfinite(loc.grad).all()
    assert (loc.grad == 0).tolist() == x.isnan().tolist()
    assert p.mean is loc  # all else is that of the distribution


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float64]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.one_of(st.just(np.nan), st.floats(-1000, 1000, width=16)),
    ),
    st.integers(1, 20),
)
def test_moments_are_those_of_numpy(X, n_entries):
    before = rows_module.BLOCK_ENTRIES
    rows_module.BLOCK_ENTRIES = n_entries
    try:
        summary, ends = summarise(X), extremes(X)
        assert has_missing(X) == np.isnan(X).any()
    finally:
        rows_module.BLOCK_ENTRIES = before
    some = ~np.isnan(X).all(0)
    values = X[:, some].astype(np.float64)
    np.testing.assert_allclose(summary.mean[some], np.nanmean(values, 0), 1e-9, 1e-9)
    std = np.nanstd(values, 0)
    constant = summary.std[some] == 0
    np.testing.assert_allclose(summary.std[some][~constant], std[~constant], 1e-6)
    assert (std[constant] <= 1e-5 * np.abs(summary.mean[some][constant]) + 1e-9).all()
    assert not summary.mean[~some].any()
    assert not summary.std[~some].any()
    np.testing.assert_array_equal(ends[0][some], np.nanmin(values, 0))
    np.testing.assert_array_equal(ends[1][some], np.nanmax(values, 0))
    assert np.isnan(ends[0][~some]).all()
    nothing = np.flatnonzero(np.isnan(X).all(1))
    assert without_values(X).tolist() == nothing.tolist()


def test_bounds_are_seen_beside_missing_values():
    X = RNG.integers(256, size=(300, 4)).astype(float)
    X[RNG.random(X.shape) < 0.2] = np.nan
    assert summarise(X).bounds == (0, 255)
    assert summarise(X + 0.5).bounds is None
    shares = np.clip(RNG.normal(size=(300, 4)), -0.5, 0.5)
    shares[RNG.random(shares.shape) < 0.2] = np.nan
    assert summarise(shares).bounds == (-0.5, 0.5)


def test_bounds_are_seen_where_a_block_lacks_a_feature(monkeypatch):
    monkeypatch.setattr(rows_module, "BLOCK_ENTRIES", 40)
    X = np.clip(RNG.normal(size=(300, 4)), -0.5, 0.5)
    for rows in (slice(0, 30), slice(270, 300)):
        gaps = X.copy()
        gaps[rows] = np.nan
        gaps[rows, 0] = X[rows, 0]
        assert summarise(gaps).bounds == (-0.5, 0.5)


def test_the_frame_takes_nan_where_it_may():
    rows = np.array([[1.0, np.nan]])
    with pytest.raises(ValueError, match="NaN"):
        Frame().read(rows)
    for frame in (Frame(has_missing=True), Frame(0.5, 40, has_missing=True)):
        x = frame.read(rows)
        assert x.isnan().tolist() == [[False, True]]
        with pytest.raises(ValueError, match="infinity"):
            frame.read(np.array([[np.inf, np.nan]]))


def test_one_far_value_is_drawn_in_beside_missing_ones():
    X = RNG.normal(size=(400, 3))
    X[RNG.random(X.shape) < 0.4] = np.nan
    X[3, 1] = -9999
    X[:, 2] = np.nan
    with pytest.warns(UserWarning, match=r"-9999 in row 3.*put NaN in its place"):
        drawn = without_outliers(X, GaussianLikelihood())
    assert -10 < drawn[3, 1] < 0
    others = np.delete(np.arange(400), 3)
    np.testing.assert_array_equal(drawn[others], X[others])


def test_a_code_beside_missing_values_is_told():
    X = RNG.normal(size=(400, 2))
    X[:60, 0], X[60:120, 0] = -99, np.nan
    with pytest.warns(UserWarning, match=r"value -99 in 15% of.*put NaN in its place"):
        without_outliers(X, GaussianLikelihood())


def test_no_value_is_far_where_there_are_few():
    X = np.full((100, 2), np.nan)
    X[:, 0] = RNG.normal(size=100)
    X[:5, 1] = [0, 0, 0, 1, 1000]
    assert without_outliers(X, GaussianLikelihood()) is X


def test_the_start_fills_what_is_missing_by_components():
    """Rows of one component: half of the values say all of the others."""
    Z, w = RNG.normal(size=(300, 1)), np.array([[1.0, -2.0, 0.5, 3.0, 1.0]])
    X = Z @ w + 0.01 * RNG.normal(size=(300, 5))
    vae = small(n_components=1, max_epochs=1).fit(X)
    x = (X - X.mean(0)).copy()
    gaps = RNG.random(X.shape) < 0.3
    parts = None
    filled = np.where(gaps, np.nan, x)
    for _ in range(linear_start._N_FILLS):
        filled[gaps] = linear_start._expected(filled, parts)[gaps]
        filled -= filled.mean(0)
        parts = linear_start._components(filled, 1, 0)
    direction = parts[0][:, 0] * np.sign(parts[0][3, 0])
    assert stats.pearsonr(direction, w[0]).statistic > 0.999
    assert np.std((filled - x)[gaps]) < 0.5 * np.std(x[gaps])
    assert vae.module_.frame.has_missing is False
