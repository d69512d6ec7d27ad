"""How missing values come, and what is refused."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from conftest import small
from linear_gaussian import draw, linear_gaussian, with_gaps

from skvae import RAE, WAE
from skvae._training import stream
from skvae.diagnostics import posterior_moments, reconstruction_matching
from skvae.estimators._far_rows import is_far
from skvae.likelihoods import Likelihood

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
    options = {"n_components": 2, "max_epochs": 2, "likelihood": "gaussian"}
    expected = small(**options).fit(X).transform(X)
    for form in forms:
        model = small(**options).fit(form)
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


# -------------------------------------------------------------------------- what is odd


def test_na_in_lists_is_missing():
    rows = with_gaps(draw(40).astype(float))
    lists = [[pd.NA if np.isnan(x) else x for x in row] for row in rows]
    model = small(n_components=2, max_epochs=1).fit(rows)
    assert np.array_equal(model.transform(lists), model.transform(rows))


def test_a_series_of_arrays_is_an_array():
    rows = draw(40)
    model = small(n_components=2, max_epochs=1).fit(pd.Series(list(rows)))
    assert np.array_equal(model.transform(rows), model.transform(pd.Series([*rows])))
    with pytest.raises(ValueError, match="Reshape your data"):
        model.transform(pd.Series(rows[:, 0]))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_rows_without_any_value_are_no_data(method):
    nothing = np.full((50, 5), np.nan)
    model = small(n_components=2, max_epochs=1)
    with pytest.raises(ValueError, match="all 250 of them are missing"):
        getattr(model, method)(nothing)
    with pytest.raises(ValueError, match=r"X_val.*all 250 of them are missing"):
        model.set_params(early_stopping=True).fit(draw(50).astype(float), X_val=nothing)


def test_held_out_rows_may_all_be_empty():
    X = draw(120).astype(float)
    X[:100] = np.nan
    for seed in range(3):
        vae = small(n_components=2, max_epochs=2, early_stopping=True)
        vae.set_params(validation_fraction=0.01, random_state=seed).fit(X)
        assert np.isfinite(vae.score(X))


def test_levels_beyond_the_support_are_named_beside_nan():
    X = with_gaps(np.random.default_rng(0).integers(9, size=(40, 3)).astype(float))
    model = small(n_components=2, likelihood="discretized_logistic")
    with pytest.raises(ValueError, match=r"256 even levels.*has the value \d"):
        model.fit(X)


def test_masks_of_what_is_no_number_are_refused_as_before():
    dates = np.ma.array(np.zeros((4, 2), "datetime64[s]"), mask=np.eye(4, 2))
    with pytest.raises((TypeError, ValueError), match=r"masked|must hold numbers"):
        small(n_components=2).fit(dates)


def test_comparisons_of_reconstructions_need_whole_rows():
    X = draw(60).astype(float)
    model = small(n_components=2, max_epochs=1).fit(X)
    with pytest.raises(ValueError, match=r"NaN.*Impute"):
        reconstruction_matching(model, with_gaps(X[:9]), X)


def test_moments_of_nothing_are_those_of_the_prior():
    X = with_gaps(draw(60).astype(float))
    X[3] = np.nan
    model = small(n_components=2, max_epochs=2).fit(X)
    means, deviations = posterior_moments(model, X)
    assert means[3].tolist() == [0, 0]
    assert deviations[3].tolist() == [1, 1]
    assert (deviations[4] != 1).all()


def test_a_value_that_is_missing_from_the_sample_of_a_stream_is_seen(monkeypatch):
    monkeypatch.setattr(stream, "MOST_ROWS", 40)
    X = np.random.default_rng(0).normal(size=(2000, 5))
    model = small(n_components=2).partial_fit(X[:5])  # too few to go on from
    X[1000, 2] = np.nan
    model.partial_fit(X)
    assert not np.isnan(model._sample.rows).any()
    assert np.isfinite(model.score_samples(X[995:1005])).all()


def test_what_is_observed_says_whether_a_row_is_far():
    module = linear_gaussian().reading(np.full((1, 5), np.nan))
    x = torch.full((3, 5), np.nan)
    x[0, 2], x[1, 2] = 3.0, 1.0
    code = torch.zeros(3, 2)
    assert is_far(module, x, code).tolist() == [True, False, False]
