import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import entropy, multivariate_normal, norm, ortho_group

from skvae.metrics import _posteriors, optimal_decoder_weights


def setting(seed=0, m=5, n=9, d=3, width=4, spread=1.0):
    rng = np.random.RandomState(seed)
    Z, means = rng.normal(size=(m, d)), rng.normal(size=(n, d))
    return (
        Z,
        means,
        spread * rng.uniform(0.2, 2, size=(n, d)),
        rng.normal(size=(n, width)),
    )


def double_loop(Z, means, deviations):
    log_q = [
        [norm.logpdf(z, mu, s).sum() for mu, s in zip(means, deviations, strict=True)]
        for z in Z
    ]
    return softmax(log_q, axis=1)


@given(
    st.integers(0, 2**31),
    st.sampled_from([1, 20, 2**22]),
    st.sampled_from([1, 4, 512]),
    st.sampled_from([1e-4, 0.05, 1, 30]),
)
@settings(max_examples=40, deadline=None)
def test_weights_are_the_double_loop(seed, block_entries, tile_columns, spread):
    Z, means, deviations, X = setting(seed, spread=spread)
    expected = double_loop(Z, means, deviations)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skvae._utils.rows.BLOCK_ENTRIES", block_entries)
        patch.setattr(_posteriors, "TILE_COLUMNS", tile_columns)
        result = optimal_decoder_weights(Z, means, deviations, X, keep_weights=True)
    np.testing.assert_allclose(result.weights, expected, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(result.averages, expected @ X, atol=1e-9)
    np.testing.assert_allclose(result.max_weight, expected.max(axis=1), rtol=1e-9)
    np.testing.assert_array_equal(result.heaviest, expected.argmax(axis=1))
    perplexity = np.exp(entropy(expected, axis=1))
    np.testing.assert_allclose(result.perplexity, perplexity, rtol=1e-9)


@given(st.integers(0, 2**31), st.sampled_from([1, 3]), st.sampled_from([4, 512]))
@settings(max_examples=20, deadline=None)
def test_weights_of_full_covariances_are_the_double_loop(seed, d, tile_columns):
    Z, means, _, X = setting(seed, d=d)
    rng = np.random.RandomState(seed)
    factors = np.tril(rng.normal(size=(9, d, d)), -1)
    factors += np.eye(d) * rng.uniform(0.1, 2, size=(9, d, 1))
    covariances = factors @ factors.transpose(0, 2, 1)
    log_q = [
        [
            multivariate_normal.logpdf(z, m, c)
            for m, c in zip(means, covariances, strict=True)
        ]
        for z in Z
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_posteriors, "TILE_COLUMNS", tile_columns)
        result = optimal_decoder_weights(Z, means, factors, X, keep_weights=True)
    np.testing.assert_allclose(
        result.weights, softmax(log_q, axis=1), rtol=1e-6, atol=1e-9
    )


def test_diagonal_factors_are_deviations():
    Z, means, deviations, X = setting(6)
    by_factor = optimal_decoder_weights(Z, means, deviations[:, None] * np.eye(3), X)
    expected = optimal_decoder_weights(Z, means, deviations, X)
    np.testing.assert_allclose(by_factor.averages, expected.averages, rtol=1e-9)


def test_equal_codes_share_the_weight():
    X = np.arange(12.0).reshape(6, 2)
    result = optimal_decoder_weights(np.ones((2, 3)), np.zeros((6, 3)), 1.0, X)
    np.testing.assert_allclose(result.perplexity, 6, rtol=1e-12)
    np.testing.assert_allclose(result.max_weight, 1 / 6, rtol=1e-12)
    np.testing.assert_allclose(result.averages, [X.mean(axis=0)] * 2, rtol=1e-12)
    assert result.weights is None


def test_codes_far_apart_are_matched_to_the_nearest():
    # In 50 components every density underflows.
    rng = np.random.RandomState(0)
    means, X = 100 * rng.normal(size=(8, 50)), rng.normal(size=(8, 4))
    result = optimal_decoder_weights(means[::-1] + 5, means, 0.01, X)
    np.testing.assert_array_equal(result.heaviest, np.arange(8)[::-1])
    np.testing.assert_array_equal(result.perplexity, 1)
    np.testing.assert_array_equal(result.max_weight, 1)
    np.testing.assert_array_equal(result.averages, X[::-1])


def test_two_codes_by_hand():
    # log q differs by ((2^2 - 1^2) / 2) = 1.5.
    result = optimal_decoder_weights([[1.0]], [[0.0], [3.0]], 1.0, [[0.0], [1.0]])
    w = 1 / (1 + np.exp(1.5))
    assert result.averages[0, 0] == pytest.approx(w, rel=1e-12)
    assert result.perplexity[0] == pytest.approx(w**-w * (1 - w) ** (w - 1), rel=1e-12)


def test_averages_minimise_the_weighted_squared_error():
    Z, means, deviations, X = setting(1, m=1)
    result = optimal_decoder_weights(Z, means, deviations, X, keep_weights=True)

    def loss(g):
        return result.weights[0] @ ((X - g) ** 2).sum(axis=1)

    best = loss(result.averages[0])
    for direction in np.vstack([np.eye(4), -np.eye(4)]):
        assert loss(result.averages[0] + 1e-3 * direction) > best


def test_leaving_out_is_removing_the_row():
    Z, means, deviations, X = setting(2)
    leave_out = np.array([3, -1, 0, 8, 3])
    result = optimal_decoder_weights(
        Z, means, deviations, X, leave_out=leave_out, keep_weights=True
    )
    for i, left in enumerate(leave_out):
        rest = np.delete(np.arange(9), [left] if left >= 0 else [])
        expected = double_loop(Z[i : i + 1], means[rest], deviations[rest])[0]
        np.testing.assert_allclose(result.weights[i, rest], expected, rtol=1e-10)
        assert left < 0 or result.weights[i, left] == 0
        assert result.perplexity[i] == pytest.approx(np.exp(entropy(expected)))


@given(st.integers(0, 2**31), st.floats(1e-2, 1e2))
@settings(max_examples=20, deadline=None)
def test_scale_translation_rotation_permutation(seed, scale):
    Z, means, _, X = setting(seed)
    expected = optimal_decoder_weights(Z, means, 0.5, X)
    order = np.random.RandomState(seed).permutation(9)
    R = ortho_group.rvs(3, random_state=seed)
    moved = optimal_decoder_weights(
        scale * (Z @ R + 1), scale * (means @ R + 1)[order], 0.5 * scale, X[order]
    )
    np.testing.assert_allclose(moved.perplexity, expected.perplexity, rtol=1e-8)
    np.testing.assert_allclose(moved.averages, expected.averages, atol=1e-9)
    np.testing.assert_array_equal(order[moved.heaviest], expected.heaviest)


def test_tensors_images_and_one_training_row():
    Z, means, deviations, X = setting(3)
    arrays = optimal_decoder_weights(Z, means, deviations, X)
    tensors = optimal_decoder_weights(
        *map(torch.from_numpy, (Z, means, deviations)), X.reshape(9, 1, 2, 2)
    )
    np.testing.assert_array_equal(tensors.averages, arrays.averages)
    one = optimal_decoder_weights(Z, means[:1], 1.0, X[:1])
    np.testing.assert_array_equal(one.perplexity, 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int16])
