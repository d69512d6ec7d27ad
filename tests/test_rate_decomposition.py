"""The rate of held-out rows in its parts: loops, closed forms and simulations."""

import warnings

import linear_gaussian as lg
import numpy as np
import pandas
import pytest
import torch
from conftest import make_data, small
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import IWAE, RAE, WAE, TwoStageVAE
from skvae.evaluation import evaluate_likelihood, rate_decomposition
from skvae.evaluation._aggregate import estimate
from skvae.evaluation.rate import _divergences

pytestmark = pytest.mark.filterwarnings("ignore:The mutual information:UserWarning")
KL_PARTS = [
    *("kl", "mutual_information", "marginal_kl"),
    *("total_correlation", "dimension_wise_kl"),
]
FIGURES = ["rate", "reconstruction", *KL_PARTS]


def posteriors(seed, n=7, d=2, n_draws=3, full=False):
    """Return draws of normal posteriors, their means and their factors."""
    rng = np.random.default_rng(seed)
    means, factors = rng.normal(size=(n, d)), rng.uniform(0.2, 1, (n, d))
    if full:
        factors = np.tril(rng.normal(size=(n, d, d)), -1) + factors[
            :, :, None
        ] * np.eye(d)
    L = factors if full else factors[:, :, None] * np.eye(d)
    noise = rng.standard_normal((n, n_draws, d))
    return means[:, None] + np.einsum("njk,nik->nij", L, noise), means, factors


def looped(Z, means, factors):
    """Return the divergences by a loop over draws, posteriors and components."""
    full = factors.ndim == 3
    L = factors if full else factors[:, :, None] * np.eye(Z.shape[2])
    S = L @ L.transpose(0, 2, 1)
    sums = dict.fromkeys(KL_PARTS, 0.0)
    for i, draws in enumerate(Z):
        for z in draws:
            log_q = [
                multivariate_normal.logpdf(z, m, s)
                for m, s in zip(means, S, strict=True)
            ]
            log_qz = logsumexp(log_q) - np.log(len(Z))
            log_product = sum(
                logsumexp(norm.logpdf(z[j], means[:, j], np.sqrt(S[:, j, j])))
                - np.log(len(Z))
                for j in range(len(z))
            )
            log_p = norm.logpdf(z).sum()
            sums["kl"] += log_q[i] - log_p
            sums["mutual_information"] += log_q[i] - log_qz
            sums["marginal_kl"] += log_qz - log_p
            sums["total_correlation"] += log_qz - log_product
            sums["dimension_wise_kl"] += log_product - log_p
    return {name: value / Z[..., 0].size for name, value in sums.items()}


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("entries", [1, 20, 2**22])
def test_divergences_are_loops_over_draws_and_posteriors(full, entries, monkeypatch):
    monkeypatch.setattr("skvae._utils.rows.BLOCK_ENTRIES", entries)
    Z, means, factors = posteriors(0, full=full)
    found, expected = _divergences(Z, means, factors), looped(Z, means, factors)
    for name, value in expected.items():
        assert found[name][0] == pytest.approx(value, rel=1e-9), name


@pytest.mark.parametrize("full", [False, True])
def test_the_jackknife_leaves_a_row_out_of_the_mean_and_of_the_aggregate(full):
    Z, means, factors = posteriors(1, full=full)
    found, n = _divergences(Z, means, factors), len(Z)
    without = [
        looped(*(np.delete(a, i, axis=0) for a in (Z, means, factors)))
        for i in range(n)
    ]
    for name, statistic in found.items():
        values = [left[name] for left in without]
        np.testing.assert_allclose(statistic[1:], values, rtol=1e-9, err_msg=name)
        error = np.sqrt((n - 1) / n * np.sum((values - np.mean(values)) ** 2))
        assert estimate(statistic).standard_error == pytest.approx(error, rel=1e-8)


def exact_parts(mean, C, S):
    """Return the divergences from N(0, I) where q(z) = N(mean, C) and q(z|x) has S."""
    d, log_det = len(mean), np.linalg.slogdet(C)[1]
    parts = {
        "mutual_information": 0.5 * (log_det - np.linalg.slogdet(S)[1]),
        "marginal_kl": 0.5 * (np.trace(C) + mean @ mean - d - log_det),
        "total_correlation": 0.5 * (np.log(np.diag(C)).sum() - log_det),
    }
    parts["kl"] = parts["mutual_information"] + parts["marginal_kl"]
    parts["dimension_wise_kl"] = parts["marginal_kl"] - parts["total_correlation"]
    return parts


