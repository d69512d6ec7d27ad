"""Offsets and units that float32 cannot hold change nothing."""

import warnings

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import IWAE, RAE, VAE, WAE, TwoStageVAE
from skvae._utils.float32 import Frame
from skvae._utils.rows import DataSummary, summarise
from skvae.likelihoods import DiscretizedLogisticLikelihood, GaussianLikelihood
from skvae.networks import MLP
from skvae.pipeline import sample_pipeline

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 2)) @ RNG.normal(size=(2, 6))
X += 0.1 * RNG.normal(size=X.shape)
SMALL = {"network": MLP((32,)), "max_epochs": 10, "random_state": 0}
SECOND = VAE(2, network=MLP((32,), skip=False), kl_warmup=0, max_epochs=3)
MODELS = [
    *(cls(2, **SMALL) for cls in (VAE, IWAE, RAE, WAE)),
    TwoStageVAE(2, second_stage=SECOND, **SMALL),
    VAE(2, likelihood="laplace", **SMALL),
    VAE(2, likelihood=GaussianLikelihood("feature"), **SMALL),
    VAE(2, likelihood=GaussianLikelihood("predicted"), **SMALL),
]


def exact_score(model, rows):
    """Return the score, where few importance samples are too noisy that of many.

    Noise depends on the content of rows, and a few rows of a hardly trained model with
    predicted scales are 50 nats apart from one set of samples to the next.
    """
    if getattr(model.likelihood, "scale", None) != "predicted":
        return model.score(rows)
    return np.mean(model.score_samples(rows, n_importance_samples=2000))


def rms(rows):
    return np.sqrt(np.mean(np.square(rows)))


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("unit", [1e-30, 1e-19, 1e20, 1e30, 1e45])
def test_units_change_nothing(model, unit):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        plain, scaled = model.fit(X).reconstruct(X), model.fit(unit * X)
        back = scaled.reconstruct(unit * X) / unit
    model.fit(X)
    assert rms(back - X) == pytest.approx(rms(plain - X), rel=0.01)
    before = exact_score(model, X)
    after = exact_score(model.fit(unit * X), unit * X) + X.shape[1] * np.log(unit)
    assert after == pytest.approx(before, abs=0.5)


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("offset", [1e5, -1e8])
def test_offsets_change_nothing(model, offset):
    plain, before = rms(model.fit(X).reconstruct(X) - X), exact_score(model, X)
    Y = X + offset
    moved = model.fit(Y)
    assert moved.reconstruct(Y).dtype == np.float64
    assert rms(moved.reconstruct(Y) - Y) == pytest.approx(plain, rel=0.1)
    assert exact_score(moved, Y) == pytest.approx(before, abs=0.3)
    samples = moved.sample(500, random_state=0)
    np.testing.assert_allclose(samples.mean(0) - offset, X.mean(0), atol=2.0)
    assert len(np.unique(samples[:, 0])) == 500


def test_learned_scale_is_in_the_units_of_the_data():
    options = {"likelihood": GaussianLikelihood("global"), **SMALL}
    options["early_stopping"] = False
    plain, scaled = VAE(2, **options).fit(X), VAE(2, **options).fit(1e30 * X)
    expected = 1e30 * plain.likelihood_.scale_
    assert scaled.likelihood_.scale_ == pytest.approx(expected, rel=1e-3)
    assert scaled.history_["scale"][-1] == scaled.likelihood_.scale_


def test_fixed_scale_is_in_the_units_of_the_data():
    plain = VAE(2, likelihood=GaussianLikelihood(0.3), **SMALL).fit(X)
    scaled = VAE(2, likelihood=GaussianLikelihood(0.3e-25), **SMALL).fit(1e-25 * X)
    assert scaled.likelihood_.scale_ == pytest.approx(0.3e-25)
    expected = plain.score(X) - X.shape[1] * np.log(1e-25)
    assert scaled.score(1e-25 * X) == pytest.approx(expected, abs=0.3)


def test_fixed_scale_far_from_the_data_is_refused_before_training():
    with pytest.raises(ValueError, match=r"'scale' parameter.*1e-20.*units"):
        VAE(2, likelihood=GaussianLikelihood(1e-20), **SMALL).fit(X)


