"""What cannot be compressed is refused with the rule, the value and the remedy."""

import builtins
import subprocess
import sys

import numpy as np
import pytest
import torch
from coded_models import BITS, model_and_rows
from conftest import small
from scipy.sparse import csr_array
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import RAE, VAE, WAE, TwoStageVAE
from skvae.compression import compress, decompress
from skvae.likelihoods import BernoulliLikelihood, DiscretizedLogisticLikelihood

pytest.importorskip("constriction")
X = BITS[:150]


def assert_refused(model, rows, error, rule):
    with pytest.raises(error, match=rule):
        compress(model, rows)


def assert_model_refused(model, error, rule):
    """Assert that a model neither writes nor reads."""
    other, rows = model_and_rows("bits")
    message = compress(other, rows[:5])
    for n in (0, 5):
        assert_refused(model, rows[:n], error, rule)
    with pytest.raises(error, match=rule):
        decompress(model, message)


# ---------------------------------------------------------------------------- models


@pytest.mark.parametrize(
    "likelihood",
    ["gaussian", "laplace", "continuous_bernoulli", "poisson", "negative_binomial"],
)
def test_densities_and_counts_without_a_limit_are_refused(likelihood):
    model = small(likelihood=likelihood).fit(X)
    name = type(model.likelihood_).__name__
    rule = f"few values, but {name} has no `support`. Use likelihood='bernoulli'"
    assert_model_refused(model, TypeError, rule)


@pytest.mark.parametrize("cls", [RAE, WAE])
def test_codes_without_a_spread_are_refused(cls):
    model = small(cls, likelihood="bernoulli").fit(X)
    rule = f"codes of {cls.__name__} have no spread.*Use a VAE"
    assert_model_refused(model, TypeError, rule)


def test_flows_are_refused():
    model = small(likelihood="bernoulli", posterior="flow").fit(X)
    rule = "must be normal, but VAE was fitted with FlowPosterior. Use posterior="
    assert_model_refused(model, TypeError, rule)


def test_mixtures_are_refused():
    model = small(likelihood="bernoulli", latent_density=GaussianMixture(2)).fit(X)
    rule = r"prior N\(0, I\) or by a second stage, but VAE has .*GaussianMixture"
    assert_model_refused(model, TypeError, rule)
    model.set_params(latent_density=None).fit_latent_density(X)  # the remedy
    np.testing.assert_array_equal(decompress(model, compress(model, X)), X)


def test_a_second_stage_must_be_one_that_can_be_coded():
    flow = small(posterior="flow", max_epochs=1)
    model = small(TwoStageVAE, likelihood="bernoulli", second_stage=flow).fit(X)
    assert_model_refused(model, TypeError, "must be normal, but VAE .* FlowPosterior")
    heavy = small(likelihood="laplace", max_epochs=1)
    model = small(TwoStageVAE, likelihood="bernoulli", second_stage=heavy).fit(X)
    rule = "normal likelihood, got LaplaceLikelihood. Use likelihood='gaussian'"
    assert_model_refused(model, TypeError, rule)
    mixed = small(latent_density=GaussianMixture(2), max_epochs=1)
    model = small(likelihood="bernoulli", latent_density=mixed).fit(X)
    assert_model_refused(model, TypeError, "prior .* GaussianMixture")
    pointed = small(RAE, max_epochs=1)
    model = small(likelihood="bernoulli", latent_density=pointed).fit(X)
    assert_model_refused(model, TypeError, "codes of RAE have no spread")


def test_what_is_no_autoencoder_is_refused():
    _, rows = model_and_rows("bits")
    pipeline = make_pipeline(StandardScaler(), small()).fit(rows)
    rule = "a VAE, an IWAE or a TwoStageVAE, got Pipeline. Of a pipeline pass the last"
    assert_model_refused(pipeline, TypeError, rule)
    assert_model_refused(None, TypeError, "got NoneType")


def test_an_unfitted_model_is_refused():
    with pytest.raises(NotFittedError):
        compress(VAE(likelihood="bernoulli"), X)


def test_values_of_networks_that_are_not_finite_are_refused():
    for part in ("encoder", "decoder"):
        model = small(likelihood="bernoulli").fit(X)
        with torch.no_grad():
            for weight in getattr(model.module_, part).parameters():
                weight.fill_(torch.nan)
        assert_refused(model, X[:9], ValueError, "Encoder or decoder .* not finite")


# ------------------------------------------------------------- likelihoods of a user


def with_support(values):
    class Odd(BernoulliLikelihood):
        support = np.array(values)

    return Odd()


@pytest.mark.parametrize(
    "support", [[0.0], [1.0, 0.0], [0.0, 0.0], [0, np.nan], [[0.0, 1.0]], []]
)
def test_a_support_of_other_values_is_refused(support):
    model = small(likelihood=with_support(support)).fit(X)
    rule = "`support` of Odd must be 2 to 65,536 finite values that rise, got"
    assert_model_refused(model, ValueError, rule)


