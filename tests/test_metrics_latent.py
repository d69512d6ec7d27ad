import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm, ortho_group

from skvae.metrics import (
    active_components,
    aggregated_posterior_mmd,
    latent_spectrum,
    maximum_mean_discrepancy,
    slerp,
    typical_set_gap,
)


def test_spectrum_of_a_known_factorisation():
    rng = np.random.RandomState(0)
    left = np.linalg.qr(rng.normal(size=(50, 3)))[0]
    right = ortho_group.rvs(3, random_state=0)
    s = np.array([5.0, 2.0, 1e-9])
    result = latent_spectrum(torch.from_numpy(np.sqrt(50) * left * s @ right))
    np.testing.assert_allclose(result.singular_values, s, rtol=1e-6, atol=1e-14)
    assert result.lower == 1 - np.sqrt(3 / 50)
    assert result.upper == 1 + np.sqrt(3 / 50)
    assert result.n == 50


def test_spectrum_of_the_prior_lies_between_the_edges():
    Z = np.random.RandomState(0).normal(size=(2000, 100))
    result = latent_spectrum(Z)
    assert result.singular_values.max() == pytest.approx(result.upper, abs=0.03)
    assert result.singular_values.min() == pytest.approx(result.lower, abs=0.03)


def test_spectrum_counts_the_mean_and_allows_few_codes():
    # All codes at one point (3, 4): a single singular value, its norm.
    result = latent_spectrum(np.tile([3.0, 4.0], (10, 1)))
    assert result.singular_values == pytest.approx([5, 0], abs=1e-12)
    assert latent_spectrum([[3.0, 4.0]]).singular_values == pytest.approx([5])
    assert latent_spectrum([[3.0, 4.0]]).lower == 0


def test_active_components_by_hand():
    means = np.array([[1.0, 0.05, 0], [-1, -0.05, 0]])
    deviations = np.array([[0.1, 0.5, 1], [0.2, 0.9, 1]])
    result = active_components(means, deviations)
    # Mean variances 0.025, 0.53, 1; variances of the means 1, 0.0025, 0.
    assert list(result.by_scale) == [True, False, False]
    assert list(result.by_mean) == [True, False, False]
    assert list(active_components(means, [[0.1, 0.7, 1]]).by_scale) == [1, 1, 0]
    assert result.n == 2


VECTORS = st.integers(0, 2**31).map(
    lambda seed: np.random.RandomState(seed).normal(size=(2, 4))
)


