"""Observation models of counts: link, dispersion, support, and whole models."""

import numpy as np
import pytest
import torch
from conftest import ESTIMATORS, describe, small
from scipy import integrate, optimize, stats
from sklearn.base import clone
from torch import nn

from skvae._utils.rows import DataSummary, summarise
from skvae.likelihoods import NegativeBinomialLikelihood, PoissonLikelihood
from skvae.networks import CustomNetwork

MEANS = [1e-3, 0.3, 1.0, 9.9, 10.0, 250.0, 1e4, 1e6]
LIKELIHOODS = [
    PoissonLikelihood(),
    NegativeBinomialLikelihood(),
    NegativeBinomialLikelihood("predicted"),
    NegativeBinomialLikelihood(0.5),
]
COUNTS = np.random.default_rng(0).negative_binomial(2, 0.2, (60, 3)).astype(float)


def built(likelihood, mean, std=None):
    mean = np.atleast_1d(np.asarray(mean, dtype=float))
    std = np.sqrt(mean) if std is None else np.atleast_1d(std)
    return clone(likelihood).build(DataSummary(mean, std))


def raw(likelihood, h, n_features):
    h = torch.as_tensor(h, dtype=torch.float32).reshape(-1, 1).expand(-1, n_features)
    return h.repeat(1, likelihood.outputs_per_feature)


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
def test_an_untrained_decoder_predicts_means_of_any_size(likelihood):
    fitted = built(likelihood, MEANS)
    mean = fitted(raw(likelihood, 0.0, len(MEANS))).mean
    np.testing.assert_allclose(mean.detach()[0], MEANS, rtol=1e-5)


def test_outputs_multiply_the_mean_near_the_data_and_are_added_to_it_beyond():
    fitted = built(PoissonLikelihood(), 3.0, 6.0)
    h = torch.tensor([[-19.0], [-2.0], [0.5], [3.0]])
    np.testing.assert_allclose(fitted(h).mean, 3 * h.exp(), rtol=1e-5)
    end = np.log(1 + 10 * 6.0 / 3.0)  # ten deviations above the mean
    h = end + torch.tensor([[0.0], [1.0], [2.0], [1001.0]])
    expected = 63.0 * np.array([[1], [2], [3], [1002]])
    np.testing.assert_allclose(fitted(h).mean, expected, rtol=1e-5)


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
def test_no_output_overflows_or_is_without_a_gradient(likelihood):
    fitted = built(likelihood, MEANS, 30 * np.sqrt(MEANS))
    h = raw(likelihood, [-1e6, -300, -30, 0, 30, 300, 1e6], len(MEANS))
    h = h.clone().requires_grad_()
    p = fitted(h)
    for x in (torch.zeros(len(MEANS)), torch.tensor(MEANS).round() + 1):
        for part in (p.mean, p.variance, p.log_prob(x)):
            assert torch.isfinite(part).all()
        assert (p.mean > 0).all()
        assert (p.variance > 0).all()
    p = fitted(h)
    (gradient,) = torch.autograd.grad(p.log_prob(torch.tensor(MEANS).ceil()).sum(), h)
    assert torch.isfinite(gradient).all()
    of_means = gradient[:, : len(MEANS)]
    assert (of_means[[0, 1, 2]] > 0).all()  # a mean that is too small
    assert (of_means[[4, 5, 6]] < 0).all()  # one that is too large
    assert torch.isfinite(p.sample(torch.Generator().manual_seed(0))).all()


def test_a_feature_without_counts_starts_near_zero():
    for likelihood in LIKELIHOODS:
        fitted = clone(likelihood).build(summarise(np.zeros((9, 2))))
        p = fitted(raw(likelihood, 0.0, 2))
        assert (p.mean > 0).all()
        assert (p.mean < 1e-3).all()
        assert torch.isfinite(p.log_prob(torch.ones(1, 2))).all()


def test_the_encoder_sees_every_feature_in_its_own_spread():
    X = COUNTS * [1, 1000, 1]
    for likelihood in ("poisson", "negative_binomial"):
        model = small(likelihood=likelihood).fit(X)
        np.testing.assert_allclose(model.module_.factor, 1 / X.std(0), rtol=1e-5)


def test_dispersion_is_that_of_the_variance():
    p = built(NegativeBinomialLikelihood(0.25), [2.0, 10.0])(torch.zeros(1, 2))
    np.testing.assert_allclose(p.variance[0], [2 + 0.25 * 4, 10 + 0.25 * 100], 1e-5)


