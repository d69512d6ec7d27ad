"""Labels of points: classes with a legend, or numbers with a colour bar."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skvae.plotting._axes import COLOURS, folded, legend_beside

# More classes than these have no colours that can be told apart.
_MOST_CLASSES = 60
_MISSING = "0.8"


def check_labels(y: Any, n: int) -> NDArray[Any] | None:
    """Return one label for each of n rows: floats are numbers, all others classes."""
    if y is None:
        return None
    labels = np.asarray(y)
    if labels.shape != (n,):
        raise ValueError(
            f"y must have one label for each of the {n} rows, got shape {labels.shape}."
        )
    if labels.dtype.kind == "O":
        labels = np.array([str(label) for label in labels])
    elif labels.dtype.kind in "iuf":
        labels = _classes_or_numbers(labels)
    if labels.dtype.kind != "f" and len(np.unique(labels)) > _MOST_CLASSES:
        raise ValueError(
            f"y must have at most {_MOST_CLASSES} classes, whose colours can be told "
            f"apart, got {len(np.unique(labels))}. Join some, or pass numbers."
        )
    return labels


def _classes_or_numbers(labels: NDArray[Any]) -> NDArray[Any]:
    """Return a few whole numbers as integers, all others as floats."""
    is_whole = (np.abs(labels) < 2**53) & (labels == np.round(labels))
    few = len(np.unique(labels)) <= _MOST_CLASSES
    return labels.astype(np.int64 if is_whole.all() and few else np.float64)


def colours_of(labels: NDArray[Any]) -> tuple[dict[str, Any], list[Any]]:
    """Return keywords for a scatter, and the handles of a legend.

    Numbers have a colour map and no handles; those that are not finite are grey.
    """
    if labels.dtype.kind == "f":
        from matplotlib import colormaps

        colour_map = colormaps["viridis"].with_extremes(bad=_MISSING)
        return {"c": labels, "cmap": colour_map, "plotnonfinite": True}, []
    classes, index = np.unique(labels, return_inverse=True)
    palette = _palette(len(classes))
    return {"c": [palette[i] for i in index]}, _handles(classes, palette)


def join_legend(ax: Any, handles: list[Any]) -> None:
    """Add handles to the legend beside the Axes, those of earlier displays included."""
    from matplotlib.colors import to_hex

    legend = ax.get_legend()
    handles = [*(legend.legend_handles if legend else []), *handles]
    unlike = {(h.get_label(), to_hex(_colour(h))): h for h in handles}
    legend_beside(ax, list(unlike.values()))


def dot(colour: Any, label: str) -> Any:
    """Return the handle of points of one colour."""
    from matplotlib.lines import Line2D

    style = {"linestyle": "none", "marker": "o", "markersize": 5}
    return Line2D([], [], color=colour, label=folded(label), **style)


def _colour(handle: Any) -> Any:
    get = getattr(handle, "get_color", None)
    return get() if get else handle.get_facecolor()


def _palette(n_classes: int) -> list[Any]:
    if n_classes <= len(COLOURS):
        return list(COLOURS[:n_classes])
    from matplotlib import colormaps

    return list(colormaps["turbo"](np.linspace(0, 1, n_classes)))


def _handles(classes: NDArray[Any], palette: list[Any]) -> list[Any]:
    return [dot(c, str(label)) for label, c in zip(classes, palette, strict=True)]
