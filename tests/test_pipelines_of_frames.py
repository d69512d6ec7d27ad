"""Samples of pipelines whose last step has been fitted to a data frame."""

import numpy as np
import pandas as pd
import pytest
from conftest import small
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from tables import in_polars, make_table

from skvae.pipeline import sample_pipeline

TABLE = make_table(150, 0)


def vae():
    return small(max_epochs=2, random_state=0)


@pytest.mark.parametrize("make", [lambda X: X, in_polars], ids=["pandas", "polars"])
def test_are_those_of_the_last_step_behind_the_identity(make):
    pipeline = make_pipeline(FunctionTransformer(), vae()).fit(make(TABLE))
    samples = sample_pipeline(pipeline, 20, random_state=0)
    assert samples.equals(pipeline[-1].sample(20, random_state=0))
    assert samples.equals(sample_pipeline(pipeline, 20, mean=False, random_state=0))
    assert not samples.equals(sample_pipeline(pipeline, 20, mean=True, random_state=0))


def test_columns_go_back_through_a_column_transformer():
    scaled = make_column_transformer(
        (StandardScaler(), ["visits_2", "age"]),
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    table = TABLE.assign(visits_2=np.arange(150.0))
    pipeline = make_pipeline(scaled, vae()).fit(table)
    samples = sample_pipeline(pipeline, 40, random_state=0)
    assert list(samples.columns) == list(table.columns)
    assert samples.dtypes.equals(table.dtypes)
    inner = pipeline[-1].sample(40, random_state=0)
    scaler = pipeline[0].named_transformers_["standardscaler"]
    for i, name in enumerate(["visits_2", "age"]):
        expected = inner[name] * scaler.scale_[i] + scaler.mean_[i]
        np.testing.assert_allclose(samples[name], expected)
    assert samples["colour"].equals(inner["colour"])


def test_functions_are_undone_on_frames():
    def older(X, years=1):
        return X.assign(age=X["age"] + years)

    shifted = FunctionTransformer(older, lambda X: older(X, -1), check_inverse=False)
    pipeline = make_pipeline(shifted, vae()).fit(TABLE)
    inner = pipeline[-1].sample(10, random_state=0)
    samples = sample_pipeline(pipeline, 10, random_state=0)
    np.testing.assert_allclose(samples["age"], inner["age"] - 1)


def test_frames_of_numbers_keep_their_names():
    numbers = TABLE[["children", "age"]]
    imputed = make_pipeline(SimpleImputer(), StandardScaler())
    pipeline = make_pipeline(imputed.set_output(transform="pandas"), vae()).fit(numbers)
    samples = sample_pipeline(pipeline, 50, random_state=0)
    assert list(samples.columns) == ["children", "age"]
    assert samples["age"].mean() == pytest.approx(TABLE["age"].mean(), rel=0.2)


def test_without_frames_they_are_arrays_as_before():
    X = np.random.default_rng(0).normal(size=(60, 3))
    pipeline = make_pipeline(StandardScaler(), vae()).fit(X)
    samples = sample_pipeline(pipeline, 5, random_state=0)
    assert isinstance(samples, np.ndarray)
    means = sample_pipeline(pipeline, 5, mean=True, random_state=0)
    np.testing.assert_array_equal(samples, means)
    assert not isinstance(samples, pd.DataFrame)