def test_dispersion_starts_at_a_share_of_that_of_the_data():
    mean, dispersion = np.array([3.0, 500.0]), np.array([2.0, 0.1])
    std = np.sqrt(mean + dispersion * mean**2)
    for name in ("feature", "predicted"):
        fitted = built(NegativeBinomialLikelihood(name), mean, std)
        p = fitted(raw(fitted, 0.0, 2))
        found = (p.variance[0] - p.mean[0]) / p.mean[0] ** 2
        np.testing.assert_allclose(found.detach(), np.exp(-2) * dispersion, rtol=0.02)


@pytest.mark.parametrize("value", [-1e4, 1e4])
def test_dispersion_stays_between_its_bounds_and_keeps_a_finite_gradient(value):
    fitted = built(NegativeBinomialLikelihood(), 4.0, 6.0)
    with torch.no_grad():
        fitted.log_dispersion.fill_(value)
    p = fitted(torch.zeros(1, 1))
    p.log_prob(torch.tensor([[5.0]])).sum().backward()
    assert torch.isfinite(fitted.log_dispersion.grad).all()
    lowest, highest = 1e-3 / 5, 100 * 32 / 16
    assert fitted.dispersion_ == pytest.approx(lowest if value < 0 else highest)


def test_only_a_learned_dispersion_is_recorded_and_has_an_optimizer():
    for dispersion, is_learned in (("feature", 1), ("predicted", 0), (0.5, 0)):
        likelihood = NegativeBinomialLikelihood(dispersion)
        model = small(likelihood=likelihood).fit(COUNTS)
        assert ("dispersion" in model.history_) == is_learned
        assert len(model.likelihood_.optimizers()) == is_learned
        assert len(list(model.likelihood_.parameters())) == is_learned
        assert hasattr(model.likelihood_, "dispersion_") == (dispersion != "predicted")
    assert model.likelihood_.dispersion_ == pytest.approx(0.5)
    assert isinstance(model.likelihood_.dispersion_, float)


def test_a_predicted_dispersion_follows_the_second_half_of_the_outputs():
    fitted = built(NegativeBinomialLikelihood("predicted"), [4.0, 9.0], [8.0, 20.0])
    h = torch.zeros(2, 4)
    h[1, 2:] = np.log(2)
    p = fitted(h)
    assert torch.equal(p.mean[0], p.mean[1])
    excess = p.variance - p.mean
    torch.testing.assert_close(excess[1], 2 * excess[0], rtol=0.02, atol=0)


def test_learned_dispersion_is_the_optimum():
    rng = np.random.default_rng(0)
    X = rng.negative_binomial([0.5, 4.0], [0.1, 0.05], size=(3000, 2))
    nothing = CustomNetwork(no_output, no_output)
    options = {"n_components": 1, "max_epochs": 40, "batch_size": 100}
    options |= {"network": nothing, "early_stopping": False}
    model = small(likelihood=NegativeBinomialLikelihood(), **options).fit(X)
    for x, found in zip(X.T, model.likelihood_.dispersion_, strict=True):

        def cost(log_size, x=x):
            size = np.exp(log_size)
            return -stats.nbinom.logpmf(x, size, size / (size + x.mean())).sum()

        best = optimize.minimize_scalar(cost, bounds=(-5, 5), method="bounded").x
        assert found == pytest.approx(np.exp(-best), rel=0.1)


class Zeros(nn.Module):
    """A network whose output is zero, whatever comes in."""

    def __init__(self, n_out):
        super().__init__()
        self.out = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return x.new_zeros(len(x), len(self.out)) + 0 * self.out


def no_output(n_in, n_out):
    return Zeros(n_out)