def linear_model_and_rows(n):
    """Return a linear model, rows that it was not made for, and the exact parts."""
    rng = np.random.default_rng(1)
    A = rng.standard_normal((lg.N_FEATURES, lg.N_FEATURES))
    X = (rng.standard_normal((n, lg.N_FEATURES)) @ A.T + lg.B).astype(np.float32)
    precision = lg.W.T @ lg.W + lg.SCALE**2 * np.eye(lg.D)
    to_mean, sd = np.linalg.solve(precision, lg.W.T), 2 * lg.SCALE
    sd = sd / np.sqrt(np.diag(precision))
    S = np.diag(sd**2)
    C = to_mean @ A @ A.T @ to_mean.T + S
    mean = np.full(lg.D, 0.4)
    # E[-log p(x|z)] for z ~ q(z|x) and x of the rows' own distribution.
    off = np.eye(lg.N_FEATURES) - lg.W @ to_mean
    square = np.trace(off @ A @ A.T @ off.T) + np.trace(lg.W @ S @ lg.W.T)
    square += (lg.W @ mean) @ (lg.W @ mean)
    constant = 0.5 * lg.N_FEATURES * np.log(2 * np.pi * lg.SCALE**2)
    parts = exact_parts(mean, C, S)
    parts["reconstruction"] = 0.5 * square / lg.SCALE**2 + constant
    parts["rate"] = parts["reconstruction"] + parts["kl"]
    return lg.estimator_around(lg.linear_gaussian(widen=2.0, shift=0.4)), X, parts


def test_parts_of_a_linear_model_are_the_closed_forms():
    model, X, exact = linear_model_and_rows(3000)
    found = rate_decomposition(model, X, n_draws=2, random_state=0)
    assert exact["total_correlation"] > 0.1
    assert exact["marginal_kl"] > 0.3
    for name in FIGURES:
        value, error = getattr(found, name)
        assert abs(value - exact[name]) < 4 * error + 0.01, name
        assert 0 < error < 0.5, name
    assert found.n == 3000
    assert found.n_features == lg.N_FEATURES


def test_with_the_exact_posterior_the_rate_is_the_negative_log_likelihood():
    X = lg.draw(200)
    model = lg.estimator_around(lg.linear_gaussian())
    exact = -lg.exact_log_density(X)
    found = rate_decomposition(model, X, random_state=0).rate
    assert found.value == pytest.approx(exact.mean(), abs=1e-4)
    error = exact.std(ddof=1) / np.sqrt(len(X))
    assert found.standard_error == pytest.approx(error, rel=1e-4)


@pytest.mark.parametrize("posterior", ["diagonal", "isotropic", "constant", "full"])
def test_parts_add_up_to_the_last_digits(posterior):
    X = make_data()
    model = small(posterior=posterior).fit(X)
    found = rate_decomposition(model, X, random_state=0)
    sums = {
        "rate": ("reconstruction", "kl"),
        "kl": ("mutual_information", "marginal_kl"),
        "marginal_kl": ("total_correlation", "dimension_wise_kl"),
    }
    for name, parts in sums.items():
        total = sum(getattr(found, part).value for part in parts)
        assert getattr(found, name).value == pytest.approx(total, rel=1e-12, abs=1e-13)
    assert found.total_correlation.value != 0


@pytest.mark.parametrize("posterior", ["diagonal", "isotropic", "constant", "full"])
def test_figures_are_those_of_the_posteriors_of_the_rows(posterior):
    X = make_data()
    model = small(posterior=posterior).fit(X)
    found = rate_decomposition(model, X, n_draws=400, random_state=0)
    with torch.no_grad():
        q = model.module_.encode(torch.from_numpy(X))
    kl = q.kl_to_standard_normal().sum(1).double().numpy()
    assert found.kl.value == pytest.approx(kl.mean(), abs=0.02)
    error = kl.std(ddof=1) / np.sqrt(len(X))
    assert found.kl.standard_error == pytest.approx(error, rel=0.1)


def test_rate_is_the_bound_with_one_importance_sample():
    X = make_data(400)
    model = small().fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bound = evaluate_likelihood(model, X, n_importance_samples=1)
    found = rate_decomposition(model, X, random_state=0).rate
    assert abs(found.value - bound.nll) < 0.3 * bound.standard_error
    assert found.standard_error == pytest.approx(bound.standard_error, rel=0.2)


@pytest.mark.parametrize("scale", [1.0, 1e12])
def test_reconstructions_are_in_the_units_of_the_input(scale):
    X = make_data().astype(np.float64) * scale
    model = small()
    scaled = make_pipeline(StandardScaler(), model).fit(X)
    found = rate_decomposition(scaled, X, random_state=0)
    inside = rate_decomposition(scaled[-1], scaled[:-1].transform(X), random_state=0)
    assert found[2:7] == inside[2:7]
    shift = np.log(scaled[0].scale_).sum()
    assert found.reconstruction.value == pytest.approx(
        inside.reconstruction.value + shift
    )
    plain = small().fit(X)
    found = rate_decomposition(plain, X, random_state=0)
    bits = -plain.score_samples(X, n_importance_samples=1).mean() / np.log(2) / 5
    assert found.bits_per_dimension.value == pytest.approx(bits, abs=0.1)


