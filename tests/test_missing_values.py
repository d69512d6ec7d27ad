"""Rows with missing values: what is left is what counts."""

import functools
import itertools

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from conftest import small
from linear_gaussian import SCALE, B, W, draw, estimator_around, linear_gaussian
from scipy import stats
from sklearn.base import clone

from skvae import IWAE, RAE, VAE, WAE, TwoStageVAE
from skvae._utils.rows import DataSummary
from skvae.likelihoods import GaussianLikelihood, Likelihood

FAMILIES = [VAE, IWAE, WAE, RAE, TwoStageVAE]
COVARIANCE = W @ W.T + SCALE**2 * np.eye(len(B))
PATTERNS = list(itertools.product([False, True], repeat=len(B)))
MIXED = np.array([p for p in PATTERNS if any(p) and not all(p)])


def with_gaps(X, share=0.3, seed=0):
    """Return float rows of which a share of the values is missing at random."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(X.shape) < share, np.nan, X)


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
    ours = likelihood.new_errors()
    ours.add(loc, error.masked_fill(missing, np.nan), weight)
    theirs = [likelihood.new_errors() for _ in range(21)]
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
    "likelihood", ["gaussian", "laplace", "bernoulli", "continuous_bernoulli"]
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


# ------------------------------------------------------------------ how they come


def test_none_na_masks_and_nulls_are_missing():
    rows = draw(40).astype(float)
    X = with_gaps(rows)
    missing = np.isnan(X)
    objects = np.where(missing, None, rows.astype(object))
    with_na = np.where(missing, pd.NA, rows.astype(object))
    nullable = pd.DataFrame(rows).mask(missing).astype("Float64")
    forms = [
        objects.tolist(),
        objects,
        with_na,
        np.ma.array(rows, mask=missing),
        torch.tensor(X),
        nullable.set_axis([str(i) for i in range(5)], axis=1),
        pd.DataFrame(with_na, columns=list("abcde")),
        pl.DataFrame({str(i): [*objects[:, i]] for i in range(5)}),
    ]
    expected = small(n_components=2, max_epochs=2).fit(X).transform(X)
    for form in forms:
        model = small(n_components=2, max_epochs=2).fit(form)
        assert np.array_equal(model.transform(form), expected), type(form)
    whole = np.ma.array(np.arange(40).reshape(8, 5), mask=np.eye(8, 5))
    assert (
        np.isnan(small(n_components=2, max_epochs=1).fit(whole).impute(whole)).sum()
        == 0
    )


@pytest.mark.parametrize("method", ["fit", "transform", "score_samples", "impute"])
def test_infinity_is_refused_also_beside_nan(method):
    X = with_gaps(draw(40).astype(float))
    model = small(n_components=2, max_epochs=1).fit(X)
    X[3] = [np.nan, 1, np.inf, 2, 3]
    with pytest.raises(ValueError, match=r"infinity.*inf, is in feature 2.*Put NaN"):
        getattr(model, method)(X)


def test_values_beyond_float32_are_refused_beside_nan():
    X = with_gaps(draw(40).astype(float))
    model = small(n_components=2, max_epochs=1).fit(X)
    X[3] = [np.nan, 1, 1e39, 2, 3]
    with pytest.raises(ValueError, match=r"float32.*feature 2 has the value 1e\+39"):
        model.transform(X)


def test_missing_pixels_of_images():
    rng = np.random.default_rng(0)
    X = with_gaps(rng.integers(256, size=(60, 6, 6)).astype(np.float32), 0.2)
    vae = small(n_components=2, network="convnet", max_epochs=2).fit(X)
    assert vae.likelihood_.bounds_ == (0, 255)
    imputed = vae.impute(X)
    assert imputed.shape == X.shape
    assert imputed.dtype == np.float32
    assert 0 <= imputed.min() <= imputed.max() <= 255
    assert vae.sample_missing(X, 2, random_state=0).shape == (2, 60, 6, 6)


def test_integers_have_none_missing_and_come_back_as_they_are():
    X = np.random.default_rng(0).integers(9, size=(40, 3))
    vae = small(n_components=2, max_epochs=1).fit(X)
    assert vae.impute(X).dtype == X.dtype
    assert np.array_equal(vae.impute(X), X)


def test_features_with_few_or_no_values():
    X = with_gaps(draw(60).astype(float))
    X[:, 1] = np.nan
    X[:, 2] = np.nan
    X[5, 2] = 3.0
    vae = small(n_components=2, max_epochs=3).fit(X)
    assert np.isfinite(vae.score_samples(X)).all()
    assert np.isfinite(vae.sample(5)).all()
    assert np.abs(vae.impute(X)[:, 1]).max() < 1  # around a mean of 0
    assert np.abs(vae.impute(X)[:, 2] - 3).max() < 1


def test_chunks_and_rows_held_out_may_miss_values_that_others_have():
    X = draw(80).astype(float)
    gaps = with_gaps(X)
    vae = small(n_components=2, max_epochs=1).partial_fit(X).partial_fit(gaps)
    assert np.isfinite(vae.transform(gaps)).all()
    assert vae.module_.frame.has_missing
    held_out = small(n_components=2, max_epochs=2, early_stopping=True).fit(
        X, X_val=gaps
    )
    assert np.isfinite(held_out.history_["validation_loss"]).all()


# ---------------------------------------------------------------------------- refusals


class Sphere(Likelihood):
    """A density of the whole row, which cannot be split over features."""

    def build(self, summary):
        self.register_buffer("mean", torch.tensor(summary.mean).float())
        return self

    def forward(self, h):
        likelihood = torch.distributions.Normal(self.mean + h, 1.0)
        return torch.distributions.Independent(likelihood, 1)


def test_a_likelihood_that_does_not_factorise_says_so():
    X = draw(40).astype(float)
    small(n_components=2, likelihood=Sphere(), max_epochs=1).fit(X)
    model = small(n_components=2, likelihood=Sphere(), max_epochs=1)
    with pytest.raises(TypeError, match="log_prob_by_feature"):
        model.fit(with_gaps(X))
    assert not hasattr(model, "module_")


@pytest.mark.parametrize("cls", [RAE, WAE])
def test_a_deterministic_encoder_draws_nothing(cls):
    X = with_gaps(draw(40).astype(float))
    model = cls(2, max_epochs=1, random_state=0).fit(X)
    with pytest.raises(TypeError, match=cls.__name__):
        model.sample_missing(X)


def test_wrong_numbers_of_draws_are_refused():
    X = with_gaps(draw(40).astype(float))
    vae = small(n_components=2, max_epochs=1).fit(X)
    with pytest.raises(ValueError, match="n_draws"):
        vae.sample_missing(X, 0)
    with pytest.raises(ValueError, match="n_importance_samples"):
        vae.impute(X, n_importance_samples=0)
