"""The importance weighted bound, its value and its two gradients."""

import math

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from skvae import IWAE, VAE
from skvae._utils.random import standard_normal
from skvae.losses import iwae_loss
from skvae.networks import MLP
from skvae.posteriors import DiagonalPosterior

N_FEATURES = 4


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    W = rng.normal(size=(2, N_FEATURES))
    X = rng.normal(size=(400, 2)) @ W + 0.5 * rng.normal(size=(400, N_FEATURES))
    return X.astype(np.float32)


@pytest.fixture(scope="module")
def module(X):
    network = MLP(hidden_layer_sizes=(8,), activation="tanh")
    vae = VAE(2, network=network, max_epochs=3, random_state=0, device="cpu").fit(X)
    return vae.module_


def neg_bound(module, x, k, gradient="standard", seed=0):
    g = torch.Generator().manual_seed(seed)
    loss = iwae_loss(module, x, generator=g, n_importance_samples=k, gradient=gradient)
    return loss["neg_bound"]


def gradients(module, x, k, gradient, n_draws):
    """Return the gradients of independent draws: encoder and decoder parameters."""
    parts = list(module.encoder.parameters()), list(module.decoder.parameters())
    rows = [[], []]
    for seed in range(n_draws):
        loss = neg_bound(module, x, k, gradient, seed).mean()
        grads = torch.autograd.grad(loss, parts[0] + parts[1])
        n = len(parts[0])
        for row, part in zip(rows, (grads[:n], grads[n:]), strict=True):
            row.append(torch.cat([g.flatten() for g in part]).double())
    return [torch.stack(row) for row in rows]


def test_one_sample_is_the_sampled_bound_of_a_vae(module, X):
    x = torch.from_numpy(X[:16])
    q = module.encode(x)
    noise = standard_normal(1, 16, 2, generator=torch.Generator().manual_seed(0))
    z = q.rsample(noise)[0]
    normal = torch.distributions.Normal
    scale = torch.tensor(module.likelihood.scale_, dtype=torch.float32)
    elbo = (
        normal(module.decode(z).mean, scale).log_prob(x).sum(-1)
        + normal(0.0, 1.0).log_prob(z).sum(-1)
        - normal(q.loc, q.log_scale.exp()).log_prob(z).sum(-1)
    )
    torch.testing.assert_close(-neg_bound(module, x, 1), elbo)


def test_value_is_the_logarithm_of_the_mean_weight(module, X):
    x, k = torch.from_numpy(X[:5]), 7
    g = torch.Generator().manual_seed(0)
    noise = standard_normal(k, 5, 2, generator=g)
    q, total = module.encode(x), 0.0
    for i in range(k):
        z = q.rsample(noise[i])
        log_p_z = -0.5 * z.square().sum(-1) - math.log(2 * math.pi)
        log_w = module.decode(z).log_prob(x) + log_p_z - q.log_prob(z)
        total = total + log_w.double().exp() / k
    torch.testing.assert_close(-neg_bound(module, x, k), total.log().float())


def test_both_gradients_have_the_same_value(module, X):
    x = torch.from_numpy(X[:16])
    torch.testing.assert_close(
        neg_bound(module, x, 5, "dreg"), neg_bound(module, x, 5, "standard")
    )


def test_bounds_are_ordered_and_stay_below_the_exact_likelihood(X):
    model = IWAE(
        2,
        network=MLP(hidden_layer_sizes=()),
        max_epochs=60,
        batch_size=50,
        learning_rate=1e-2,
        lr_schedule="cosine",
        random_state=0,
        device="cpu",
    ).fit(X)
    bounds = [
        model.score_samples(X, n_importance_samples=k).mean() for k in (1, 5, 100)
    ]
    exact = PCA(2).fit(X).score(X)
    # The margins are Monte-Carlo errors.
    assert bounds[0] < bounds[1] + 0.01
    assert bounds[1] < bounds[2] + 0.01
    assert bounds[2] < exact + 0.02
    assert bounds[2] == pytest.approx(exact, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 4])
