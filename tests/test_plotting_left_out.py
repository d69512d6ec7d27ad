"""A picture says what it leaves out: points, images, cut values, missing numbers."""

import itertools

import numpy as np
import pytest
from conftest import small

from skvae.plotting import (
    InterpolationDisplay,
    LatentSpaceDisplay,
    ModelComparisonDisplay,
    NearestNeighbourDisplay,
    PrecisionRecallDistributionDisplay,
    ReconstructionDisplay,
    SampleGridDisplay,
    precision_recall,
)

plt = pytest.importorskip("matplotlib.pyplot")


pytestmark = pytest.mark.usefixtures("figures_without_warnings")


def notes(display):
    """Return what is written on the Axes, in one line."""
    display.figure_.canvas.draw()
    return " ".join(text.get_text() for text in display.ax_.texts).replace("\n", " ")


def codes(n, d=2):
    return np.random.default_rng(0).normal(size=(n, d))


def images(n, high=1.0):
    X = np.random.default_rng(0).uniform(0, high, size=(n, 64))
    X[:, 0], X[:, 1] = 0, high
    return X


class TestLatentSpace:
    def test_says_how_many_codes_are_shown(self):
        display = LatentSpaceDisplay.from_predictions(codes(5000), name="rows")
        assert notes(display) == "2,000 of 5,000 codes of rows, chosen at random"
        assert len(display.scatter_.get_offsets()) == 2000
        again = LatentSpaceDisplay.from_predictions(codes(2000))
        assert notes(again) == ""

    def test_says_what_ellipses_are_and_shows_them_whole(self):
        Z = codes(60)
        display = LatentSpaceDisplay.from_predictions(Z, 5.0, n_ellipses=60)
        assert "one standard deviation of q(z|x), 60 of 60" in notes(display)
        limits = display.ax_.get_xlim(), display.ax_.get_ylim()
        for (low, high), values in zip(limits, Z.T, strict=True):
            assert low <= values.min() - 5
            assert high >= values.max() + 5

    def test_draws_rows_without_a_number_in_grey_and_counts_them(self):
        y = np.linspace(0, 1.5, 40)
        y[::4] = np.nan
        display = LatentSpaceDisplay.from_predictions(codes(40), y=y, random_state=0)
        assert "grey: 10 without a finite y" in notes(display)
        colours = display.scatter_.get_facecolors()
        grey = np.all(colours[:, :3] == 0.8, axis=1)
        assert grey.sum() == 10
        assert (colours[:, 3] == 1).all()

    @pytest.mark.parametrize("y", [[0.0, np.inf, 1.0], [0.0, 1e30, 1.0]])
    def test_does_not_take_numbers_for_classes(self, y):
        display = LatentSpaceDisplay.from_predictions(codes(3), y=y, random_state=0)
        assert display.ax_.get_legend() is None
        assert len(display.figure_.axes) == 2

    def test_names_labels_that_are_missing(self):
        y = np.array(["a", None, "b"], dtype=object)
        display = LatentSpaceDisplay.from_predictions(codes(3), y=y, random_state=0)
        texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
        assert texts == ["None", "a", "b"]

    def test_shows_many_whole_numbers_by_a_colour_bar(self):
        display = LatentSpaceDisplay.from_predictions(codes(300), y=np.arange(300))
        assert display.ax_.get_legend() is None
        assert len(display.figure_.axes) == 2

    def test_refuses_more_classes_than_colours(self):
        y = [f"word {i}" for i in range(300)]
        with pytest.raises(ValueError, match=r"at most 60 classes.*got 300"):
            LatentSpaceDisplay.from_predictions(codes(300), y=y)

    def test_with_many_classes_has_room_for_the_codes(self):
        y = [f"class number {i % 60}" for i in range(120)]
        display = LatentSpaceDisplay.from_predictions(codes(120), y=y)
        display.figure_.canvas.draw()
        assert display.ax_.get_position().width > 0.4

    def test_needs_codes_that_differ_to_find_a_plane(self):
        with pytest.raises(ValueError, match=r"all 7 codes are equal.*components="):
            LatentSpaceDisplay.from_predictions(np.ones((7, 3)))
        LatentSpaceDisplay.from_predictions(np.ones((7, 3)), components=(0, 1))


