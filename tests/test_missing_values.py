"""Rows with missing values: what is left is what counts."""

import functools
import itertools

import numpy as np
import pytest
import torch
from conftest import small
from linear_gaussian import (
    SCALE,
    B,
    W,
    draw,
    estimator_around,
    linear_gaussian,
    with_gaps,
)
from scipy import stats
from scipy.special import logsumexp
from sklearn.base import clone

from skvae import IWAE, RAE, VAE, WAE, TwoStageVAE
from skvae._utils.rows import DataSummary
from skvae.likelihoods import NAMES, GaussianLikelihood
from skvae.networks import MLP

FAMILIES = [VAE, IWAE, WAE, RAE, TwoStageVAE]
COVARIANCE = W @ W.T + SCALE**2 * np.eye(len(B))
PATTERNS = list(itertools.product([False, True], repeat=len(B)))
MIXED = np.array([p for p in PATTERNS if any(p) and not all(p)])


def conditional(x):
    """Return mean and covariance of what is missing of a row of the linear model."""
    m = np.isnan(x)
    gain = COVARIANCE[np.ix_(m, ~m)] @ np.linalg.inv(COVARIANCE[np.ix_(~m, ~m)])
    mean = B[m] + gain @ (x - B)[~m]
    return mean, COVARIANCE[np.ix_(m, m)] - gain @ COVARIANCE[np.ix_(~m, m)]


# ------------------------------------------------------------------ exact values


def test_scores_are_the_exact_marginals_of_every_pattern():
    model = estimator_around(linear_gaussian(widen=2.0))
    rows = draw(len(PATTERNS)).astype(float)
    X = np.where(PATTERNS, np.nan, rows)
    scores, sizes = model.score_samples(
        X, n_importance_samples=2000, return_effective_sample_size=True
    )
    exact = [
        stats.multivariate_normal(B[o], COVARIANCE[np.ix_(o, o)]).logpdf(x[o])
        if o.any()
        else 0.0
        for x, o in zip(X, ~np.array(PATTERNS), strict=True)
    ]
    error = np.sqrt(1 / sizes - 1 / 2000)[:-1]
    assert (np.abs(scores - exact)[:-1] < 4 * error).all()
    assert np.abs(np.mean((scores - exact)[:-1] / error)) < 4 / np.sqrt(len(error))
    assert (scores[-1], sizes[-1]) == (0, 2000)


@pytest.mark.slow
def test_imputed_values_are_the_exact_conditional_means():
    model = estimator_around(linear_gaussian(widen=2.0))
    X = np.where(MIXED, np.nan, draw(len(MIXED)).astype(float))
    imputed = model.impute(X, n_importance_samples=4000)
    exact = np.concatenate([conditional(x)[0] for x in X])
    assert np.abs(imputed[MIXED] - exact).max() < 0.25
    assert np.abs(imputed[MIXED] - exact).mean() < 0.03


def test_draws_have_the_exact_conditional_moments():
    model = estimator_around(linear_gaussian(widen=2.0))
    x = draw(1, seed=5).astype(float)
    x[0, [0, 3]] = np.nan
    drawn = model.sample_missing(
        np.repeat(x, 400, axis=0), 10, n_importance_samples=500, random_state=0
    )
    mean, covariance = conditional(x[0])
    values = drawn[..., [0, 3]].reshape(-1, 2)
    assert np.abs(values.mean(0) - mean).max() < 0.06
    assert np.abs(np.cov(values.T) - covariance).max() < 0.06
    assert len(np.unique(values[:, 0])) == 4000


def test_two_stages_impute_by_the_codes_of_the_first():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 1)) + 0.1 * rng.normal(size=(300, 3))
    gaps = X.copy()
    gaps[:40, 2] = np.nan
    stage = VAE(1, network=MLP((16,)), max_epochs=60)
    model = TwoStageVAE(1, second_stage=stage, max_epochs=60, random_state=0)
    imputed = model.fit(gaps).impute(gaps)
    assert np.std((imputed - X)[:40, 2]) < 0.3 * np.std(X[:40, 2])


