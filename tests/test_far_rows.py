"""Scores of rows far from the training data: finite, last, and near the truth."""

import copy

import numpy as np
import pytest
from linear_gaussian import draw, estimator_around, exact_log_density, linear_gaussian
from quadrature import log_likelihood
from sklearn.datasets import load_wine
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import IWAE, RAE, VAE, WAE, TwoStageVAE
from skvae.estimators import _far_rows
from skvae.estimators._scoring import in_units
from skvae.likelihoods import GaussianLikelihood, LaplaceLikelihood
from skvae.networks import MLP
from skvae.posteriors import FlowPosterior

X = np.random.default_rng(0).normal(size=(300, 5))
SMALL = {"network": MLP((32,)), "max_epochs": 5, "random_state": 0}
SMALL["early_stopping"] = False
SECOND = VAE(2, network=MLP((32,), skip=False), kl_warmup=0, max_epochs=5)

POSTERIORS = ["diagonal", "isotropic", "constant", "full", "flow"]
POSTERIORS += [FlowPosterior("autoregressive")]
LIKELIHOODS = ["laplace", LaplaceLikelihood("predicted"), GaussianLikelihood(0.5)]
LIKELIHOODS += [GaussianLikelihood("feature"), GaussianLikelihood("predicted")]
DENSITIES = [GaussianMixture(2), KernelDensity(), KernelDensity(kernel="tophat")]
MODELS = [
    *(VAE(2, posterior=posterior, **SMALL) for posterior in POSTERIORS),
    *(VAE(2, likelihood=likelihood, **SMALL) for likelihood in LIKELIHOODS),
    *(VAE(2, latent_density=density, **SMALL) for density in DENSITIES),
    *(cls(2, **SMALL) for cls in (IWAE, RAE, WAE)),
    TwoStageVAE(2, second_stage=SECOND, **SMALL),
]


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS, ids=str)
def test_far_rows_have_finite_scores_that_rank_last(model):
    model = copy.deepcopy(model).fit(X)
    worst = model.score_samples(X).min()
    for factor in (100, 1e6, 1e12, 1e25, 3e37):
        far = factor * X[:8]
        scores = model.score_samples(far)
        assert np.isfinite(scores).all()
        assert scores.max() < worst
        for values in (model.transform(far), model.reconstruct(far)):
            assert np.isfinite(values).all()


PARTS = [
    *({"posterior": posterior} for posterior in POSTERIORS),
    *(
        {"likelihood": likelihood, "latent_density": density}
        for likelihood in ["gaussian", *LIKELIHOODS]
        for density in (None, GaussianMixture(2, random_state=0))
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("parts", PARTS, ids=str)
def test_scores_of_far_rows_are_near_quadrature(parts):
    model = VAE(2, **parts, **SMALL).fit(X)
    for factor, share in ((10, 0.01), (100, 0.03)):
        rows = factor * X[:4]
        truth = np.array([log_likelihood(model, x, 4096.0) for x in rows])
        error = np.abs(model.score_samples(rows) - truth)
        assert (error < 1 + share * np.abs(truth)).all()


@pytest.mark.parametrize("k", [2, 3, 16, 64])
@pytest.mark.parametrize("scale", [1e-6, 1e-3, 0.1])
def test_even_weights_of_a_narrow_posterior_are_not_trusted(scale, k):
    model = estimator_around(linear_gaussian(scale, shift=6.0))
    rows = 40 * draw(30)
    scores = model.score_samples(rows, n_importance_samples=k)
    error = np.abs(scores - exact_log_density(rows))
    assert np.median(error) < 0.5
    assert error.max() < 6  # both of two draws may be off


@pytest.mark.parametrize("widen", [1.0, 4.0, 30.0])
@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0])
def test_rows_that_q_misses_are_scored_around_their_mode(widen, shift, monkeypatch):
    monkeypatch.setattr(_far_rows, "_best_of_climbs", None)  # the code is near enough
    model, rows = estimator_around(linear_gaussian(widen, shift)), draw(300)
    rows = rows[np.sqrt(np.square(rows).mean(1)) < 1.5]
    error = model.score_samples(rows) - exact_log_density(rows)
    assert abs(error.mean()) < 0.3
    assert np.abs(error).max() < 3


@pytest.mark.slow
def test_few_draws_are_near_quadrature():
    model = VAE(2, **SMALL).fit(X)
    rows = 100 * X[:4]
    truth = [log_likelihood(model, x, 4096.0) for x in rows]
    scores = model.score_samples(rows, n_importance_samples=2)
    np.testing.assert_allclose(scores, truth, atol=6)


