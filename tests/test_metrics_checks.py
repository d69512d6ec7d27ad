import numpy as np
import pytest

from skvae.metrics import _pairwise, _screening


@pytest.fixture(params=[1, 7, 40, 2**22])
def block_entries(request, monkeypatch):
    monkeypatch.setattr("skvae._utils.rows.BLOCK_ENTRIES", request.param)


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
