"""Labels are read from whatever holds them, and some may be missing."""

import numpy as np
import pytest
import torch

from skvae._utils.labels import as_labels, encode

pd = pytest.importorskip("pandas")

NAN = float("nan")
COMPLETE = {
    "integers": ([2, 0, 2], [0, 2], [1, 0, 1]),
    "strings": (["b", "a", "b"], ["a", "b"], [1, 0, 1]),
    "booleans": ([True, False, True], [False, True], [1, 0, 1]),
    "whole floats": ([2.0, -1.0, 2.0], [-1.0, 2.0], [1, 0, 1]),
    "array of bytes": (np.array([2, 0, 2], np.uint8), [0, 2], [1, 0, 1]),
    "array of strings": (np.array(["b", "a", "b"]), ["a", "b"], [1, 0, 1]),
    "array of objects": (np.array(["b", "a", "b"], object), ["a", "b"], [1, 0, 1]),
    "column": (np.array([[2], [0], [2]]), [0, 2], [1, 0, 1]),
    "tensor": (torch.tensor([2, 0, 2]), [0, 2], [1, 0, 1]),
    "series": (pd.Series([2, 0, 2], index=[7, 8, 9]), [0, 2], [1, 0, 1]),
    "categories": (pd.Categorical(["b", "a", "b"]), ["a", "b"], [1, 0, 1]),
    "series of categories": (
        pd.Series(["b", "a", "b"], dtype="category"),
        *(["a", "b"], [1, 0, 1]),
    ),
    "nullable": (pd.Series([2, 0, 2], dtype="Int64"), [0, 2], [1, 0, 1]),
    "frame": (pd.DataFrame({"y": ["b", "a", "b"]}), ["a", "b"], [1, 0, 1]),
}
INCOMPLETE = {
    "list of numbers": ([2, None, 0], [0, 2], [1, -1, 0]),
    "list of strings": (["b", NAN, "a"], ["a", "b"], [1, -1, 0]),
    "floats": (np.array([2.0, NAN, 0.0]), [0.0, 2.0], [1, -1, 0]),
    "objects": (np.array(["b", None, "a"], object), ["a", "b"], [1, -1, 0]),
    "nullable": (pd.Series([2, pd.NA, 0], dtype="Int64"), [0.0, 2.0], [1, -1, 0]),
    "nullable booleans": (
        pd.Series([True, pd.NA, False], dtype="boolean"),
        *([False, True], [1, -1, 0]),
    ),
    "categories": (pd.Categorical(["b", None, "a"]), ["a", "b"], [1, -1, 0]),
    "all": ([None, NAN, pd.NA], [], [-1, -1, -1]),
}


@pytest.mark.parametrize(
    ("y", "classes", "index"),
    [*COMPLETE.values(), *INCOMPLETE.values()],
    ids=[*COMPLETE, *(f"incomplete {name}" for name in INCOMPLETE)],
)
def test_labels_are_read(y, classes, index):
    labels = as_labels(y, 3, "The model")
    assert labels.shape == (3,)
    found, numbers = encode(labels)
    assert found.tolist() == classes
    assert [type(c) for c in found.tolist()] == [type(c) for c in classes]
    assert numbers.tolist() == index


@pytest.mark.parametrize(("y", "classes", "index"), COMPLETE.values(), ids=COMPLETE)
def test_complete_labels_keep_a_type_of_their_own(y, classes, index):
    assert as_labels(y, 3, "The model").dtype != object


@pytest.mark.parametrize(("y", "classes", "index"), INCOMPLETE.values(), ids=INCOMPLETE)
def test_missing_labels_are_none(y, classes, index):
    labels = as_labels(y, 3, "The model")
    assert [label is None for label in labels] == [i == -1 for i in index]


REFUSED = {
    "none": (None, ValueError, "The model requires y to be passed, but .* y is None"),
    "too few": ([1, 2], ValueError, r"each of 3 rows, but y has the shape \(2,\)"),
    "two columns": (np.zeros((3, 2)), ValueError, r"but y has the shape \(3, 2\)"),
    "one": (1, ValueError, r"but y has the shape \(\)"),
    "mixed": (["a", 1, None], TypeError, "all numbers, but y has 'a' and 1. Convert"),
    "fractions": ([1, 0.5, 2], ValueError, "y has the value 0.5. Put numbers"),
    "array": (np.array([NAN, 0.5, 2]), ValueError, "y has the value 0.5. Put numbers"),
    "infinite": ([1.0, np.inf, 2.0], ValueError, "y has the value inf"),
}


@pytest.mark.parametrize(("y", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_label_is_refused(y, error, message):
    with pytest.raises(error, match=message):
        as_labels(y, 3, "The model")
