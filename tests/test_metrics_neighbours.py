import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, norm, ortho_group

from skvae.metrics import (
    authenticity,
    data_copying_test,
    nearest_neighbour_distances,
    one_nearest_neighbour_accuracy,
)
from skvae.metrics.data_copying import _cell_score


def three_sets(seed, n=30, l=20, m=25, d=3):  # noqa: E741
    rng = np.random.RandomState(seed)
    return tuple(rng.normal(size=(size, d)) for size in (n, l, m))


def distances(X, Y):
    return np.linalg.norm(X[:, None] - Y[None], axis=2)


def test_nearest_neighbour_distances_by_hand():
    train, test = [[0.0], [10]], [[4.0], [20]]
    result = nearest_neighbour_distances(train, test, [[1.0], [3], [7], [21], [2]])
    np.testing.assert_allclose(result.to_train, [1, 3, 3, 11, 2])
    np.testing.assert_allclose(result.to_test, [3, 1, 3, 1, 2])
    assert result.closer_to_train == (1 + 0 + 0.5 + 0 + 0.5) / 5
    assert (result.median_to_train, result.median_to_test) == (3, 2)
    assert result.floor == 7  # 4 and 10 from the training rows
    assert (result.n_reference, result.n_generated) == (2, 5)


@pytest.mark.parametrize(("n", "l"), [(30, 20), (20, 30), (20, 20)])
def test_nearest_neighbour_distances_use_equal_sizes(n, l):  # noqa: E741
    train, test, generated = three_sets(0, n, l)
    result = nearest_neighbour_distances(train, test, generated, random_state=0)
    assert result.n_reference == 20
    bounds = distances(generated, train), distances(generated, test)
    for found, D, size in zip(result[4:6], bounds, (n, l), strict=True):
        # Distances to a subsample: no nearer than the nearest of all, and one of them.
        assert (found >= D.min(axis=1) - 1e-12).all()
        assert np.isclose(found[:, None], D).any(axis=1).all()
        if size == 20:
            np.testing.assert_allclose(found, D.min(axis=1), rtol=1e-12)


def test_closer_to_train_is_one_half_without_and_one_with_copies():
    train, test, generated = three_sets(1, 1000, 600, 2000, 8)
    fair = nearest_neighbour_distances(train, test, generated, random_state=0)
    assert fair.closer_to_train == pytest.approx(0.5, abs=0.06)
    assert fair.floor == pytest.approx(fair.median_to_train, rel=0.05)
    copies = nearest_neighbour_distances(test, train[:600], test, random_state=0)
    assert copies.closer_to_train == 1
    assert copies.median_to_train == 0


def authentic_share(train, Y):
    D, own = distances(Y, train), distances(train, train)
    np.fill_diagonal(own, np.inf)
    source = D.argmin(axis=1)
    return np.mean(own.min(axis=1)[source] < D.min(axis=1))


@given(st.integers(0, 2**31), st.integers(1, 6))
@settings(max_examples=20, deadline=None)
def test_authenticity_is_brute_force(seed, d):
    train, test, generated = three_sets(seed, d=d)
    result = authenticity(train, generated, X_test=test)
    assert result.value == authentic_share(train, generated)
    assert result.floor == authentic_share(train, test)
    assert result[2:] == (30, 25, 20)


def test_copies_are_not_authentic_even_far_from_the_origin():
    train = three_sets(2)[0] + 1e7
    assert authenticity(train, train).value == 0
    duplicated = np.repeat(train, 2, axis=0)
    assert authenticity(duplicated, train).value == 0


def test_authenticity_of_far_rows_is_one_and_the_floor_is_optional():
    train = three_sets(3)[0]
    result = authenticity(train, train + 100)
    assert result.value == 1
    assert np.isnan(result.floor)
    assert result.n_test == 0
    constant = np.ones((4, 3))
    assert authenticity(constant, constant).value == 0
    assert authenticity(constant, train).value == 1


def accuracy_by_loop(X, Y):
    Z = np.vstack([X, Y])
    label = np.arange(len(Z)) < len(X)
    scores = []
    for i in range(len(Z)):
        D = np.linalg.norm(Z - Z[i], axis=1)
        same, other = (
            D[(label == label[i]) & (np.arange(len(Z)) != i)],
            D[label != label[i]],
        )
        scores.append((same.min() < other.min()) + 0.5 * (same.min() == other.min()))
    return np.mean(scores), np.mean(scores[: len(X)]), np.mean(scores[len(X) :])


