"""Values of pixels: the range from black to white, and 8-bit levels."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skvae._utils.images import check_value_range
from skvae._utils.validation import check_boolean

ValueRange = str | tuple[float, float]
_FAR_OFF, _FEW = 0.5, 0.01


def pixel_range(
    images: NDArray[Any],
    value_range: ValueRange,
    clip: bool,
    owner: str,
    name: str = "X",
) -> tuple[float, float]:
    """Find the values of black and white, and check that all values lie between.

    Parameters
    ----------
    images : ndarray of shape (n, channels, height, width)
    value_range : "auto" or (low, high)
        "auto" is (0, 255) for uint8 and (0, 1) for floats and booleans.
    clip : bool
        Accept values outside the range, to be clipped.
    owner, name : str
        Function and argument, for error messages.

    Returns
    -------
    low, high : float
    """
    check_boolean(owner, "clip", clip)
    least, most = float(images.min()), float(images.max())
    if not (math.isfinite(least) and math.isfinite(most)):
        raise ValueError(
            f"{name} must be finite, but has NaN or infinite values. Remove those "
            "images, or look for what made them."
        )
    low, high = _resolve_range(images, value_range, most, name)
    tolerance = (high - low) / 510  # half of an 8-bit level
    inside = low - tolerance <= least and most <= high + tolerance
    if not inside and not (clip and _mostly_inside(images, low, high)):
        raise ValueError(_outside(name, (low, high), (least, most), clip))
    return low, high


def to_levels(images: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Round values from `low` to `high` to 0, ..., 255; others are clipped."""
    if images.dtype == np.uint8 and (low, high) == (0, 255):
        return np.ascontiguousarray(images)
    levels = (images.astype(np.float64) - low) * (255 / (high - low))
    return np.rint(levels).clip(0, 255).astype(np.uint8)


def _resolve_range(
    images: NDArray[Any], value_range: ValueRange, most: float, name: str
) -> tuple[float, float]:
    if not isinstance(value_range, str):
        return check_value_range(value_range, "'auto'")
    if value_range != "auto":
        raise ValueError(
            "value_range must be 'auto' or two numbers (low, high), got "
            f"{value_range!r}."
        )
    if images.dtype.kind in "fb":
        return 0.0, 1.0
    if images.dtype == np.uint8 and most != 1:
        return 0.0, 255.0
    raise ValueError(
        f"value_range='auto' takes uint8 to be 0 to 255 and floats to be 0 to 1, but "
        f"{name} is {images.dtype} with a maximum of {most:g}. Give the values of "
        "black and white: value_range=(0, 255), or (0, 1) for binary images."
    )


def _mostly_inside(images: NDArray[Any], low: float, high: float) -> bool:
    """Tell overshoot, which may be clipped, from a wrong scale."""
    margin = _FAR_OFF * (high - low)
    far = (images < low - margin) | (images > high + margin)
    return bool(far.mean() <= _FEW)


def _outside(
    name: str,
    allowed: tuple[float, float],
    found: tuple[float, float],
    clip: bool,
) -> str:
    text = (
        f"{name} must have values in [{allowed[0]:g}, {allowed[1]:g}], but has minimum "
        f"{found[0]:.4g} and maximum {found[1]:.4g}"
    )
    if clip:
        return (
            f"{text}, too far out and too often to be clipped. Pass the values of "
            "black and white as value_range=(low, high)."
        )
    return (
        f"{text}. If they are on another scale, pass value_range=(low, high); if they "
        "overshoot a little, as samples do, pass clip=True."
    )