def test_a_row_of_nothing_is_drawn_from_the_model():
    model = estimator_around(linear_gaussian())
    X = np.full((1, len(B)), np.nan)
    assert model.transform(X).tolist() == [[0, 0]]
    assert np.abs(model.impute(X)[0] - B).max() < 0.3
    drawn = model.sample_missing(X, 4000, random_state=0)[:, 0]
    assert np.abs(np.cov(drawn.T) - COVARIANCE).max() < 0.4


@pytest.mark.slow
def test_the_noise_is_that_of_the_values_that_are_there():
    rng = np.random.default_rng(0)
    Z, noise = rng.normal(size=(1000, 1)), rng.normal(size=(1000, 4))
    X = with_gaps(Z * [2, 1, 1, 2] + 0.5 * noise, 0.2)
    likelihood = GaussianLikelihood("feature")
    model = small(IWAE, n_components=1, likelihood=likelihood, max_epochs=60).fit(X)
    # Where the largest features are missing, the code is less certain.
    assert model.likelihood_.scale_ == pytest.approx(np.full(4, 0.5), rel=0.2)


@pytest.mark.parametrize("bounds", [None, (-5, 5)])
def test_missing_errors_count_for_nothing_in_the_noise(bounds):
    summary = DataSummary(np.zeros(3), np.ones(3))
    likelihood = GaussianLikelihood(bounds=bounds).build(summary)
    rng = np.random.default_rng(0)
    loc = torch.tensor(rng.normal(size=(2, 7, 3)))
    error = torch.tensor(rng.random((2, 7, 3)))
    weight = torch.tensor(rng.random((2, 7, 1)))
    missing = torch.tensor(rng.random((7, 3)) < 0.4)
    ours = likelihood.new_errors(held_out=True)
    ours.add(loc, error.masked_fill(missing, np.nan), weight)
    theirs = [likelihood.new_errors(held_out=True) for _ in range(21)]
    for (i, j), one in zip(itertools.product(range(7), range(3)), theirs, strict=True):
        if not missing[i, j]:
            column = [slice(None), slice(i, i + 1), slice(j, j + 1)]
            place = loc[column].expand(2, 1, 3)
            other = torch.where(torch.arange(3) == j, error[column], np.nan)
            one.add(place, other, weight[:, i : i + 1])
    total = functools.reduce(lambda a, b: a + b, theirs)
    for name in ("count", "error", "spread"):
        np.testing.assert_allclose(getattr(ours, name), getattr(total, name), 1e-6)


# ------------------------------------------------------------------ what is there


@pytest.mark.parametrize("cls", FAMILIES)
def test_all_methods_take_missing_values(cls):
    X = with_gaps(draw(150).astype(float))
    X[7] = np.nan
    model = small(cls, n_components=2, max_epochs=3).fit(X)
    for out in (model.transform(X), model.reconstruct(X), model.score_samples(X)):
        assert np.isfinite(out).all()
    assert model.score_samples(X)[7] == 0
    assert np.isfinite(model.partial_fit(X).score(X))
    imputed = model.impute(X)
    there = ~np.isnan(X)
    assert np.isfinite(imputed).all()
    assert imputed[there].tobytes() == X[there].tobytes()
    assert model.sample(9).shape == (9, 5)


@pytest.mark.parametrize(
    "likelihood", [name for name in NAMES if name != "discretized_logistic"]
)
@pytest.mark.parametrize("scale", ["auto", "global", "feature", "predicted", 0.2])
def test_all_likelihoods_take_missing_values(likelihood, scale):
    X = with_gaps(np.random.default_rng(0).random((120, 4)).round())
    if likelihood == "gaussian":
        likelihood = GaussianLikelihood(scale)
    elif scale != "auto":
        pytest.skip("one scale is enough")
    vae = small(n_components=2, likelihood=likelihood, max_epochs=2).fit(X)
    assert np.isfinite(vae.score_samples(X)).all()
    assert np.isfinite(vae.sample_missing(X, random_state=0)).all()


@pytest.mark.parametrize("cls", [VAE, IWAE, RAE])
def test_a_model_that_may_miss_values_is_the_same_where_none_are(cls):
    X = draw(100)
    whole = cls(2, max_epochs=3, random_state=0).fit(X)
    other = clone(whole).fit(X)
    other.module_ = other.module_.reading(with_gaps(X))
    assert other.module_.frame.has_missing
    assert not whole.module_.frame.has_missing
    assert np.array_equal(other.transform(X), whole.transform(X))
    np.testing.assert_allclose(other.score_samples(X), whole.score_samples(X), 1e-5)


