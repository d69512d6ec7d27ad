"""Displays on the Axes of others: all lines are seen, and none is taken for another."""

import numpy as np
import pytest
from conftest import small
from sklearn.datasets import load_digits

import skvae
from skvae.plotting import (
    LatentSpaceDisplay,
    LatentSpectrumDisplay,
    ModelComparisonDisplay,
    PerplexityDisplay,
    PrecisionRecallDistributionDisplay,
    SampleGridDisplay,
    TrainingCurveDisplay,
)
from skvae.plotting._axes import COLOURS, next_colour

plt = pytest.importorskip("matplotlib.pyplot")


pytestmark = pytest.mark.usefixtures("figures_without_warnings")


@pytest.fixture(scope="module")
def digits():
    return load_digits().data[:200].astype(np.float32)


@pytest.fixture(scope="module")
def models(digits):
    return [
        small(early_stopping=True, max_epochs=4, learning_rate=rate).fit(digits)
        for rate in (1e-2, 1e-4)
    ]


def history(*losses, **others):
    return {"loss": np.array(losses, dtype=float), **others}


def assert_seen(ax, lines=None):
    """Assert that all finite values of lines are inside the limits of their Axes."""
    ax.figure.canvas.draw()
    for line in ax.lines if lines is None else lines:
        for values, (low, high) in zip(
            line.get_data(), (ax.get_xlim(), ax.get_ylim()), strict=True
        ):
            values = np.asarray(values, dtype=float)
            values = values[np.isfinite(values)]
            assert values.min() >= low - 1e-9
            assert values.max() <= high + 1e-9


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize("factors", [(1, 3), (3, 1), (1, 30, 0.1)])
def test_spectra_are_all_seen(factors):
    Z = np.random.default_rng(0).normal(size=(500, 8))
    ax = None
    for factor in factors:
        display = LatentSpectrumDisplay.from_predictions(factor * Z, name="Z", ax=ax)
        ax = display.ax_
    assert_seen(ax)
    assert ax.get_ylim()[0] == 0
    ax.plot([1, 2], [200, 100])  # a line of the user's own
    assert_seen(ax)


def test_spectra_of_unlike_numbers_of_rows_have_bands_of_their_own():
    Z = np.random.default_rng(0).normal(size=(500, 8))
    ax = LatentSpectrumDisplay.from_predictions(Z, name="many").ax_
    LatentSpectrumDisplay.from_predictions(Z[::-1], name="as many", ax=ax)
    LatentSpectrumDisplay.from_predictions(Z[:50], name="few", ax=ax)
    assert [label for label in legend_of(ax) if label.startswith("draws")] == [
        "draws from N(0, I)",
        "draws from N(0, I), as many as\nof few",
    ]


def test_a_limit_of_the_users_own_stays():
    Z = np.random.default_rng(0).normal(size=(50, 2))
    ax = plt.subplots()[1]
    ax.set_ylim(0.5, 7)
    LatentSpectrumDisplay.from_predictions(Z, ax=ax)
    assert ax.get_ylim() == (0.5, 7)


