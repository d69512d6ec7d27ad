import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg
from scipy.stats import ortho_group

from skvae.metrics import (
    FrechetStatistics,
    frechet_distance,
    frechet_distance_infinity,
)

SMALL = pytest.mark.filterwarnings("ignore:.*fewer than its")


def by_matrix_square_root(X, Y):
    S, T = np.atleast_2d(np.cov(X.T)), np.atleast_2d(np.cov(Y.T))
    root = linalg.sqrtm(S)
    cross = np.real(linalg.sqrtm(root @ T @ root)).trace()
    difference = X.mean(axis=0) - Y.mean(axis=0)
    return difference @ difference + np.trace(S) + np.trace(T) - 2 * cross


def whitened(n, d, seed):
    """Rows with mean 0 and covariance I, both exactly."""
    X = np.random.RandomState(seed).normal(size=(n, d))
    X -= X.mean(axis=0)
    return np.linalg.qr(X)[0] * np.sqrt(n - 1)


def two_sets(seed, n, m, d):
    rng = np.random.RandomState(seed)
    mixing = rng.normal(size=(d, d))
    return rng.normal(size=(n, d)), 1 + rng.normal(size=(m, d)) @ mixing


def test_commuting_gaussians_have_a_closed_form():
    s, t = np.array([1.0, 2, 0.5]), np.array([3.0, 0.1, 0])
    mean = np.array([1.0, -2, 4])
    X, Y = whitened(50, 3, 0) * s, whitened(80, 3, 1) * t + mean
    expected = np.sum(mean**2) + np.sum((s - t) ** 2)
    assert frechet_distance(X, Y) == pytest.approx(expected, rel=1e-13)


def test_a_nearly_singular_covariance_costs_no_digits():
    # A Cholesky factor of the covariance would be off by 1e-9 here.
    s, t = np.array([1.0, 1e-7]), np.array([1.0, 0.5])
    rotation = ortho_group.rvs(2, random_state=0)
    X, Y = whitened(50, 2, 0) * s @ rotation, whitened(80, 2, 1) * t @ rotation
    assert frechet_distance(X, Y) == pytest.approx((0.5 - 1e-7) ** 2, abs=1e-13)


def test_one_feature_is_difference_of_means_and_deviations():
    X, Y = np.array([[0.0], [2], [7]]), np.array([[1.0], [5]])
    expected = (X.mean() - Y.mean()) ** 2 + (X.std(ddof=1) - Y.std(ddof=1)) ** 2
    assert frechet_distance(X, Y) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(("n", "m", "d"), [(40, 30, 5), (200, 9, 8), (30, 300, 1)])
def test_full_rank_is_the_matrix_square_root(n, m, d):
    X, Y = two_sets(0, n, m, d)
    assert frechet_distance(X, Y) == pytest.approx(by_matrix_square_root(X, Y), 1e-10)


@SMALL
@pytest.mark.parametrize("n", [4, 8, 9, 40])
@pytest.mark.parametrize("m", [3, 8, 60])
def test_all_sizes_agree_on_rows_that_span_four_features(n, m):
    # Embedded in 8 features, the covariances are singular for every n.
    X, Y = two_sets(1, n, m, 4)
    basis = ortho_group.rvs(8, random_state=0)[:4]
    scale = np.cov(X.T).trace() + np.cov(Y.T).trace()
    expected = frechet_distance(X, Y)
    assert frechet_distance(X @ basis, Y @ basis) == pytest.approx(
        expected, abs=1e-12 * scale
    )


@SMALL
@pytest.mark.parametrize("n", [5, 30])
def test_statistics_agree_with_rows(n):
    X, Y = two_sets(2, n, 25, 6)
    a, b = FrechetStatistics.from_data(X), FrechetStatistics.from_data(Y)
    scale = a.sigma.trace() + b.sigma.trace()
    expected = frechet_distance(X, Y)
    for pair in [(a, b), (a, Y), (X, b)]:
        assert frechet_distance(*pair) == pytest.approx(expected, abs=3e-8 * scale)


