import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_matrix

from skvae._utils.arrays import as_pair, as_real_rows, as_rows
from skvae._utils.random import draw_seed, random_state_of


def test_images_and_tensors_become_float64_rows():
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    for X in (images, torch.from_numpy(images), torch.tensor(images).bfloat16()):
        rows = as_rows(X, "X")
        assert rows.dtype == np.float64
        np.testing.assert_array_equal(rows, np.arange(24.0).reshape(2, 12))


def test_data_frames_lists_and_objects_are_read():
    expected = np.array([[1.0, 0.5], [0.0, 2.0]])
    frame = pd.DataFrame({"a": [True, False], "b": np.array([0.5, 2], "float32")})
    for X in (frame, expected.tolist(), expected.astype(object)):
        np.testing.assert_array_equal(as_rows(X, "X"), expected)


def test_float64_rows_are_not_copied():
    X = np.ones((3, 2))
    assert np.shares_memory(as_rows(X, "X"), X)


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
        as_rows(X, "X_real", min_rows=2)


def test_real_rows_keep_their_type_and_are_checked_alike():
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    rows = as_real_rows(images, "X")
    assert (rows.dtype, rows.shape) == (np.uint8, (2, 12))
    for X in ([1.0, 2.0], np.ones((0, 3)), np.ones((4, 0)), [[1.0, np.nan]]):
        with pytest.raises(ValueError, match="X must") as expected:
            as_rows(X, "X")
        with pytest.raises(ValueError, match="X must") as found:
            as_real_rows(X, "X")
        assert str(found.value) == str(expected.value)


def test_bad_pair():
    with pytest.raises(ValueError, match="same number of features, got 3 and 2"):
        as_pair(np.ones((4, 3)), np.ones((4, 2)))


def test_random_state_leaves_the_global_generator_alone():
    before = np.random.get_state()[1].copy()
    draws = {random_state_of(None).randint(2**31) for _ in range(4)}
    random_state_of(np.random).normal()
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert len(draws) == 4
    expected = np.random.RandomState(3).normal()
    assert random_state_of(3).normal() == expected


@pytest.mark.parametrize("wrong", [np.random.default_rng(0), -1, 2**32, 1.5, "seed"])
def test_other_random_states_are_refused_with_the_rule(wrong):
    for read in (random_state_of, draw_seed):
        with pytest.raises(ValueError, match=r"random_state must be .*Pass an integer"):
            read(wrong)
    with pytest.raises(ValueError, match=r"for example int\(rng.integers\(2\*\*32"):
        draw_seed(np.random.default_rng(0))


def test_a_seed_from_the_module_leaves_the_global_generator_alone():
    before = np.random.get_state()[1].copy()
    assert draw_seed(np.random) != draw_seed(np.random)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