# -------------------------------------------------------------------------- support


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
@pytest.mark.parametrize(("value", "feature"), [(1.5, 0), (-1, 2), (-0.25, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_no_count_is_named_with_a_remedy(likelihood, value, feature, dtype):
    X = COUNTS.astype(dtype)
    X[3, feature] = value
    X[5, 0] = np.nan
    message = (
        f"{type(likelihood).__name__} needs counts, whole numbers from 0 on, but "
        f"feature {feature} has the value {value}. Round X .*use likelihood='gaussian'"
    )
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=message):
            getattr(small(likelihood=likelihood), method)(X)


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
def test_methods_of_a_fitted_model_check_counts_too(likelihood):
    model = small(likelihood=likelihood).fit(COUNTS)
    for method in ("transform", "reconstruct", "score_samples", "score", "partial_fit"):
        with pytest.raises(ValueError, match=r"feature 1 has the value 0\.5"):
            getattr(model, method)(np.array([[1, 0.5, 2]]))


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_not_said_to_be_no_count(value):
    model = small(likelihood="poisson").fit(COUNTS)
    with pytest.raises(ValueError, match=f"first of them, {value}, is in feature 2"):
        model.transform(np.array([[1, 0, value]]))


def test_rounding_is_within_the_support():
    model = small(likelihood="negative_binomial").fit(COUNTS)
    rng = np.random.default_rng(0)
    nearly = COUNTS + rng.uniform(-9e-4, 9e-4, COUNTS.shape)
    difference = model.score_samples(nearly) - model.score_samples(COUNTS)
    assert np.abs(difference).max() < 1
    with pytest.raises(ValueError, match="needs counts"):
        model.score(COUNTS + 2e-3)


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "u8", ">i4", "f2"])
def test_integers_of_any_type_are_counts(dtype):
    X = COUNTS.astype(dtype)
    model = small(likelihood="negative_binomial").fit(X)
    same = small(likelihood="negative_binomial").fit(COUNTS.astype(np.float32))
    np.testing.assert_array_equal(model.transform(X), same.transform(COUNTS))


@pytest.mark.parametrize("dispersion", [0, -1.0, np.nan, np.inf, "global", None, True])
def test_wrong_dispersions_are_refused(dispersion):
    model = small(likelihood=NegativeBinomialLikelihood(dispersion))
    with pytest.raises((ValueError, TypeError), match=f"'dispersion'.*{dispersion}"):
        model.fit(COUNTS)


# --------------------------------------------------------------------- whole models


def counted(p_of_z, n=400, d=5, seed=0):
    """Return rows of counts whose log means are linear in one latent variable."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(1, 0.3, d)
    log_mean = np.linspace(0, 4, d) + rng.standard_normal((n, 1)) * slope
    return p_of_z(rng, np.exp(log_mean)).astype(float)


def overdispersed(rng, mean):
    return rng.negative_binomial(4, 4 / (4 + mean))


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
def test_scores_are_integrals_over_one_component(likelihood):
    X = counted(overdispersed)
    options = {"n_components": 1, "max_epochs": 20}
    model = small(likelihood=likelihood, **options).fit(X)
    rows = np.vstack([X[:12], X[:3] + 40, 0 * X[:1]])
    scores, sizes = model.score_samples(
        rows, n_importance_samples=2000, return_effective_sample_size=True
    )
    errors = np.sqrt(1 / sizes - 1 / 2000)
    module = model.module_.double()
    z = torch.linspace(-30, 30, 60_001, dtype=torch.float64)[:, None]
    with torch.no_grad():
        p = module.decode(z)
        for row, score, error in zip(rows, scores, errors, strict=True):
            log_joint = p.log_prob(torch.tensor(row)).numpy()
            log_joint = log_joint + stats.norm.logpdf(z[:, 0])
            top = log_joint.max()
            exact = top + np.log(integrate.simpson(np.exp(log_joint - top), z[:, 0]))
            assert score == pytest.approx(exact, abs=4 * error + 1e-3)


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
def test_every_family_fits_counts_with_and_without_gaps(cls, likelihood):
    X = counted(overdispersed, n=120)
    model = small(cls, likelihood=likelihood, early_stopping=True).fit(X)
    draws = model.sample(50, mean=False, random_state=0)
    assert (draws == np.rint(draws)).all()
    assert (draws >= 0).all()
    assert (model.sample(50, random_state=0) > 0).all()
    gaps = X.copy()
    gaps[::3, 1] = gaps[1::4, 3] = np.nan
    model = small(cls, likelihood=likelihood).fit(gaps)
    assert np.isfinite(model.score_samples(gaps)).all()
    assert (model.impute(gaps) >= 0).all()
    if not model.module_.posterior.deterministic:
        drawn = model.sample_missing(gaps, random_state=0)
        assert (drawn == np.rint(drawn)).all()


@pytest.mark.parametrize("factor", [1e-3, 1e6])
def test_features_of_very_different_size_are_fitted(factor):
    rng = np.random.default_rng(0)
    z = rng.standard_normal((400, 1))
    X = rng.poisson(np.exp(0.5 * z) * [[2.0, 2.0, 50 * factor]]).astype(float)
    for likelihood in LIKELIHOODS:
        model = small(likelihood=likelihood, max_epochs=20).fit(X)
        assert np.isfinite(model.score_samples(X)).all()
        means = model.sample(4000, random_state=0).mean(0)
        assert (np.abs(np.log(means / X.mean(0))) < 1).all()