def test_statistics_have_the_moments_of_numpy():
    X, _ = two_sets(3, 20, 2, 4)
    statistics = FrechetStatistics.from_data(torch.from_numpy(X).reshape(20, 2, 2))
    np.testing.assert_allclose(statistics.mu, X.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(statistics.sigma, np.cov(X.T), rtol=1e-12)
    assert statistics.n == 20


def test_rows_of_several_blocks_agree_with_statistics():
    rng = np.random.default_rng(0)
    X, Y = (rng.normal(size=(n, 3)) @ rng.normal(size=(3, 3)) for n in (2500, 1025))
    statistics = [FrechetStatistics(A.mean(0), np.cov(A.T), len(A)) for A in (X, Y)]
    assert frechet_distance(X, Y) == pytest.approx(frechet_distance(*statistics))


def test_a_far_origin_changes_nothing():
    X, Y = two_sets(4, 50, 60, 3)
    X, Y = np.round(X, 3) * 1024, np.round(Y, 3) * 1024  # exact after the shift
    X, Y = np.round(X), np.round(Y)
    expected = frechet_distance(X, Y)
    assert frechet_distance(X + 2.0**40, Y + 2.0**40) == pytest.approx(expected, 1e-9)


@SMALL
@pytest.mark.parametrize(("n", "d"), [(50, 4), (5, 40)])
def test_a_set_is_at_zero_from_itself(n, d):
    X = two_sets(5, n, 2, d)[0]
    assert abs(frechet_distance(X, X[::-1])) < 1e-13 * n * d


def test_a_constant_set_leaves_the_trace():
    X = two_sets(6, 30, 2, 3)[0]
    constant = np.full((10, 3), 2.0)
    expected = np.sum((X.mean(axis=0) - 2) ** 2) + np.cov(X.T).trace()
    assert frechet_distance(X, constant) == pytest.approx(expected, rel=1e-13)
    assert frechet_distance(constant, constant) == 0


@given(st.integers(0, 2**31), st.floats(1e-3, 1e3), st.sampled_from([(7, 9), (30, 4)]))
@settings(max_examples=30, deadline=None)
def test_symmetry_scale_rotation_translation_permutation(seed, scale, sizes):
    X, Y = two_sets(seed, *sizes, 3)
    rotation = ortho_group.rvs(3, random_state=seed)
    distance = frechet_distance(X, Y)
    size = 1e-11 * (np.cov(X.T).trace() + np.cov(Y.T).trace() + distance)
    assert frechet_distance(Y, X) == pytest.approx(distance, abs=size)
    shuffled = np.random.RandomState(seed).permutation(X)
    assert frechet_distance(shuffled, Y) == pytest.approx(distance, abs=size)
    moved = frechet_distance(scale * X @ rotation + 5, scale * Y @ rotation + 5)
    assert moved == pytest.approx(scale**2 * distance, abs=size * (scale**2 + 1))


def test_float32_and_tensors_are_read_in_float64():
    X, Y = (A.astype(np.float32) for A in two_sets(7, 30, 40, 3))
    expected = frechet_distance(X.astype(float), Y.astype(float))
    assert frechet_distance(torch.from_numpy(X), torch.from_numpy(Y)) == expected


def test_save_and_load(tmp_path):
    statistics = FrechetStatistics.from_data(two_sets(8, 30, 2, 3)[0])
    statistics.save(tmp_path / "reference")
    loaded = FrechetStatistics.load(tmp_path / "reference")
    np.testing.assert_array_equal(loaded.mu, statistics.mu)
    np.testing.assert_array_equal(loaded.sigma, statistics.sigma)
    assert loaded.n == 30


def test_load_accepts_files_without_n_and_refuses_others(tmp_path):
    np.savez(tmp_path / "peer.npz", mu=np.zeros(2), sigma=np.eye(2))
    loaded = FrechetStatistics.load(tmp_path / "peer.npz")
    assert loaded.n is None
    assert frechet_distance(loaded, loaded) == pytest.approx(0, abs=1e-14)
    np.savez(tmp_path / "other.npz", mu=np.zeros(2), cov=np.eye(2))
    with pytest.raises(ValueError, match=r"has \['mu', 'cov'\]"):
        FrechetStatistics.load(tmp_path / "other.npz")


def test_fewer_rows_than_features_warn():
    X, Y = two_sets(9, 5, 50, 8)
    with pytest.warns(UserWarning, match="X_real has 5 rows, fewer than its 8 feat"):
        frechet_distance(X, Y)
    with pytest.warns(UserWarning, match="X_generated has 5 rows"):
        frechet_distance(Y, FrechetStatistics.from_data(X))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frechet_distance(X[:, :5], Y[:, :5])


def test_bad_input():
    X = np.ones((4, 3))
    with pytest.raises(ValueError, match=r"X_generated must .* 2 rows, got 1"):
        frechet_distance(X, X[:1])
    with pytest.raises(ValueError, match="same number of features, got 3 and 2"):
        frechet_distance(FrechetStatistics.from_data(X), X[:, :2])
    bad = FrechetStatistics(np.zeros(3), np.eye(2))
    with pytest.raises(ValueError, match=r"got \(3,\) and \(2, 2\)"):
        frechet_distance(X, bad)
    bad = FrechetStatistics(np.zeros(3), np.full((3, 3), np.nan))
    with pytest.raises(ValueError, match=r"X_generated .* has 9 NaN"):
        frechet_distance(X, bad)


def test_infinity_removes_the_bias():
    # The population distance is 0; at 400 rows the bias is far above the noise.
    rng = np.random.RandomState(0)
    reference = FrechetStatistics(np.zeros(20), np.eye(20), 10**9)
    results = [
        frechet_distance_infinity(
            reference, rng.normal(size=(400, 20)), min_size=100, random_state=i
        )
        for i in range(8)
    ]
    at_400 = np.mean([r.distances[-1] for r in results])
    assert at_400 > 0.3
    assert abs(np.mean([r.value for r in results])) < 0.1 * at_400
    assert all(r.slope > 0 for r in results)


def test_infinity_is_the_intercept_of_its_own_points():
    X, Y = two_sets(10, 100, 200, 2)
    result = frechet_distance_infinity(X, Y, n_sizes=4, min_size=50, random_state=0)
    assert list(result.sizes) == [50, 100, 150, 200]
    assert (result.n_real, result.n_generated) == (100, 200)
    assert result.distances[-1] == pytest.approx(frechet_distance(X, Y), rel=1e-12)
    design = np.stack([np.ones(4), 1 / result.sizes], axis=1)
    expected = np.linalg.lstsq(design, result.distances)[0]
    np.testing.assert_allclose([result.value, result.slope], expected, rtol=1e-9)


def test_infinity_is_repeatable_and_leaves_the_global_generator_alone():
    X, Y = two_sets(11, 100, 60, 2)
    before = np.random.get_state()[1].copy()
    first, again = (
        frechet_distance_infinity(X, Y, random_state=3).value for _ in range(2)
    )
    assert first == again
    assert first != frechet_distance_infinity(X, Y).value
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_infinity_bad_input():
    X, Y = two_sets(12, 10, 10, 2)
    with pytest.raises(ValueError, match="below the 10 rows of X_generated, got 10"):
        frechet_distance_infinity(X, Y, min_size=10)
    with pytest.raises(ValueError, match=r"n_sizes.* must be an integer >= 2. Got 1"):
        frechet_distance_infinity(X, Y, n_sizes=1)
    with pytest.raises(ValueError, match="at least 4 rows, got 3"):
        frechet_distance_infinity(X, Y[:3])
    with pytest.warns(UserWarning, match="smallest subset of X_generated has 3 rows"):
        frechet_distance_infinity(X @ np.ones((2, 4)), Y @ np.ones((2, 4)), min_size=3)
