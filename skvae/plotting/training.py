"""The course of training: losses, the scale of the noise, the learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skvae.pipeline._abilities import last_step
from skvae.plotting._axes import (
    COLOURS,
    check_matplotlib,
    frame_lightly,
    line_style,
    panels_for,
)

__all__ = ["TrainingCurveDisplay"]

_LOSSES = ("loss", "validation_loss")
_LABELS = {"kl": "KL divergence", "scale": r"scale $\sqrt{\gamma}$, units of X"}


class TrainingCurveDisplay:
    """Every loss term, the scale of the noise and the learning rate, by epoch.

    Parameters
    ----------
    history : dict of array-like of shape (n_epochs,)
        As in the attribute ``history_`` of an estimator: "loss", its terms,
        "validation_loss" if there is one, "learning_rate", and figures of the
        likelihood such as "scale", in this order.

    Attributes
    ----------
    lines_ : dict of matplotlib.lines.Line2D
        By the names of `history`.
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
    a panel, the curve comes from above.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAE
    >>> from skvae.plotting import TrainingCurveDisplay
    >>> vae = VAE(8, max_epochs=3, random_state=0).fit(load_digits().data)
    >>> display = TrainingCurveDisplay.from_estimator(vae)
    >>> sorted(display.lines_)
    ['kl', 'learning_rate', 'loss', 'reconstruction', 'scale']
    """

    def __init__(self, history: Mapping[str, Any]) -> None:
        self.history = history

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: Any = None, line_kw: dict[str, Any] | None = None
    ) -> TrainingCurveDisplay:
        """Draw the training of a fitted estimator.

        Parameters
        ----------
        estimator : BaseAutoencoder or Pipeline that ends in one
            Fitted. For the second stage of a TwoStageVAE, pass ``second_stage_``.
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Axes whose place the panels share, or one for each panel; None makes a new
            figure.
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
        return cls(last.history_).plot(ax, line_kw=line_kw)

    def plot(
        self, ax: Any = None, *, line_kw: dict[str, Any] | None = None
    ) -> TrainingCurveDisplay:
        """Draw a panel of the loss, and a small one for each term and other figure.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Axes whose place the panels share, or one for each panel; None makes a new
            figure.
        line_kw : dict, default=None
            Keywords for ``Axes.plot``.

        Returns
        -------
        display : TrainingCurveDisplay
            The object itself.
        """
        panels = _panels(self.history)
        self.axes_ = panels_for(self, ax, [2.0] + [1.0] * (len(panels) - 1))
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        self.lines_ = {}
        for panel, (label, names) in zip(self.axes_, panels.items(), strict=True):
            for name in names:
                self._draw(panel, name, line_kw)
            panel.set_title(label, loc="left", fontsize="medium")
            frame_lightly(panel)
            if names == ["learning_rate"]:
                panel.set_ylim(bottom=0)
            else:
                _fit_view(panel, [self.lines_[name].get_ydata() for name in names])
        for panel in self.axes_[1:]:
            panel.locator_params(axis="y", nbins=3)
        if "validation_loss" in self.lines_:
            self.ax_.legend(frameon=False)
        self.axes_[-1].set_xlabel("epoch")
        return self

    def _draw(self, ax: Any, name: str, line_kw: Any) -> None:
        values = np.asarray(self.history[name], dtype=float)
        # A figure that is younger than the others ends with them.
        last = max(map(len, self.history.values()))
        epochs = np.arange(last - len(values), last) + 1
        validation = name == "validation_loss"
        style = {"color": COLOURS[1 if validation else 0]}
        style["label"] = "held-out rows" if validation else "training rows"
        (self.lines_[name],) = ax.plot(epochs, values, **line_style(style, line_kw))


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


def _fit_view(ax: Any, curves: list[Any]) -> None:
    """Let the fall of the first epochs leave the view if it would fill half of it."""
    late = np.concatenate([c[min(len(c) // 10 + 1, len(c) - 1) :] for c in curves])
    low, highest = min(c.min() for c in curves), max(c.max() for c in curves)
    high = late.max() if highest - low > 2 * (late.max() - low) else highest
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    ax.set_ylim(low - margin, high + margin)
