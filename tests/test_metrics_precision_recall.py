import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group
from sklearn.datasets import load_digits

from skvae.metrics import (
    density_coverage,
    improved_precision_recall,
    precision_recall_density_coverage,
)


def two_sets(seed, n=30, m=25, d=3):
    rng = np.random.RandomState(seed)
    return rng.normal(size=(n, d)), 0.3 + 1.2 * rng.normal(size=(m, d))


def squared(X, Y):
    return ((X[:, None] - Y[None]) ** 2).sum(axis=2)


def squared_radii(X, k):
    D = squared(X, X)
    np.fill_diagonal(D, np.inf)
    return np.sort(D, axis=1)[:, k - 1]


def direct(X, Y, k, k_density):
    apart = squared(X, Y)
    balls = apart <= squared_radii(X, k_density)[:, None]
    return (
        (apart <= squared_radii(X, k)[:, None]).any(axis=0).mean(),
        (apart <= squared_radii(Y, k)).any(axis=1).mean(),
        balls.sum() / (k_density * len(Y)),
        balls.any(axis=1).mean(),
    )


def by_skvae(X, Y, k, k_density):
    pr = improved_precision_recall(X, Y, n_neighbors=k)
    dc = density_coverage(X, Y, n_neighbors=k_density)
    return (*pr[:2], *dc[:2])


def in_one_pass(X, Y, k, k_density):
    return precision_recall_density_coverage(
        X, Y, n_neighbors_precision=k, n_neighbors_density=k_density
    )[:4]


@given(
    st.integers(0, 2**31),
    st.integers(1, 6),
    st.sampled_from([1, 2, 8, 0]),
    st.sampled_from([1, 100, 2**22]),
)
@settings(max_examples=60, deadline=None)
def test_scores_are_brute_force_ties_included(seed, d, steps, block_entries):
    X, Y = two_sets(seed, d=d)
    if steps:  # quantised, so that points lie on the edges of balls
        X, Y = np.round(X * steps), np.round(Y * steps)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skvae._utils.rows.BLOCK_ENTRIES", block_entries)
        for scores in (by_skvae, in_one_pass):
            np.testing.assert_allclose(
                scores(X, Y, 3, 5), direct(X, Y, 3, 5), rtol=1e-14
            )


def test_ties_of_digits_are_counted_as_by_the_direct_form():
    X = load_digits().data
    X, Y = X[:300], X[300:600]
    expected = direct(X, Y, 3, 5)
    for offset in (0, 1e5):
        assert by_skvae(X + offset, Y + offset, 3, 5) == pytest.approx(expected)


def test_four_points_by_hand_tell_precision_from_recall():
    # Real radii 1, 1, 1, 1; generated radii 2, 2, 3, 3.
    X_real = np.array([[0.0], [1], [20], [21]])
    X_generated = np.array([[0.0], [2], [100], [103]])
    result = improved_precision_recall(X_real, X_generated, n_neighbors=1)
    assert result.precision == 0.5  # 0 and 2 lie in [-1, 2]
    assert result.recall == 0.5  # 0 and 1 lie in [-2, 4]
    narrow = improved_precision_recall(X_real, X_generated[:2] / 2, n_neighbors=1)
    assert (narrow.precision, narrow.recall) == (1, 0.5)
    dc = density_coverage(X_real, X_generated, n_neighbors=1)
    # Balls [-1, 1], [0, 2]: 0 lies in both, 2 in one; two of four balls are hit.
    assert (dc.density, dc.coverage) == (3 / 4, 0.5)
    assert result[2:] == dc[2:] == (1, 4, 4)


def test_the_edge_of_a_ball_is_sharp():
    X_real = np.array([[0.0], [1.0]])  # balls [-1, 1] and [0, 2]
    on, off = np.array([[-1.0], [2]]), np.array([[-1 - 1e-9], [2 + 1e-9]])
    assert improved_precision_recall(X_real, on, n_neighbors=1).precision == 1
    assert improved_precision_recall(X_real, off, n_neighbors=1).precision == 0
    assert density_coverage(X_real, off, n_neighbors=1)[:2] == (0, 0)


