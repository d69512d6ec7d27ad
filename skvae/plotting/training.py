"""The course of training: losses, the scale of the noise, the learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skvae.pipeline._abilities import last_step
from skvae.plotting._axes import (
    add_legend,
    check_matplotlib,
    frame_lightly,
    is_small,
    legend_label,
    line_style,
    next_colour,
    note_below,
    start_at_zero,
)
from skvae.plotting._panels import panels_for

__all__ = ["TrainingCurveDisplay"]

_LOSSES = ("loss", "validation_loss")
_CUT = "_cut off"
# Inches of height below which a panel has small letters.
_CRAMPED = 0.45
_LABELS = {"kl": "KL divergence", "scale": r"scale $\sqrt{\gamma}$, units of X"}


class TrainingCurveDisplay:
    """Every loss term, the scale of the noise and the learning rate, by epoch.

    Parameters
    ----------
    history : dict of array-like of shape (n_epochs,)
        As in the attribute ``history_`` of an estimator: "loss", its terms,
        "validation_loss" if there is one, "learning_rate", and figures of the
        likelihood such as "scale", in this order.
    name : str, default=None
        Of the model, for the legend.

    Attributes
    ----------
    lines_ : dict of matplotlib.lines.Line2D
        By the names of `history`.
    best_epoch_ : int or None
        The epoch of least validation loss, which is marked: `early_stopping` keeps its
        weights.
    axes_ : ndarray of matplotlib.axes.Axes
        The panels, from top to bottom: training and validation loss; each term of the
        loss; each other figure.
    ax_ : matplotlib.axes.Axes
        The first panel.
    figure_ : matplotlib.figure.Figure

    Notes
    -----
    The scale is a standard deviation, the root of the variance that Dai & Wipf call
    gamma. Where the fall of the first tenth of all epochs would take more than half of
    a panel, the curves come from above, and the panel says from which value. Epochs
    whose values are not finite leave gaps, which are counted below.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAE
    >>> from skvae.plotting import TrainingCurveDisplay
    >>> vae = VAE(8, max_epochs=3, random_state=0).fit(load_digits().data)
    >>> display = TrainingCurveDisplay.from_estimator(vae)
    >>> sorted(display.lines_)
    ['kl', 'learning_rate', 'loss', 'reconstruction', 'scale', 'validation_loss']
    """

    def __init__(self, history: Mapping[str, Any], *, name: str | None = None) -> None:
        self.history = history
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        name: str | None = None,
        ax: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> TrainingCurveDisplay:
        """Draw the training of a fitted estimator.

        Parameters
        ----------
        estimator : BaseAutoencoder or Pipeline that ends in one
            Fitted. For the second stage of a TwoStageVAE, pass ``second_stage_``.
        name : str, default=None
            Of the model, for the legend.
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Axes whose place the panels share, or one for each panel; ``ax_`` or
            ``axes_`` of another display, to compare two models with the same terms;
            None makes a new figure.
        line_kw : dict, default=None
            Keywords for ``Axes.plot``.

        Returns
        -------
        display : TrainingCurveDisplay

        Raises
        ------
        TypeError
            If the estimator has no ``history_``.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        last = last_step(estimator)
        check_is_fitted(last)
        if not hasattr(last, "history_"):
            raise TypeError(
                f"{cls.__name__} needs an estimator that has `history_`, but "
                f"{type(last).__name__} has none. Pass an autoencoder, such as VAE."
            )
        return cls(last.history_, name=name).plot(ax, line_kw=line_kw)

    def plot(
        self, ax: Any = None, *, line_kw: dict[str, Any] | None = None
    ) -> TrainingCurveDisplay:
        """Draw a panel of the loss, and a small one for each term and other figure.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Axes whose place the panels share, or one for each panel; ``ax_`` or
            ``axes_`` of another display, to compare two models with the same terms;
            None makes a new figure.
        line_kw : dict, default=None
            Keywords for ``Axes.plot``.

        Returns
        -------
        display : TrainingCurveDisplay
            The object itself.
        """
        panels = _panels(self.history)
        heights = dict(zip(panels, [2.0] + [1.0] * (len(panels) - 1), strict=True))
        self.axes_ = panels_for(self, ax, heights)
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        self.lines_, self.best_epoch_ = {}, None
        colour = next_colour(self.ax_)
        for panel, (title, names) in zip(self.axes_, panels.items(), strict=True):
            for name in names:
                held_out = name == "validation_loss"
                own = next_colour(panel) if held_out else colour
                self._draw(panel, name, own, line_kw)
            self._write(panel, title)
            if names == ["learning_rate"]:
                start_at_zero(panel)
            else:
                _fit_view(panel)
        if len(self.ax_.get_legend_handles_labels()[1]) > 1 or self.name is not None:
            add_legend(self.ax_)
        self.axes_[-1].set_xlabel("epoch")
        self.axes_[-1].xaxis.get_major_locator().set_params(integer=True)
        if max(map(len, self.history.values())) == 1:
            self.axes_[-1].set_xlim(0.5, 1.5, auto=True)
        note_below(self.axes_[-1], self._note())
        return self

    def _draw(self, ax: Any, name: str, colour: str, line_kw: Any) -> None:
        values = np.asarray(self.history[name], dtype=float)
        # A figure that is younger than the others ends with them.
        last = max(map(len, self.history.values()))
        epochs = np.arange(last - len(values), last) + 1
        # A line shows no value that stands alone; a marker does.
        rows, marked = "training rows", _alone(values)
        if name == "validation_loss":
            rows = "held-out rows"
            if np.isfinite(values).any():
                best = int(np.argmin(np.where(np.isfinite(values), values, np.inf)))
                self.best_epoch_ = int(epochs[best])
                rows, marked = f"{rows}, least in epoch {epochs[best]}", [*marked, best]
        label = rows if self.name is None else f"{self.name}, {rows}"
        style = {"color": colour, "label": legend_label(ax, label)}
        if marked:
            style |= {"marker": "o", "markersize": 4, "markevery": sorted(set(marked))}
        (self.lines_[name],) = ax.plot(epochs, values, **line_style(style, line_kw))

    def _write(self, panel: Any, title: str) -> None:
        size = panel.get_window_extent().height / panel.figure.dpi
        cramped = is_small(panel) or size < _CRAMPED
        style = {"fontsize": "x-small", "pad": 2} if cramped else {"fontsize": "medium"}
        panel.set_title(title, loc="left", **style)
        frame_lightly(panel)
        if cramped:
            panel.tick_params(labelsize="x-small")
        if panel is not self.ax_:
            panel.locator_params(axis="y", nbins=2 if cramped else 3)

    def _note(self) -> str:
        """Say which values are not finite."""
        counts = {k: int(np.sum(~np.isfinite(v))) for k, v in self.history.items()}
        gaps = ", ".join(f"{_spoken(k)} {n}" for k, n in counts.items() if n)
        whose = f" of {self.name}" if self.name else ""
        return f"epochs{whose} without a finite value: {gaps}" if gaps else ""