@given(st.integers(0, 2**31), st.integers(1, 6), st.booleans())
@settings(max_examples=20, deadline=None)
def test_accuracy_is_brute_force_ties_included(seed, d, quantised):
    X, Y, _ = three_sets(seed, 20, 20, d=d)
    if quantised:
        X, Y = np.round(X), np.round(Y)
    result = one_nearest_neighbour_accuracy(X, Y)
    np.testing.assert_allclose(result[:3], accuracy_by_loop(X, Y), rtol=1e-14)
    swapped = one_nearest_neighbour_accuracy(Y, X)
    assert swapped.real == result.generated
    assert swapped.value == pytest.approx(result.value, abs=1e-15)


def test_accuracy_of_equal_distant_and_constant_sets():
    X = three_sets(4)[0]
    assert one_nearest_neighbour_accuracy(X, X).value == 0
    assert one_nearest_neighbour_accuracy(X, X + 100).value == 1
    constant = np.full((5, 3), 0.1)
    assert one_nearest_neighbour_accuracy(constant, constant).value == 0.5
    # A collapsed sample: its rows find each other, real rows do not find it.
    result = one_nearest_neighbour_accuracy(X, np.full((30, 3), 5.0))
    assert (result.real, result.generated) == (1, 1)


def test_accuracy_of_one_distribution_is_one_half():
    X, Y, _ = three_sets(5, 1500, 1000)
    result = one_nearest_neighbour_accuracy(X, Y, random_state=0)
    assert result.n == 1000
    assert result.value == pytest.approx(0.5, abs=0.06)


@given(st.integers(0, 2**31), st.floats(1e-3, 1e3))
@settings(max_examples=15, deadline=None)
def test_scale_rotation_translation_permutation(seed, scale):
    train, test, generated = three_sets(seed, 20, 20)
    rotation = ortho_group.rvs(3, random_state=seed)
    shuffle = np.random.RandomState(seed).permutation

    def all_of(train, test, generated):
        return (
            nearest_neighbour_distances(train, test, generated).closer_to_train,
            authenticity(train, generated, X_test=test)[:2],
            one_nearest_neighbour_accuracy(train, test).value,
            data_copying_test(train, test, generated, n_cells=1, min_share=0).value,
        )

    moved = (shuffle(scale * (X @ rotation + 3)) for X in (train, test, generated))
    for a, b in zip(all_of(train, test, generated), all_of(*moved), strict=True):
        assert a == pytest.approx(b, abs=1e-12)


def test_data_copying_in_one_cell_is_the_mann_whitney_z():
    train, test, generated = three_sets(6)
    result = data_copying_test(train, test, generated, n_cells=1)
    to_train = [distances(X, train).min(axis=1) for X in (generated, test)]
    expected = mannwhitneyu(*to_train, method="asymptotic", use_continuity=False)
    assert 2 * norm.sf(abs(result.value)) == pytest.approx(expected.pvalue, rel=1e-9)
    assert np.sign(result.value) == np.sign(expected.statistic - 20 * 25 / 2)
    assert result[-3:] == (30, 20, 25)


def test_data_copying_counts_ties_half():
    # Distances: generated 0, 1, 1; held out 1, 2.  U = 0 + 1/2 + 1/2 of 6 pairs.
    train, test, generated = [[0.0]], [[1.0], [2]], [[0.0], [1], [-1]]
    result = data_copying_test(train, test, generated, n_cells=1, min_share=0)
    ties = 3**3 - 3
    variance = 6 / 12 * (6 - ties / (5 * 4))
    assert result.value == pytest.approx((1 - 3) / np.sqrt(variance), rel=1e-13)


