"""Diagnostics of fitted estimators against loops over their posteriors."""

import numpy as np
import pytest
import torch

from skvae import RAE, VAE
from skvae.diagnostics import latent_diagnostics, optimal_decoder, posterior_moments
from skvae.networks import MLP

SMALL = {
    "network": MLP(hidden_layer_sizes=(16,)),
    "max_epochs": 5,
    "device": "cpu",
    "random_state": 0,
}


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(80, 4)).astype(np.float32)


@pytest.mark.parametrize("posterior", ["diagonal", "isotropic", "constant"])
def test_optimal_decoder_is_a_double_loop_over_the_posteriors(X, posterior):
    vae = VAE(2, posterior=posterior, **SMALL).fit(X)
    result = optimal_decoder(vae, X[:6], X, keep_weights=True)
    with torch.no_grad():
        q = vae.module_.encode(torch.from_numpy(X))
    mean, scale = q.mean.double(), q.variance.double().sqrt()
    for i, z in enumerate(vae.transform(X[:6])):
        log_q = [
            torch.distributions.Normal(mean[j], scale[j])
            .log_prob(torch.from_numpy(z).double())
            .sum()
            .item()
            for j in range(len(X))
        ]
        w = np.exp(log_q - np.max(log_q))
        w /= w.sum()
        np.testing.assert_allclose(result.weights[i], w, rtol=1e-4, atol=1e-8)
        np.testing.assert_allclose(result.averages[i], w @ X, rtol=1e-4, atol=1e-6)
        entropy = -(w * np.log(np.maximum(w, 1e-300))).sum()
        assert result.perplexity[i] == pytest.approx(np.exp(entropy), rel=1e-4)


def test_optimal_decoder_minimises_the_weighted_squared_error(X):
    vae = VAE(2, **SMALL).fit(X)
    result = optimal_decoder(vae, X[:1], X, keep_weights=True)
    best, w = result.averages[0], result.weights[0]

    def error(g):
        return (w[:, None] * (X - g) ** 2).sum()

    for step in np.random.default_rng(0).normal(size=(20, 4)):
        assert error(best) <= error(best + 0.01 * step)


def test_diagnostics_of_a_vae_and_of_points(X):
    vae, rae = VAE(2, **SMALL).fit(X), RAE(2, **SMALL).fit(X)
    a = latent_diagnostics(vae, X, random_state=0)
    b = latent_diagnostics(vae, X, random_state=0)
    assert a.mmd.value == b.mmd.value
    assert a.spectrum.singular_values.shape == (2,)
    assert a.typical_set_gap.value > 0
    assert latent_diagnostics(rae, X).typical_set_gap is None
    means, deviations = posterior_moments(rae, X)
    np.testing.assert_allclose(means, rae.transform(X))
    assert not deviations.any()


def test_posteriors_that_do_not_fit_are_named(X):
    flow = VAE(2, posterior="flow", **SMALL).fit(X)
    full = VAE(2, posterior="full", **SMALL).fit(X)
    rae = RAE(2, **SMALL).fit(X)
    for model, name in ((flow, "FlowPosterior"), (full, "FullCovariancePosterior")):
        with pytest.raises(TypeError, match=name):
            latent_diagnostics(model, X)
    with pytest.raises(TypeError, match="PointPosterior"):
        optimal_decoder(rae, X, X)
