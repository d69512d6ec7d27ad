"""Axes, styles and colours that all displays share."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

# Ten colours, none of them grey, as far apart as can be in OKLab (Ottosson 2020) for
# readers of normal vision and of the three kinds of colour blindness, as Machado et al.
# 2009 simulate them.
COLOURS = (
    *("#009dff", "#9d4e00", "#27149d", "#769d00", "#894ec4"),
    *("#c4899d", "#007676", "#d8c44e", "#62274e", "#76d8eb"),
)

# Labels with an underscore stay out of legends.
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}  # of ordinal numbers
_NOTE = "_note below"
# Letters in a line of a legend, and lines of one that stands inside.
_LINE, _MOST_INSIDE = 32, 4
# In inches: a letter of medium size, and what is small for Axes.
LETTER, _SMALL = 0.085, 2.7


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
    """Return the first colour that nothing on the Axes has yet."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    colours = [line.get_color() for line in ax.lines]
    colours += [patch.get_facecolor() for patch in ax.patches]
    for collection in ax.collections:
        colours += list(np.unique(collection.get_facecolor(), axis=0))
    used = {to_hex(colour) for colour in colours}
    free = [c for c in COLOURS if c not in used]
    # Steps of the golden ratio never come back to a colour.
    return free[0] if free else to_hex(colormaps["turbo"](0.618034 * len(used) % 1))


def legend_label(ax: Any, name: str | None, figures: str = "") -> str | None:
    """Return a label for the legend: a folded name, numbered if it is there already.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    name : str or None
        None has no label.
    figures : str, default=""
        What follows the name.
    """
    if name is None:
        return None
    used = ax.get_legend_handles_labels()[1]
    numbered = (f"{name} ({i})" for i in itertools.count(2))
    labels = (folded(n) + figures for n in itertools.chain([name], numbered))
    return next(label for label in labels if label not in used)


def folded(text: str, width: float | None = None) -> str:
    """Return a text in lines short enough for a legend, or for a width in inches."""
    n = _LINE if width is None else max(8, int(width / LETTER))
    return "\n".join(textwrap.fill(line, n) for line in str(text).split("\n"))


def add_legend(ax: Any, most_inside: int = _MOST_INSIDE) -> None:
    """Put a legend of few lines where it hides least, a longer one beside the Axes."""
    labels = ax.get_legend_handles_labels()[1]
    if len("\n".join(labels).split("\n")) > most_inside:
        legend_beside(ax)
    else:
        ax.legend(frameon=False, fontsize="x-small" if is_small(ax) else "medium")


def legend_beside(ax: Any, handles: Sequence[Any] | None = None) -> None:
    """Put the legend to the right of the Axes, where it hides nothing.

    Only a layout engine makes room there; without one, and beside small Axes, the
    legend goes inside.
    """
    handles = ax.get_legend_handles_labels()[0] if handles is None else handles
    many = len(handles) > 20
    style = {"handles": handles, "ncols": -(-len(handles) // (40 if many else 20))}
    if many or is_small(ax):
        style["fontsize"] = "x-small"
    if _makes_room(ax) and not is_small(ax):
        style |= {"loc": "upper left", "bbox_to_anchor": (1, 1), "frameon": False}
    ax.legend(**style)


def width_of(ax: Any) -> float:
    """Return the width of Axes in inches, before any layout."""
    return ax.get_window_extent().width / ax.figure.dpi


def is_small(ax: Any) -> bool:
    """Tell whether Axes are a small part of a figure, where text must be small."""
    return width_of(ax) < _SMALL


def _makes_room(ax: Any) -> bool:
    return ax.figure.get_layout_engine() is not None


def start_at_zero(ax: Any) -> None:
    """Let the vertical axis start at 0 and reach over all that is drawn on it.

    Limits that a user has set stay.
    """
    if ax.get_autoscaley_on() and ax.dataLim.y0 >= 0:
        ax.set_ylim(bottom=0, auto=True)


def note_below(ax: Any, text: str) -> None:
    """Write what a picture does not show under its horizontal axis, below other notes.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    text : str
        Empty for nothing.
    """
    notes = [note for note in ax.texts if note.get_label() == _NOTE]
    text = folded(text, 1.2 * width_of(ax))
    if notes and text:
        lines = notes[0].get_text().split("\n")
        notes[0].set_text("\n".join(dict.fromkeys([*lines, *text.split("\n")])))
    elif text:
        place = {"xy": (0.5, 0), "xycoords": ax.xaxis.label, "xytext": (0, -2)}
        if not _makes_room(ax):  # below, it would leave the figure
            place |= {"xycoords": "axes fraction", "xytext": (0, 2)}
        style = {"ha": "center", "fontsize": "small", "color": "0.35", "label": _NOTE}
        style["va"] = "top" if _makes_room(ax) else "bottom"
        ax.annotate(text, textcoords="offset points", **place, **style)


def note_of_first(n_shown: int, n: int, what: str) -> str:
    """Say how many are shown, if these are not all."""
    return f"the first {n_shown} of {n:,} {what}" if n_shown < n else ""


def short(number: float) -> str:
    """Write a number in few letters."""
    return f"{number:.0f}" if 1000 <= number < 1e6 else f"{number:.3g}"


def ranks(first: str, others: str, n: int) -> list[str]:
    """Return the name of the first of n things, and ranks of those after it."""
    return [first, *(f"{_ordinal(i)} {others}" for i in range(2, n + 1))]


def _ordinal(i: int) -> str:
    is_teen = i // 10 % 10 == 1
    return f"{i}{'th' if is_teen else _ENDINGS.get(i % 10, 'th')}"


def frame_lightly(ax: Any) -> None:
    """Leave out the lines above and to the right of the data."""
    ax.spines[["top", "right"]].set_visible(False)
