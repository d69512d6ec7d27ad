"""Displays of training curves."""

from types import MappingProxyType

import numpy as np
import pytest
from conftest import small

import skvae
from skvae.plotting import TrainingCurveDisplay

pytestmark = pytest.mark.usefixtures("closed_figures")
plt = pytest.importorskip("matplotlib.pyplot")


class TestTrainingCurves:
    def test_are_the_history(self, flat_vae):
        display = TrainingCurveDisplay.from_estimator(flat_vae)
        assert display.lines_.keys() == flat_vae.history_.keys()
        for name, line in display.lines_.items():
            np.testing.assert_array_equal(line.get_ydata(), flat_vae.history_[name])
            np.testing.assert_array_equal(
                line.get_xdata(), np.arange(1, flat_vae.n_epochs_ + 1)
            )

    def test_of_losses_share_a_panel_and_all_others_have_their_own(self, flat_vae):
        display = TrainingCurveDisplay.from_estimator(flat_vae)
        names = {}
        for name, line in display.lines_.items():
            names.setdefault(display.axes_.tolist().index(line.axes), set()).add(name)
        assert names == {
            0: {"loss", "validation_loss"},
            1: {"reconstruction"},
            2: {"kl"},
            3: {"scale"},
            4: {"learning_rate"},
        }
        titles = [panel.get_title(loc="left") for panel in display.axes_]
        assert titles[:3] == [
            "loss, nats per row",
            "reconstruction, nats per row",
            "KL divergence, nats per row",
        ]

    def test_that_began_later_end_with_the_others(self):
        history = {"loss": np.arange(5.0), "validation_loss": np.arange(2.0)}
        display = TrainingCurveDisplay(history).plot()
        assert display.lines_["validation_loss"].get_xdata().tolist() == [4, 5]

    def test_are_seen_after_the_first_tenth(self):
        history = {"loss": [1e6, *np.linspace(20, 10, 19)]}
        display = TrainingCurveDisplay(history).plot()
        low, high = display.ax_.get_ylim()
        assert low < 10
        assert 15 < high < 30
        slow = {"loss": np.linspace(20, 10, 20), "kl": np.linspace(0, 9, 20)}
        for panel in TrainingCurveDisplay(slow).plot().axes_:
            low, high = panel.get_ylim()
            values = panel.lines[0].get_ydata()
            assert low < min(values) < max(values) < high

    def test_of_one_epoch_are_drawn(self):
        TrainingCurveDisplay({"loss": [3.0]}).plot().figure_.canvas.draw()

    def test_fill_the_panels_they_are_given(self, flat_vae):
        _, axes = plt.subplots(5)
        display = TrainingCurveDisplay.from_estimator(flat_vae, ax=axes)
        assert display.axes_.tolist() == axes.tolist()
        with pytest.raises(ValueError, match="as many as there are panels, 5, got 2"):
            TrainingCurveDisplay.from_estimator(flat_vae, ax=axes[:2])

    def test_cannot_divide_axes_outside_a_grid(self, flat_vae):
        figure = plt.figure()
        ax = figure.add_axes((0, 0, 1, 1))
        with pytest.raises(ValueError, match=r"must stand in a grid.*5 Axes"):
            TrainingCurveDisplay.from_estimator(flat_vae, ax=ax)

    def test_of_an_adversary_are_losses(self, digits):
        wae = small(skvae.WAE, divergence="gan", max_epochs=2).fit(digits[0])
        display = TrainingCurveDisplay.from_estimator(wae)
        titles = [panel.get_title(loc="left") for panel in display.axes_]
        assert [t for t in titles if "nats per row" in t] == [
            f"{name}, nats per row"
            for name in ("loss", "reconstruction", "divergence", "discriminator")
        ]

    def test_need_a_loss(self):
        with pytest.raises(ValueError, match=r"must have a 'loss', got \['kl'\]"):
            TrainingCurveDisplay({"kl": [1.0]}).plot()


class TestTheBestEpoch:
    HISTORY = MappingProxyType(
        {"loss": [9.0, 5, 4, 3, 2], "validation_loss": [9, 6, 5, 5, 7]}
    )

    def test_is_marked_and_named(self):
        display = TrainingCurveDisplay(self.HISTORY).plot()
        line = display.lines_["validation_loss"]
        assert display.best_epoch_ == 3
        assert line.get_markevery() == [2]
        assert line.get_marker() == "o"
        assert line.get_label() == "held-out rows, least in epoch 3"
        assert display.lines_["loss"].get_marker() in ("None", None, "")

    def test_is_that_whose_weights_are_kept(self, digits):
        options = {"early_stopping": True, "max_epochs": 12, "learning_rate": 0.05}
        model = small(n_components=3, kl_warmup=0, **options).fit(digits[0][:120])
        best = TrainingCurveDisplay.from_estimator(model).best_epoch_
        assert best == 1 + np.argmin(model.history_["validation_loss"])

    def test_of_values_that_are_not_finite(self):
        history = {**self.HISTORY, "validation_loss": [np.nan, np.inf, 8, np.nan, 9]}
        display = TrainingCurveDisplay(history, name="A").plot()
        assert display.best_epoch_ == 3
        assert display.lines_["validation_loss"].get_markevery() == [2, 4]
        history = {**self.HISTORY, "validation_loss": [np.nan] * 5}
        assert TrainingCurveDisplay(history).plot().best_epoch_ is None
        plain = TrainingCurveDisplay({"loss": [2.0, 1.0]}).plot()
        assert plain.best_epoch_ is None
