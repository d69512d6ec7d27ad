"""The course of training: losses, the scale of the noise, the learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skvae._abilities import last_step
from skvae.plotting._axes import (
    COLOURS,
    check_matplotlib,
    frame_lightly,
    line_style,
    panels_for,
)

__all__ = ["TrainingCurveDisplay"]

_LABELS = {
    "loss": "training loss",
    "validation_loss": "validation loss",
    "scale": "scale $\\sqrt{\\gamma}$\n(units of X)",
    "learning_rate": "learning rate",
    "kl": "KL divergence",
}
_STYLES = {
    "loss": {"color": "0.2", "linewidth": 2},
    "validation_loss": {"color": "0.2", "linestyle": "--"},
}


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
        The panels, from top to bottom: losses, in nats per row; then one for each
        other figure.
    ax_ : matplotlib.axes.Axes
        The panel of the losses.
    figure_ : matplotlib.figure.Figure

    Notes
    -----
    The scale is a standard deviation, the root of the variance that Dai & Wipf call
    gamma. A view from the top of the first epoch would make the rest a flat line, so
    the axis of the losses is fitted to the epochs after the first tenth.

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
        """Draw one panel of losses, and a small one for each other figure.

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
        losses, figures = _split(self.history)
        self.axes_ = panels_for(self, ax, [3.0] + [1.0] * len(figures))
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        self.lines_ = {}
        colours = iter(COLOURS * len(losses))
        for name in losses:
            style = _STYLES.get(name) or {"color": next(colours)}
            self._draw(self.ax_, name, style, line_kw)
        for panel, name in zip(self.axes_[1:], figures, strict=True):
            self._draw(panel, name, {"color": "0.2"}, line_kw)
            panel.set_ylabel(_LABELS.get(name, name.replace("_", " ")))
            if name == "learning_rate":
                panel.set_ylim(bottom=0)
        _fit_view(self.ax_, self.lines_, losses)
        self.ax_.set_ylabel("nats per row")
        self.ax_.legend(frameon=False)
        self.axes_[-1].set_xlabel("epoch")
        return self

    def _draw(self, ax: Any, name: str, style: dict[str, Any], line_kw: Any) -> None:
        values = np.asarray(self.history[name], dtype=float)
        # A figure that is younger than the others ends with them.
        last = max(map(len, self.history.values()))
        epochs = np.arange(last - len(values), last) + 1
        style = {"label": _LABELS.get(name, name.replace("_", " ")), **style}
        (self.lines_[name],) = ax.plot(epochs, values, **line_style(style, line_kw))
        frame_lightly(ax)


def _split(history: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the names of losses, in nats, and of other figures."""
    names = list(history)
    if "loss" not in names:
        raise ValueError(
            f"history must have a 'loss', got {names}. Pass the attribute history_ of "
            "a fitted estimator."
        )
    rate = names.index("learning_rate") if "learning_rate" in names else len(names)
    losses = [n for n in names[:rate] if n != "scale"]
    losses += [n for n in names[rate:] if n == "validation_loss"]
    return losses, sorted(set(names) - set(losses), key=names.index, reverse=True)


def _fit_view(ax: Any, lines: Mapping[str, Any], names: list[str]) -> None:
    """Let the steep fall of the first epochs leave the picture."""
    curves = [lines[name].get_ydata() for name in names]
    late = np.concatenate([c[min(len(c) // 10 + 1, len(c) - 1) :] for c in curves])
    low, high = late.min(), late.max()
    margin = 0.05 * (high - low) or 1.0
    ax.set_ylim(low - margin, high + margin)
