"""The noise is set in closed form, from the errors that training leaves."""

import copy
import pickle
import signal

import numpy as np
import pytest
import torch
from conftest import ESTIMATORS, assert_same, describe, outputs, small
from scipy import stats
from scipy.special import expit
from sklearn.base import clone
from torch.optim.lr_scheduler import LambdaLR

from skvae import RAE, VAE, TwoStageVAE
from skvae._training import calibration as calibrations
from skvae._training.held_out import split_rows
from skvae._utils.rows import summarise
from skvae.likelihoods import GaussianLikelihood, LaplaceLikelihood

RNG = np.random.default_rng(0)
W = RNG.normal(size=(2, 5))
POWERS = {GaussianLikelihood: 2, LaplaceLikelihood: 1}


def rows(n, seed=1):
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(n, 5)) * [0.1, 0.2, 0.3, 0.5, 0.5]
    return rng.normal(size=(n, 2)) @ W + noise


X, X_VAL = rows(120), rows(70, 2)


def fitted(cls=RAE, X=X, X_val=X_VAL, likelihood=None, **params):
    """Return a model that is calibrated on rows held out."""
    likelihood = likelihood or GaussianLikelihood("global", bounds=None)
    model = small(cls, likelihood=likelihood, early_stopping=True, **params)
    return model.fit(X, X_val=X_val)


def errors(model, X, power):
    return np.abs(X - model.reconstruct(X)) ** power


def sums_of_all(train, held_out):
    """Return sums of errors over all rows, at the level of those held out.

    Ten rows stand for the level of training.
    """
    n = len(held_out)
    factor = (n * held_out.mean() / train.mean() + 10) / (n + 10)
    return factor * train.sum(0) + held_out.sum(0)


def one_scale(train, held_out):
    count = train.size + held_out.size
    return sums_of_all(train, held_out).sum() / count


def pooled(train, held_out):
    """Return the mean error of every feature, as the documentation says."""
    sums = sums_of_all(train, held_out)
    count = len(train) + len(held_out)
    mean = sums.sum() / (count * train.shape[1])
    return (sums + 10 * mean) / (count + 10)


@pytest.mark.parametrize("cls", POWERS)
@pytest.mark.parametrize("update", ["closed_form", "gradient"])
@pytest.mark.parametrize("unit", [1.0, 1e-30, 1e30])
def test_one_scale_is_that_of_the_errors_of_rows_held_out(cls, update, unit):
    model = fitted(
        X=unit * X, X_val=unit * X_VAL, likelihood=cls("global", update, None)
    )
    p = POWERS[cls]
    train, held_out = (errors(model, unit * A, p) / unit**p for A in (X, X_VAL))
    expected = unit * one_scale(train, held_out) ** (1 / p)
    assert model.likelihood_.scale_ == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("cls", POWERS)
@pytest.mark.parametrize("scale", ["feature", "auto"])
def test_scales_by_feature_pool_all_rows(cls, scale):
    model = fitted(likelihood=cls(scale, bounds=None))
    p = POWERS[cls]
    expected = pooled(errors(model, X, p), errors(model, X_VAL, p)) ** (1 / p)
    np.testing.assert_allclose(model.likelihood_.scale_, expected, rtol=1e-5)


def test_rows_held_out_of_x_are_held_out_of_the_errors_too():
    model = small(RAE, early_stopping=True, validation_fraction=0.3)
    model.set_params(likelihood=GaussianLikelihood("global", bounds=None)).fit(X)
    squares = errors(model, X, 2)
    parts = (squares[rows.numpy()] for rows in split_rows(model, len(X), model._seed))
    expected = np.sqrt(one_scale(*parts))
    assert model.likelihood_.scale_ == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("cls", POWERS)
def test_without_rows_held_out_only_auto_takes_the_errors_of_training(cls):
    p = POWERS[cls]
    for scale in ("auto", "global", "feature", "predicted", 0.5):
        likelihood = cls(scale, bounds=None)
        model = small(RAE, likelihood=likelihood, early_stopping=False).fit(X)
        assert (model.likelihood_.noise is not None) == (scale == "auto")
        if scale == "auto":
            e = errors(model, X, p)
            mean = (e.sum(0) + 10 * e.mean()) / (len(X) + 10)
            np.testing.assert_allclose(
                model.likelihood_.scale_, mean ** (1 / p), rtol=1e-5
            )
        elif scale in ("global", "feature"):
            learned = model.likelihood_.log_scale.exp().detach().numpy()
            np.testing.assert_array_equal(model.likelihood_.scale_, learned)


