"""Diagnostics of fitted estimators against loops over their posteriors."""

import numpy as np
import pytest
import torch

from skvae import RAE, VAE
from skvae.diagnostics import (
    decoding_scores,
    latent_diagnostics,
    optimal_decoder,
    posterior_moments,
    reconstruction_matching,
)
from skvae.metrics import frechet_distance, slerp
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


def test_reconstruction_matching_compares_with_input_and_average(X):
    vae = VAE(2, **SMALL).fit(X[:60])
    result = reconstruction_matching(vae, X[60:], X[:60])
    average = optimal_decoder(vae, X[60:], X[:60]).averages
    for i, x in enumerate(X[60:]):
        reconstructed = vae.reconstruct(x[None])[0].astype(float)
        to_input = np.mean((reconstructed - x) ** 2)
        to_average = np.mean((reconstructed - average[i]) ** 2)
        assert result.error_to_input[i] == pytest.approx(to_input, rel=1e-5)
        assert result.error_to_average[i] == pytest.approx(to_average, rel=1e-5)
    share = np.mean(result.error_to_input < result.error_to_average)
    assert result.closer_to_input == share


class Averaging:
    """Swap the decoder of a fitted model for one that recites training rows."""

    def __init__(self, model, X):
        self.model, self.X = model, X

    def __enter__(self):
        def reconstruct(rows):
            return optimal_decoder(self.model, rows, self.X).averages

        self.model.reconstruct = reconstruct

    def __exit__(self, *error):
        del self.model.reconstruct


def test_a_decoder_that_recites_training_rows_is_told(X):
    vae = VAE(2, **SMALL).fit(X[:60])
    with Averaging(vae, X[:60]):
        result = reconstruction_matching(vae, X[60:], X[:60])
    assert result.closer_to_input == 0.0
    np.testing.assert_allclose(result.error_to_average, 0.0, atol=1e-12)


def test_decoding_scores_are_distances_of_decoded_codes(X):
    vae = VAE(2, **SMALL).fit(X[:40])
    scores = decoding_scores(vae, X[40:60], X[60:], random_state=0)
    assert scores.reconstruction == frechet_distance(X[60:], vae.reconstruct(X[40:60]))
    assert scores.floor == frechet_distance(X[60:], X[40:60])
    assert (scores.n, scores.n_reference) == (20, 20)


def test_two_rows_have_one_midpoint(X):
    vae = VAE(2, **SMALL).fit(X)
    Z = vae.transform(X[:2])
    decoded = []

    def distance(real, generated):
        decoded.append(np.asarray(generated))
        return 0.0

    decoding_scores(vae, X[:2], X, distance=distance, random_state=0)
    middle = vae.inverse_transform(slerp(Z[:1], Z[1:]))
    np.testing.assert_allclose(decoded[1], np.repeat(middle, 2, 0), rtol=1e-4)


def test_one_row_has_no_partner(X):
    vae = VAE(2, **SMALL).fit(X)
    with pytest.raises(ValueError, match=r"at least 2 rows.*has 1"):
        decoding_scores(vae, X[:1], X)
