"""Panels above each other that share one horizontal axis, or beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from skvae.plotting._axes import axes_for

# The labels of Axes, which no picture shows, tell panels of a display from others.
_PANEL = "panel"
# Inches of the lowest panel that can be read.
_LEAST = 0.22


def panels_for(display: Any, ax: Any, heights: Mapping[str, float]) -> Any:
    """Return Axes above each other, with one horizontal axis.

    Parameters
    ----------
    display : Display
        For error messages.
    ax : matplotlib.axes.Axes, array-like of Axes, or None
        Axes whose place the panels share, or one for each. Panels of another display,
        all or any one, are shared if they show the same.
    heights : dict of str to float
        What the panels show, with their heights in proportion.

    Returns
    -------
    axes : ndarray of shape (len(heights),)

    Raises
    ------
    ValueError
        If the panels have no place in `ax`, or it shows something else.
    """
    if ax is None or np.ndim(ax) == 0:
        ax = axes_for(display, ax, (6.0, 1.2 * sum(heights.values())))
        axes = _panels_with(ax) or _divided(display, ax, heights)
    else:
        axes = _one_for_each(display, ax, len(heights))
    shown = [_shown(a) for a in axes]
    if any(shown) and shown != list(heights):
        raise ValueError(
            f"ax of {type(display).__name__}.plot shows {shown}, but the history is of "
            f"{list(heights)}. Only models with the same terms share panels: draw this "
            "one on Axes of its own."
        )
    for panel, title in zip(axes, heights, strict=True):
        panel.set_label(f"{_PANEL} {id(axes[0])}: {title}")
    return np.array(axes, dtype=object)


def panels_beside(display: Any, ax: Any, n: int) -> Any:
    """Return Axes beside each other.

    Parameters
    ----------
    display : Display
        For error messages.
    ax : matplotlib.axes.Axes, array-like of Axes, or None
        Axes whose place the panels share, or one for each.
    n : int
        Number of panels.

    Returns
    -------
    axes : ndarray of shape (n,)

    Raises
    ------
    ValueError
        If the panels have no place in `ax`.
    """
    if ax is not None and np.ndim(ax) > 0:
        return _one_for_each(display, ax, n)
    ax = axes_for(display, ax, (3.7 * n, 4.2))
    if n == 1:
        return np.array([ax], dtype=object)
    check_divisible(display, ax, n)
    figure, grid = ax.figure, ax.get_subplotspec().subgridspec(1, n)
    ax.remove()
    return np.array([figure.add_subplot(place) for place in grid], dtype=object)


def _one_for_each(display: Any, axes: Any, n: int) -> Any:
    """Return Axes as an array; raise ValueError unless they are as many as panels."""
    axes = [axes_for(display, a) for a in np.ravel(np.asarray(axes, dtype=object))]
    if len(axes) != n:
        raise ValueError(
            f"ax of {type(display).__name__}.plot must be one Axes, or as many as "
            f"there are panels, {n}, got {len(axes)}."
        )
    return np.array(axes, dtype=object)


def _shown(ax: Any) -> str:
    """Return what a panel shows; empty for other Axes."""
    group, _, title = ax.get_label().partition(": ")
    return title if group.startswith(_PANEL) else ""


def _panels_with(ax: Any) -> list[Any]:
    """Return the panels of the display that Axes are a panel of, if they are one."""
    group = ax.get_label().partition(": ")[0]
    return [
        other
        for other in ax.figure.axes
        if _shown(ax) and other.get_label().partition(": ")[0] == group
    ]


def check_divisible(display: Any, ax: Any, n: int) -> None:
    """Raise ValueError if n panels cannot take the place of Axes."""
    name = f"ax of {type(display).__name__}.plot"
    if ax.get_subplotspec() is None:
        raise ValueError(
            f"{name} must stand in a grid, to be divided into panels. Make it with "
            f"plt.subplots or figure.add_subplot, or pass {n} Axes."
        )
    if ax.has_data():
        raise ValueError(
            f"{name} must be empty, to be divided into panels, but something is drawn "
            f"on it. Pass other Axes, or {n} of them."
        )


def _divided(display: Any, ax: Any, heights: Mapping[str, float]) -> list[Any]:
    """Return panels in the place of Axes, which are removed."""
    check_divisible(display, ax, len(heights))
    figure, place = ax.figure, ax.get_subplotspec()
    height = ax.get_window_extent().height / figure.dpi
    least = _LEAST * sum(heights.values())
    if height < least:
        raise ValueError(
            f"ax of {type(display).__name__}.plot must be at least {least:.1f} inches "
            f"high, to be divided into {len(heights)} panels, but is {height:.1f}. "
            "Make the figure taller, or let it have fewer rows."
        )
    # A layout engine finds out how much room the titles need.
    gap = None if figure.get_layout_engine() else 0.8
    grid = place.subgridspec(
        len(heights), 1, height_ratios=list(heights.values()), hspace=gap
    )
    ax.remove()
    top = figure.add_subplot(grid[0])
    axes = [top, *(figure.add_subplot(g, sharex=top) for g in list(grid)[1:])]
    for panel in axes[:-1]:
        panel.tick_params(labelbottom=False)
    return axes