@pytest.mark.parametrize("scale", ["predicted", 0.5])
def test_scales_that_are_predicted_or_fixed_stay(scale):
    model = fitted(likelihood=GaussianLikelihood(scale))
    assert model.likelihood_.noise is None


def test_rows_far_out_count_no_more_than_in_training():
    outlying = X_VAL.copy()
    outlying[0, 0] = 1e4
    model = fitted(X_val=outlying)
    learned = float(model.likelihood_.log_scale.detach().exp())
    squares = errors(model, outlying, 2)
    assert squares[0, 0] > 1e6
    parts = (e.clip(max=100 * learned**2) for e in (errors(model, X, 2), squares))
    expected = np.sqrt(one_scale(*parts))
    assert model.likelihood_.scale_ == pytest.approx(expected, rel=1e-4)


def test_many_rows_are_represented_by_some(monkeypatch):
    monkeypatch.setattr(calibrations, "_OF_ONE_SCALE", (30, 1))
    model = fitted()
    train, held_out = errors(model, X[::4], 2), errors(model, X_VAL[::3], 2)
    n = len(X_VAL)
    ratio = (n * held_out.mean() / train.mean() + 10) / (n + 10)
    sums = ratio * train.sum() + held_out.sum()
    expected = np.sqrt(sums / (train.size + held_out.size))
    assert model.likelihood_.scale_ == pytest.approx(expected, rel=1e-5)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bounds", [None, (0, 4)])
@pytest.mark.parametrize(("scale", "lowest"), [("global", 1e-4), ("auto", 1e-2)])
def test_lowest_scale_is_that_of_the_noise_and_of_its_attribute(bounds, scale, lowest):
    likelihood = GaussianLikelihood(scale, bounds=bounds)
    likelihood.build(summarise(X.clip(0, 4)))
    spread = np.sqrt(X.clip(0, 4).var(0).mean())
    found = likelihood.new_errors(held_out=True)
    loc = torch.full((10, 5), 2.0)
    found.add(loc, torch.zeros(10, 5), torch.ones(10, 1))
    likelihood.calibrate(found)
    own = X.clip(0, 4).std(0) if bounds is None and scale == "auto" else spread
    np.testing.assert_allclose(likelihood.scale_, lowest * own, rtol=1e-5)
    used = likelihood.noise(loc).exp().expand(10, 5)[0]
    np.testing.assert_allclose(used, np.broadcast_to(lowest * own, 5), rtol=1e-5)


@pytest.mark.parametrize("cls", [VAE, RAE])
def test_equal_rows_of_bytes_have_hardly_any_noise(cls):
    rows = np.full((120, 4), 128, np.uint8)
    model = small(cls, early_stopping=True).fit(rows)
    np.testing.assert_allclose(model.sample(20), 128, atol=0.5)
    assert np.max(model.likelihood_.scale_) < 0.1


@pytest.mark.parametrize("cls", POWERS)
@pytest.mark.parametrize(
    ("scale", "bounds"), [("global", None), ("auto", None), ("auto", (-9, 9))]
)
def test_density_and_draws_have_the_noise(cls, scale, bounds):
    model = fitted(likelihood=cls(scale, bounds=bounds))
    noise, mean = model.likelihood_.noise, model.reconstruct(X)
    scale = model.likelihood_.scale_
    if bounds:
        share = (mean + 9) / 18
        variance = float(noise.constant) + float(noise.factor) * share * (1 - share)
        scale = np.sqrt(variance)
    law = {2: stats.norm, 1: stats.laplace}[POWERS[cls]](mean, scale)
    module = model.module_
    with torch.no_grad():
        x = torch.tensor(X, dtype=torch.float32)
        p = module.decode(module.encode(x).mean)
        np.testing.assert_allclose(p.log_prob(x), law.logpdf(X).sum(1), atol=1e-3)
        generator = torch.Generator().manual_seed(0)
        draws = [p.sample(generator).numpy() for _ in range(200)]
    uniform = law.cdf(np.stack(draws)).ravel()
    assert stats.kstest(uniform, "uniform").pvalue > 1e-3


# What goes on, is copied, or cut off


PAIRS = [GaussianLikelihood("global"), GaussianLikelihood(), LaplaceLikelihood()]


