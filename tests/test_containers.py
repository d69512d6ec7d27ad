"""The same values give the same bits in any container and any layout.

A data frame is a table, and has another likelihood than an array unless one is given.
"""

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import (
    ESTIMATORS,
    assert_same,
    describe,
    has_score,
    make_data,
    small,
)

from skvae import VAE

polars = pytest.importorskip("polars")


def with_offset(X):
    """Return a copy whose address is not a multiple of the size of its values."""
    out = np.ndarray(X.shape, X.dtype, bytearray(X.nbytes + 1), offset=1)
    out[:] = X
    return out


def read_only(X):
    X = X.copy()
    X.setflags(write=False)
    return X


CONTAINERS = {
    "Fortran order": np.asfortranarray,
    "big endian": lambda X: X.astype(X.dtype.newbyteorder(">")),
    "every other row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "some columns": lambda X: np.hstack([X, X])[:, : X.shape[1]],
    "reversed": lambda X: X[::-1].copy()[::-1],
    "read-only": read_only,
    "unaligned": with_offset,
    "tensor": lambda X: torch.tensor(X),
    "transposed tensor": lambda X: torch.tensor(X.T.copy()).T,
    "list": lambda X: X.tolist(),
    "objects": lambda X: X.astype(object),
    "pandas": lambda X: pd.DataFrame(X),
    "nullable pandas": lambda X: pd.DataFrame(X).convert_dtypes(),
    "polars": lambda X: polars.DataFrame(X),
}
TYPES = ["float64", "float32", "int32", "int64", "uint8", "uint16", "uint64"]


def values(dtype):
    """Return rows whose values need the precision of their type."""
    X = make_data(40).astype(np.float64) ** 1.1
    return X.astype(dtype) if dtype.startswith("float") else (1000 * X).astype(dtype)


def answers(model, X):
    out = {
        "transform": model.transform(X),
        "reconstruct": model.reconstruct(X),
        "inverse_transform": model.inverse_transform(np.ones((3, 2))),
        "sample": model.sample(5, mean=True, random_state=0),
        "noisy": model.sample(5, mean=False, random_state=0),
    }
    if has_score(model):
        out["score_samples"] = model.score_samples(X)
    return out


def gaussian(cls=VAE):
    return small(cls, likelihood="gaussian")


def assert_same_rows(answer, expected, dtype="float64"):
    """Assert that answers are those of an array, rounded in frames of whole numbers."""
    for name, value in answer.items():
        wanted = expected[name]
        if hasattr(value, "columns"):
            value = value.to_numpy()
            if not dtype.startswith("float"):
                limits = np.iinfo(dtype)
                wanted = np.rint(wanted).clip(limits.min, limits.max)
        np.testing.assert_array_equal(value.astype(wanted.dtype), wanted, err_msg=name)


@pytest.fixture(scope="module")
def expected():
    found = {}

    def of(cls, dtype):
        if (cls, dtype) not in found:
            X = values(dtype)
            found[cls, dtype] = answers(gaussian(cls).fit(X), X)
        return found[cls, dtype]

    return of


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
@pytest.mark.parametrize("cls", ESTIMATORS, ids=describe)
def test_container_does_not_matter(cls, container, expected):
    X = container(values("float64"))
    answer = answers(gaussian(cls).fit(X), X)
    assert_same_rows(answer, expected(cls, "float64"))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_container_does_not_matter_for_any_type(container, dtype, expected):
    X = container(values(dtype))
    assert_same_rows(answers(gaussian().fit(X), X), expected(VAE, dtype), dtype)


TYPELESS = {"list", "objects", "pandas", "nullable pandas", "polars"}
TYPED = {name: c for name, c in CONTAINERS.items() if name not in TYPELESS}


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("container", TYPED.values(), ids=TYPED)
def test_rows_come_back_in_one_type_from_any_container(container, dtype, expected):
    X = container(values(dtype))
    assert_same(answers(gaussian().fit(X), X), expected(VAE, dtype))


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_container_of_codes_does_not_matter(container, fitted):
    Z = np.random.default_rng(0).normal(size=(20, 2))
    np.testing.assert_array_equal(
        fitted.inverse_transform(container(Z)), fitted.inverse_transform(Z)
    )
