"""Splits that hold a class out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from skvae.datasets import held_out_class_split, load_mnist

SHARED = Path(__file__).parents[2] / "shared" / "data"


def labelled(labels):
    """Return rows that know their own place, and their labels."""
    return np.arange(len(labels))[:, None], np.asarray(labels)


labels = st.lists(st.sampled_from("abc"), max_size=30).map(lambda y: [*"abc", *y])


@given(labels, labels, st.sampled_from(["a", "c", ["a", "b"]]), st.integers(0, 9))
def test_is_what_it_says(train, test, held_out, seed):
    (X_train, y_train), (X_test, y_test) = labelled(train), labelled(test)
    split = held_out_class_split(
        X_train, X_test, y_train, y_test, held_out=held_out, random_state=seed
    )
    expected = [i for i, label in enumerate(train) if label not in held_out]
    assert split.X_without.ravel().tolist() == expected
    assert split.y_without.tolist() == [train[i] for i in expected]
    expected = [i for i, label in enumerate(test) if label in held_out]
    assert split.X_held_out.ravel().tolist() == expected
    assert split.y_held_out.tolist() == [test[i] for i in expected]
    drawn = split.X_with.ravel().tolist()
    assert len(drawn) == len(split.X_without)
    assert drawn == sorted(set(drawn))
    assert split.y_with.tolist() == [train[i] for i in drawn]


def test_rows_of_the_comparison_are_drawn_from_all_classes_by_the_seed():
    digits = train_test_split(*labelled(np.arange(1000) % 10), random_state=0)
    draws = [
        held_out_class_split(*digits, held_out=4, random_state=seed).X_with
        for seed in (0, 0, 1, None)
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
    assert not np.array_equal(draws[0], draws[3])
    share = np.bincount(draws[0].ravel() % 10) / len(draws[0])
    np.testing.assert_allclose(share, 0.1, atol=0.03)


def test_images_keep_their_shape_and_frames_become_arrays():
    X, y = np.arange(60).reshape(5, 3, 4), [0, 0, 1, 1, 1]
    split = held_out_class_split(X, X, y, y, held_out=0)
    assert split.X_without.shape == (3, 3, 4)
    frame = pd.DataFrame({"a": [1, 2, 3]})
    split = held_out_class_split(frame, frame, [0, 1, 1], [0, 1, 1], held_out=1)
    np.testing.assert_array_equal(split.X_held_out, [[2], [3]])


@pytest.mark.parametrize(
    ("train", "test", "held_out", "message"),
    [
        ([0, 1], [0, 1], 7, r"in y_train, but \[7\] is not.* classes \[0, 1\]"),
        ([0, 1], [0, 0], [0, 1], r"in y_test, but \[1\] is not.*classes \[0\]"),
        ([1, 1], [0, 1], 1, r"not held out, but held_out = 1 "),
        ([1, 0, 1], [0, 1], 1, r"inconsistent numbers of samples: \[2, 3\]"),
    ],
)
def test_errors(train, test, held_out, message):
    with pytest.raises(ValueError, match=message):
        held_out_class_split([[0], [1]], [[0], [1]], train, test, held_out=held_out)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data")
def test_nines_of_the_paper():
    (X_train, y_train), (X_test, y_test) = (
        load_mnist(data_home=SHARED, subset=subset, return_X_y=True)
        for subset in ("train", "test")
    )
    split = held_out_class_split(X_train, X_test, y_train, y_test, held_out=9)
    assert (len(split.X_without), len(split.X_held_out)) == (54_051, 1_009)
