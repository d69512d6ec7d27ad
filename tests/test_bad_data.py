"""Wrong data are refused in words, before any training."""

import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from basic_data import BASIC, with_value
from conftest import ESTIMATORS, LIKELIHOODS, describe, small
from sklearn.neighbors import KernelDensity
from supports import is_bounded, taken_by


@pytest.fixture(scope="module")
def model():
    return small().fit(BASIC)


BAD_DATA = {
    "infinity in float16": (
        with_value(np.inf, np.float16),
        ValueError,
        "infinity.*inf, is in feature 1.*Put NaN where a value is missing",
    ),
    "infinity in a frame": (
        pd.DataFrame(with_value(np.inf)),
        ValueError,
        "infinity.*inf, is in feature 1|column 1 has 1 infinite",
    ),
    "infinity": (with_value(np.inf), ValueError, "infinity.* inf, is in"),
    "minus infinity": (with_value(-np.inf), ValueError, "infinity.*-inf, is in"),
    "None": (None, ValueError, "array"),
    "no rows": (np.empty((0, 3)), ValueError, r"0 sample.*minimum of 1"),
    "no features": (np.empty((5, 0)), ValueError, r"0 feature.*minimum of 1"),
    "a vector": (np.zeros(5), ValueError, "Reshape your data"),
    "a number": (3.0, ValueError, "scalar"),
    "five dimensions": (np.zeros((5, 3, 3, 3, 3)), ValueError, "has 5 dimensions"),
    "channels last": (np.zeros((5, 6, 6, 3)), ValueError, r"X.transpose\(0, 3, 1, 2"),
    "words": ([["a", "b"], ["c", "d"]], ValueError, "could not convert.*'a'"),
    "an array of words": (np.array([["a", "b"]]), ValueError, "could not convert.*'a'"),
    "objects": (np.array([[{}, 1], [2, 3]], object), TypeError, "must be.*dict"),
    "ragged rows": ([[1.0, 2.0], [3.0]], ValueError, "inhomogeneous|sequence"),
    "complex": (BASIC + 1j, ValueError, "Complex data not supported"),
    "complex tensor": (torch.tensor(BASIC + 1j), ValueError, "Complex data"),
    "sparse array": (
        scipy.sparse.csr_array(BASIC),
        TypeError,
        "[Ss]parse.*todense|dense",
    ),
    "sparse matrix": (scipy.sparse.csc_matrix(BASIC), TypeError, "[Ss]parse"),
    "a sparse tensor": (
        torch.tensor(BASIC).to_sparse(),
        (TypeError, ValueError),
        "parse",
    ),
    "beyond float32": (with_value(1e300), ValueError, r"1e\+300.*StandardScaler"),
}


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("case", BAD_DATA)
def test_fit_refuses(cls, case):
    X, error, message = BAD_DATA[case]
    model = small(cls)
    with pytest.raises(error, match=f"(?s){message}"):
        model.fit(X)
    assert not hasattr(model, "module_")
    assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize(
    "method", ["transform", "reconstruct", "score_samples", "score"]
)
@pytest.mark.parametrize("case", BAD_DATA)
def test_methods_of_a_fitted_model_refuse(method, case, model):
    X, error, message = BAD_DATA[case]
    if case in ("no features", "words", "an array of words"):
        message = f"{message}|features"
    with pytest.raises(error, match=f"(?s){message}"):
        getattr(model, method)(X)


@pytest.mark.parametrize(
    "method", ["transform", "reconstruct", "score_samples", "score"]
)
def test_wrong_number_of_features_is_named(method, model):
    with pytest.raises(ValueError, match=r"has 2 features.*expecting 3 features"):
        getattr(model, method)(BASIC[:, :2])


@pytest.mark.parametrize("n_columns", [1, 3])
def test_inverse_transform_names_the_number_of_components(n_columns, model):
    with pytest.raises(ValueError, match=f"{n_columns} columns.*n_components=2"):
        model.inverse_transform(np.zeros((4, n_columns)))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_inverse_transform_refuses_values_that_are_not_finite(value, model):
    message = f"({value}, is in|range of float32.*) feature 1"
    with pytest.raises(ValueError, match=message):
        model.inverse_transform([[0.0, value]])


