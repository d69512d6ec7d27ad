import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_matrix

from skvae.metrics import _checks, _pairwise, _screening


def test_images_and_tensors_become_float64_rows():
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    for X in (images, torch.from_numpy(images), torch.tensor(images).bfloat16()):
        rows = _checks.as_rows(X, "X")
        assert rows.dtype == np.float64
        np.testing.assert_array_equal(rows, np.arange(24.0).reshape(2, 12))


def test_data_frames_lists_and_objects_are_read():
    expected = np.array([[1.0, 0.5], [0.0, 2.0]])
    frame = pd.DataFrame({"a": [True, False], "b": np.array([0.5, 2], "float32")})
    for X in (frame, expected.tolist(), expected.astype(object)):
        np.testing.assert_array_equal(_checks.as_rows(X, "X"), expected)


def test_float64_rows_are_not_copied():
    X = np.ones((3, 2))
    assert np.shares_memory(_checks.as_rows(X, "X"), X)


@pytest.mark.parametrize(
    ("X", "error", "match"),
    [
        ([1.0, 2.0], ValueError, r"X_real must have shape .* got \(2,\)"),
        (np.ones((0, 3)), ValueError, "X_real must have at least 2 rows, got 0"),
        (np.ones((1, 3)), ValueError, "X_real must have at least 2 rows, got 1"),
        (np.ones((4, 0)), ValueError, r"at least 1 feature, got shape \(4, 0\)"),
        ([[1.0, 2], [3, np.nan]], ValueError, r"1 NaN.*\(nan\) in row 1, column 1"),
        ([[np.inf, 2], [3, np.nan]], ValueError, r"2 NaN.*\(inf\) in row 0, column 0"),
        ([["a"], ["b"]], TypeError, "must hold real numbers, got dtype <U1"),
        (np.ones((2, 2), complex), TypeError, "got dtype complex128"),
        (np.array([["a"], [1]], object), TypeError, "got dtype object"),
        (csr_matrix(np.eye(3)), TypeError, "must be dense"),
    ],
)
def test_bad_rows(X, error, match):
    with pytest.raises(error, match=match):
        _checks.as_rows(X, "X_real", min_rows=2)


def test_bad_pair():
    with pytest.raises(ValueError, match="same number of features, got 3 and 2"):
        _checks.as_pair(np.ones((4, 3)), np.ones((4, 2)))


def test_random_state_leaves_the_global_generator_alone():
    before = np.random.get_state()[1].copy()
    draws = {_checks.random_state_of(None).randint(2**31) for _ in range(4)}
    _checks.random_state_of(np.random).normal()
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert len(draws) == 4
    assert _checks.seed_of(_checks.random_state_of(3)) == _checks.seed_of(
        np.random.RandomState(3)
    )


@pytest.fixture(params=[1, 7, 40, 2**22])
def block_entries(request, monkeypatch):
    monkeypatch.setattr(_pairwise, "BLOCK_ENTRIES", request.param)


def direct(X, Y):
    return ((X[:, None] - Y[None]) ** 2).sum(axis=2)


@pytest.mark.usefixtures("block_entries")
def test_blocks_cover_every_pair():
    rng = np.random.RandomState(0)
    X, Y = rng.normal(size=(11, 3)), rng.normal(size=(7, 3))
    blocks = list(_pairwise.squared_distance_blocks(X, Y))
    D = np.full((11, 7), np.nan)
    for rows, squared in blocks:
        D[rows] = squared
    np.testing.assert_allclose(D, direct(X, Y), atol=1e-13)


@pytest.mark.usefixtures("block_entries")
def test_nearest_is_brute_force():
    rng = np.random.RandomState(0)
    X, Y = rng.normal(size=(11, 3)), rng.normal(size=(9, 3))
    indices, distances = _screening.nearest(X, Y)
    D = np.sqrt(direct(X, Y))
    np.testing.assert_array_equal(indices, D.argmin(axis=1))
    np.testing.assert_allclose(distances, D.min(axis=1), rtol=1e-14)


def test_nearest_of_a_copy_is_exactly_zero_far_from_the_origin():
    Y = np.random.RandomState(0).normal(size=(30, 5)) + 1e6
    indices, distances = _screening.nearest(Y[::-1], Y)
    np.testing.assert_array_equal(indices, np.arange(30)[::-1])
    np.testing.assert_array_equal(distances, 0)


def test_nearest_leaves_out_the_excluded_row():
    Y = np.array([[0.0], [1.0], [5.0]])
    indices, distances = _screening.nearest(Y, Y, exclude=np.arange(3))
    assert list(indices) == [1, 0, 1]
    assert list(distances) == [1, 1, 4]


@pytest.mark.usefixtures("block_entries")
@pytest.mark.parametrize("k", [1, 3, 10])
def test_smallest_squared_distances_are_brute_force(k):
    X = np.random.RandomState(0).normal(size=(11, 3))
    D = direct(X, X)
    np.fill_diagonal(D, np.inf)
    expected = np.sort(D, axis=1)[:, :k]
    smallest = _pairwise.smallest_squared_distances(X, k)
    np.testing.assert_allclose(smallest, expected, atol=1e-13)


def test_duplicates_are_neighbours_at_zero():
    X = np.repeat(np.random.RandomState(0).normal(size=(5, 3)), 2, axis=0)
    assert (_pairwise.smallest_squared_distances(X, 1) < 1e-14).all()
