"""Diagnostics of fitted estimators against loops over their posteriors."""

import tracemalloc

import numpy as np
import pytest
import torch
from conftest import ESTIMATORS, POSTERIORS, describe, small
from sklearn.base import clone

from skvae import RAE, VAE
from skvae._distributions.normal import rsample_with_log_prob
from skvae.diagnostics import (
    decoding_scores,
    latent_diagnostics,
    optimal_decoder,
    posterior_draws,
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


@pytest.mark.parametrize("posterior", ["diagonal", "isotropic", "constant", "full"])
def test_optimal_decoder_is_a_double_loop_over_the_posteriors(X, posterior):
    vae = VAE(2, posterior=posterior, **SMALL).fit(X)
    result = optimal_decoder(vae, X[:6], X, keep_weights=True)
    with torch.no_grad():
        q = vae.module_.encode(torch.from_numpy(X))
    mean, factor = q.mean.double(), torch.diag_embed(q.variance.double().sqrt())
    if posterior == "full":
        factor = q.factor.double()
    for i, z in enumerate(vae.transform(X[:6])):
        log_q = [
            torch.distributions.MultivariateNormal(mean[j], scale_tril=factor[j])
            .log_prob(torch.from_numpy(z).double())
            .item()
            for j in range(len(X))
        ]
        w = np.exp(log_q - np.max(log_q))
        w /= w.sum()
        np.testing.assert_allclose(result.weights[i], w, rtol=1e-4, atol=1e-8)
        np.testing.assert_allclose(result.averages[i], w @ X, rtol=1e-4, atol=1e-6)
        entropy = -(w * np.log(np.maximum(w, 1e-300))).sum()
        assert result.perplexity[i] == pytest.approx(np.exp(entropy), rel=1e-4)


def test_memory_of_the_optimal_decoder_is_bounded(X, monkeypatch):
    monkeypatch.setattr("skvae._utils.rows.BLOCK_ENTRIES", 2**15)
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 255, (10_000, 400)).astype(np.uint8)
    vae = VAE(2, **SMALL).fit(rows[:100])
    optimal_decoder(vae, rows[:2], rows[:600])
    tracemalloc.start()
    optimal_decoder(vae, rows[:20], rows)
    added = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert added < rows.nbytes  # in float64 they would be eight times as much


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


MODELS = [*map(small, ESTIMATORS), *(small(posterior=p) for p in POSTERIORS)]


@pytest.mark.parametrize("model", MODELS, ids=describe)
def test_posterior_draws_are_those_of_the_posterior(model, X):
    model, n = clone(model).fit(X), 20_000
    copies = np.tile(X[:1], (n, 1))
    Z = posterior_draws(model, copies, random_state=0)
    np.testing.assert_array_equal(Z, posterior_draws(model, copies, random_state=0))
    if model.module_.posterior.deterministic:
        np.testing.assert_array_equal(Z, model.transform(copies))
        return
    with torch.no_grad():
        q = model.module_.encode(torch.tensor(X[:1], dtype=torch.float32))
        noise = torch.randn((n, 1, 2), generator=torch.Generator().manual_seed(1))
        expected = q.rsample(noise)[:, 0].double().numpy()
    std = expected.std(0)
    error = 5 * np.sqrt(2 / n)
    assert (np.abs(Z.mean(0) - expected.mean(0)) < error * std).all()
    gap = np.abs(np.cov(Z.T) - np.cov(expected.T))
    assert (gap < 2 * error * np.outer(std, std)).all()


@pytest.mark.parametrize("model", MODELS, ids=describe)
def test_every_fitted_model_has_all_diagnostics(model, X):
    model = clone(model).fit(X)
    assert model.kl_per_component_.shape == (2,)
    assert np.isin(model.active_components_, [0, 1]).all()
    assert model.history_["scale"].shape == (model.n_epochs_,)
    assert model.history_["scale"][-1] > 0
    result = latent_diagnostics(model, X, random_state=0)
    assert np.isfinite(result.mmd.value)
    assert result.spectrum.singular_values.shape == (2,)
    if model.module_.posterior.deterministic:
        assert result.typical_set_gap is None
    else:
        assert result.typical_set_gap.value > 0


@pytest.mark.parametrize("posterior", ["diagonal", "isotropic", "constant", "full"])
def test_typical_set_gap_has_the_entropy_of_torch(X, posterior):
    vae = VAE(2, posterior=posterior, **SMALL).fit(X)
    with torch.no_grad():
        q = vae.module_.encode(torch.from_numpy(X))
    if posterior == "full":
        exact = torch.distributions.MultivariateNormal(q.mean, scale_tril=q.factor)
    else:
        normal = torch.distributions.Normal(q.mean, q.variance.sqrt())
        exact = torch.distributions.Independent(normal, 1)
    gap = latent_diagnostics(vae, X, random_state=0).typical_set_gap
    np.testing.assert_allclose(gap.entropy, exact.entropy() / 2, atol=1e-5)
    # |d - chi^2(d)| / 2 by component, in percent of the entropy.
    surplus = gap.percent / 100 * np.abs(gap.entropy) * 2
    expected = np.abs(2 - np.random.default_rng(0).chisquare(2, 10_000)) / 2
    assert surplus.mean() == pytest.approx(expected.mean(), abs=5 / 80**0.5 * 0.4)


def test_entropy_of_a_flow_is_that_of_many_draws(X):
    vae = VAE(2, posterior="flow", **SMALL).fit(X)
    gap = latent_diagnostics(vae, X, random_state=0).typical_set_gap
    noise = torch.randn((4000, len(X), 2), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        log_q = rsample_with_log_prob(vae.module_.encode(torch.from_numpy(X)), noise)[1]
    log_det = -log_q - 0.5 * noise.square().sum(-1)
    assert log_det.std(0).mean() < 0.5 * log_q.std(0).mean()
    error = (log_det.std(0) / 16**0.5 + log_q.std(0) / 4000**0.5) / 2
    assert (abs(gap.entropy + log_q.mean(0).numpy() / 2) < 5 * error.numpy()).all()


def test_optimal_decoder_names_posteriors_that_are_not_normal(X):
    flow = VAE(2, posterior="flow", **SMALL).fit(X)
    rae = RAE(2, **SMALL).fit(X)
    for model, name in ((flow, "FlowPosterior"), (rae, "PointPosterior")):
        with pytest.raises(TypeError, match=name):
            optimal_decoder(model, X, X)


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
