"""A trained linear VAE is probabilistic PCA or factor analysis."""

import math

import numpy as np
import pytest
from conftest import small
from linear_gaussian import N_FEATURES, SCALE, B, D, W, draw
from sklearn.decomposition import PCA, FactorAnalysis

from skvae.likelihoods import GaussianLikelihood
from skvae.networks import MLP

LONG = {
    "network": MLP(()),
    "likelihood": GaussianLikelihood("global"),
    "early_stopping": False,
    "max_epochs": 150,
    "batch_size": 100,
    "learning_rate": 0.1,
    "lr_schedule": "cosine",
    "kl_warmup": 0.0,
}


@pytest.fixture(scope="module")
def trained():
    X = draw(2000)
    return X, small(n_components=D, **LONG).fit(X)


@pytest.mark.slow
def test_linear_vae_reaches_probabilistic_pca_from_below(trained):
    X, model = trained
    pca = PCA(D).fit(X)
    bounds = [model.score_samples(X, n_importance_samples=k) for k in (1, 5, 100)]
    means = [b.mean() for b in bounds]
    # Draws of different numbers share no noise: allow for their standard errors.
    slack = 3 * max((b - bounds[-1]).std() for b in bounds) / math.sqrt(len(X))
    assert means[0] <= means[1] + slack
    assert means[1] <= means[2] + slack
    assert means[2] <= pca.score(X) + 0.005
    assert means[2] > pca.score(X) - 0.02


def test_linear_vae_finds_the_noise(trained):
    X, model = trained
    assert model.likelihood_.scale_ == pytest.approx(SCALE, rel=0.04)
    assert model.likelihood_.scale_ == pytest.approx(
        math.sqrt(PCA(D).fit(X).noise_variance_), rel=0.02
    )


def test_linear_vae_spans_the_subspace_of_pca(trained):
    X, model = trained
    ours = model.module_.decoder.output.weight.detach().double().numpy()
    theirs = PCA(D).fit(X).components_.T
    cosines = np.linalg.svd(np.linalg.qr(ours)[0].T @ theirs)[1]
    assert cosines.min() > 0.995


@pytest.mark.slow
def test_linear_vae_with_a_scale_for_each_feature_reaches_factor_analysis():
    rng = np.random.default_rng(0)
    scales = np.array([0.2, 0.4, 0.6, 0.8, 1.0])
    noise = scales * rng.standard_normal((2000, N_FEATURES))
    X = (rng.standard_normal((2000, 1)) @ W[:, :1].T + B + noise).astype(np.float32)
    options = {**LONG, "likelihood": GaussianLikelihood(scale="feature")}
    model = small(n_components=1, **options).fit(X)
    analysis = FactorAnalysis(1, tol=1e-8, max_iter=5000).fit(X)
    score = model.score_samples(X, n_importance_samples=100).mean()
    assert analysis.score(X) - 0.02 < score <= analysis.score(X) + 0.005
    np.testing.assert_allclose(
        model.likelihood_.scale_, np.sqrt(analysis.noise_variance_), rtol=0.05
    )
