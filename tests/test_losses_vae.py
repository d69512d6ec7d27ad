"""Losses and scores against models whose likelihood is known exactly."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from conftest import make_data, small
from scipy import stats
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.mixture import GaussianMixture
from torch import nn

from skvae._utils.rows import DataSummary
from skvae.likelihoods import GaussianLikelihood
from skvae.losses import importance_weights, vae_loss
from skvae.module import AutoencoderModule
from skvae.networks import MLP
from skvae.posteriors import DiagonalPosterior

N_FEATURES, D, SCALE = 5, 2, 0.6
RNG = np.random.default_rng(0)
# Orthogonal columns: the exact posterior is then diagonal.
W = np.linalg.qr(RNG.standard_normal((N_FEATURES, D)))[0] * [2.0, 0.8]
B = RNG.standard_normal(N_FEATURES)


def linear_gaussian(widen=1.0, shift=0.0):
    """Return a module with p(x) = N(B, W W' + SCALE^2 I) and a known posterior.

    q(z|x) is the exact posterior, its scale multiplied by `widen` and its mean moved
    by `shift`.
    """
    precision = W.T @ W + SCALE**2 * np.eye(D)
    to_mean = np.linalg.solve(precision, W.T)
    sd = SCALE / np.sqrt(np.diag(precision)) * widen
    encoder, decoder = nn.Linear(N_FEATURES, 2 * D), nn.Linear(D, N_FEATURES)
    with torch.no_grad():
        encoder.weight.copy_(torch.tensor(np.vstack([to_mean, 0 * to_mean])))
        bias = np.concatenate([shift - to_mean @ B, np.log(sd)])
        encoder.bias.copy_(torch.tensor(bias))
        decoder.weight.copy_(torch.tensor(W))
        decoder.bias.copy_(torch.tensor(B))
    summary = DataSummary(np.zeros(N_FEATURES), np.ones(N_FEATURES))
    likelihood = GaussianLikelihood(scale=SCALE).build(summary)
    posterior = DiagonalPosterior()
    return AutoencoderModule(encoder, posterior, decoder, likelihood, summary, D).eval()


def draw(n, seed=1):
    rng = np.random.default_rng(seed)
    Z, noise = rng.standard_normal((n, D)), rng.standard_normal((n, N_FEATURES))
    return (Z @ W.T + B + SCALE * noise).astype(np.float32)


def exact_log_density(X):
    covariance = W @ W.T + SCALE**2 * np.eye(N_FEATURES)
    return stats.multivariate_normal(B, covariance).logpdf(X)


def estimator_around(module):
    model = small(n_components=D, max_epochs=1).fit(draw(30))
    model.module_ = module
    return model


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def bound(terms):
    return -(terms["reconstruction"] + terms["kl"])


# ------------------------------------------------------------------ exact likelihoods


def test_exact_posterior_makes_every_importance_weight_the_likelihood():
    X = draw(40)
    noise = torch.randn((6, 40, D), generator=generator())
    log_ratio, z = importance_weights(linear_gaussian(), torch.tensor(X), noise)
    log_w = log_ratio.detach().double() + stats.norm.logpdf(z.detach().numpy()).sum(-1)
    expected = np.broadcast_to(exact_log_density(X), (6, 40))
    np.testing.assert_allclose(log_w, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("k", [1, 3, 64, 5000])
def test_score_with_the_exact_posterior_is_exact_for_any_number_of_draws(k):
    X = draw(30)
    scores = estimator_around(linear_gaussian()).score_samples(
        X, n_importance_samples=k
    )
    np.testing.assert_allclose(scores, exact_log_density(X), rtol=1e-4, atol=1e-3)


def test_importance_sampled_score_is_within_its_standard_error():
    X = draw(1500)
    model = estimator_around(linear_gaussian(widen=1.4, shift=0.3))
    for k in (100, 1000):
        errors = model.score_samples(X, n_importance_samples=k) - exact_log_density(X)
        bias = -errors.var() / 2  # of a logarithm, to second order
        standard_error = errors.std() / math.sqrt(len(X))
        assert abs(errors.mean() - bias) < 4 * standard_error + 1e-4
        assert errors.std() < 12 / math.sqrt(k)


def test_likelihood_estimate_is_unbiased_before_the_logarithm():
    X = draw(4)
    noise = torch.randn((200_000, 4, D), generator=generator())
    module = linear_gaussian(widen=1.3, shift=0.2)
    log_ratio, z = importance_weights(module, torch.tensor(X), noise)
    log_w = log_ratio.detach().double() + stats.norm.logpdf(z.detach().numpy()).sum(-1)
    ratios = (log_w - torch.tensor(exact_log_density(X))).exp()
    standard_error = ratios.std(0) / math.sqrt(len(ratios))
    assert (abs(ratios.mean(0) - 1) < 4 * standard_error + 1e-3).all()


def test_bounds_tighten_towards_the_exact_likelihood():
    X = draw(3000)
    model = estimator_around(linear_gaussian(widen=1.6, shift=0.4))
    exact = exact_log_density(X)
    gaps = [exact - model.score_samples(X, n_importance_samples=k) for k in (1, 5, 100)]
    for wide, tight in pairwise(gaps):
        difference = wide - tight
        assert difference.mean() > 4 * difference.std() / math.sqrt(len(X))
    assert gaps[-1].mean() > -4 * gaps[-1].std() / math.sqrt(len(X))


def test_evidence_gap_is_the_divergence_from_the_true_posterior():
    X, widen, shift = draw(3), 1.5, 0.5
    module = linear_gaussian(widen, shift)
    x = torch.tensor(X).repeat_interleave(40_000, 0)
    bounds = bound(vae_loss(module, x, generator=generator())).detach().double()
    bounds = bounds.reshape(3, -1).numpy()
    sd = SCALE / np.sqrt(np.diag(W.T @ W + SCALE**2 * np.eye(D)))
    kl = 0.5 * (widen**2 - 1 + (shift / sd) ** 2 - 2 * math.log(widen)).sum()
    gap = exact_log_density(X) - bounds.mean(1)
    standard_error = bounds.std(1) / math.sqrt(40_000)
    assert (abs(gap - kl) < 4.5 * standard_error + 1e-3).all()


def test_reconstruction_term_has_the_expectation_of_the_textbook():
    X = draw(3)
    module = linear_gaussian(widen=1.2, shift=0.1)
    x = torch.tensor(X)
    q = module.encode(x)
    residual = X - (q.mean.detach().numpy() @ W.T + B)
    spread = q.variance.detach().numpy() @ (W**2).sum(0)
    squared_error = (residual**2).sum(1) + spread
    constant = N_FEATURES / 2 * math.log(2 * math.pi * SCALE**2)
    expected = squared_error / (2 * SCALE**2) + constant
    terms = vae_loss(module, x, generator=generator(), n_samples=40_000)
    np.testing.assert_allclose(terms["reconstruction"].detach(), expected, rtol=0.01)


def test_one_draw_score_is_the_evidence_lower_bound_on_average():
    X = draw(4000)
    model = estimator_around(linear_gaussian(widen=1.5, shift=0.5))
    scores = model.score_samples(X, n_importance_samples=1)
    terms = vae_loss(model.module_, torch.tensor(X), generator=generator())
    bounds = bound(terms).detach().double().numpy()
    difference = scores - bounds
    standard_error = difference.std() / math.sqrt(len(X))
    assert abs(difference.mean()) < 4 * standard_error


def test_score_uses_the_latent_density():
    # With the prior N(m, S) instead of N(0, I), p(x) = N(B + W m, W S W' + SCALE^2 I).
    X = draw(600)
    codes = 0.5 + 0.7 * np.random.default_rng(2).standard_normal((5000, D))
    model = estimator_around(linear_gaussian(widen=1.3))
    model.latent_density_ = mixture = GaussianMixture(1).fit(codes)
    mean, covariance = mixture.means_[0], mixture.covariances_[0]
    total = W @ covariance @ W.T + SCALE**2 * np.eye(N_FEATURES)
    exact = stats.multivariate_normal(B + W @ mean, total).logpdf(X)
    errors = model.score_samples(X, n_importance_samples=2000) - exact
    bias = -errors.var() / 2
    assert abs(errors.mean() - bias) < 4 * errors.std() / math.sqrt(len(X)) + 1e-3
    assert abs(errors).mean() < 0.2


def test_samples_of_the_linear_model_have_its_moments():
    model = estimator_around(linear_gaussian())
    noisy = model.sample(40_000, mean=False, random_state=0).astype(float)
    np.testing.assert_allclose(noisy.mean(0), B, atol=0.06)
    expected = W @ W.T + SCALE**2 * np.eye(N_FEATURES)
    np.testing.assert_allclose(np.cov(noisy.T), expected, atol=0.12)
    means = model.sample(40_000, random_state=0).astype(float)
    np.testing.assert_allclose(np.cov(means.T), W @ W.T, atol=0.12)


# ------------------------------------------------------------------- trained to optimum


LONG = {
    "network": MLP(()),
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
    model = small(
        n_components=1, likelihood=GaussianLikelihood(scale="feature"), **LONG
    ).fit(X)
    analysis = FactorAnalysis(1, tol=1e-8, max_iter=5000).fit(X)
    score = model.score_samples(X, n_importance_samples=100).mean()
    assert analysis.score(X) - 0.02 < score <= analysis.score(X) + 0.005
    np.testing.assert_allclose(
        model.likelihood_.scale_, np.sqrt(analysis.noise_variance_), rtol=0.05
    )


# -------------------------------------------------------------------- terms of the loss

OPTIONS = [
    {},
    {"beta": 2.5},
    {"n_samples": 3},
    {"free_bits": 0.5},
    {"beta": 0.3, "n_samples": 2, "free_bits": 0.2},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_terms_are_by_row(options):
    x = torch.tensor(draw(7))
    terms = vae_loss(linear_gaussian(), x, generator=generator(), **options)
    assert list(terms) == ["reconstruction", "kl"]
    assert all(term.shape == (7,) for term in terms.values())


def test_beta_multiplies_the_divergence_alone():
    x = torch.tensor(draw(7))
    one = vae_loss(linear_gaussian(), x, generator=generator())
    many = vae_loss(linear_gaussian(), x, generator=generator(), beta=2.5)
    torch.testing.assert_close(many["kl"], 2.5 * one["kl"])
    assert torch.equal(many["reconstruction"], one["reconstruction"])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", ["gaussian", "predicted", "bernoulli"])
def test_gradient_is_that_of_finite_differences(options, name):
    X = make_data(12, 4)
    likelihood = GaussianLikelihood(scale=name) if name == "predicted" else name
    network = MLP((6,), activation="tanh")
    model = small(network=network, likelihood=likelihood, max_epochs=2).fit(X)
    module, x = model.module_, torch.tensor(X)
    parameters = [p.requires_grad_() for p in module.parameters()]

    def loss():
        terms = vae_loss(module, x, generator=generator(), **options)
        return sum(term.double().mean() for term in terms.values())

    gradients = torch.autograd.grad(loss(), parameters)
    for seed in range(3):
        g = generator(seed)
        steps = [torch.randn(p.shape, generator=g) for p in parameters]
        slope = sum((a * b).sum() for a, b in zip(gradients, steps, strict=True))
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                for p, step in zip(parameters, steps, strict=True):
                    p.add_(step, alpha=sign * 1e-3)
                values.append(loss().item())
                for p, step in zip(parameters, steps, strict=True):
                    p.add_(step, alpha=-sign * 1e-3)
        assert (values[0] - values[1]) / 2e-3 == pytest.approx(
            slope.item(), rel=0.02, abs=0.02
        )


@pytest.mark.parametrize("free_bits", [0.05, 0.5, 3.0])
def test_free_bits_are_granted_to_every_component_of_a_row(free_bits):
    x = torch.tensor(draw(50))
    module = linear_gaussian(widen=3.0)
    kl = module.encode(x).kl_to_standard_normal()
    terms = vae_loss(module, x, generator=generator(), free_bits=free_bits)
    expected = kl.clamp(min=free_bits * math.log(2)).sum(-1)
    torch.testing.assert_close(terms["kl"], expected)
    assert (terms["kl"] >= D * free_bits * math.log(2) - 1e-6).all()


def test_components_below_their_free_bits_are_not_pushed():
    x = torch.tensor(draw(50))
    module = linear_gaussian()
    terms = vae_loss(module, x, generator=generator(), free_bits=100.0)
    (gradient,) = torch.autograd.grad(terms["kl"].sum(), module.encoder.weight)
    assert (gradient == 0).all()
    plain = vae_loss(module, x, generator=generator(), free_bits=0.0)
    (gradient,) = torch.autograd.grad(plain["kl"].sum(), module.encoder.weight)
    assert (gradient != 0).any()


@pytest.mark.parametrize("k", [4, 16])
def test_more_draws_lower_the_variance_in_proportion(k):
    module = linear_gaussian(widen=1.5)
    x = torch.tensor(draw(1)).expand(4000, -1)
    one = vae_loss(module, x, generator=generator(0))["reconstruction"].detach()
    many = vae_loss(module, x, generator=generator(1), n_samples=k)
    many = many["reconstruction"].detach()
    assert (one.var() / many.var()).item() == pytest.approx(k, rel=0.15)
    standard_error = one.std().item() / math.sqrt(4000)
    assert abs(one.mean() - many.mean()).item() < 5 * standard_error


def test_rows_of_a_batch_get_independent_noise():
    x = torch.tensor(draw(1)).expand(2000, -1)
    terms = vae_loss(linear_gaussian(), x, generator=generator())
    values = terms["reconstruction"].detach()
    assert len(values.unique()) > 1990
    assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 4 / math.sqrt(2000)


def test_warm_up_raises_the_weight_of_the_divergence_from_zero(X):
    history = small(kl_warmup=1.0, max_epochs=10, beta=1.0).fit(X).history_
    model = small(kl_warmup=1.0, max_epochs=10).fit(X)
    assert model.annealing(0.0) == 0
    assert model.annealing(0.5) == pytest.approx(0.5)
    assert model.annealing(1.0) == 1
    assert small(kl_warmup=0.0).annealing(0.0) == 1
    assert history["kl"][0] < history["kl"][-1]


# ----------------------------------------------------------------------- latent density


def test_latent_density_is_fitted_to_draws_not_to_means():
    # q(z|x) = N(0, I) for all x: means would give a point, draws give N(0, I).
    X = draw(300)
    model = small(
        latent_density=GaussianMixture(1),
        beta=1e4,
        kl_warmup=0.0,
        max_epochs=60,
        learning_rate=1e-2,
    ).fit(X)
    np.testing.assert_allclose(
        model.latent_density_.covariances_[0], np.eye(2), atol=0.1
    )