class TestTrainingCurves:
    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    @pytest.mark.parametrize("share", ["ax_", "axes_"])
    def test_of_two_models_are_all_seen(self, models, order, share):
        first = TrainingCurveDisplay.from_estimator(models[order[0]], name="one")
        second = TrainingCurveDisplay.from_estimator(
            models[order[1]], name="two", ax=getattr(first, share)
        )
        assert second.axes_.tolist() == first.axes_.tolist()
        assert second.figure_ is first.figure_
        assert len(first.figure_.axes) == len(first.axes_)
        for panel in first.axes_:
            low, high = panel.get_ylim()
            for line in panel.lines:
                late = line.get_ydata()[1:]
                assert low <= late.min()
                assert late.max() <= high
        labels = [label.replace("\n", " ") for label in legend_of(first.ax_)]
        assert [label.partition(", least in")[0] for label in labels] == [
            f"{name}, {rows} rows"
            for name in ("one", "two")
            for rows in ("training", "held-out")
        ]
        colours = [line.get_color() for line in first.ax_.lines]
        assert len(set(colours)) == 4
        for panel in first.axes_[1:]:  # one model, one colour
            assert [line.get_color() for line in panel.lines] == colours[::2]
        heights = {panel.get_position().height for panel in first.axes_[1:]}
        assert max(heights) == pytest.approx(min(heights))
        assert min(heights) > 0.05

    def test_without_names_have_labels_of_their_own(self, models):
        first = TrainingCurveDisplay.from_estimator(models[0])
        TrainingCurveDisplay.from_estimator(models[1], ax=first.ax_)
        labels = legend_of(first.ax_)
        assert len(labels) == len(set(labels)) == 4

    def test_of_other_terms_are_refused(self, digits, models):
        display = TrainingCurveDisplay.from_estimator(models[0])
        wae = small(skvae.WAE).fit(digits)
        for ax in (display.ax_, display.axes_):
            with pytest.raises(ValueError, match=r"shows .*KL div.* is of .*diverg"):
                TrainingCurveDisplay.from_estimator(wae, ax=ax)

    def test_do_not_replace_what_is_drawn(self, models):
        ax = plt.subplots()[1]
        ax.plot([1, 2])
        with pytest.raises(ValueError, match=r"must be empty.*5 of them"):
            TrainingCurveDisplay.from_estimator(models[0], ax=ax)
        assert ax in ax.figure.axes

    def test_say_from_where_they_come(self):
        ax = TrainingCurveDisplay(history(1e6, *np.linspace(20, 10, 19))).plot().ax_
        assert [text.get_text() for text in ax.texts] == ["↑ from 1e+06, cut off"]
        low, high = ax.get_ylim()
        TrainingCurveDisplay(history(2e6, *np.linspace(90, 5, 19))).plot(ax)
        assert [text.get_text() for text in ax.texts] == ["↑ from 2e+06, cut off"]
        assert ax.get_ylim()[0] < low
        assert high < ax.get_ylim()[1] < 100
        slow = TrainingCurveDisplay(history(*np.linspace(20, 10, 20))).plot()
        assert not slow.ax_.texts
        assert_seen(slow.ax_)

    def test_of_one_epoch_are_dots(self):
        display = TrainingCurveDisplay(history(3.0)).plot()
        display.figure_.canvas.draw()
        line = display.lines_["loss"]
        assert line.get_marker() == "o"
        assert line.get_markevery() == [0]
        ticks = [t for t in display.ax_.get_xticks() if 0.5 <= t <= 1.5]
        assert display.ax_.get_xlim() == (0.5, 1.5)
        assert 1.0 in ticks

    def test_have_gaps_where_values_are_not_finite(self):
        losses = [3.0, np.nan, 2.0, np.inf, 1.0, 0.5]
        display = TrainingCurveDisplay(history(*losses, kl=np.full(6, np.nan))).plot()
        display.figure_.canvas.draw()
        assert display.lines_["loss"].get_markevery() == [0, 2]
        low, high = display.ax_.get_ylim()
        assert low < 0.5
        assert 3 < high < 4
        (note,) = display.axes_[-1].texts
        assert "without a finite value: loss 2, KL divergence 6" in note.get_text()

    @pytest.mark.parametrize("value", [0.0, 5.0, -1e9])
    def test_of_constants_stand_in_the_middle(self, value):
        ax = TrainingCurveDisplay(history(value, value, value)).plot().ax_
        assert np.mean(ax.get_ylim()) == pytest.approx(value)

    def test_stand_in_a_subplot(self, models):
        figure, axes = plt.subplots(2, 2, layout="constrained")
        for ax in axes.flat:
            TrainingCurveDisplay.from_estimator(models[0], ax=ax)
        figure.canvas.draw()
        boxes = [ax.get_position() for ax in figure.axes]
        assert min(box.height for box in boxes) > 0.02
        assert min(box.width for box in boxes) > 0.3

    def test_of_many_panels_need_room(self, models):
        axes = plt.subplots(4, 1)[1]
        with pytest.raises(ValueError, match=r"at least 1.3 inches.* is 0\.8.*taller"):
            TrainingCurveDisplay.from_estimator(models[0], ax=axes[0])


class TestPerplexity:
    def test_shares_stand_at_their_training_rows(self):
        first = PerplexityDisplay.from_predictions([1.0, 2.0], 5, name="few")
        second = PerplexityDisplay.from_predictions(
            [900.0] * 3, 1000, name="many", ax=first.ax_
        )
        assert "of 5)" in legend_of(first.ax_)[0]
        assert "of 1,000)" in legend_of(first.ax_)[1]
        assert first.ax_.get_xlim()[1] >= 1000
        assert first.ax_.get_ylim()[0] == 0
        assert first.ax_.get_ylim()[1] >= 100
        assert second.ax_ is first.ax_

    @pytest.mark.parametrize("value", [0.5, 7.0, np.nan])
    def test_outside_their_range_are_refused(self, value):
        display = PerplexityDisplay([1.0, value], 5)
        with pytest.raises(ValueError, match=r"perplexity must be (from 1|finite)"):
            display.plot()

    def test_rounding_is_no_fault(self):
        display = PerplexityDisplay.from_predictions([1 - 1e-9, 5 + 1e-9], 5)
        heights = [polygon.get_xy()[:, 1].max() for polygon in display.patches_]
        assert max(heights) == 50