@pytest.mark.parametrize("factor", [1e-25, 1e20, 1e45])
@pytest.mark.parametrize("cls", [VAE, IWAE, RAE, WAE])
def test_one_column_of_another_magnitude_can_be_fitted(cls, factor):
    model = cls(2, likelihood=GaussianLikelihood("feature"), **SMALL)
    expected = rms((model.fit(X).reconstruct(X) - X) / X.std(0))
    Y = X * np.r_[factor, np.ones(5)]
    actual = rms((model.fit(Y).reconstruct(Y) - Y) / Y.std(0))
    assert actual == pytest.approx(expected, rel=0.01)
    assert np.isfinite(model.score(Y))
    assert np.isfinite(cls(2, **SMALL).fit(Y).score(Y))


def test_small_spreads_beside_a_large_mean_are_no_constants():
    pressure = 101325 + 0.05 * RNG.normal(size=(200, 1))
    assert summarise(pressure).std == pytest.approx(pressure.std(), rel=1e-6)
    assert summarise(np.full((200, 1), 101325.1)).std == 0


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.float32, np.uint8])
def test_rows_come_back_with_the_digits_that_they_had(dtype):
    model = VAE(2, **SMALL).fit((10 + X).astype(dtype))
    expected = np.float64 if dtype in (np.float64, np.int64) else np.float32
    Z = model.transform(10 + X)
    assert Z.dtype == np.float32
    assert model.reconstruct(10 + X).dtype == expected
    assert model.inverse_transform(Z).dtype == expected
    assert model.sample(3).dtype == expected


def test_pipelines_restore_time_stamps():
    t = 1.7e9 + RNG.uniform(0, 3600, 1000)
    T = np.c_[t, np.sin(t / 600), RNG.normal(size=1000)]
    pipeline = make_pipeline(StandardScaler(), VAE(2, **SMALL)).fit(T)
    samples = sample_pipeline(pipeline, 2000, random_state=0)
    assert samples.dtype == np.float64
    assert len(np.unique(samples[:, 0])) > 1990
    back = pipeline.inverse_transform(pipeline.transform(T))
    assert len(np.unique(back[:, 0])) > 990


def test_values_beyond_float32_are_refused_by_name():
    model = VAE(2, **SMALL).fit(X)
    far = X.copy()
    far[3, 4] = 1e60
    with pytest.raises(ValueError, match=r"feature 4 has the value 1e\+60. Rescale"):
        model.score_samples(far)
    far[3, 4] = 1e200
    with pytest.raises(ValueError, match=r"feature 4 has the value 1e\+200. Divide"):
        VAE(2, **SMALL).fit(far)


def test_levels_that_float32_cannot_tell_apart_are_refused():
    likelihood = DiscretizedLogisticLikelihood(256, low=1e9, high=1e9 + 255)
    levels = 1e9 + RNG.integers(0, 256, (50, 3))
    with pytest.raises(ValueError, match=r"float32 cannot tell.*Subtract"):
        VAE(2, likelihood=likelihood, **SMALL).fit(levels)


def test_partial_fit_goes_on_in_the_frame_of_the_first_call():
    model = VAE(2, **SMALL).partial_fit(X + 1e8).partial_fit(X + 1e8)
    assert rms(model.reconstruct(X + 1e8) - X - 1e8) < 10
    model.partial_fit(np.full((30, 6), 200, np.uint8))  # another type, far away
    assert np.isfinite(model.score(X + 1e8))


def test_ordinary_data_keep_their_origin_and_units():
    for rows in (X, X.astype(np.float32), np.abs(X).astype(np.uint8)):
        summary = summarise(rows)
        assert summary.scaled_frame(summary.total_scale).is_plain


@pytest.mark.parametrize("exponent", [0, -200, 500])
def test_frames_are_undone(exponent):
    origin = np.ldexp(np.arange(6.0) * 1e6, exponent)
    frame = Frame(origin, exponent, np.float64)
    rows = np.ldexp(X, exponent) + origin
    back = frame.restore(frame.read(rows).numpy())
    np.testing.assert_allclose(back - origin, rows - origin, rtol=1e-6)
    assert frame.log_volume(rows) == pytest.approx(6 * exponent * np.log(2))
    rows[:, :2] = np.nan
    assert frame.log_volume(rows) == pytest.approx(4 * exponent * np.log(2))


def test_statistics_in_a_frame_are_those_of_the_rows_inside():
    rows = X * 1e-25 + 1e-15
    summary = summarise(rows)
    inside = summary.in_frame(summary.scaled_frame(summary.total_scale))
    seen = inside.frame.read(rows).numpy()
    assert isinstance(inside, DataSummary)
    np.testing.assert_allclose(inside.mean, seen.mean(0), atol=1e-5)
    np.testing.assert_allclose(inside.std, seen.std(0), rtol=1e-4)