def test_a_narrow_model_is_precise_and_a_wide_one_recalls():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(400, 2))
    narrow, wide = 0.2 * rng.normal(size=(400, 2)), 5 * rng.normal(size=(400, 2))
    result = improved_precision_recall(X, narrow)
    assert result.precision > 0.95
    assert result.recall < 0.5
    result = improved_precision_recall(X, wide)
    assert result.precision < 0.5
    assert result.recall > 0.9
    assert density_coverage(X, narrow).coverage < 0.5


def test_swapping_the_sets_swaps_precision_and_recall():
    X, Y = two_sets(0)
    forth, back = improved_precision_recall(X, Y), improved_precision_recall(Y, X)
    assert (forth.precision, forth.recall) == (back.recall, back.precision)
    assert forth.precision != forth.recall


def test_equal_constant_and_distant_sets():
    X, _ = two_sets(1)
    assert in_one_pass(X, X, 3, 5)[:2] == (1, 1)
    assert in_one_pass(X, X, 3, 5)[3] == 1
    constant = np.full((9, 3), 0.1)
    assert in_one_pass(constant, constant, 3, 5) == (1, 1, 9 / 5, 1)
    assert in_one_pass(constant, X, 3, 5) == direct(constant, X, 3, 5)
    assert in_one_pass(X, X + 1000, 3, 5) == (0, 0, 0, 0)


@given(st.integers(0, 2**31), st.floats(1e-3, 1e3))
@settings(max_examples=20, deadline=None)
def test_scale_rotation_translation_permutation(seed, scale):
    X, Y = two_sets(seed)
    rotation = ortho_group.rvs(3, random_state=seed)
    shuffle = np.random.RandomState(seed).permutation
    moved = (shuffle(scale * (Z @ rotation + 3)) for Z in (X, Y))
    assert in_one_pass(*moved, 3, 5) == pytest.approx(in_one_pass(X, Y, 3, 5))


def test_density_of_one_distribution_is_one():
    # E density = 1 where both samples are alike (Naeem et al., section 3.3).
    values = [
        density_coverage(rng.normal(size=(60, 4)), rng.normal(size=(60, 4))).density
        for rng in map(np.random.RandomState, range(60))
    ]
    error = np.std(values) / np.sqrt(60)
    assert np.mean(values) == pytest.approx(1, abs=4 * error + 5 / 60)


def test_more_features_than_rows_and_one_generated_row():
    X, Y = two_sets(2, 12, 10, 50)
    assert by_skvae(X, Y, 3, 5) == pytest.approx(direct(X, Y, 3, 5))
    assert density_coverage(X, X[:1]).coverage > 0


def test_tensors_and_images():
    X, Y = two_sets(3, d=4)
    images = torch.from_numpy(X).reshape(-1, 2, 2), torch.from_numpy(Y)
    assert in_one_pass(*images, 3, 5) == in_one_pass(X, Y, 3, 5)


def test_bad_input():
    X, Y = two_sets(4)
    with pytest.raises(ValueError, match=r"X_real .* got 3 rows for 3 neighbours"):
        improved_precision_recall(X[:3], Y)
    with pytest.raises(ValueError, match=r"X_generated .* got 3 rows for 3 neighbours"):
        improved_precision_recall(X, Y[:3])
    with pytest.raises(ValueError, match=r"X_real .* got 5 rows for 5 neighbours"):
        density_coverage(X[:5], Y)
    with pytest.raises(ValueError, match="got 5 rows for 5 neighbours"):
        precision_recall_density_coverage(X[:5], Y)
    with pytest.raises(ValueError, match=r"n_neighbors.* of improved_.* Got 0"):
        improved_precision_recall(X, Y, n_neighbors=0)
    with pytest.raises(TypeError, match=r"n_neighbors_density.* Got True"):
        precision_recall_density_coverage(X, Y, n_neighbors_density=True)
    with pytest.raises(ValueError, match="got 3 and 2"):
        density_coverage(X, Y[:, :2])
