"""Frames and tensors in, documented types and shapes out."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from conftest import (
    ESTIMATORS,
    assert_same,
    assert_same_values,
    dropout_network,
    outputs,
    small,
)

from skvae.likelihoods import GaussianLikelihood


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize(
    ("container", "frame"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)]
)
def test_set_output_names_the_components(cls, container, frame, X):
    model = small(cls).set_output(transform=container).fit(X)
    Z = model.transform(X)
    assert isinstance(Z, frame)
    prefix = cls.__name__.lower()
    assert list(Z.columns) == [f"{prefix}{i}" for i in range(model.n_components)]
    np.testing.assert_array_equal(Z.to_numpy(), small(cls).fit(X).transform(X))


def test_pandas_output_keeps_the_index(X):
    frame = pd.DataFrame(X, index=[f"row {i}" for i in range(len(X))])
    frame.columns = list("abcde")
    Z = small().set_output(transform="pandas").fit_transform(frame)
    assert list(Z.index) == list(frame.index)


def test_feature_names_are_remembered_and_enforced(X):
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = small().fit(frame)
    assert list(model.feature_names_in_) == list("abcde")
    with pytest.raises(ValueError, match="same order"):
        model.transform(frame[list("edcba")])


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize(
    "dtype",
    [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8],
    ids=str,
)
def test_tensor_is_taken_like_the_array_of_its_values(cls, dtype, X):
    tensor = torch.tensor(X * 8).round().div(8).to(dtype)
    array = tensor.to(torch.float32).numpy()
    assert_same_values(
        outputs(small(cls).fit(tensor), tensor), outputs(small(cls).fit(array), array)
    )


def test_tensor_that_requires_a_gradient_is_left_alone(X):
    tensor = torch.tensor(X).requires_grad_()
    model = small().fit(tensor)
    assert_same(outputs(model, tensor), outputs(small().fit(X), X))
    assert tensor.grad is None
    assert isinstance(model.transform(tensor), np.ndarray)


def test_view_of_a_larger_tensor_is_taken_like_a_copy(X):
    wide = torch.zeros(len(X), 2 * X.shape[1])
    wide[:, ::2] = torch.tensor(X)
    strided = wide[:, ::2]
    assert_same(outputs(small().fit(strided), strided), outputs(small().fit(X), X))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_outputs_are_plain_arrays_of_documented_types(cls, dtype, X):
    model = small(cls).fit(X.astype(dtype))
    Z = model.transform(X)
    shape = X.shape
    assert (Z.shape, Z.dtype) == ((len(X), 2), np.float32)
    for array in (model.inverse_transform(Z), model.reconstruct(X)):
        assert (array.shape, array.dtype) == (shape, dtype)
    samples = model.sample(4)
    assert (samples.shape, samples.dtype) == ((4, shape[1]), dtype)
    scores = model.score_samples(X)
    assert (scores.shape, scores.dtype) == ((len(X),), np.float64)
    assert type(model.score(X)) is float
    assert model.score(X) == scores.mean()


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_fitted_attributes_have_documented_shapes(cls, X):
    model = small(cls, max_epochs=4).fit(X)
    assert model.n_epochs_ == 4
    assert {len(v) for v in model.history_.values()} == {4}
    assert np.shape(model.kl_per_component_) == (2,)
    assert set(model.active_components_) <= {0, 1}
    assert model.n_features_in_ == X.shape[1]
    assert not model.module_.training


def test_likelihood_reports_its_scale_in_the_units_of_the_data(X):
    unit = small(max_epochs=20).fit(X).likelihood_.scale_
    kilo = small(max_epochs=20).fit(1000 * X).likelihood_.scale_
    assert kilo == pytest.approx(1000 * unit, rel=0.05)


def test_custom_network_gets_the_sizes_it_must_map(X):
    asked = []

    def record(n_in, n_out):
        asked.append((n_in, n_out))
        return torch.nn.Linear(n_in, n_out)

    network = dropout_network().set_params(encoder=record, decoder=record)
    likelihood = GaussianLikelihood(scale="predicted")
    small(n_components=3, network=network, likelihood=likelihood).fit(X)
    assert asked == [(5, 6), (3, 10)]