class TestLatentSpace:
    def test_two_sets_of_codes_have_two_colours_and_one_legend(self):
        Z = np.random.default_rng(0).normal(size=(50, 2))
        first = LatentSpaceDisplay.from_predictions(Z, name="one")
        second = LatentSpaceDisplay.from_predictions(Z + 9, name="two", ax=first.ax_)
        assert legend_of(first.ax_) == ["one", "two"]
        colours = [d.scatter_.get_facecolor()[0].tolist() for d in (first, second)]
        assert colours[0] != colours[1]
        first.figure_.canvas.draw()
        low, high = first.ax_.get_xlim()
        assert low < Z.min()
        assert high > 9 + Z[:, 0].max()

    def test_classes_of_two_sets_are_listed_once(self):
        Z = np.random.default_rng(0).normal(size=(6, 2))
        first = LatentSpaceDisplay.from_predictions(Z, y=[0, 1, 2] * 2)
        LatentSpaceDisplay.from_predictions(Z, y=[0, 1, 2] * 2, ax=first.ax_)
        assert legend_of(first.ax_) == ["0", "1", "2"]
        LatentSpaceDisplay.from_predictions(Z, y=["a", "b", "c"] * 2, ax=first.ax_)
        assert legend_of(first.ax_) == ["0", "1", "2", "a", "b", "c"]

    def test_axes_may_be_shared_by_both(self):
        Z = np.random.default_rng(0).normal(size=(50, 2))
        figure, axes = plt.subplots(1, 2, sharex=True, sharey=True)
        for ax, codes in zip(axes, (Z, 10 * Z), strict=True):
            LatentSpaceDisplay.from_predictions(codes, ax=ax)
        figure.canvas.draw()
        assert axes[0].get_xlim()[1] >= 10 * Z[:, 0].max()


class TestModelComparison:
    def test_models_go_below_those_of_another(self):
        first = ModelComparisonDisplay.from_scores({"A": [1.0, 2.0], "B": [3.0, 5.0]})
        second = ModelComparisonDisplay.from_scores({"C": [90.0, 99.0]}, ax=first.ax_)
        labels = [text.get_text() for text in first.ax_.get_yticklabels()]
        assert labels == ["A", "B", "C"]
        middles = [
            bar.get_y() + bar.get_height() / 2
            for display in (first, second)
            for bar in display.values_
        ]
        assert middles == pytest.approx([0, 1, 2])
        assert first.ax_.get_ylim() == (2.5, -0.5)
        assert first.ax_.get_xlim()[1] > 99

    def test_another_figure_is_refused(self):
        display = ModelComparisonDisplay.from_scores({"A": [1.0]}, figure="recall")
        with pytest.raises(ValueError, match=r"shows 'recall .* no axis for 'nats"):
            ModelComparisonDisplay.from_scores(
                {"A": [1.0]}, figure="nats", ax=display.ax_
            )


def test_equal_names_are_numbered():
    Z = np.random.default_rng(0).normal(size=(50, 2))
    ax = None
    for _ in range(3):
        ax = LatentSpectrumDisplay.from_predictions(Z, name="VAE", ax=ax).ax_
    lines = [label for label in legend_of(ax) if label.startswith("VAE")]
    assert lines == ["VAE", "VAE (2)", "VAE (3)"]


def test_more_lines_than_colours_have_colours_of_their_own():
    ax = plt.subplots()[1]
    for i in range(40):
        ax.plot([i, i + 1], color=next_colour(ax))
    colours = [line.get_color() for line in ax.lines]
    assert colours[: len(COLOURS)] == list(COLOURS)
    assert len(set(colours)) == 40


@pytest.mark.parametrize("shape", [(2, 2), (2, 3)])
def test_every_display_stands_in_a_grid_of_subplots(shape, models, digits):
    figure, axes = plt.subplots(*shape, layout="constrained")
    axes = axes.ravel()
    SampleGridDisplay.from_estimator(models[0], n_samples=9, ax=axes[0])
    PrecisionRecallDistributionDisplay.from_estimator(
        models[0], digits, n_clusters=5, n_runs=1, ax=axes[1]
    )
    LatentSpaceDisplay.from_estimator(models[0], digits, range(200), ax=axes[2])
    ModelComparisonDisplay.from_scores({"a long name " * 5: [1.0]}, ax=axes[3])
    figure.canvas.draw()
    assert min(ax.get_position().width for ax in axes) > 0.05
    assert min(ax.get_position().height for ax in axes) > 0.05
