"""Columns of a table: real against sampled margins, and pairs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from skvae._utils.columns import (
    Column,
    codes_of,
    is_frame,
    levels_of,
    read_columns,
)
from skvae._utils.validation import check_boolean
from skvae.metrics._columns import as_reference
from skvae.plotting._axes import (
    axes_for,
    check_matplotlib,
    frame_lightly,
    legend_beside,
    note_below,
    note_of_first,
)
from skvae.plotting._models import draw_samples, name_of
from skvae.plotting._panels import check_divisible

__all__ = ["ColumnsDisplay"]

_MOST_COLUMNS = 4
_MOST_POINTS = 500
_MOST_LEVELS = 8
_N_BINS = 30
_REAL, _GENERATED = "0.55", "#c4002b"


class ColumnsDisplay:
    """Columns of a table: margins and pairs of real and of generated rows.

    Parameters
    ----------
    X_real : data frame or array-like of shape (n, n_columns)
    X_generated : data frame or array-like of shape (m, n_columns)
        An array stands for a frame with the columns of `X_real` in their order.
    columns : sequence, default=None
        Columns to draw, by name, or by number for arrays; None is the first four.
    pairs : bool, default=True
        Draw pairs of columns below the margins, in a triangle.
    name : str, default="samples"
        Of the generated rows, for the legend.

    Attributes
    ----------
    axes_ : ndarray of shape (n_drawn, n_drawn) or (1, n_drawn)
        Margins on the diagonal, pairs below it, None above; without pairs one row of
        margins.
    ax_ : matplotlib.axes.Axes
        The first of them.
    figure_ : matplotlib.figure.Figure

    See Also
    --------
    skvae.metrics.column_shapes : How alike the margins are, as numbers.
    skvae.metrics.column_pair_trends : How alike the pairs are.

    Notes
    -----
    Margins are shares of the rows that have a value, numbers in 30 bins over the range
    of both sets; shares of gaps are written above. Of categories, the eight most
    frequent real ones are drawn, and all others together. Pairs are the first 500 rows
    of each set with both values; points of a category are spread around it.

    Examples
    --------
    >>> import pandas as pd
    >>> from skvae.plotting import ColumnsDisplay
    >>> real = pd.DataFrame({"age": [30.0, 50.0, None], "sex": ["f", "m", "f"]})
    >>> display = ColumnsDisplay.from_predictions(real, real[::-1])
    >>> display.axes_.shape
    (2, 2)
    """

    def __init__(
        self,
        X_real: Any,
        X_generated: Any,
        *,
        columns: Sequence[Hashable] | None = None,
        pairs: bool = True,
        name: str = "samples",
    ) -> None:
        self.X_real = X_real
        self.X_generated = X_generated
        self.columns = columns
        self.pairs = pairs
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        columns: Sequence[Hashable] | None = None,
        pairs: bool = True,
        n_samples: int | None = None,
        random_state: Any = None,
        name: str | None = None,
        ax: Any = None,
    ) -> ColumnsDisplay:
        """Sample a fitted model, with its noise, and draw its columns beside real ones.

        Parameters
        ----------
        estimator : estimator or Pipeline
            Fitted, with ``sample``.
        X : data frame or array-like of shape (n_samples, n_columns)
            Real rows, such as held-out ones.
        columns : sequence, default=None
            As in the constructor.
        pairs : bool, default=True
            As in the constructor.
        n_samples : int, default=None
            Number of samples; None is as many as X has rows.
        random_state : int, RandomState instance or None, default=None
        name : str, default=None
            For the legend; None is the name of the estimator's class.
        ax : matplotlib.axes.Axes, default=None
            As in `plot`.

        Returns
        -------
        display : ColumnsDisplay

        Raises
        ------
        TypeError
            If the estimator cannot sample.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        n = len(X) if n_samples is None else n_samples
        samples = draw_samples(cls.__name__, estimator, n, False, random_state, X)
        name = name_of(estimator) if name is None else name
        options = {"columns": columns, "pairs": pairs, "name": name, "ax": ax}
        return cls.from_predictions(X, samples, **options)

    @classmethod
    def from_predictions(
        cls,
        X_real: Any,
        X_generated: Any,
        *,
        columns: Sequence[Hashable] | None = None,
        pairs: bool = True,
        name: str = "samples",
        ax: Any = None,
    ) -> ColumnsDisplay:
        """Draw the columns of two sets of rows.

        Parameters
        ----------
        X_real, X_generated, columns, pairs, name
            As in the constructor.
        ax : matplotlib.axes.Axes, default=None
            As in `plot`.

        Returns
        -------
        display : ColumnsDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_predictions")
        options = {"columns": columns, "pairs": pairs, "name": name}
        return cls(X_real, X_generated, **options).plot(ax)

    def plot(self, ax: Any = None) -> ColumnsDisplay:
        """Draw margins on the diagonal and pairs below it.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes whose place the panels take; None makes a new figure.

        Returns
        -------
        display : ColumnsDisplay
            The object itself.

        Raises
        ------
        ValueError
            If there is no such column, or `ax` is not empty or in no grid.
        """
        check_boolean(type(self).__name__, "pairs", self.pairs)
        real, generated, note = self._chosen()
        n = len(real)
        n_rows = n if self.pairs else 1
        ax = axes_for(self, ax, (2.0 + 2.0 * n, 1.2 + 1.8 * n_rows))
        check_divisible(self, ax, n_rows * n)
        self.figure_, place = ax.figure, ax.get_subplotspec()
        ax.remove()
        grid = place.subgridspec(n_rows, n)
        self.axes_ = np.full((n_rows, n), None, dtype=object)
        for i in range(n_rows):
            for j in range(i + 1 if self.pairs else n):
                self.axes_[i, j] = panel = self.figure_.add_subplot(grid[i, j])
                if i == j or not self.pairs:
                    _draw_margin(panel, real[j], generated[j])
                else:
                    _draw_pair(panel, (real[j], real[i]), (generated[j], generated[i]))
                frame_lightly(panel)
        self.ax_ = self.axes_[0, 0]
        self._draw_legend(grid, n_rows, n)
        note_below(self.axes_[-1, 0], note)
        return self

    def _chosen(self) -> tuple[list[Column], list[Column], str]:
        """Return the columns to draw, of both sets, and what is left out."""
        real = read_columns(self.X_real, "X_real")
        generated = read_columns(self.X_generated, "X_generated")
        if not is_frame(self.X_generated) and len(real) == len(generated):
            generated = [
                Column(a.name, b.kind, b.values)
                for a, b in zip(real, generated, strict=True)
            ]
        generated = as_reference(generated, real, "X_generated")
        names = [column.name for column in real]
        chosen = names[:_MOST_COLUMNS] if self.columns is None else list(self.columns)
        unknown = [name for name in chosen if name not in names]
        if unknown or not chosen:
            raise ValueError(
                f"columns of {type(self).__name__} must be some of X_real, got "
                f"{self.columns!r}. X_real has {names}."
            )
        note = note_of_first(len(chosen), len(names), "columns")
        places = [names.index(name) for name in chosen]
        sets = ([columns[i] for i in places] for columns in (real, generated))
        return *sets, note if self.columns is None else ""

    def _draw_legend(self, grid: Any, n_rows: int, n: int) -> None:
        """Put the legend where no pair is, or else beside the last margin."""
        handles, _ = self.ax_.get_legend_handles_labels()
        for handle, label in zip(handles, ("real", self.name), strict=True):
            handle.set_label(label)
        if n_rows > 1:
            corner = self.figure_.add_subplot(grid[0, n - 1])
            corner.axis("off")
            corner.legend(handles=handles, loc="upper right", frameon=False)
        else:
            legend_beside(self.axes_[0, -1], handles)


def _draw_margin(ax: Any, real: Column, generated: Column) -> None:
    gaps = [f"{column.gaps.mean():.0%}" for column in (real, generated)]
    if real.gaps.any() or generated.gaps.any():
        ax.set_title(f"gaps {gaps[0]}, {gaps[1]}", fontsize="small", color="0.35")
    if real.kind == "number":
        _draw_histograms(ax, real, generated)
    else:
        _draw_bars(ax, real, generated)
    ax.set(xlabel=str(real.name), ylabel="share")


def _draw_histograms(ax: Any, real: Column, generated: Column) -> None:
    sets = [column.values[~column.gaps] for column in (real, generated)]
    pooled = np.concatenate(sets)
    edges = np.histogram_bin_edges(pooled, _N_BINS) if len(pooled) else np.arange(2.0)
    first, second = (np.histogram(x, edges)[0] / max(len(x), 1) for x in sets)
    ax.stairs(first, edges, fill=True, color=_REAL, alpha=0.6, label="real")
    ax.stairs(second, edges, color=_GENERATED, linewidth=1.5, label="generated")


def _draw_bars(ax: Any, real: Column, generated: Column) -> None:
    levels = levels_of(real)
    codes = [codes_of(column, levels) for column in (real, generated)]
    counts = [np.bincount(c, minlength=len(levels) + 2) for c in codes]
    counts = [np.delete(c, len(levels)) for c in counts]  # without gaps
    first, second = (c / max(c.sum(), 1) for c in counts)
    shown = np.arange(len(levels))
    if real.kind == "category" or len(levels) > _MOST_LEVELS:
        shown = np.argsort(-first[:-1], kind="stable")[:_MOST_LEVELS]
    names = [str(levels[i]) for i in shown]
    first, second = (np.append(s[shown], 1 - s[shown].sum()) for s in (first, second))
    if max(first[-1], second[-1]) > 1e-9:
        names.append("others")
    place = np.arange(len(names))
    first, second = first[: len(names)], second[: len(names)]
    ax.bar(place - 0.2, first, 0.4, color=_REAL, alpha=0.6, label="real")
    ax.bar(place + 0.2, second, 0.4, color=_GENERATED, label="generated")
    ax.set_xticks(place, names, rotation=45 if len("".join(names)) > 16 else 0)


def _draw_pair(
    ax: Any, real: tuple[Column, Column], generated: tuple[Column, Column]
) -> None:
    for pair, colour in ((real, _REAL), (generated, _GENERATED)):
        both = np.flatnonzero(~(pair[0].gaps | pair[1].gaps))[:_MOST_POINTS]
        points = zip(pair, real, (0.6180, 0.4142), strict=True)
        x, y = (_positions(c, ref, step)[both] for c, ref, step in points)
        ax.plot(x, y, ".", color=colour, markersize=3, alpha=0.5, rasterized=True)
    for column, axis in zip(real, (ax.xaxis, ax.yaxis), strict=True):
        axis.set_label_text(str(column.name))
        levels = levels_of(column) if column.kind != "number" else ()
        if levels:
            shown = range(min(len(levels), _MOST_LEVELS))
            names = [str(levels[i]) for i in shown]
            style = {"rotation": 45} if axis is ax.xaxis else {}
            axis.set_ticks(list(shown), names, **style)


def _positions(column: Column, reference: Column, step: float) -> Any:
    """Return numbers, or codes of categories that are spread by a fixed sequence."""
    if reference.kind == "number":
        return column.values
    codes = codes_of(column, levels_of(reference))
    return codes + 0.6 * (step * np.arange(len(codes)) % 1 - 0.5)
