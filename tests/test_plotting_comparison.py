"""Displays that compare models."""

import numpy as np
import pytest
from conftest import N_TRAIN
from sklearn.mixture import GaussianMixture

from skvae import evaluate
from skvae.plotting import ModelComparisonDisplay

pytestmark = pytest.mark.usefixtures("closed_figures")


class TestModelComparison:
    def test_bars_are_means_and_intervals_deviations(self):
        scores = {"A": [1.0, 2.0, 6.0], "B": [4.0]}
        display = ModelComparisonDisplay.from_scores(scores, floor=0.5)
        assert [bar.get_width() for bar in display.values_] == [3.0, 4.0]
        interval, nothing = display.intervals_.get_segments()
        assert interval[:, 0] == pytest.approx([3 - np.sqrt(7), 3 + np.sqrt(7)])
        assert len(nothing) == 0  # one score has no spread
        labels = [text.get_text() for text in display.ax_.get_yticklabels()]
        assert labels == ["A", "B"]
        assert display.ax_.get_ylim() == (1.5, -0.5)  # the first on top
        assert display.floor_.get_xdata() == [0.5, 0.5]

    def test_bootstrap_intervals_narrow_with_the_number_of_scores(self):
        scores = np.random.default_rng(0).normal(-50, 2, size=4000)
        display = ModelComparisonDisplay.from_scores(
            {"A": scores}, interval="bootstrap", random_state=0
        )
        error = 2 / np.sqrt(4000)
        expected = scores.mean() + 1.96 * error * np.array([-1, 1])
        np.testing.assert_allclose(display.intervals[0], expected, atol=0.01)
        again = ModelComparisonDisplay.from_scores(
            {"A": scores}, interval="bootstrap", random_state=0
        )
        np.testing.assert_array_equal(display.intervals, again.intervals)

    def test_negative_values_are_points(self):
        display = ModelComparisonDisplay.from_scores({"A": [-3.0], "B": [1.0]})
        assert display.values_.get_xdata().tolist() == [-3, 1]
        display.plot(kind="bar")
        assert [bar.get_width() for bar in display.values_] == [-3, 1]

    def test_of_evaluations_has_their_rows(self, digits):
        train, test = digits[0][:N_TRAIN], digits[0][N_TRAIN:]
        models = {
            k: GaussianMixture(k, covariance_type="diag", random_state=0).fit(train)
            for k in (1, 3)
        }
        reports = {f"{k} parts": evaluate(m, train, test) for k, m in models.items()}
        display = ModelComparisonDisplay.from_evaluations(reports, "frechet_distance")
        rows = [report["frechet_distance"] for report in reports.values()]
        assert [bar.get_width() for bar in display.values_] == [r.value for r in rows]
        np.testing.assert_array_equal(
            [segment[:, 0] for segment in display.intervals_.get_segments()],
            [(r.low, r.high) for r in rows],
        )
        assert display.floor == rows[0].floor == rows[1].floor
        assert "lower is better" in display.ax_.get_xlabel()
        with pytest.raises(KeyError, match=r"figure must be one of.*'beauty'"):
            ModelComparisonDisplay.from_evaluations(reports, "beauty")

    @pytest.mark.parametrize(
        ("scores", "options", "message"),
        [
            ({}, {}, "at least one model"),
            ({"A": []}, {}, r"'A' must have shape \(n_scores,\)"),
            ({"A": [np.nan]}, {}, "A must be finite"),
            ({"A": [1.0]}, {"interval": "range"}, "'std', 'bootstrap'.*'range'"),
            ({"A": [1.0]}, {"kind": "pie"}, "'auto', 'bar', 'point'.*'pie'"),
        ],
    )
    def test_parameters_are_checked(self, scores, options, message):
        with pytest.raises(ValueError, match=message):
            ModelComparisonDisplay.from_scores(scores, **options)


def test_intervals_without_a_width_are_seen_on_the_axis():
    display = ModelComparisonDisplay(
        ["one", "two"], [0.0, 0.0], [(0.0, 0.0), (0.0, 0.02)]
    ).plot()
    display.figure_.canvas.draw()
    (dots,) = [line for line in display.ax_.lines if line.get_marker() == "."]
    np.testing.assert_array_equal(dots.get_xydata(), [[0, 0]])
    assert not dots.get_clip_on()