def _panels(history: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what the panels show, by their labels, from top to bottom."""
    names = list(history)
    if "loss" not in names:
        raise ValueError(
            f"history must have a 'loss', got {names}. Pass the attribute history_ of "
            "a fitted estimator."
        )
    losses = [name for name in _LOSSES if name in names]
    panels = {"loss, nats per row": losses}
    rate = names.index("learning_rate") if "learning_rate" in names else len(names)
    for name in (n for n in names[:rate] if n not in (*losses, "scale")):
        panels[f"{_spoken(name)}, nats per row"] = [name]
    shown = {name for drawn in panels.values() for name in drawn}
    for name in sorted(set(names) - shown, reverse=True):
        panels[_spoken(name)] = [name]
    return panels


def _spoken(name: str) -> str:
    return _LABELS.get(name, name.replace("_", " "))


def _alone(values: Any) -> list[int]:
    """Return the places of finite values without a finite neighbour."""
    finite = np.concatenate([[False], np.isfinite(values), [False]])
    alone = finite[1:-1] & ~finite[:-2] & ~finite[2:]
    return np.flatnonzero(alone).tolist()


def _fit_view(ax: Any) -> None:
    """Show all lines, but let the fall of the first epochs leave the view.

    It leaves if it would fill half of it; the panel then says from where it comes.
    """
    lines = [line for line in ax.lines if line.get_transform() == ax.transData]
    curves = [np.asarray(line.get_ydata(), dtype=float) for line in lines]
    curves = [c[np.isfinite(c)] for c in curves if np.isfinite(c).any()]
    if not curves or not ax.get_autoscaley_on():  # a user's own limits stay
        return
    late = np.concatenate([c[min(len(c) // 10 + 1, len(c) - 1) :] for c in curves])
    low, highest = min(c.min() for c in curves), max(c.max() for c in curves)
    is_cut = highest - low > 2 * (late.max() - low)
    high = late.max() if is_cut else highest
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    ax.set_ylim(low - margin, high + margin, auto=True)
    for text in [text for text in ax.texts if text.get_label() == _CUT]:
        text.remove()
    if is_cut:
        place = {"xy": (1, 1), "xycoords": "axes fraction", "ha": "right", "va": "top"}
        style = {"color": "0.35", "label": _CUT}
        style["fontsize"] = "xx-small" if is_small(ax) else "small"
        ax.annotate(f"↑ from {highest:.3g}, cut off", **place, **style)