def test_the_values_of_missing_entries_are_nowhere():
    """Two rows that differ where they are missing are one row: NaN has many bits."""
    X = draw(60).astype(float)
    X[:, 2] = np.nan
    vae = small(n_components=2, max_epochs=2).fit(X)
    other = X.copy()
    other[:, 2] = np.copysign(np.nan, -1)
    assert np.array_equal(vae.score_samples(X), vae.score_samples(other))
    assert np.array_equal(vae.impute(X), vae.impute(other))


@pytest.mark.parametrize("unit", [1.0, 2.0**-60])
def test_the_encoder_sees_the_training_mean(unit):
    X = unit * with_gaps(draw(80).astype(float))
    filled = np.where(np.isnan(X), np.nanmean(X, axis=0), X)
    model = small(n_components=2, max_epochs=2).fit(X)
    np.testing.assert_allclose(model.transform(X), model.transform(filled), 1e-3, 1e-4)


def test_rows_do_not_depend_on_their_company():
    X = with_gaps(draw(80).astype(float))
    vae = small(n_components=2, max_epochs=3).fit(X)
    order = np.random.default_rng(0).permutation(80)
    assert np.array_equal(vae.score_samples(X)[order], vae.score_samples(X[order]))
    assert np.array_equal(vae.impute(X)[order], vae.impute(X[order]))


def test_draws_of_missing_values_are_decided_by_random_state():
    X = with_gaps(draw(40).astype(np.float32))
    vae = small(n_components=2, max_epochs=2).fit(X)
    a, b = (vae.sample_missing(X, 3, random_state=0) for _ in range(2))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, vae.sample_missing(X, 3, random_state=1))
    assert a.dtype == np.float32
    there = ~np.isnan(X)
    assert all(np.array_equal(rows[there], X[there]) for rows in a)


def test_scores_are_in_the_units_of_what_is_observed():
    X = with_gaps(draw(80).astype(float))
    scores = small(n_components=2, max_epochs=3).fit(X).score_samples(X)
    power = 2.0**-60
    scaled = small(n_components=2, max_epochs=3).fit(X * power)
    assert np.any(scaled.module_.frame.exponent)
    expected = scores - np.log(power) * (~np.isnan(X)).sum(1)
    np.testing.assert_allclose(scaled.score_samples(X * power), expected, 1e-5, 1e-4)
    there = ~np.isnan(X)
    assert np.array_equal(scaled.impute(X * power)[there], X[there] * power)


# ---------------------------------------------------------------- models with curves


@pytest.mark.slow
def test_scores_and_expectations_of_a_curved_model_are_those_of_quadrature():
    rng = np.random.default_rng(0)
    X = 2 * np.tanh(rng.normal(size=(580, 2)) @ rng.normal(size=(2, 6)))
    X = with_gaps(X + 0.2 * rng.normal(size=X.shape), 0.5)
    network = MLP((16,))
    vae = VAE(2, network=network, max_epochs=60, random_state=0).fit(X[:500])
    rows = X[500:][~np.isnan(X[500:]).all(1)]
    axis = np.linspace(-6, 6, 241)
    Z = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    p = vae.module_.decode(torch.tensor(Z, dtype=torch.float32))
    prior = stats.norm.logpdf(Z).sum(1) + 2 * np.log(axis[1] - axis[0])
    errors, imputed = [], vae.impute(rows)
    for x, filled, score in zip(rows, imputed, vae.score_samples(rows), strict=True):
        missing = np.isnan(x)
        by_feature = p.log_prob_by_feature(torch.tensor(np.nan_to_num(x)))
        log_p = by_feature.detach().numpy()[:, ~missing].sum(1) + prior
        exact = logsumexp(log_p)
        mean = np.exp(log_p - exact) @ p.mean.detach().numpy()[:, missing]
        errors.append([score - exact, np.square(filled[missing] - mean).sum()])
    score_errors, squares = np.transpose(errors)
    assert np.abs(score_errors.mean()) < 0.12
    assert np.mean(np.abs(score_errors) < 0.3) > 0.9
    assert np.sqrt(squares.sum() / np.isnan(rows).sum()) < 0.15