@pytest.mark.parametrize("cls", ESTIMATORS, ids=describe)
@pytest.mark.parametrize("likelihood", PAIRS, ids=describe)
@pytest.mark.parametrize("way", ["warm_start", "partial_fit"])
def test_training_goes_on_as_if_it_had_never_been_calibrated(
    cls, likelihood, way, monkeypatch
):
    def model():
        m = small(cls, likelihood=likelihood, early_stopping=True, max_epochs=2)
        return m.set_params(warm_start=way == "warm_start")

    def go_on(m):
        for _ in range(3):
            m.fit(X) if way == "warm_start" else m.partial_fit(X)
        return m

    calibrated = go_on(model())
    monkeypatch.setattr(calibrations._Calibration, "__call__", lambda *_: None)
    never = go_on(model())
    expected = never.module_.state_dict()
    actual = calibrated.module_.state_dict()
    assert any("noise" in name for name in actual)
    for name, value in expected.items():
        assert torch.equal(actual[name], value), name
    np.testing.assert_array_equal(calibrated.history_["loss"], never.history_["loss"])


def pressing(at):
    """Return a schedule that presses Ctrl-C after so many epochs."""

    def schedule(optimizer):
        def rate(epoch):
            if epoch == at:
                signal.raise_signal(signal.SIGINT)
            return 1.0

        return LambdaLR(optimizer, rate)

    return schedule


@pytest.mark.parametrize("likelihood", PAIRS, ids=describe)
def test_fits_that_are_cut_off_are_calibrated_as_if_they_had_ended(likelihood):
    params = {"likelihood": likelihood, "early_stopping": True, "kl_warmup": 0}
    cut_off = small(**params, max_epochs=9, lr_schedule=pressing(4))
    with pytest.warns(RuntimeWarning), pytest.raises(KeyboardInterrupt):
        cut_off.fit(X)
    ended = small(**params, max_epochs=4).fit(X)
    assert cut_off.likelihood_.noise is not None
    assert_same(outputs(cut_off, X), outputs(ended, X))


def test_streams_are_calibrated_on_a_sample_of_all_their_rows():
    likelihood = GaussianLikelihood(bounds=None)
    model = small(RAE, likelihood=likelihood, early_stopping=False)
    model.partial_fit(X[:60]).partial_fit(X[60:])
    e = errors(model, X, 2)
    expected = np.sqrt((e.sum(0) + 10 * e.mean()) / (len(X) + 10))
    np.testing.assert_allclose(model.likelihood_.scale_, expected, rtol=1e-5)


def test_calibration_is_the_same_in_every_fit():
    a, b = fitted(VAE), fitted(VAE)
    assert_same(outputs(a, X), outputs(b, X))


def by_pickle(model):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("copied", [copy.deepcopy, by_pickle])
@pytest.mark.parametrize("likelihood", PAIRS, ids=describe)
def test_copies_have_the_noise(copied, likelihood):
    Y = np.round(expit(X), 1).clip(0.2, 0.8)
    model = fitted(VAE, Y, Y[:30], likelihood)
    assert model.likelihood_.noise is not None
    twin = copied(model)
    assert_same(outputs(twin, Y), outputs(model, Y))
    assert twin.likelihood_.scale_ == pytest.approx(model.likelihood_.scale_)
    assert twin.likelihood_.noise is not model.likelihood_.noise
    twin.partial_fit(Y)
    assert twin.likelihood_.noise is not None


def test_clones_have_no_noise_and_parameters_stay():
    model = fitted(VAE)
    assert model.likelihood_.get_params() == model.likelihood.get_params()
    assert not hasattr(clone(model).likelihood, "noise")
    assert clone(model.likelihood_).build(summarise(X)).noise is None


def test_noise_moves_with_its_module():
    model = fitted(likelihood=GaussianLikelihood(bounds=None))
    module = copy.deepcopy(model.module_).to(torch.float64)
    assert module.likelihood.noise.level.dtype == torch.float64


def test_both_stages_are_calibrated():
    model = fitted(TwoStageVAE)
    assert model.likelihood_.noise is not None
    assert model.second_stage_.likelihood_.noise is not None
    second = small(VAE, max_epochs=2, early_stopping=False)
    second.set_params(likelihood=GaussianLikelihood("global"))
    model = small(TwoStageVAE, second_stage=second, early_stopping=True).fit(X)
    assert model.second_stage_.likelihood_.noise is None


@pytest.mark.parametrize("name", ["bernoulli", "continuous_bernoulli"])
def test_a_likelihood_without_a_scale_is_not_calibrated(name):
    X = (np.random.default_rng(0).random((120, 4)) < 0.3).astype(np.float32)
    model = small(likelihood=name, early_stopping=True).fit(X)
    assert np.isfinite(model.score(X))
