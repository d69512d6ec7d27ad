"""Axes, styles and colours that all displays share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

# The ten colours of Petroff 2021, arXiv:2107.02270, chosen so that colour-blind readers
# can tell them apart.
COLOURS = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
)


def check_matplotlib(caller: str) -> None:
    """Raise ImportError unless matplotlib can be imported."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ImportError(
            f"{caller} needs matplotlib, which is not installed. Install it with "
            "`pip install 'skvae[plot]'` or `pip install matplotlib`."
        ) from None


def axes_for(
    display: Any, ax: Any, size: tuple[float, float] = (6.0, 4.0), method: str = "plot"
) -> Any:
    """Return the given Axes, or those of a new figure of pyplot.

    Parameters
    ----------
    display : Display
        For error messages.
    ax : matplotlib.axes.Axes or None
    size : (width, height), default=(6, 4)
        Of a new figure, in inches.
    method : str, default="plot"
        For error messages.

    Returns
    -------
    ax : matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If `ax` is neither None nor Axes.
    """
    caller = f"{type(display).__name__}.{method}"
    check_matplotlib(caller)
    from matplotlib.axes import Axes

    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(figsize=size, layout="constrained")[1]
        # Where images do not fill the figure, labels to the left and below keep theirs.
        ax.set_anchor("SW")
        return ax
    if not isinstance(ax, Axes):
        raise TypeError(
            f"ax of {caller} must be None or one matplotlib Axes, got {ax!r}. Pass for "
            "example plt.gca(), or one element of the array that plt.subplots returns."
        )
    return ax


def panels_for(display: Any, ax: Any, heights: Sequence[float]) -> Any:
    """Return Axes above each other, with one horizontal axis.

    Parameters
    ----------
    display : Display
        For error messages.
    ax : matplotlib.axes.Axes, array-like of Axes, or None
        Axes whose place the panels share, or one for each.
    heights : sequence of float
        Of the panels, in proportion.

    Returns
    -------
    axes : ndarray of shape (len(heights),)
    """
    if ax is not None and np.ndim(ax) > 0:
        axes = np.ravel(np.asarray(ax, dtype=object))
        if len(axes) != len(heights):
            raise ValueError(
                f"ax of {type(display).__name__}.plot must be one Axes, or as many as "
                f"there are panels, {len(heights)}, got {len(axes)}."
            )
        return np.array([axes_for(display, a) for a in axes], dtype=object)
    ax = axes_for(display, ax, (6.0, 1.2 * sum(heights)))
    if ax.get_subplotspec() is None:
        raise ValueError(
            f"ax of {type(display).__name__}.plot must stand in a grid, to be divided "
            "into panels. Make it with plt.subplots or figure.add_subplot, or pass "
            f"{len(heights)} Axes."
        )
    grid = ax.get_subplotspec().subgridspec(len(heights), 1, height_ratios=heights)
    figure = ax.figure
    ax.remove()
    axes = [figure.add_subplot(grid[-1])]
    axes += [figure.add_subplot(g, sharex=axes[0]) for g in list(grid)[-2::-1]]
    for panel in axes[1:]:
        panel.tick_params(labelbottom=False)
    return np.array(axes[::-1], dtype=object)


def styled(artist: type, defaults: dict[str, Any], chosen: Any) -> dict[str, Any]:
    """Return keywords for an artist: defaults, replaced by what the user chose."""
    from matplotlib.cbook import normalize_kwargs

    # Aliases such as "c" and "color" must not meet.
    return {**defaults, **normalize_kwargs(chosen, artist)}


def line_style(defaults: dict[str, Any], chosen: Any) -> dict[str, Any]:
    """Return keywords for a line."""
    from matplotlib.lines import Line2D

    return styled(Line2D, defaults, chosen)


def next_colour(ax: Any) -> str:
    """Return the first colour that no line or patch of the Axes has yet."""
    from matplotlib.colors import to_hex

    colours = [line.get_color() for line in ax.lines]
    colours += [patch.get_facecolor() for patch in ax.patches]
    used = {to_hex(colour) for colour in colours}
    return next((c for c in COLOURS if c not in used), COLOURS[0])


def legend_beside(ax: Any, handles: Sequence[Any] | None = None) -> None:
    """Put the legend to the right of the Axes, where it hides nothing."""
    handles = ax.get_legend_handles_labels()[0] if handles is None else handles
    ax.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(1, 1),
        frameon=False,
        ncols=-(-len(handles) // 20),
    )


def frame_lightly(ax: Any) -> None:
    """Leave out the lines above and to the right of the data."""
    ax.spines[["top", "right"]].set_visible(False)
