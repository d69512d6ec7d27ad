"""Displays of interpolations."""

import numpy as np
import pytest
import torch
from displays import cells

from skvae.metrics import slerp
from skvae.plotting import InterpolationDisplay

pytestmark = pytest.mark.usefixtures("closed_figures")


@pytest.mark.parametrize("path", ["spherical", "linear"])
def test_interpolations_follow_the_path(vae, digits, path):
    X = digits[0][:7]
    display = InterpolationDisplay.from_estimator(vae, X, n_steps=4, path=path)
    assert display.steps.shape == (3, 4, 1, 8, 8)
    Z = vae.transform(X).astype(float)
    shown = cells(display.im_.get_array(), 8, 8, 3, 6)
    for i in range(3):
        a, b = Z[2 * i], Z[2 * i + 1]
        for j in range(4):
            t = j / 3
            z = slerp(a, b, t) if path == "spherical" else (1 - t) * a + t * b
            expected = vae.inverse_transform(z[None]).reshape(8, 8)
            np.testing.assert_allclose(shown[6 * i + 1 + j], expected, atol=1e-4)
        np.testing.assert_array_equal(shown[6 * i], X[2 * i].reshape(8, 8))
        np.testing.assert_array_equal(shown[6 * i + 5], X[2 * i + 1].reshape(8, 8))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_paths": 0}, "n_paths.*Got 0"),
        ({"n_steps": 1}, "n_steps.*Got 1"),
        ({"path": "round"}, "'spherical', 'linear'.*'round'"),
    ],
)
def test_interpolations_check_their_parameters(vae, digits, options, message):
    with pytest.raises(ValueError, match=message):
        InterpolationDisplay.from_estimator(vae, digits[0], **options)


def test_interpolations_need_two_rows(vae, digits):
    with pytest.raises(ValueError, match=r"at least 2 rows of X.*got 1"):
        InterpolationDisplay.from_estimator(vae, digits[0][:1])


def test_paths_of_any_origin(vae, digits):
    X = digits[0]
    expected = InterpolationDisplay.from_estimator(vae, X, n_paths=3, n_steps=4)
    steps = torch.from_numpy(expected.steps.reshape(3, 4, 64))
    display = InterpolationDisplay.from_predictions(X[:6:2], X[1:6:2], steps)
    np.testing.assert_array_equal(display.im_.get_array(), expected.im_.get_array())
    with pytest.raises(ValueError, match=r"as many starts as ends.* 3, 3 and 2"):
        InterpolationDisplay.from_predictions(X[:3], X[:3], steps[:2])
    with pytest.raises(ValueError, match="each other one must have as many images"):
        InterpolationDisplay.from_predictions(X[:2], X[:2], [steps[0], steps[1][:2]])


class TestOfSeveralModels:
    def test_has_a_row_for_every_model_below_each_other(self, vae, flat_vae, digits):
        X, models = digits[0], {"deep": vae, "flat": flat_vae}
        display = InterpolationDisplay.from_estimators(
            models, X, n_paths=2, n_steps=3, path="linear"
        )
        shown = np.reshape(cells(display.im_.get_array(), 8, 8, 4, 5), (4, 5, 64))
        single = [
            InterpolationDisplay.from_estimator(
                m, X, n_paths=2, n_steps=3, path="linear"
            )
            for m in models.values()
        ]
        for i in range(2):
            for j in range(2):
                row = shown[2 * i + j]
                np.testing.assert_array_equal(row[0], X[2 * i])
                np.testing.assert_array_equal(row[-1], X[2 * i + 1])
                steps = single[j].steps[i].reshape(3, 64)
                np.testing.assert_array_equal(row[1:-1], steps)
        assert not np.array_equal(shown[0], shown[1])
        names = [text.get_text() for text in display.ax_.get_yticklabels()]
        assert names == ["deep", "flat"] * 2
        again = display.plot()
        names = [text.get_text() for text in again.ax_.get_yticklabels()]
        assert names == ["deep", "flat"] * 2

    def test_shows_the_first_path_unless_more_are_asked_for(self, vae, digits):
        display = InterpolationDisplay.from_estimators({"one": vae}, digits[0])
        assert display.steps.shape == (1, 9, 1, 8, 8)
        many = InterpolationDisplay.from_estimators(
            {str(i): vae for i in range(5)}, digits[0], n_paths=6, n_steps=2
        )
        names = [text.get_text() for text in many.ax_.get_yticklabels()]
        assert names == [str(i % 5) for i in range(24)]  # of the 30 rows
        assert "24 of 30" in many.ax_.texts[0].get_text().replace("\n", " ")

    def test_has_the_black_and_white_it_is_given(self, vae, digits):
        display = InterpolationDisplay.from_estimators(
            {"one": vae}, digits[0], value_range=(2, 9)
        )
        assert display.im_.get_clim() == (2, 9)

    def test_needs_models_with_names(self, vae, digits):
        with pytest.raises(TypeError, match=r"dict by the names of the models, .*list"):
            InterpolationDisplay.from_estimators([vae], digits[0])
        with pytest.raises(ValueError, match=r"needs fitted estimators, got \{\}"):
            InterpolationDisplay.from_estimators({}, digits[0])


def test_one_model_has_no_names_of_rows(vae, digits):
    display = InterpolationDisplay.from_estimator(vae, digits[0])
    assert not display.ax_.get_yticklabels()
