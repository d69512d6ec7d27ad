import numpy as np
import pytest
from conftest import SMALL
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skvae import VAE
from skvae._distributions.normal import Bernoulli
from skvae.evaluation import evaluate_likelihood
from skvae.likelihoods import Likelihood
from skvae.scorers import get_scorer

X = np.random.RandomState(0).normal(size=(80, 3)) @ np.diag([1.0, 5.0, 0.1]) + 7


class OwnBernoulli(Likelihood):
    discrete = True

    def build(self, summary):
        return self

    def forward(self, h):
        return Bernoulli(h)


class Coin:
    """An estimator that is not one of skvae's: heads and tails with probability 1/2."""

    discrete = True

    def score_samples(self, X):
        return np.full(len(X), X.shape[1] * np.log(0.5))


def gaussian():
    return GaussianMixture(1, reg_covar=0)


@pytest.mark.parametrize("scalers", [(), (StandardScaler(), MinMaxScaler((-1, 3)))])
def test_is_the_closed_form_whatever_the_scaling(scalers):
    model = make_pipeline(*scalers, gaussian()).fit(X[:60])
    exact = multivariate_normal(X[:60].mean(0), np.cov(X[:60].T, bias=True))
    per_row = -exact.logpdf(X[60:])
    found = evaluate_likelihood(model, X[60:])
    assert found.nll == pytest.approx(per_row.mean(), rel=1e-10)
    assert found.standard_error == pytest.approx(per_row.std(ddof=1) / np.sqrt(20))
    assert found.bits_per_dimension == pytest.approx(found.nll / 3 / np.log(2))
    ratio = found.bits_standard_error / found.standard_error
    assert ratio == pytest.approx(1 / 3 / np.log(2))
    assert (found.n, found.n_features, found.bias) == (20, 3, 0)
    assert np.isnan(found.effective_sample_size)


def test_divisor_gives_the_bits_of_the_undivided_rows():
    bits = evaluate_likelihood(gaussian().fit(X), X).bits_per_dimension
    divided = evaluate_likelihood(gaussian().fit(X / 255), X / 255, divisor=255)
    assert divided.bits_per_dimension == pytest.approx(bits, rel=1e-10)
    by_feature = np.array([1.0, 2.0, 4.0])
    divided = gaussian().fit(X / by_feature)
    found = evaluate_likelihood(divided, X / by_feature, divisor=by_feature)
    assert found.bits_per_dimension == pytest.approx(bits, rel=1e-10)


def test_more_importance_samples_tighten_the_bound():
    vae = VAE(**SMALL).fit(X)
    one, many = (
        evaluate_likelihood(vae, X, n_importance_samples=k).nll for k in (1, 512)
    )
    assert many < one
    assert evaluate_likelihood(vae, X).nll == pytest.approx(-vae.score(X))


@pytest.mark.parametrize("likelihood", ["bernoulli", OwnBernoulli()])
def test_of_discrete_data_does_not_depend_on_the_scaling(likelihood):
    bits = (X.mean(0) < X).astype(float)
    vae = VAE(**SMALL, likelihood=likelihood)
    scaled = make_pipeline(MinMaxScaler(), vae).fit(2 * bits)
    nll = evaluate_likelihood(scaled[-1], bits).nll
    assert evaluate_likelihood(scaled, 2 * bits).nll == pytest.approx(nll)
    score = get_scorer("neg_bits_per_dimension")(scaled, 2 * bits)
    assert score == pytest.approx(-nll / 3 / np.log(2))


def test_of_another_estimator_of_discrete_data_does_not_depend_on_the_scaling():
    scaler = MinMaxScaler((0, 5)).fit(X)
    model = make_pipeline(scaler, Coin())
    assert evaluate_likelihood(model, X).nll == pytest.approx(3 * np.log(2))


def test_one_row_has_no_standard_error():
    found = evaluate_likelihood(gaussian().fit(X), X[:1])
    assert np.isfinite(found.nll)
    assert np.isnan(found.standard_error)


def test_bad_input():
    with pytest.raises(TypeError, match="NearestNeighbors has none"):
        evaluate_likelihood(NearestNeighbors().fit(X), X)
    vae = VAE(**SMALL, likelihood="bernoulli").fit(X > 7)
    with pytest.raises(ValueError, match="divisor must be 1 for a model of probab"):
        evaluate_likelihood(vae, X > 7, divisor=255)
    with pytest.raises(ValueError, match="n_importance_samples"):
        evaluate_likelihood(vae, X > 7, n_importance_samples=0)
    with pytest.raises(ValueError, match="X must be finite"):
        evaluate_likelihood(gaussian().fit(X), np.full((2, 3), np.nan))