def test_codes_whose_rows_are_not_finite_are_refused_by_their_row(model):
    with pytest.raises(ValueError, match="decodes row 1 to values that are not finite"):
        model.inverse_transform([[0.0, 0.0], [3e38, -3e38]])
    with np.errstate(over="raise", invalid="raise"):
        assert np.isfinite(model.inverse_transform([[1e30, 0.0]])).all()


@pytest.mark.parametrize("n_samples", [0, -1])
def test_sample_refuses_numbers_below_one(n_samples, model):
    with pytest.raises(ValueError, match=rf"n_samples.*>= 1.*{n_samples}"):
        model.sample(n_samples)


@pytest.mark.parametrize("n_samples", [1.5, "3", None, True])
def test_sample_refuses_what_is_no_integer(n_samples, model):
    with pytest.raises(TypeError, match=rf"n_samples.*integer.*{n_samples}"):
        model.sample(n_samples)


@pytest.mark.parametrize("k", [0, -3, 2.0, "all"])
def test_score_samples_refuses_a_wrong_number_of_draws(k, model):
    with pytest.raises((ValueError, TypeError), match=rf"n_importance_samples.*{k}"):
        model.score_samples(BASIC, n_importance_samples=k)


def test_score_samples_says_which_density_lacks_it():
    class Sampler(KernelDensity):
        score_samples = property()

    model = small(latent_density=Sampler()).fit(BASIC)
    with pytest.raises(AttributeError, match=r"Sampler has none.*latent_density=None"):
        model.score_samples(BASIC)


BOUNDED = [v for v in LIKELIHOODS if is_bounded(v) and taken_by(v, BASIC) is BASIC]


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("likelihood", BOUNDED, ids=describe)
@pytest.mark.parametrize(("value", "feature"), [(1.5, 0), (-0.25, 2), (255, 1)])
def test_values_outside_the_support_are_named_with_a_remedy(likelihood, value, feature):
    X = BASIC.astype(np.float64)
    X[3, feature] = value
    name = type(likelihood).__name__
    message = rf"{name}.*feature {feature}\D.*{re.escape(str(value))}.*(Scale|use)"
    with pytest.raises(ValueError, match=message):
        small(likelihood=likelihood).fit(X)


@pytest.mark.parametrize("likelihood", BOUNDED, ids=describe)
@pytest.mark.parametrize(
    "method", ["transform", "reconstruct", "score_samples", "score"]
)
def test_methods_of_a_fitted_model_check_the_support_too(likelihood, method):
    model = small(likelihood=likelihood).fit(BASIC)
    with pytest.raises(ValueError, match=r"feature 1\D.*1\.5"):
        getattr(model, method)(with_value(1.5))
    with pytest.raises(ValueError, match=r"feature 1\D.*1\.5"):
        model.partial_fit(with_value(1.5))


@pytest.mark.parametrize("likelihood", BOUNDED, ids=describe)
def test_infinity_is_not_said_to_leave_the_support(likelihood):
    model = small(likelihood=likelihood).fit(BASIC)
    with pytest.raises(ValueError, match="first of them, -inf"):
        model.transform(with_value(-np.inf))


@pytest.mark.parametrize("likelihood", BOUNDED, ids=describe)
def test_rounding_is_within_the_support(likelihood):
    X = with_value(1 + 1e-7)
    X[2, 2] = -1e-9
    assert np.isfinite(small(likelihood=likelihood).fit(X).score(X))


def test_unsigned_pixels_are_outside_the_unit_interval():
    pixels = (BASIC * 255).astype(np.uint8)
    with pytest.raises(ValueError, match=r"\[0, 1\].*MinMaxScaler"):
        small(likelihood="bernoulli").fit(pixels)


@pytest.mark.parametrize("unit", [1e-155, 1e-200, 1e-300, 5e-324])
def test_values_whose_squares_vanish_are_refused_not_taken_for_constant(unit):
    X = BASIC.astype(np.float64)
    with pytest.raises(ValueError, match=r"vary by at least 1e-150.*Multiply X"):
        small().fit(unit * np.round(10 * X))
    X[:, 1] *= unit  # beside others, a feature may be as good as constant
    model = small().fit(X)
    assert np.isfinite(model.score_samples(X)).all()


def test_methods_of_an_unfitted_model_say_that_it_is_not_fitted():
    for method in ("transform", "inverse_transform", "reconstruct", "score_samples"):
        with pytest.raises(ValueError, match="not fitted yet"):
            getattr(small(), method)(BASIC)
    with pytest.raises(ValueError, match="not fitted yet"):
        small().sample()