def test_too_many_levels_are_refused():
    X = np.random.default_rng(0).integers(0, 2**16 + 1, (50, 2))
    likelihood = DiscretizedLogisticLikelihood(2**16 + 1, high=2**16)
    model = small(likelihood=likelihood).fit(X)
    assert_refused(model, X, ValueError, "2 to 65,536 .* Use fewer levels")


@pytest.mark.parametrize("wrong", ["shape", "sum", "sign"])
def test_wrong_probabilities_are_refused(wrong):
    class Table:
        def __init__(self, logits):
            self.mean = logits.sigmoid()

        def log_prob(self, x):
            return -(x - self.mean).square().sum(-1)

        def probabilities(self):
            p = torch.stack([1 - self.mean, self.mean], -1)
            wrongs = {"shape": p[:, 1:], "sum": 1.01 * p, "sign": 3 * p - 1}
            return wrongs[wrong]

    class Odd(BernoulliLikelihood):
        distribution = Table

    model = small(likelihood=Odd()).fit(X)
    rule = (
        r"`probabilities\(\)` of the distributions of Odd must have the shape \(1, 64"
    )
    assert_refused(model, X, ValueError, rule)


# ------------------------------------------------------------------------------ rows


def test_grey_levels_are_refused_by_a_bernoulli_likelihood():
    model, _ = model_and_rows("bits")
    grey = BITS[:5].astype(np.float32)
    grey[3, 7] = 0.25
    rule = (
        "2 values from 0 to 1 that BernoulliLikelihood .*feature 7 has the value 0.25"
    )
    assert_refused(model, grey, ValueError, rule + ", where 0 is nearest. Round X to")


@pytest.mark.parametrize("value", [17, -1, 3.5, 3 + 1e-9, 1e30])
def test_values_off_the_levels_are_refused(value):
    model, rows = model_and_rows("levels")
    rows = rows[:4].astype(float)
    rows[1, 2] = value
    rule = "17 values from 0 to 16.*feature 2 has the value.*DiscretizedLogisticLike"
    with pytest.raises(
        ValueError, match=f"{rule}|{DiscretizedLogisticLikelihood.__name__}"
    ):
        compress(model, rows)


def test_levels_of_another_rounding_are_refused_with_a_remedy_that_works():
    levels = np.random.default_rng(0).integers(0, 256, (200, 6))
    scaled = levels * (1 / 255)
    assert (scaled != levels / 255).any()
    model = small(likelihood="discretized_logistic").fit(scaled)
    assert_refused(
        model, scaled, ValueError, "exactly the 256 values from 0 to 1.*Round"
    )
    support = model.likelihood_.support
    rounded = support[np.abs(scaled[..., None] - support).argmin(-1)]
    np.testing.assert_array_equal(decompress(model, compress(model, rounded)), rounded)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_missing_and_infinite_values_are_refused(value):
    model, rows = model_and_rows("levels")
    rows = rows[:4].astype(float)
    rows[1, 2] = value
    assert_refused(
        model, rows, ValueError, "must not contain NaN or infinity.*feature 2"
    )


def test_integers_beyond_float64_are_told_apart():
    likelihood = DiscretizedLogisticLikelihood(2, low=2.0**53, high=2.0**53 + 2.0**34)
    X = np.array([[2**53], [2**53 + 2**34], [2**53]])
    model = small(likelihood=likelihood).fit(X)
    np.testing.assert_array_equal(decompress(model, compress(model, X)), X)
    assert_refused(model, X + 1, ValueError, "exactly the 2 values")


@pytest.mark.parametrize(
    ("rows", "error", "rule"),
    [
        (BITS[:5, :63], ValueError, "63 features"),
        (BITS[:0, :63], ValueError, "63 features"),
        (BITS[0], ValueError, "2D array"),
        (np.empty(0), ValueError, "2D array"),
        (BITS[:5].astype(complex), ValueError, "Complex"),
        (BITS[:5].astype(object), TypeError, "at most 64 bits, got dtype object"),
        (BITS[:5].astype(np.longdouble), TypeError, "64 bits, got dtype float128"),
        (csr_array(BITS[:5]), TypeError, "[Ss]parse"),
        ("rows", TypeError, "must be an array"),
        (None, ValueError, "2D array"),
        (BITS[:6].reshape(2, 3, 64), ValueError, "features"),
    ],
)
def test_what_are_no_rows_of_the_fit_is_refused(rows, error, rule):
    model, _ = model_and_rows("bits")
    assert_refused(model, rows, error, rule)


# --------------------------------------------------------------------------- package


def test_a_missing_package_is_named(monkeypatch):
    model, rows = model_and_rows("bits")
    message = compress(model, rows[:5])
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "constriction":
            raise ImportError
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    for call in (lambda: compress(model, rows), lambda: decompress(model, message)):
        with pytest.raises(ImportError, match=r"pip install 'skvae\[compression\]'"):
            call()


@pytest.mark.slow
def test_importing_the_room_needs_no_package():
    code = "import skvae.compression, sys; assert 'constriction' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