@given(VECTORS, st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_slerp_keeps_the_norm_and_moves_at_constant_speed(pair, t):
    a, b = pair / np.linalg.norm(pair, axis=1, keepdims=True)
    angle = np.arccos(a @ b)
    z = slerp(a, b, t)
    assert np.linalg.norm(z) == pytest.approx(1, abs=1e-9)
    assert z @ a == pytest.approx(np.cos(t * angle), abs=1e-9)
    np.testing.assert_allclose(slerp(b, a, 1 - t), z, atol=1e-9)


def test_slerp_of_unlike_numbers_of_codes_is_refused():
    with pytest.raises(ValueError, match=r"got leading shapes \(3,\), \(2,\) and \(\)"):
        slerp(np.eye(3), np.eye(3)[:2])
    with pytest.raises(ValueError, match="Pass t as a column"):
        slerp(np.eye(3), np.eye(3), [0.1, 0.2])


def test_slerp_ends_and_weights_of_vectors_of_unlike_norm():
    a, b = np.array([3.0, 0]), np.array([0, 0.5])
    np.testing.assert_allclose(slerp(a, b, 0), a, atol=1e-15)
    np.testing.assert_allclose(slerp(a, b, 1), b, atol=1e-15)
    # A right angle: both weights are sin(pi / 4) at the middle.
    np.testing.assert_allclose(slerp(a, b), [3 / np.sqrt(2), 0.5 / np.sqrt(2)])


def test_slerp_is_straight_where_the_angle_is_zero_or_undefined():
    a = np.array([1.0, 2, 3])
    np.testing.assert_allclose(slerp(a, a, 0.3), a, rtol=1e-15)
    np.testing.assert_allclose(slerp(a, 3 * a, 0.5), 2 * a, rtol=1e-15)
    np.testing.assert_allclose(slerp(a, -a, 0.25), 0.5 * a, rtol=1e-15)
    np.testing.assert_allclose(slerp(a, 0 * a, 0.25), 0.75 * a, rtol=1e-15)
    np.testing.assert_allclose(slerp(0 * a, 0 * a), 0 * a)
    near = a + np.array([0, 1e-7, 0])
    np.testing.assert_allclose(slerp(a, near), (a + near) / 2, rtol=1e-13)


def test_slerp_broadcasts():
    rng = np.random.RandomState(0)
    A, B, t = rng.normal(size=(5, 3)), rng.normal(size=(5, 3)), rng.uniform(size=5)
    rows = np.array([slerp(a, b, s) for a, b, s in zip(A, B, t, strict=True)])
    np.testing.assert_allclose(slerp(A, torch.from_numpy(B), t), rows, rtol=1e-13)
    assert slerp(A, B, t[:2, None]).shape == (2, 5, 3)
    assert slerp(A[0], B[0], t).shape == (5, 3)


def test_typical_set_gap_is_its_definition():
    rng = np.random.RandomState(0)
    means, deviations = rng.normal(size=(6, 4)), rng.uniform(0.1, 2, size=(6, 4))
    Z = means + deviations * rng.normal(size=(6, 4))
    result = typical_set_gap(Z, means, deviations)
    for i in range(6):
        q = multivariate_normal(means[i], np.diag(deviations[i] ** 2))
        h = q.entropy() / 4
        assert result.entropy[i] == pytest.approx(h, rel=1e-10)
        expected = 100 * abs(-q.logpdf(Z[i]) / 4 - h) / abs(h)
        assert result.percent[i] == pytest.approx(expected, rel=1e-9)
    assert result.value == np.median(result.percent)


def test_typical_set_gap_shrinks_with_the_components():
    rng = np.random.RandomState(0)
    h = norm(scale=2).entropy()
    for d in (50, 800):
        result = typical_set_gap(2 * rng.normal(size=(2000, d)), np.zeros((2000, d)), 2)
        expected = 100 / (np.sqrt(np.pi * d) * h)
        assert np.mean(result.percent) == pytest.approx(expected, rel=0.08)


def test_typical_set_gap_is_undefined_at_zero_entropy():
    null = 1 / np.sqrt(2 * np.pi * np.e)
    result = typical_set_gap(np.ones((2, 3)), np.zeros((2, 3)), [[null], [1.0]])
    assert np.isnan(result.percent[0])
    assert result.value == result.percent[1]
    assert np.isnan(typical_set_gap(np.ones((2, 3)), np.zeros((2, 3)), null).value)


def test_posterior_discrepancy_is_the_published_kernel_on_prior_draws():
    Z = 0.5 * np.random.RandomState(0).normal(size=(60, 3))
    result = aggregated_posterior_mmd(Z, random_state=4, n_prior=40)
    prior = np.random.RandomState(4).normal(size=(40, 3))
    expected = maximum_mean_discrepancy(prior, Z, kernel="imq", bandwidth=1).value
    assert result.value == expected
    assert (result.n_real, result.n_generated, result.bandwidth) == (40, 60, 1)


def test_posterior_discrepancy_is_zero_on_average_for_the_prior():
    rng = np.random.RandomState(0)
    values = [
        aggregated_posterior_mmd(rng.normal(size=(40, 3)), random_state=rng).value
        for _ in range(200)
    ]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(200)
    shifted = 1 + rng.normal(size=(40, 3))
    result = aggregated_posterior_mmd(shifted, n_permutations=99, random_state=0)
    assert result.p_value == 0.01


def test_random_state():
    Z = np.random.RandomState(0).normal(size=(20, 2))
    before = np.random.get_state()[1].copy()
    values = {aggregated_posterior_mmd(Z, random_state=s).value for s in (1, 1, None)}
    assert len(values) == 2
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_bad_input():
    Z = np.ones((3, 2))
    with pytest.raises(ValueError, match=r"same shape, got \(3, 2\) and \(3, 1\)"):
        typical_set_gap(Z, Z[:, :1], 1.0)
    with pytest.raises(ValueError, match=r"must be > 0, got -1\.0"):
        typical_set_gap(Z, Z, -Z)
    with pytest.raises(ValueError, match=r"got shapes \(3,\) and \(3, 2\)"):
        active_components(Z, [1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match=r"got shapes \(2,\) and \(3,\)"):
        slerp([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"t must be finite, but has 1 NaN"):
        slerp([1.0, 2.0], [1.0, 2.0], np.nan)
    with pytest.raises(ValueError, match="Z must have at least 2 rows, got 1"):
        aggregated_posterior_mmd(Z[:1])
    with pytest.raises(ValueError, match=r"n_prior.* must be an integer >= 2. Got 1"):
        aggregated_posterior_mmd(Z, n_prior=1)
