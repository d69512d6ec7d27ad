"""Scores of rows far from the training data: finite, last, and near the truth."""

import copy

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from sklearn.datasets import load_wine
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import IWAE, RAE, VAE, WAE, TwoStageVAE
from skvae.estimators._scoring import in_units
from skvae.likelihoods import GaussianLikelihood, LaplaceLikelihood
from skvae.networks import MLP
from skvae.posteriors import FlowPosterior

X = np.random.default_rng(0).normal(size=(300, 5))
SMALL = {"network": MLP((32,)), "max_epochs": 5, "random_state": 0}
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


def log_joint(model, x):
    """Return log p(x, z) as a function of z in float64."""
    module = copy.deepcopy(model.module_).double()
    row = torch.from_numpy(x[None])

    def function(z):
        with torch.no_grad():
            log_p = module.decode(torch.from_numpy(z)).log_prob(row).numpy()
        return log_p + model.latent_density_.score_samples(z)

    return function


def grid_around(centre, width, n):
    axis = np.linspace(-1, 1, n)
    return np.stack(
        np.meshgrid(centre[0] + width[0] * axis, centre[1] + width[1] * axis), -1
    ).reshape(-1, 2)


def log_likelihood_by_quadrature(model, x):
    """Integrate p(x, z) over two latent dimensions, on a grid around its mode."""
    f = log_joint(model, x)
    mode, width = np.zeros(2), np.full(2, 64.0)
    while width.max() > 1e-3:  # home in on the mode
        grid = grid_around(mode, width, 41)
        mode, width = grid[f(grid).argmax()], width / 2
    outside = True
    while outside:  # and widen, until the density has died away
        width = 1.3 * width
        values = f(grid_around(mode, width, 41)).reshape(41, 41)
        edge = np.r_[values[[0, -1]].ravel(), values[:, [0, -1]].ravel()]
        outside = edge.max() > values.max() - 20
    values = f(grid_around(mode, width, 401))
    return logsumexp(values) + np.log(np.prod(2 * width / 400))


@pytest.mark.slow
@pytest.mark.parametrize("posterior", ["diagonal", "full", "flow"])
@pytest.mark.parametrize("factor", [1, 10])
def test_scores_are_near_quadrature(posterior, factor):
    rows = factor * X[:8]
    model = VAE(2, posterior=posterior, **SMALL).fit(X)
    truth = [log_likelihood_by_quadrature(model, x) for x in rows]
    tolerance = 1.0 if factor > 1 else 5.0  # the model is hardly trained
    np.testing.assert_allclose(model.score_samples(rows), truth, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("likelihood", "density"),
    [
        ("laplace", None),
        ("laplace", GaussianMixture(2, random_state=0)),
        ("gaussian", GaussianMixture(2, random_state=0)),
        (GaussianLikelihood("feature"), None),
        (LaplaceLikelihood("predicted"), None),
    ],
    ids=str,
)
def test_other_parts_are_near_quadrature(likelihood, density):
    options = {"likelihood": likelihood, "latent_density": density}
    model = VAE(2, **options, **SMALL).fit(X)
    truth = [log_likelihood_by_quadrature(model, x) for x in 10 * X[:6]]
    np.testing.assert_allclose(model.score_samples(10 * X[:6]), truth, atol=3.0)


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
        in_units(np.array([1.0, np.nan]), module)
    assert np.isfinite(in_units(np.array([1.0, -np.inf]), module)).all()