def test_data_copying_cells_are_scored_apart_and_weighted_by_held_out_share():
    rng = np.random.RandomState(7)
    left, right = (
        [c + rng.normal(size=(n, 2)) for n in sizes]
        for c, sizes in [(-100, (30, 40, 25)), (100, (50, 10, 60))]
    )
    train, test, generated = (np.vstack(pair) for pair in zip(left, right, strict=True))
    result = data_copying_test(train, test, generated, n_cells=2, random_state=0)
    z = [_cell_score(*left), _cell_score(*right)]
    assert sorted(result.cell_scores) == pytest.approx(sorted(z), rel=1e-12)
    assert result.value == pytest.approx(0.8 * z[0] + 0.2 * z[1], rel=1e-12)
    assert sorted(result.cell_shares_test) == [0.2, 0.8]
    # The cell with 25 of 85 generated rows is left out.
    one = data_copying_test(
        train, test, generated, n_cells=2, min_share=0.3, random_state=0
    )
    assert one.value == pytest.approx(z[1], rel=1e-12)
    assert np.isnan(one.cell_scores).sum() == 1


def test_data_copying_changes_sign_with_the_roles():
    train, test, generated = three_sets(8)
    forth = data_copying_test(train, test, generated, n_cells=1, min_share=0).value
    back = data_copying_test(train, generated, test, n_cells=1, min_share=0).value
    assert forth == pytest.approx(-back, rel=1e-12)
    assert abs(forth) > 1e-3


def test_data_copying_sees_copies_and_underfitting():
    train, test, _ = three_sets(9, 200, 200)
    assert data_copying_test(train, test, train + 0.01, random_state=0).value < -5
    assert data_copying_test(train, test, 3 * train[::-1], random_state=0).value > 5
    constant = np.ones((30, 3))
    assert data_copying_test(constant, constant, constant, n_cells=1).value == 0


def test_data_copying_scores_are_standard_normal_under_the_null():
    scores = [
        data_copying_test(*three_sets(s, 40, 30, 30), n_cells=1).value
        for s in range(200)
    ]
    assert np.mean(scores) == pytest.approx(0, abs=4 / np.sqrt(200))
    assert np.std(scores) == pytest.approx(1, abs=0.25)


def test_data_copying_without_a_usable_cell_warns():
    train, test, generated = three_sets(10)
    with pytest.warns(UserWarning, match="No cell has both"):
        result = data_copying_test(
            np.vstack([train, train + 1000]), test, generated + 1000, n_cells=2
        )
    assert np.isnan(result.value)


def test_random_state():
    train, test, generated = three_sets(11, 60, 20)
    before = np.random.get_state()[1].copy()

    def draw(seed):
        return (
            nearest_neighbour_distances(
                train, test, generated, random_state=seed
            ).median_to_train,
            one_nearest_neighbour_accuracy(train, generated, random_state=seed).value,
            data_copying_test(
                train, test, generated, n_cells=7, min_share=0, random_state=seed
            ).value,
        )

    assert draw(0) == draw(0)
    assert all(
        len(set(values)) > 1 for values in zip(*map(draw, range(8)), strict=True)
    )
    assert len({draw(None) for _ in range(3)}) > 1
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_tensors_and_images():
    train, test, generated = three_sets(12, d=4)
    images = [
        torch.from_numpy(X).reshape(-1, 1, 2, 2) for X in (train, test, generated)
    ]
    assert authenticity(images[0], images[2]).value == authentic_share(train, generated)


def test_bad_input():
    train, test, generated = three_sets(13)
    with pytest.raises(ValueError, match=r"X_train and X_generated .* got 3 and 2"):
        nearest_neighbour_distances(train, test, generated[:, :2])
    with pytest.raises(ValueError, match=r"X_train and X_test .* got 3 and 2"):
        authenticity(train, generated, X_test=test[:, :2])
    with pytest.raises(ValueError, match="X_train must have at least 2 rows, got 1"):
        authenticity(train[:1], generated)
    with pytest.raises(ValueError, match=r"X_generated must .* 2 rows, got 1"):
        one_nearest_neighbour_accuracy(train, generated[:1])
    with pytest.raises(ValueError, match="X_test must have at least 1 row, got 0"):
        data_copying_test(train, test[:0], generated)
    with pytest.raises(ValueError, match="at most the 30 rows of X_train, got 31"):
        data_copying_test(train, test, generated, n_cells=31)
    with pytest.raises(ValueError, match=r"in \[0, 1\)\. Got 1\.5"):
        data_copying_test(train, test, generated, min_share=1.5)
    with pytest.raises(ValueError, match=r"more than 20 rows .* got 20"):
        data_copying_test(train, test, generated[:20])