def test_divisor_gives_the_bits_of_the_undivided_rows():
    X = make_data()
    model = small().fit(X)
    plain = rate_decomposition(model, X, random_state=0)
    divided = rate_decomposition(model, X, divisor=255, random_state=0)
    bits = plain.rate.value / 5 / np.log(2)
    assert plain.bits_per_dimension.value == pytest.approx(bits)
    assert divided.bits_per_dimension.value == pytest.approx(bits + np.log2(255))
    ratio = plain.bits_per_dimension.standard_error / plain.rate.standard_error
    assert ratio == pytest.approx(1 / 5 / np.log(2))
    levels = small(likelihood="discretized_logistic").fit(X)
    with pytest.raises(ValueError, match="divisor must be 1"):
        rate_decomposition(levels, X, divisor=255)


def test_probabilities_of_levels_have_no_unit():
    X = make_data()
    scaler = StandardScaler(with_mean=False).fit(2 * X)
    scaler.scale_ = np.full(5, 2.0)
    model = make_pipeline(scaler, small(likelihood="discretized_logistic").fit(X))
    found = rate_decomposition(model, 2 * X, random_state=0)
    assert found == rate_decomposition(model[-1], X, random_state=0)


def test_draws_are_decided_by_random_state_and_differ_within_a_row():
    X = make_data()
    model = small().fit(X)
    a, b, c = (
        rate_decomposition(model, X, n_draws=3, random_state=seed) for seed in (0, 0, 1)
    )
    assert a == b
    assert a.rate.value != c.rate.value
    errors = [
        rate_decomposition(
            model, np.tile(X[:1], (40, 1)), n_draws=k, random_state=0
        ).kl.standard_error
        for k in (1, 16)
    ]
    assert errors[1] == pytest.approx(errors[0] / 4, rel=0.4)


@pytest.mark.parametrize("cls", [IWAE, TwoStageVAE])
def test_other_models_have_the_rate_of_their_own_encoder_and_decoder(cls):
    X = make_data()
    model = small(cls).fit(X)
    bare = small().fit(X)
    bare.module_ = model.module_
    ours, theirs = (rate_decomposition(m, X, random_state=0) for m in (model, bare))
    assert ours == theirs


def test_the_latent_density_does_not_count():
    X = make_data()
    model = small(latent_density=GaussianMixture(2, random_state=0)).fit(X)
    bare = small().fit(X)
    assert rate_decomposition(model, X, random_state=0) == rate_decomposition(
        bare, X, random_state=0
    )


def test_warns_near_the_ceiling_only():
    X = lg.draw(400)
    model = lg.estimator_around(lg.linear_gaussian())  # 0.5 log det = 1.8 nats
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = rate_decomposition(model, X, random_state=0)
    assert 400 / np.exp(found.mutual_information.value) > 10
    with pytest.warns(UserWarning, match=r"near 3\.4, the most that 30 rows can show"):
        found = rate_decomposition(model, X[:30], random_state=0)
    assert 30 / np.exp(found.mutual_information.value) < 10


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (small(posterior="flow"), "normal posteriors.*FlowPosterior.*diagonal"),
        (small(RAE), "RAE has codes without a spread: use a VAE"),
        (small(WAE), "WAE has codes without a spread: use a VAE"),
    ],
)
def test_posteriors_that_are_not_normal_are_refused_by_name(model, match):
    X = make_data()
    with pytest.raises(TypeError, match=match):
        rate_decomposition(model.fit(X), X)


def test_columns_are_brought_into_the_order_of_the_fit():
    frame = pandas.DataFrame(make_data()).add_prefix("c")
    model = small().fit(frame)
    backwards = frame[frame.columns[::-1]]
    assert rate_decomposition(model, backwards, random_state=0) == rate_decomposition(
        model, frame, random_state=0
    )


def test_rows_without_a_finite_likelihood_are_refused(monkeypatch):
    X = make_data()
    model = small().fit(X)
    decoder = model.module_.decoder
    monkeypatch.setattr(
        model.module_, "decoder", torch.nn.Sequential(decoder, Infinite())
    )
    with pytest.raises(ValueError, match="must be finite to have a mean"):
        rate_decomposition(model, X)


class Infinite(torch.nn.Module):
    def forward(self, h):
        return h * float("nan")


def test_names_what_cannot_be_decomposed():
    X = make_data()
    with pytest.raises(TypeError, match=r"needs an autoencoder.*GaussianMixture"):
        rate_decomposition(GaussianMixture().fit(X), X)
    model = small().fit(X)
    with pytest.raises(ValueError, match="at least 2 rows, but has 1"):
        rate_decomposition(model, X[:1])
    with pytest.raises(ValueError, match=r"'n_draws'.*Got 0"):
        rate_decomposition(model, X, n_draws=0)
    levels = small(likelihood="discretized_logistic").fit(X)
    with pytest.raises(ValueError, match="256 even levels"):
        rate_decomposition(levels, X + 0.3)


def test_images_are_taken_as_rows_are():
    X = make_data(n_features=16)
    of_rows, of_images = (
        rate_decomposition(small().fit(rows), rows, random_state=0)
        for rows in (X, X.reshape(-1, 4, 4))
    )
    assert of_rows == of_images