def test_mean_gradients_agree_and_dreg_varies_less(module, X, k):
    x, n_draws = torch.from_numpy(X[:32]), 1500
    encoder, decoder = gradients(module, x, k, "standard", n_draws)
    encoder_dreg, decoder_dreg = gradients(module, x, k, "dreg", n_draws)
    torch.testing.assert_close(decoder, decoder_dreg, rtol=1e-3, atol=1e-4)
    error = (encoder.var(0) + encoder_dreg.var(0)).div(n_draws).sqrt()
    z_score = (encoder.mean(0) - encoder_dreg.mean(0)) / error.clamp(min=1e-12)
    assert z_score.abs().max() < 4.5
    assert encoder_dreg.var(0).sum() < encoder.var(0).sum()


def test_dreg_with_one_sample_sticks_the_landing(module, X):
    x = torch.from_numpy(X[:16])
    q = module.encode(x)
    noise = standard_normal(1, 16, 2, generator=torch.Generator().manual_seed(0))
    z = q.rsample(noise)
    log_p_z = -0.5 * z.square().sum(-1)
    stuck = module.decode(z).log_prob(x) + log_p_z - q.detach().log_prob(z)
    parameters = list(module.encoder.parameters())
    expected = torch.autograd.grad(-stuck.mean(), parameters)
    got = torch.autograd.grad(neg_bound(module, x, 1, "dreg").mean(), parameters)
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_dreg_is_the_published_formula(module, X):
    x, k = torch.from_numpy(X[:6]), 5
    q = module.encode(x)
    noise = standard_normal(k, 6, 2, generator=torch.Generator().manual_seed(0))
    z = q.rsample(noise)
    free = z.detach().requires_grad_()
    log_p_z = -0.5 * free.square().sum(-1)
    log_w = module.decode(free).log_prob(x) + log_p_z - q.detach().log_prob(free)
    v = log_w.detach().softmax(0).unsqueeze(-1)
    (by_z,) = torch.autograd.grad(log_w.sum(), free)
    parameters = list(module.encoder.parameters())
    expected = torch.autograd.grad(-(v.square() * by_z * z).sum() / 6, parameters)
    got = torch.autograd.grad(neg_bound(module, x, k, "dreg").mean(), parameters)
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_importance_samples": 0}, ValueError, "integer >= 1. Got 0"),
        ({"n_importance_samples": 2.5}, TypeError, "integer >= 1. Got 2.5"),
        ({"gradient": "stl"}, ValueError, "'standard', 'dreg'. Got 'stl'"),
    ],
)
def test_bad_parameters_name_the_value(X, parameters, error, message):
    with pytest.raises(error, match=message):
        IWAE(2, max_epochs=1, **parameters).fit(X)


class _NoDetach(DiagonalPosterior):
    def forward(self, h):
        q = super().forward(h)
        bare = type("Bare", (), {})()
        bare.mean, bare.rsample, bare.log_prob = q.mean, q.rsample, q.log_prob
        return bare


def test_dreg_says_what_a_posterior_lacks(X):
    iwae = IWAE(2, posterior=_NoDetach(), gradient="dreg", max_epochs=1)
    with pytest.raises(TypeError, match="_NoDetach gives Bare, which has none"):
        iwae.fit(X)


def test_a_posterior_without_closed_divergence_gets_an_estimate(X):
    options = {"max_epochs": 2, "random_state": 0, "device": "cpu"}
    model = VAE(2, posterior=_NoDetach(), **options).fit(X)
    model.module_.posterior = DiagonalPosterior()
    q = model.module_.encode(torch.from_numpy(X))
    exact = q.kl_to_standard_normal().mean(0).sum().item()
    assert model.kl_per_component_.shape == (2,)
    assert model.kl_per_component_.sum() == pytest.approx(exact, rel=0.1)