def test_training_rows_of_any_type_give_what_float64_gives(dtype, monkeypatch):
    Z, means, deviations, X = setting(5)
    X = (40 * X).astype(dtype)
    exact = optimal_decoder_weights(Z, means, deviations, X.astype(float))
    monkeypatch.setattr("skvae._utils.rows.BLOCK_ENTRIES", 8)  # two rows, of nine
    result = optimal_decoder_weights(Z, means, deviations, X)
    np.testing.assert_allclose(result.averages, exact.averages, rtol=1e-12)


def test_memory_is_bounded_whatever_the_number_of_training_rows(monkeypatch):
    monkeypatch.setattr("skvae._utils.rows.BLOCK_ENTRIES", 2**15)  # 256 kB in float64
    rng = np.random.RandomState(0)

    def peak(n):
        X = rng.randint(0, 255, (n, 400)).astype(np.uint8)
        Z, means = rng.normal(size=(20, 2)), rng.normal(size=(n, 2))
        tracemalloc.start()
        optimal_decoder_weights(Z, means, 0.5, X)
        added = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return added

    small, large = peak(2000), peak(10_000)
    codes = 8000 * 2 * 8  # of the further rows, in float64
    assert large - small < 5 * codes
    assert large < 10_000 * 400  # less than one more copy of the bytes


def test_bad_input():
    Z, means, deviations, X = setting(4)
    with pytest.raises(ValueError, match=r"Z and means .* got 2 and 3"):
        optimal_decoder_weights(Z[:, :2], means, deviations, X)
    with pytest.raises(ValueError, match="number of rows, got 9 and 8"):
        optimal_decoder_weights(Z, means, deviations, X[:8])
    with pytest.raises(ValueError, match=r"X_train must be finite.* row 7, column 1"):
        optimal_decoder_weights(Z, means, 1.0, np.where(X[7, 1] == X, np.nan, X))
    with pytest.raises(ValueError, match=r"X_train must have shape .* got \(9,\)"):
        optimal_decoder_weights(Z, means, 1.0, X[:, 0])
    with pytest.raises(ValueError, match="standard_deviations must be > 0, got 0"):
        optimal_decoder_weights(Z, means, 0.0, X)
    with pytest.raises(ValueError, match=r"in \[-1, 8\], got 9"):
        optimal_decoder_weights(Z, means, 1.0, X, leave_out=[0, 9, 0, 0, 0])
    with pytest.raises(ValueError, match=r"shape \(5,\).* got dtype int64 and shape"):
        optimal_decoder_weights(Z, means, 1.0, X, leave_out=[0, 1])
    with pytest.raises(ValueError, match=r"got shapes \(9, 2, 2\) and \(9, 3\)"):
        optimal_decoder_weights(Z, means, np.ones((9, 2, 2)), X)
    with pytest.raises(ValueError, match="must be lower triangular"):
        optimal_decoder_weights(Z, means, np.ones((9, 3, 3)), X)
    with pytest.raises(ValueError, match="must be lower triangular"):
        optimal_decoder_weights(Z, means, np.zeros((9, 3, 3)), X)
    with pytest.raises(ValueError, match="X_train has 1 row"):
        optimal_decoder_weights(Z, means[:1], 1.0, X[:1], leave_out=[0] * 5)


@pytest.mark.parametrize("shape", [(9, 2), (9, 2, 2)])
def test_weights_do_not_depend_on_the_defaults_of_torch(shape):
    rng = np.random.default_rng(0)
    means, X = rng.normal(size=(9, 2)), rng.normal(size=(9, 3))
    deviations = (
        np.full((9, 2), 0.5) if len(shape) == 2 else np.tile(np.eye(2), (9, 1, 1))
    )
    expected = optimal_decoder_weights(means, means, deviations, X).averages
    with torch.device("meta"):
        found = optimal_decoder_weights(means, means, deviations, X).averages
    np.testing.assert_array_equal(found, expected)
