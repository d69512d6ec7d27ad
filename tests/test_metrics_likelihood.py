import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from skvae.metrics import bits_per_dimension, importance_sampled_nll


def linear_gaussian_log_weights(k, n, seed, inflation):
    """Log weights of x = z + noise with a proposal wider than the posterior."""
    rng = np.random.RandomState(seed)
    x = rng.normal(scale=np.sqrt(2), size=n)
    scale = inflation * np.sqrt(0.5)
    z = x / 2 + scale * rng.normal(size=(k, n))
    log_w = norm.logpdf(x, z) + norm.logpdf(z) - norm.logpdf(z, x / 2, scale)
    return log_w, -norm.logpdf(x, scale=np.sqrt(2))


def test_exact_posterior_gives_the_exact_likelihood():
    log_w, exact = linear_gaussian_log_weights(3, 50, 0, 1.0)
    result = importance_sampled_nll(torch.from_numpy(log_w))
    np.testing.assert_allclose(result.per_row, exact, rtol=1e-12)
    assert result.value == pytest.approx(exact.mean(), rel=1e-12)
    assert result.standard_error == pytest.approx(exact.std(ddof=1) / np.sqrt(50))
    assert result.effective_sample_size == pytest.approx(3, rel=1e-10)
    assert result[4:] == (3, 50)


def test_bound_falls_to_the_truth_with_more_samples():
    values = []
    for k in (1, 8, 64, 1000):
        log_w, exact = linear_gaussian_log_weights(k, 1000, 1, 2.0)
        values.append(importance_sampled_nll(log_w).value - exact.mean())
    assert values[0] > values[1] > values[2] > values[3]
    assert abs(values[3]) < 2e-3 < values[1]


@given(st.integers(0, 2**31), st.floats(-1e5, 1e5))
@settings(max_examples=30, deadline=None)
def test_mean_of_weights_shift_and_permutation(seed, shift):
    log_w = np.random.RandomState(seed).normal(size=(5, 4))
    expected = -np.log(np.exp(log_w).mean(axis=0))
    result = importance_sampled_nll(log_w[::-1] + shift)
    np.testing.assert_allclose(result.per_row + shift, expected, atol=1e-9)
    w = np.exp(log_w)
    size = np.median(w.sum(axis=0) ** 2 / (w**2).sum(axis=0))
    assert result.effective_sample_size == pytest.approx(size, rel=1e-8)


def test_weights_of_zero():
    result = importance_sampled_nll([[-np.inf, -np.inf], [0.0, -np.inf]])
    assert result.per_row[0] == pytest.approx(np.log(2))
    assert result.per_row[1] == np.inf
    assert np.isnan(importance_sampled_nll([[0.0]]).standard_error)


@pytest.mark.parametrize(
    ("log_weights", "match"),
    [
        (np.zeros(3), r"shape \(K, n\).* got \(3,\)"),
        (np.zeros((0, 3)), r"got \(0, 3\)"),
        ([[0.0, np.nan]], r"log_weights .* 1 NaN .*\(nan\) in row 0, column 1"),
        ([[np.inf, 0.0]], r"\(inf\) in row 0, column 0"),
    ],
)
def test_bad_log_weights(log_weights, match):
    with pytest.raises(ValueError, match=match):
        importance_sampled_nll(log_weights)


def test_bits_of_scaled_data_are_those_of_the_raw_data():
    # One Gaussian, its density of the raw and of the standardised data.
    rng = np.random.RandomState(0)
    mean, scale = rng.normal(size=3), rng.uniform(0.1, 40, size=3)
    X = mean + scale * rng.normal(size=(5, 3))
    raw = -norm.logpdf(X, mean, scale).sum(axis=1)
    scaled = -norm.logpdf((X - mean) / scale).sum(axis=1)
    expected = bits_per_dimension(raw, 3)
    np.testing.assert_allclose(expected, raw / (3 * np.log(2)), rtol=1e-14)
    found = bits_per_dimension(torch.from_numpy(scaled), 3, divisor=scale)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_bits_of_known_models():
    # A fair coin needs one bit a pixel; grey levels in [0, 1], uniform, need eight.
    assert bits_per_dimension(10 * np.log(2), 10) == pytest.approx(1, rel=1e-14)
    assert bits_per_dimension(0.0, 7, divisor=256) == 8
    assert bits_per_dimension(0.0, 7, divisor=np.full(7, 255)) == np.log2(255)
    # An isotropic Gaussian of deviation r on [0, 1]: log2 r + log2(2 pi e) / 2 + 8.
    r, d = 0.1, 5
    nll = d * (np.log(r) + 0.5 * np.log(2 * np.pi * np.e))
    bits = bits_per_dimension(nll, d, divisor=256)
    assert bits == pytest.approx(np.log2(r) + 2.047096 + 8, abs=1e-6)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"divisor": 0.0}, r"divisor must be > 0, got 0\.0"),
        ({"divisor": [1.0, 2.0]}, r"shape \(3,\), got shape \(2,\)"),
        ({"divisor": np.nan}, "divisor must be finite, but has 1 NaN"),
        ({"n_features": 0}, "n_features.* must be an integer >= 1. Got 0"),
        ({"neg_log_likelihood": [1.0, np.nan]}, "neg_log_likelihood must be finite"),
    ],
)
def test_bad_bits(options, match):
    with pytest.raises(ValueError, match=match):
        bits_per_dimension(**{"neg_log_likelihood": 1.0, "n_features": 3} | options)