class TestImages:
    def test_say_how_many_values_are_beyond_black_and_white(self):
        X = images(4)
        X[:, 2:10] = -0.5
        display = SampleGridDisplay.from_predictions(X, value_range=(0, 1))
        assert notes(display) == "12 % of the values are beyond 0 to 1"
        display = SampleGridDisplay.from_predictions(X, value_range=(-0.5, 1))
        assert notes(display) == "values from -0.5 to 1"

    def test_say_so_of_the_range_that_keywords_set(self):
        display = SampleGridDisplay.from_predictions(
            images(4, 8.0), im_kw={"vmax": 4.0}
        )
        assert "beyond 0 to 4" in notes(display)

    def test_of_colour_say_so_too(self):
        X = np.full((2, 3, 6, 6), 0.5)
        X[0, 0] = 1.5
        display = SampleGridDisplay.from_predictions(X)
        assert notes(display) == "17 % of the values are beyond 0 to 1"
        assert notes(SampleGridDisplay.from_predictions(X / 2)) == ""

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_that_are_not_finite_are_refused(self, value):
        X = images(3)
        X[1, 5] = value
        with pytest.raises(ValueError, match=r"X_generated must be finite.* 1 of its"):
            SampleGridDisplay.from_predictions(X)

    @pytest.mark.parametrize("n", [1, 2, 400])
    def test_of_any_number_make_a_figure_of_moderate_size(self, n):
        X = images(n)
        displays = [
            SampleGridDisplay.from_predictions(X, name="a name of many words " * 3),
            ReconstructionDisplay.from_predictions(X, X),
            NearestNeighbourDisplay.from_predictions(X, images(9), X_test=X),
            InterpolationDisplay.from_predictions(X, X, np.stack([X, X], 1)),
        ]
        for display in displays:
            display.figure_.canvas.draw()
            width, height = display.figure_.get_size_inches()
            assert 1.5 < width <= 12
            assert 0.5 < height <= 13
            box = display.ax_.get_tightbbox().transformed(
                display.figure_.transFigure.inverted()
            )
            assert box.x0 > -0.01
            assert box.x1 < 1.01
            assert box.y0 > -0.01
            assert box.y1 < 1.01

    def test_are_counted_where_only_the_first_are_shown(self):
        X = images(400)
        display = NearestNeighbourDisplay.from_predictions(X, images(9))
        assert notes(display) == "values from 0 to 1 the first 24 of 400 samples"
        assert len(display.images) == 400
        labels = display.ax_.get_xticklabels()
        assert len(labels) == 24
        boxes = [label.get_window_extent() for label in labels]
        assert all(a.x1 <= b.x0 for a, b in itertools.pairwise(boxes))
        paths = InterpolationDisplay.from_predictions(X, X, np.stack([X, X], 1))
        assert notes(paths) == "values from 0 to 1 the first 24 of 400 paths"

    def test_write_large_distances_in_few_letters(self):
        X = images(3) * 1e30
        display = NearestNeighbourDisplay.from_predictions(X, images(9))
        labels = [text.get_text() for text in display.ax_.get_xticklabels()]
        assert max(map(len, labels)) <= 8
        assert [float(label) for label in labels] == pytest.approx(
            display.distances[:, 0], rel=0.01
        )

    def test_of_many_reconstructions_are_all_shown(self):
        X = images(400)
        display = ReconstructionDisplay.from_predictions(X, X)
        shown = np.sum(~np.ma.getmaskarray(display.im_.get_array()))
        assert shown == 2 * X.size


def test_precision_and_recall_say_how_many_rows_they_compare(monkeypatch):
    monkeypatch.setattr(precision_recall, "_MAX_SAMPLES", 50)
    X = codes(80, 3).astype(np.float32)
    vae = small().fit(X)
    options = {"n_clusters": 3, "n_runs": 1, "random_state": 0, "name": "mine"}
    display = PrecisionRecallDistributionDisplay.from_estimator(vae, X, **options)
    assert notes(display) == "mine: compared with 50 of 80 rows"
    PrecisionRecallDistributionDisplay.from_estimator(
        vae, X[:50], ax=display.ax_, **options
    )
    assert notes(display) == "mine: compared with 50 of 80 rows"


class TestModelComparison:
    def test_shows_intervals_and_bars_of_length_zero(self):
        display = ModelComparisonDisplay.from_scores({"A": [0.0, 0.0], "B": [1.0, 1.0]})
        ends = display.ax_.lines[-1]
        assert ends.get_marker() == "|"
        assert sorted(ends.get_xdata()) == [0, 0, 1, 1]
        edges = [bar.get_edgecolor() for bar in display.values_]
        assert all(edge[3] == 1 for edge in edges)

    def test_does_not_call_one_score_a_mean(self):
        display = ModelComparisonDisplay.from_scores({"A": [1.0], "B": [2.0]})
        assert display.ax_.get_xlabel() == "value (one score each)"
        display = ModelComparisonDisplay.from_scores({"A": [1.0, 2.0], "B": [2.0]})
        assert "one score of B" in display.ax_.get_xlabel().replace("\n", " ")

    def test_refuses_a_bootstrap_of_few_scores(self):
        scores = {"A": np.arange(30.0), "B": np.arange(5.0)}
        with pytest.raises(ValueError, match=r"at least 20 scores.*got 5 of 'B'.*std"):
            ModelComparisonDisplay.from_scores(scores, interval="bootstrap")

    def test_names_models_without_a_value(self):
        display = ModelComparisonDisplay(["A", "B"], [1.0, np.nan], [[0, 2], [0, 0]])
        assert "without a finite value: B" in notes(display.plot())

    def test_shows_the_floor_of_every_model(self):
        intervals = np.full((3, 2), np.nan)
        floors = [-3.0, -2.0, -1.0]
        display = ModelComparisonDisplay(
            list("ABC"), [-4, -5, -6], intervals, floor=floors
        ).plot()
        shown = [segment[0, 0] for segment in display.floor_.get_segments()]
        assert shown == floors
        assert "real rows" in notes(display)
        assert display.ax_.get_xlim()[1] > -1

    def test_needs_an_evaluation(self):
        with pytest.raises(ValueError, match="at least one evaluation"):
            ModelComparisonDisplay.from_evaluations({})

    def test_folds_long_names(self):
        display = ModelComparisonDisplay.from_scores({"four words of it " * 5: [1.0]})
        display.figure_.canvas.draw()
        assert display.ax_.get_position().width > 0.4
