"""What all metrics of sets of rows promise, whatever they measure."""

import inspect
import re

import numpy as np
import pandas as pd
import pytest
import torch

from skvae import metrics


def sets_of(metric):
    """Return the names of the parameters that are sets of rows, if all required are."""
    parameters = inspect.signature(metric).parameters.values()
    required = [p.name for p in parameters if p.default is p.empty]
    return required if all(name.startswith("X_") for name in required) else []


FUNCTIONS = [f for n in metrics.__all__ if inspect.isfunction(f := getattr(metrics, n))]
METRICS = [
    function
    for function in FUNCTIONS
    if sets_of(function)
    and "weights" not in inspect.signature(function).parameters  # a file to download
]
FEW_ROWS = {
    **{"n_clusters": 5, "min_size": 20, "n_subsets": 3, "subset_size": 20},
    **{"n_folds": 2, "n_repeats": 1},
}
EVERY_METRIC = pytest.mark.parametrize("metric", METRICS, ids=lambda f: f.__name__)


def measure(metric, rows, **options):
    names = inspect.signature(metric).parameters
    quick = {**FEW_ROWS, "random_state": 0, **options}
    return metric(*rows.values(), **{k: v for k, v in quick.items() if k in names})


@pytest.fixture
def rows(metric):
    """Return sets of 60 rows by their names, on the levels of 8-bit images."""
    rng = np.random.default_rng(0)
    return {
        name: rng.integers(0, 256, (60, 6)).astype(np.float64) + 5 * i
        for i, name in enumerate(sets_of(metric))
    }


def test_there_are_metrics_of_two_sets_and_of_three():
    assert {1, 2, 3} <= {len(sets_of(metric)) for metric in METRICS}


@EVERY_METRIC
def test_result_is_repeatable_and_nothing_else_changes(metric, rows):
    before = {name: X.copy() for name, X in rows.items()}
    numpy_state = np.random.get_state()[1].copy()
    torch_state = torch.get_rng_state()
    np.testing.assert_equal(measure(metric, rows), measure(metric, rows))
    measure(metric, rows, random_state=None)
    np.testing.assert_equal(rows, before)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)
    assert torch.equal(torch.get_rng_state(), torch_state)


@EVERY_METRIC
@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda X: X.astype(np.float32), id="float32"),
        pytest.param(lambda X: X.astype(np.int64), id="integers"),
        pytest.param(torch.tensor, id="tensors"),
        pytest.param(pd.DataFrame, id="frames"),
        pytest.param(np.ndarray.tolist, id="lists"),
        pytest.param(lambda X: X.reshape(-1, 2, 3), id="images"),
    ],
)
def test_result_is_that_of_the_rows_as_an_array(metric, rows, form):
    other = {name: form(X) for name, X in rows.items()}
    np.testing.assert_equal(measure(metric, other), measure(metric, rows))


@EVERY_METRIC
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_with_the_name_of_their_set(
    metric, rows, value
):
    for name, X in rows.items():
        wrong = X.copy()
        wrong[7, 1] = value
        with pytest.raises(ValueError, match=rf"{name}(?s:.*)(NaN|nan|inf)"):
            measure(metric, {**rows, name: wrong})


@EVERY_METRIC
def test_sets_of_different_widths_are_refused_with_both_widths(metric, rows):
    for name, X in list(rows.items())[1:]:
        with pytest.raises(ValueError, match=r"(6|4)\D+(4|6)"):
            measure(metric, {**rows, name: X[:, :4]})


@EVERY_METRIC
def test_rows_whose_squares_vanish_are_refused_or_measured_as_those_whose_do_not(
    metric, rows
):
    def numbers(unit):
        result = measure(metric, {name: unit * X for name, X in rows.items()})
        parts = result if isinstance(result, tuple) else [result]
        return [np.asarray(x, dtype=float) for x in parts]

    expected = numbers(1e-100)
    try:
        tiny = numbers(1e-200)
    except ValueError as error:
        refusal = "above 1e-140.* Rescale|must have spread"
        assert re.search(refusal, str(error))  # noqa: PT017
    else:
        for a, b in zip(tiny, expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-90)