@pytest.mark.slow
@pytest.mark.parametrize("n_epochs", [5, 30])
def test_iwae_is_near_quadrature(n_epochs):
    model = IWAE(2, **SMALL | {"max_epochs": n_epochs}).fit(X)
    truth = [log_likelihood(model, x) for x in 10 * X[:8]]
    np.testing.assert_allclose(model.score_samples(10 * X[:8]), truth, atol=0.5)


@pytest.mark.slow
def test_two_stages_are_near_quadrature_over_both():
    model = TwoStageVAE(2, second_stage=SECOND, **SMALL).fit(X)
    row = 10 * X[1]
    truth = log_likelihood(model, row)
    assert model.score_samples(row[None])[0] == pytest.approx(truth, abs=0.5)


def test_code_model_with_a_mixture_is_near_the_one_without():
    codes = VAE(2, network=MLP((8,)), max_epochs=3, latent_density=GaussianMixture(1))
    model = VAE(2, latent_density=codes, **SMALL).fit(X)
    many = model.score_samples(10 * X[:8], n_importance_samples=2048)
    np.testing.assert_allclose(model.score_samples(10 * X[:8]), many, atol=0.5)


@pytest.mark.slow
def test_rows_that_a_hardly_trained_encoder_misses_are_found():
    likelihood = GaussianLikelihood("predicted")
    model = VAE(2, likelihood=likelihood, **SMALL | {"max_epochs": 1}).fit(X)
    truth = [log_likelihood(model, x) for x in X[:30]]
    error = model.score_samples(X[:30]) - truth
    assert error.min() > -8
    assert np.median(error) > -1


@pytest.mark.parametrize("factor", [1, 10, 1000])
def test_exact_likelihood_of_a_linear_model(factor):
    model = estimator_around(linear_gaussian())
    rows = factor * draw(20)
    truth = exact_log_density(rows)
    tolerance = {"rtol": 1e-5, "atol": 0.5}
    np.testing.assert_allclose(model.score_samples(rows), truth, **tolerance)


def test_quadrature_gives_the_exact_likelihood():
    model = estimator_around(linear_gaussian())
    rows = np.r_[draw(2), 10 * draw(2)]
    truth = [log_likelihood(model, x) for x in rows]
    np.testing.assert_allclose(truth, exact_log_density(rows), atol=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("likelihood", ["gaussian", "laplace"])
def test_scores_fall_along_a_ray(likelihood):
    model = VAE(2, likelihood=likelihood, **SMALL).fit(X)
    factors = np.geomspace(4, 1e6, 30)
    for x in X[:4]:
        assert (np.diff(model.score_samples(factors[:, None] * x)) < 0).all()


def test_density_that_cannot_draw_scores_far_rows():
    model = VAE(2, **SMALL).fit(X)
    model.latent_density_ = KernelDensity(kernel="epanechnikov", bandwidth=50.0)
    model.latent_density_.fit(model.transform(X))
    assert np.isfinite(model.score_samples(10 * X[:4])).all()


def test_code_for_a_missing_value_is_flagged():
    data = load_wine().data
    train, new = data[::2], data[1::2].copy()
    new[0, 0] = -9999
    vae = make_pipeline(StandardScaler(), VAE(max_epochs=20, random_state=0)).fit(train)
    scores = vae.score_samples(new)
    assert scores[0] == scores.min() < np.percentile(vae.score_samples(train), 1)
    assert np.isfinite(vae.score(new))


def test_far_rows_do_not_change_scores_of_others():
    model = VAE(2, **SMALL).fit(X)
    rows = X[:64].copy()
    alone = model.score_samples(rows)
    rows[3] *= 1e3
    np.testing.assert_array_equal(
        np.delete(model.score_samples(rows), 3), np.delete(alone, 3)
    )


def test_score_of_a_far_row_is_a_function_of_the_row():
    model = VAE(2, **SMALL).fit(X)
    far = 10 * X[:32]
    scores = model.score_samples(far)
    np.testing.assert_array_equal(model.score_samples(far[::-1]), scores[::-1])
    np.testing.assert_allclose(model.score_samples(far[:5]), scores[:5], atol=1e-4)


def test_scores_that_are_no_numbers_are_an_error():
    module = VAE(2, **SMALL).fit(X).module_
    with pytest.raises(ValueError, match=r"row 1 of X is nan.*Remove"):
        in_units(np.array([1.0, np.nan]), module, X[:2])
    assert np.isfinite(in_units(np.array([1.0, -np.inf]), module, X[:2])).all()
