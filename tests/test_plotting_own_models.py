"""Displays of the user's own models, and of what models cannot tell."""

import warnings

import numpy as np
import pytest
from compared_models import make_rows
from test_samples_of_own_models import MEANS, Own, WithMean

from skvae import VAE
from skvae.networks import MLP
from skvae.plotting import (
    ModelComparisonDisplay,
    NearestNeighbourDisplay,
    PrecisionRecallDistributionDisplay,
    SampleGridDisplay,
)

pd = pytest.importorskip("pandas")
pytestmark = pytest.mark.usefixtures("closed_figures")

X = make_rows(60) + MEANS
FRAME = pd.DataFrame(X, columns=["a", "b"])
BACKWARDS = FRAME[["b", "a"]]


def curve(model, rows, **options):
    display = PrecisionRecallDistributionDisplay.from_estimator(
        model, rows, random_state=0, n_runs=2, **options
    )
    return [np.asarray(line.get_xydata()) for line in display.ax_.lines]


def distances(model, rows, **options):
    options = {"random_state": 0, "image_shape": (1, 2), **options}
    return [NearestNeighbourDisplay.from_estimator(model, rows, **options).distances]


@pytest.mark.parametrize("found", [curve, distances])
def test_columns_of_samples_are_those_of_the_rows(found):
    plain = Own(np.asarray).fit()
    swapped = Own(lambda r: pd.DataFrame(r, columns=["a", "b"])[["b", "a"]]).fit()
    for ours, theirs in zip(found(swapped, FRAME), found(plain, FRAME), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("found", "other"), [(curve, "X_train"), (distances, "X_test")]
)
def test_columns_of_the_rows_are_those_of_the_fit(found, other):
    model = VAE(1, network=MLP((4,)), max_epochs=2, random_state=0).fit(FRAME)
    ours = found(model, BACKWARDS, **{other: BACKWARDS})
    theirs = found(model, FRAME, **{other: FRAME})
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("cls", [Own, WithMean])
def test_too_few_samples_are_refused_by_the_name_of_the_model(cls):
    few = cls(lambda rows: rows[:-1]).fit()
    for display in (
        lambda: curve(few, X),
        lambda: distances(few, X),
        lambda: SampleGridDisplay.from_estimator(few, image_shape=(1, 2)),
    ):
        with pytest.raises(ValueError, match=f"^`sample` of {cls.__name__} must"):
            display()


def test_samples_of_another_width_are_refused():
    with pytest.raises(ValueError, match="same number of features, got 4 and 2"):
        curve(Own(np.asarray).fit(), np.hstack([X, X]))


@pytest.mark.parametrize("floor", [np.inf, [-np.inf, 2.0], np.nan])
def test_infinite_floors_are_not_drawn(floor):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        display = ModelComparisonDisplay.from_scores({"a": [1, 2], "b": 3}, floor=floor)
        display.figure_.canvas.draw()
    assert (display.floor_ is None) == np.isscalar(floor)


def test_comparisons_need_a_dict():
    for make in (
        ModelComparisonDisplay.from_evaluations,
        ModelComparisonDisplay.from_scores,
    ):
        with pytest.raises(TypeError, match=r"in a dict by the names .*, got a list"):
            make([[1, 2], [3, 4]])
