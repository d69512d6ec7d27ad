"""Many images in one picture, in rows and columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skvae._utils.images import as_images, check_value_range
from skvae.plotting._axes import LETTER, folded, is_small, note_below, width_of

FloatArray = NDArray[np.float64]

_LEAST_SIDE = 4
# In inches: one image, all of them, what constrained layout leaves free, and a line.
_CELL, _LONGEST, _PADDING, _LINE = 0.7, 10.0, 0.1, 0.2
# Images in one direction that are still large enough to be looked at one by one.
MOST_SHOWN = 24


def read_images(X: Any, image_shape: Sequence[int] | None, name: str = "X") -> Any:
    """Read images, or rows of them, into one layout.

    Parameters
    ----------
    X : array-like or Tensor
        Shape (n, height, width), (n, channels, height, width), or (n, n_pixels).
    image_shape : (height, width), (channels, height, width) or None
        Of one image. None takes rows of a square number of pixels, 16 at least, for
        square grey images.
    name : str
        What the caller calls it, for the error messages.

    Returns
    -------
    images : ndarray of shape (n, channels, height, width)

    Raises
    ------
    ValueError
        If `X` holds no images, or images of another shape.
    """
    shape = np.shape(X)
    if len(shape) == 2 and image_shape is None:
        side = math.isqrt(shape[1])
        if is_table(X, image_shape):
            raise ValueError(
                f"{name} must hold images, but a row of {shape[1]} features is not a "
                "square grey one. Say what a row is by image_shape=(height, width) or "
                f"(3, height, width){_colour_guess(shape[1])}. For a table, which has "
                "no images, use LatentSpaceDisplay, or compare columns of X and of "
                "samples with pandas.plotting.scatter_matrix."
            )
        image_shape = side, side
    images = as_images(X, image_shape, "the display", name)
    if not np.isfinite(images).all():
        raise ValueError(
            f"{name} must be finite, but {np.sum(~np.isfinite(images))} of its pixels "
            "are not. Leave these images out, or fill in what is missing."
        )
    return images


def is_table(X: Any, image_shape: Sequence[int] | None) -> bool:
    """Tell whether rows are none of images, as far as they and `image_shape` say."""
    shape = np.shape(X)
    if len(shape) != 2 or image_shape is not None:
        return False
    side = math.isqrt(shape[1])
    return side**2 != shape[1] or side < _LEAST_SIDE


def _colour_guess(n_pixels: int) -> str:
    side = math.isqrt(n_pixels // 3)
    square = n_pixels == 3 * side**2 and side >= _LEAST_SIDE
    return f", perhaps (3, {side}, {side})" if square else ""


def grey_levels(
    images: NDArray[Any], value_range: tuple[float, float] | None
) -> tuple[float, float]:
    """Values of black and white, common to all images of a picture.

    Parameters
    ----------
    images : ndarray of shape (n, channels, height, width)
    value_range : (low, high) or None
        None takes the extremes of grey images, the median of each image's own, so
        that one odd image does not decide; colour is in [0, 1] or 0 to 255.

    Returns
    -------
    low, high : float
    """
    if value_range is not None:
        return check_value_range(value_range, "None")
    if images.shape[1] == 3:
        # Samples overshoot: a largest value of 1.2 still means [0, 1].
        return (0.0, 1.0) if images.max() <= 2 else (0.0, 255.0)
    flat = images.reshape(len(images), -1).astype(np.float64)
    low, high = float(np.median(flat.min(1))), float(np.median(flat.max(1)))
    return (low, high) if low < high else (low, low + 1.0)


def check_alike(
    images: NDArray[Any], others: NDArray[Any], names: tuple[str, str]
) -> None:
    """Raise ValueError unless two sets have as many images of one shape."""
    if images.shape != others.shape:
        raise ValueError(
            f"{names[0]} and {names[1]} must have as many images of one shape, got "
            f"{_described(images)} and {_described(others)}."
        )


def _described(images: NDArray[Any]) -> str:
    return f"{len(images)} of shape {images.shape[1:]}"


def interleaved(sets: Sequence[NDArray[Any]], n_columns: int) -> FloatArray:
    """Set rows of several sets of images under each other, in turn.

    Parameters
    ----------
    sets : sequence of ndarray of shape (n, channels, height, width)
    n_columns : int
        Images in a row.

    Returns
    -------
    images : ndarray of shape (n_rows * n_columns, channels, height, width)
        The first row of every set, then their second rows; NaN after the end of a set.
    """
    n, *shape = sets[0].shape
    n_rows = -(-n // n_columns)
    images = np.full((len(sets), n_rows * n_columns, *shape), np.nan)
    images[:, :n] = sets
    by_row = images.reshape(len(sets), n_rows, n_columns, *shape)
    return by_row.swapaxes(0, 1).reshape(-1, *shape)


class Mosaic:
    """Images set into one picture, row by row.

    Parameters
    ----------
    images : ndarray of shape (n, channels, height, width)
        Those that are NaN leave a gap.
    n_columns : int
        Images in a row.
    levels : (float, float)
        Values of black and white.
    room : float, default=0
        Height between rows, as a share of an image's own, for text above the images;
        at least as much as between columns.

    Attributes
    ----------
    picture : ndarray of shape (total height, total width, channels)
        NaN between images.
    x, y : ndarray
        Centres of columns and rows, in pixels of the picture.
    """

    def __init__(
        self,
        images: NDArray[Any],
        n_columns: int,
        levels: tuple[float, float],
        room: float = 0.0,
    ) -> None:
        self.levels = levels
        n, channels, height, width = images.shape
        gap = max(2, round(min(height, width) / 14))
        above = max(gap, round(room * height))
        n_rows, down, right = -(-n // n_columns), height + above, width + gap
        self.x = np.arange(n_columns) * right + (width - 1) / 2
        self.y = np.arange(n_rows) * down + (height - 1) / 2
        shape = n_rows * down - above, n_columns * right - gap, channels
        self.picture = np.full(shape, np.nan)
        for i, image in enumerate(images):
            top, left = (i // n_columns) * down, (i % n_columns) * right
            cell = slice(top, top + height), slice(left, left + width)
            self.picture[cell] = image.transpose(1, 2, 0)

    @property
    def width(self) -> float:
        """Width of the picture in inches, unless that is too much for a figure."""
        return max(2.0, _CELL * len(self.x))

    def size(
        self, beside: float = 0.0, below: float = 0.0, columns: Sequence[str] = ("",)
    ) -> tuple[float, float]:
        """Width and height of a figure in inches, with room for labels.

        Parameters
        ----------
        beside, below : float
            Inches to the left of the picture, and under it.
        columns : sequence of str
            Labels of the columns.
        """
        height, width = self.picture.shape[:2]
        wide = min(_LONGEST - beside, self.width)
        wide = min(wide, _LONGEST * width / height)
        below += _LINE if self._note(*self.levels) else 0.0
        below += self._length(columns, wide)
        return wide + beside, wide * height / width + below + _PADDING

    def draw(self, ax: Any, im_kw: Any) -> Any:
        """Draw the picture, without ticks and frame; return the AxesImage.

        Values of black and white are written below it, and how many are beyond.
        """
        levels = self.levels
        style = {"cmap": "gray", **(im_kw or {})}
        if "norm" not in style:
            style = {"vmin": levels[0], "vmax": levels[1], **style}
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        im = ax.imshow(_shown(self.picture, levels), **style)
        note_below(ax, self._note(*(im.get_clim() if self._is_grey else levels)))
        return im

    def _length(self, labels: Sequence[str], width: float) -> float:
        """Return the inches of the longest label if it must stand upright, else 0."""
        longest = LETTER * max(map(len, labels))
        return longest if longest > width / len(self.x) else 0.0

    @property
    def _is_grey(self) -> bool:
        return self.picture.shape[2] == 1

    def _note(self, low: float, high: float) -> str:
        """Say which values are shown, where colours do not tell, and what is cut off.

        Half a level of 256 cannot be seen.
        """
        values = self.picture[~np.isnan(self.picture)]
        slack = (high - low) / 512
        share = np.mean((values < low - slack) | (values > high + slack))
        if share == 0:
            return f"values from {low:.3g} to {high:.3g}" if self._is_grey else ""
        return f"{100 * share:.2g} % of the values are beyond {low:.3g} to {high:.3g}"

    def caption(self, ax: Any, text: str) -> None:
        """Write a text under the picture, no wider than that."""
        ax.set_xlabel(folded(text, min(width_of(ax), self.width)))

    def label_rows(self, ax: Any, labels: Sequence[str]) -> None:
        """Write a name before every row."""
        if len(labels) != len(self.y):
            raise ValueError(
                f"row_names must be as many as there are rows, {len(self.y)}, got "
                f"{list(labels)}."
            )
        size = "x-small" if is_small(ax) else "medium"
        labels = [folded(label, 1.5 if is_small(ax) else None) for label in labels]
        ax.set_yticks(self.y, labels, fontsize=size)
        ax.tick_params(axis="y", length=0)

    def label_columns(self, ax: Any, labels: Sequence[str]) -> None:
        """Write a name under every column."""
        upright = 90 if self._length(labels, width_of(ax)) else 0
        size = "x-small" if is_small(ax) else "medium"
        ax.set_xticks(self.x, labels, rotation=upright, fontsize=size)
        ax.tick_params(axis="x", length=0)


def _shown(picture: FloatArray, levels: tuple[float, float]) -> FloatArray:
    """Turn a picture into what imshow takes, transparent between images."""
    if picture.shape[2] == 1:
        return picture[..., 0]
    low, high = levels
    colours = np.clip((picture - low) / (high - low), 0, 1)
    return np.concatenate([np.nan_to_num(colours), ~np.isnan(picture[..., :1])], -1)
