"""Data of any type, layout and unit are fitted, constant ones too."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from basic_data import BASIC
from conftest import (
    LIKELIHOODS,
    assert_same,
    assert_same_values,
    describe,
    make_data,
    outputs,
    small,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from supports import taken_by

from skvae.likelihoods import GaussianLikelihood

GREY = np.round(make_data(60, 4) * 8) / 8


def memory_mapped(X, path):
    np.save(path / "X.npy", X)
    return np.load(path / "X.npy", mmap_mode="r")


ACCEPTED = {
    "float64": lambda X, path: X.astype(np.float64),
    "float16": lambda X, path: X.astype(np.float16),
    "longdouble": lambda X, path: X.astype(np.longdouble),
    "big-endian float32": lambda X, path: X.astype(">f4"),
    "big-endian float64": lambda X, path: X.astype(">f8"),
    "Fortran-ordered": lambda X, path: np.asfortranarray(X),
    "Fortran-ordered float64": lambda X, path: np.asfortranarray(X, np.float64),
    "read-only": lambda X, path: read_only(X),
    "memory-mapped": memory_mapped,
    "memory-mapped float64": lambda X, path: memory_mapped(X.astype(float), path),
    "memory-mapped big-endian": lambda X, path: memory_mapped(X.astype(">f4"), path),
    "memory-mapped Fortran": lambda X, path: memory_mapped(np.asfortranarray(X), path),
    "memory-mapped float16": lambda X, path: memory_mapped(X.astype("f2"), path),
    "negative strides": lambda X, path: X[::-1, ::-1].copy()[::-1, ::-1],
    "every other column": lambda X, path: np.repeat(X, 2, axis=1)[:, ::2],
    "list": lambda X, path: X.tolist(),
    "objects": lambda X, path: X.astype(object),
    "pandas": lambda X, path: pd.DataFrame(X),
    "pandas float64": lambda X, path: pd.DataFrame(X.astype(float)),
    "pandas nullable": lambda X, path: pd.DataFrame(X).astype("Float32"),
    "pandas mixed": lambda X, path: pd.DataFrame(X).astype({0: float, 1: "float16"}),
    "polars": lambda X, path: pl.DataFrame(X),
    "tensor": lambda X, path: torch.tensor(X),
}
INTEGERS = ["u1", "i1", "i2", "i4", "i8", "u2", "u4", "u8", ">i2", ">i8", ">u4"]


def read_only(X):
    X = X.copy()
    X.setflags(write=False)
    return X


def assert_fits_the_same(given_X, X, **params):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Posterior collapse")
        warnings.filterwarnings("ignore", "X (does not have valid|has) feature names")
        model = small(**params).fit(given_X)
        got = outputs(model, given_X)
    expected = outputs(small(**params).fit(X), X)
    for name in [name for name, value in got.items() if hasattr(value, "columns")]:
        # Frames come back with the decimals of X.
        rows = got.pop(name).to_numpy().astype(float)
        np.testing.assert_allclose(rows, expected.pop(name), atol=6e-4)
    assert_same_values(got, expected)


@pytest.mark.parametrize("make", ACCEPTED.values(), ids=ACCEPTED)
def test_equal_values_give_the_equal_model(make, tmp_path):
    assert_fits_the_same(make(GREY, tmp_path), GREY, likelihood="gaussian")


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("mapped", [False, True])
def test_integers_give_the_model_of_their_float32_values(dtype, mapped, tmp_path):
    X = (GREY * 8).astype(dtype)
    given_X = memory_mapped(X, tmp_path) if mapped else X
    assert_fits_the_same(given_X, X.astype(np.float32))


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
def test_booleans_give_the_model_of_zeros_and_ones(likelihood):
    X = GREY > 0.5
    assert_fits_the_same(X, X.astype(np.float32), likelihood=likelihood)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_fit_and_reading_leave_the_data_alone(order, dtype):
    X = (GREY * 8).astype(dtype, order=order)
    before = X.copy()
    small(max_epochs=2, learning_rate=0.1).fit(X).transform(X)
    np.testing.assert_array_equal(X, before)


def test_model_does_not_change_when_the_data_change_later():
    X = GREY.copy()
    model = small().fit(X)
    before = outputs(model, GREY)
    X[:] = 0.0
    assert_same(outputs(model, GREY), before)


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
@pytest.mark.parametrize("value", [0.0, 0.2, 1.0])  # of the 256 levels
@pytest.mark.parametrize("n_samples", [1, 50])
def test_constant_data_are_reconstructed(likelihood, value, n_samples):
    X = taken_by(likelihood, np.full((n_samples, 3), value, dtype=np.float64))
    options = {"max_epochs": 100, "batch_size": 50, "learning_rate": 1e-2}
    model = small(likelihood=likelihood, **options).fit(X)
    assert np.isfinite(model.score_samples(X)).all()
    np.testing.assert_allclose(model.reconstruct(X), X, atol=0.3 * max(1, X.max()))


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
@pytest.mark.parametrize("constant", [0.0, 0.2, 1.0])
def test_constant_columns_do_no_harm(likelihood, constant):
    X = make_data(60, 4).astype(np.float64)
    X[:, 2] = constant
    X = taken_by(likelihood, X)
    model = small(likelihood=likelihood).fit(X)
    assert all(np.isfinite(v).all() for v in outputs(model, X).values())


@pytest.mark.parametrize("offset", [1e3, -1e6])
def test_constant_column_with_a_large_offset_does_no_harm(offset):
    X = np.column_stack([BASIC, np.full(len(BASIC), offset)]).astype(np.float64)
    for scale in ("global", "feature", "predicted"):
        model = small(likelihood=GaussianLikelihood(scale=scale)).fit(X)
        assert np.isfinite(model.score_samples(X)).all()
        assert abs(model.reconstruct(X)[:, 3] - offset).max() < abs(offset) / 10


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=describe)
@pytest.mark.parametrize("n_components", [1, 9])
def test_one_sample_is_enough(likelihood, n_components):
    X = taken_by(likelihood, BASIC[:1])
    model = small(likelihood=likelihood, n_components=n_components).fit(X)
    assert model.transform(X).shape == (1, n_components)
    assert np.isfinite(model.score(X))


@pytest.mark.parametrize("factor", [1e-12, 1e-3, 1e6, 1e15])
def test_units_of_the_data_do_not_matter_to_training(factor):
    X = BASIC.astype(np.float64) * factor
    model = small(max_epochs=20).fit(X)
    unit = small(max_epochs=20).fit(BASIC)
    np.testing.assert_allclose(
        model.reconstruct(X) / factor, unit.reconstruct(BASIC), atol=0.02
    )


@settings(max_examples=20, deadline=None)
@given(
    X=hnp.arrays(
        dtype=st.sampled_from(["f2", "f4", "f8", ">f4", "u1", "i4", "i8", "?"]),
        shape=hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
        elements={"min_value": 0, "max_value": 1},
    ),
    likelihood=st.sampled_from(["gaussian", "bernoulli"]),
)
def test_any_finite_data_in_the_unit_interval_can_be_fitted(X, likelihood):
    model = small(likelihood=likelihood, max_epochs=2).fit(X)
    assert model.transform(X).shape == (len(X), 2)
    assert np.isfinite(model.score_samples(X, n_importance_samples=2)).all()
    assert model.sample(3, random_state=0).shape == (3, X.shape[1])
