"""Means that stay between bounds, given or found in X."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ESTIMATORS, describe, small
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit, logit
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skvae import RAE, VAE
from skvae._utils.rows import summarise
from skvae.likelihoods import GaussianLikelihood, LaplaceLikelihood
from skvae.likelihoods._locations import Bounded
from skvae.networks import MLP, ConvNet

RNG = np.random.default_rng(0)
SCALED = [GaussianLikelihood, LaplaceLikelihood]
INSIDE = expit(RNG.normal(size=(80, 5)))  # within 0 and 1


def built(likelihood, X):
    """Return a likelihood that is built for X, and the frame that its module has."""
    summary = summarise(X)
    summary = summary.in_frame(likelihood.frame(summary))
    return likelihood.build(summary), summary.frame


def locations(likelihood, X, h):
    """Return means in the units of X for raw outputs, the same for all features."""
    likelihood, frame = built(likelihood, X)
    raw = torch.as_tensor(h, dtype=torch.float32)[:, None].expand(-1, X.shape[1])
    return frame.restore(likelihood(raw).mean.detach().numpy())


@pytest.mark.parametrize("cls", SCALED)
def test_location_is_a_logistic_function_of_the_output(cls):
    X = 3 + 5 * INSIDE
    h = np.linspace(-6, 6, 25)
    actual = locations(cls("global", bounds=(2, 9)), X, h)
    offset = logit((X.mean(0) - 2) / 7)
    np.testing.assert_allclose(actual, 2 + 7 * expit(offset + h[:, None]), rtol=1e-5)


@pytest.mark.parametrize(
    ("value", "share"), [(0.0, 1e-3), (1.0, 1 - 1e-3), (1e-6, 1e-3), (0.4, 0.4)]
)
def test_location_starts_at_the_mean_but_not_at_a_bound(value, share):
    X = np.c_[np.full(len(INSIDE), value), INSIDE]
    start = locations(GaussianLikelihood(bounds=(0, 1)), X, [0.0])[0]
    assert start[0] == pytest.approx(share, rel=1e-3)
    np.testing.assert_allclose(start[1:], INSIDE.mean(0), rtol=1e-5)


@pytest.mark.filterwarnings("ignore:bounds=")
def test_location_starts_at_the_mean_beside_a_bound_far_away():
    start = locations(GaussianLikelihood(bounds=(0, 1e6)), INSIDE, [0.0])
    np.testing.assert_allclose(start[0], INSIDE.mean(0), rtol=1e-4)


FAR_OUT = [-np.inf, -1e30, -1e3, -100, 0, 100, 1e3, 1e30, np.inf]


@pytest.mark.filterwarnings("ignore:bounds=")
@given(
    st.floats(-1e8, 1e8),
    st.floats(1e-6, 1e6),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from(SCALED),
)
def test_no_location_is_outside_by_rounding(low, width, dtype, cls):
    high = low + width
    # Between the bounds there are some numbers of this type.
    assume(high - low > 16 * np.spacing(dtype(max(-low, high))))
    X = np.random.default_rng(0).uniform(low, high, size=(30, 2)).astype(dtype)
    X = X.clip(
        np.nextafter(dtype(low), dtype(1e9)), np.nextafter(dtype(high), -dtype(1e9))
    )
    out = locations(cls(bounds=(low, high)), X, FAR_OUT).astype(np.float64)
    assert low <= out.min() <= low + 1e-3 * width + np.spacing(dtype(abs(low)))
    assert high >= out.max() >= high - 1e-3 * width - np.spacing(dtype(abs(high)))


@pytest.mark.parametrize("unit", [1e-30, 1e-12, 1e12, 1e30, 1e45])
def test_units_change_no_location(unit):
    plain = locations(GaussianLikelihood(bounds=(-1, 2)), INSIDE, [-2.0, 0.0, 3.0])
    likelihood = GaussianLikelihood(bounds=(-unit, 2 * unit))
    scaled = locations(likelihood, unit * INSIDE, [-2.0, 0.0, 3.0])
    np.testing.assert_allclose(scaled / unit, plain, rtol=1e-6)


def test_offsets_change_no_location():
    plain = locations(GaussianLikelihood(bounds=(0, 1)), INSIDE, [-2.0, 0.0, 3.0])
    likelihood = GaussianLikelihood(bounds=(1e7, 1e7 + 1))
    far = locations(likelihood, 1e7 + INSIDE, [-2.0, 0.0, 3.0])
    np.testing.assert_allclose(far - 1e7, plain, atol=1e-6)


def outputs_of(model, X):
    """Return everything of a model that is a mean of p(x|z)."""
    Z = 1e3 * np.random.default_rng(0).normal(size=(20, model.n_components))
    yield model.reconstruct(X)
    yield model.inverse_transform(model.transform(X))
    yield model.inverse_transform(Z)
    yield model.sample(50, random_state=0)


@pytest.mark.parametrize("cls", ESTIMATORS, ids=describe)
@pytest.mark.parametrize(("low", "high"), [(0.1, 0.3), (1e7 + 0.1, 1e7 + 0.7)])
def test_estimators_stay_within_bounds(cls, low, high):
    X = low + (high - low) * INSIDE
    likelihood = GaussianLikelihood(bounds=(low, high))
    model = small(cls, likelihood=likelihood).fit(X)
    for out in outputs_of(model, X):
        assert out.dtype == X.dtype
        assert out.min() >= low
        assert out.max() <= high


def test_score_is_that_of_a_normal_distribution_around_a_bounded_mean():
    model = small(RAE, likelihood=GaussianLikelihood(0.2, bounds=(0, 1))).fit(INSIDE)
    module = model.module_
    x = torch.tensor(INSIDE, dtype=torch.float32)
    with torch.no_grad():
        p = module.decode(module.encode(x).mean)
        actual = p.log_prob(3 * x)  # also beyond the bounds
    mean = model.reconstruct(INSIDE)
    expected = stats.norm(mean, 0.2).logpdf(3 * INSIDE).sum(1)
    np.testing.assert_allclose(actual, expected, rtol=1e-4)


def with_ends(n_low, n_high, shape=(1000, 4), low=-1.0, high=2.0):
    """Return values between 0 and 1 with so many at either end."""
    X = np.random.default_rng(0).random(shape).ravel()
    X[:n_low], X[len(X) - n_high :] = low, high
    return X.reshape(shape)


@pytest.mark.parametrize("bounds", ["auto", None, (-2, 3)])
def test_parameter_says_which_bounds_there_are(bounds):
    X = with_ends(30, 30, (100, 4))
    likelihood = GaussianLikelihood(bounds=bounds)
    out = locations(likelihood, X, [-1e3, 1e3])
    ends = {"auto": (-1, 2), (-2, 3): (-2, 3)}
    if bounds is None:
        assert out.min() < -100
        assert likelihood.bounds_ is None
    else:
        assert (out.min(), out.max()) == likelihood.bounds_ == ends[bounds]


@pytest.mark.parametrize("unit", [1e-30, 1.0, 1e30])
def test_bounds_far_wider_than_the_data_are_warned_of(unit):
    X = unit * (INSIDE - 0.5) / INSIDE.std(0)
    with pytest.warns(UserWarning, match="more than 1,000 times as far apart as X"):
        built(GaussianLikelihood(bounds=(-600 * unit, 600 * unit)), X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        built(GaussianLikelihood(bounds=(-400 * unit, 400 * unit)), X)


def test_spread_between_bounds_is_that_of_a_share():
    rng = np.random.default_rng(0)
    low, high = -rng.random(1000), rng.random(1000)
    bounded = Bounded((low + high) / 2, low, high, high)
    for end in (-1e3, 1e3):
        spread = bounded.spread_at(bounded(torch.full((1, 1000), end)))
        assert (spread >= 0).all()
        assert (spread < 1e-6).all()
    h = torch.linspace(-5, 5, 11)[:, None].expand(-1, 1000)
    share = expit(h)
    np.testing.assert_allclose(
        bounded.spread_at(bounded(h)), share * (1 - share), atol=1e-6
    )


# What is refused


@pytest.mark.parametrize("cls", SCALED)
@pytest.mark.parametrize(
    "bounds",
    ["ab", (1, 0), (1, 1), (0, np.inf), (np.nan, 1), (0,), (0, 1, 2), 1.0, (0, None)],
    ids=str,
)
def test_bounds_that_are_none(cls, bounds):
    message = f"The 'bounds' parameter of {cls.__name__} must be 'auto', None or two"
    with pytest.raises(ValueError, match=message):
        small(likelihood=cls(bounds=bounds)).fit(INSIDE)


@pytest.mark.parametrize(
    "bounds", [[0, 1], (0, 1.0), np.array([0, 1]), (np.float32(0), np.int64(1))]
)
def test_forms_of_the_same_bounds(bounds):
    out = locations(GaussianLikelihood(bounds=bounds), INSIDE, [-1e3, 1e3])
    assert (out.min(), out.max()) == (0, 1)
    model = small(likelihood=GaussianLikelihood(bounds=bounds), max_epochs=1)
    assert clone(model).fit(INSIDE).partial_fit(INSIDE).n_epochs_ == 2


@pytest.mark.parametrize("cls", SCALED)
@pytest.mark.parametrize(("value", "name"), [(1.5, "1.5"), (-0.25, "-0.25")])
def test_every_method_refuses_values_outside_given_bounds(cls, value, name):
    wrong = INSIDE.copy()
    wrong[3, 2] = value
    model = small(likelihood=cls(bounds=(0, 1)), early_stopping=True).fit(INSIDE)
    message = (
        rf"{cls.__name__}\(bounds=\(0, 1\)\) needs X in these bounds, but feature 2 "
        rf"has the value {name}\. Give the bounds of X in its own units, clip X, or "
        r"set bounds=None\."
    )
    methods = ["fit", "partial_fit", "transform", "reconstruct", "score_samples"]
    for method in [*methods, "score", "fit_latent_density"]:
        with pytest.raises(ValueError, match=message):
            getattr(model, method)(wrong)
    with pytest.raises(ValueError, match="X_val"):
        model.fit(INSIDE, X_val=wrong)


@pytest.mark.parametrize("sign", [-1, 1])
def test_only_rounding_may_leave_the_bounds(sign):
    likelihood = GaussianLikelihood(bounds=(-3, 7))
    X = np.array([[-3.0, 0.0], [7.0, 0.0]])
    likelihood.check_support(X + sign * 0.9e-5)
    with pytest.raises(ValueError, match="feature 0"):
        likelihood.check_support(X + sign * 1.1e-5)


@pytest.mark.parametrize("bounds", ["auto", None])
def test_bounds_that_were_not_given_refuse_nothing(bounds):
    X = with_ends(30, 30, (100, 4))
    model = small(likelihood=GaussianLikelihood(bounds=bounds)).fit(X)
    assert np.isfinite(model.score_samples(10 * X)).all()
    assert np.isfinite(model.transform(X - 5)).all()


# As a user has them


def test_bounds_of_a_data_frame():
    X = pd.DataFrame(with_ends(30, 30, (100, 4)), columns=list("abcd"))
    assert small().fit(X).sample(20).min(axis=None) >= -1
    assert small(likelihood="gaussian").fit(X).likelihood_.bounds_ == (-1, 2)
    with pytest.raises(ValueError, match="feature 0 has the value 2"):
        small(likelihood=GaussianLikelihood(bounds=(-1, 1.75))).fit(X)


def test_images_of_bytes():
    images = RNG.integers(0, 256, size=(40, 8, 8)).astype(np.uint8)
    network = ConvNet(channels=(2,), hidden_layer_sizes=())
    model = small(network=network).fit(images)
    out = model.inverse_transform(100 * RNG.normal(size=(50, 2)))
    assert out.min() >= 0
    assert out.max() <= 255


def test_binary_rows_have_means_that_are_shares():
    X = (RNG.random((200, 6)) < 0.2).astype(np.float64)
    model = small().fit(X)
    samples = model.sample(100, random_state=0)
    assert samples.min() >= 0
    assert samples.max() <= 1


def test_pipelines_give_bounds_of_scaled_rows():
    X = 100 * RNG.normal(size=(200, 4))
    likelihood = GaussianLikelihood(bounds=(0, 1))
    pipeline = make_pipeline(MinMaxScaler(), small(likelihood=likelihood)).fit(X)
    low, high = X.min(0), X.max(0)
    out = pipeline.inverse_transform(100 * RNG.normal(size=(50, 2)))
    assert (out >= low - 1e-3).all()
    assert (out <= high + 1e-3).all()


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_copies_have_the_bounds(copied):
    X = with_ends(30, 30, (100, 4))
    model = small().fit(X)
    Z = 10 * RNG.normal(size=(20, 2))
    np.testing.assert_array_equal(
        copied(model).inverse_transform(Z), model.inverse_transform(Z)
    )


def test_bounds_are_those_of_the_fit_that_a_training_goes_on_from():
    X = with_ends(30, 30, (100, 4))
    model = small(warm_start=True).fit(X)
    model.fit(X * 0.5)
    assert model.likelihood_.bounds_ == (-1, 2)
    model.set_params(warm_start=False).fit(X * 0.5)
    assert model.likelihood_.bounds_ == (-0.5, 1)


@pytest.mark.parametrize("way", ["fit", "partial_fit"])
@pytest.mark.parametrize(("least", "greatest"), [(-1, 2.5), (-1.5, 2)])
def test_rows_that_leave_the_bounds_of_the_first_ones_are_warned_of(
    way, least, greatest
):
    X = with_ends(30, 30, (100, 4))
    model = small(warm_start=True).fit(X)
    beyond = X.copy()
    beyond[3, 1], beyond[4, 2] = least, greatest
    message = f"between -1 and 2, .* these rows reach from {least:g} to {greatest:g}"
    with pytest.warns(UserWarning, match=message):
        getattr(model, way)(beyond)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        getattr(model, way)(X)
        for bounds in (None, (-2, 3)):
            likelihood = GaussianLikelihood(bounds=bounds)
            model = small(likelihood=likelihood, warm_start=True).fit(X)
            getattr(model, way)(beyond)


def test_rounding_beyond_given_bounds_is_not_warned_of():
    model = small(likelihood=GaussianLikelihood(bounds=(0, 1)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.partial_fit(INSIDE).partial_fit(np.r_[INSIDE, INSIDE[:1] * 0 - 1e-7])


def test_bounded_means_fit_bounded_rows_better():
    rng = np.random.default_rng(0)
    h = 3 * rng.normal(size=(600, 2)) @ rng.normal(size=(2, 6))
    X = expit(h).round(1)
    scores = [
        VAE(2, network=MLP((32,)), likelihood=likelihood, random_state=0, max_epochs=60)
        .fit(X[:400])
        .score(X[400:])
        for likelihood in (
            GaussianLikelihood("global"),
            GaussianLikelihood("global", bounds=None),
        )
    ]
    assert scores[0] > scores[1] + 0.5
