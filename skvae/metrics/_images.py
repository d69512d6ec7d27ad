"""Images on their way to a network: layout, range, 8-bit levels."""

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from skvae.metrics._checks import as_real

ValueRange = str | tuple[float, float]
_FAR_OFF, _FEW = 0.5, 0.01


def as_images(
    X: ArrayLike | torch.Tensor, image_shape: Sequence[int] | None, name: str = "X"
) -> NDArray[Any]:
    """
    Read images, or rows of them, into one layout.

    Parameters
    ----------
    X : array-like or Tensor
        Shape (n, height, width), (n, channels, height, width), or (n, n_pixels) with
        an `image_shape`.
    image_shape : (height, width), (channels, height, width) or None
        Of one image.
    name : str
        What the caller calls it, for the error messages.

    Returns
    -------
    images : ndarray of shape (n, channels, height, width), of any real type
        A view where that is possible; the values are not looked at.
    """
    X, image_shape = as_real(X, name), check_image_shape(image_shape)
    if X.ndim == 2:
        X = X.reshape(len(X), *_shape_of_rows(X, image_shape, name))
    elif image_shape and _squeezed(image_shape) != _squeezed(X.shape[1:]):
        raise ValueError(
            f"The images of {name} must have the image_shape {image_shape}, got "
            f"{X.shape[1:]}. Leave image_shape=None for images that are not flattened."
        )
    if X.ndim == 3 and X.shape[2] not in (1, 3):
        X = X[:, None]
    if X.ndim != 4 or X.shape[1] not in (1, 3) or 0 in X.shape:
        raise ValueError(_layout(X, name))
    return X


def pixel_range(
    images: NDArray[Any], value_range: ValueRange, clip: bool, name: str = "X"
) -> tuple[float, float]:
    """
    Find the values of black and white, and check that all values lie between.

    Parameters
    ----------
    images : ndarray of shape (n, channels, height, width)
    value_range : "auto" or (low, high)
        "auto" is (0, 255) for uint8 and (0, 1) for floats and booleans.
    clip : bool
        Forgive values outside.
    name : str
        What the caller calls the images, for the error messages.

    Returns
    -------
    low, high : float
    """
    if not isinstance(clip, bool | np.bool_):
        raise ValueError(f"clip must be True or False, got {clip!r}.")
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


def check_image_shape(image_shape: Sequence[int] | None) -> tuple[int, ...] | None:
    """Return the shape as a tuple if it is one, else raise."""
    if image_shape is None:
        return None
    try:
        shape = tuple(operator.index(size) for size in image_shape)
    except TypeError:
        shape = ()
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise ValueError(
            "image_shape must be None, (height, width) or (channels, height, width), "
            f"got {image_shape!r}."
        )
    return shape


def _shape_of_rows(
    X: NDArray[Any], shape: tuple[int, ...] | None, name: str
) -> tuple[int, ...]:
    if shape is None:
        raise ValueError(
            f"{name} must be images, got rows of shape {X.shape}. Say what a row is by "
            f"image_shape=(height, width) or (3, height, width){_guess(X.shape[1])}."
        )
    if math.prod(shape) != X.shape[1]:
        raise ValueError(
            f"image_shape must have as many pixels as {name} has columns, "
            f"got {shape} and {X.shape[1]}."
        )
    return shape if len(shape) == 3 else (1, *shape)


def _guess(n_pixels: int) -> str:
    for channels, shape in ((1, ()), (3, (3,))):
        side = math.isqrt(n_pixels // channels)
        if channels * side**2 == n_pixels:
            return f", perhaps {(*shape, side, side)}"
    return ""


def _squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    shape = tuple(shape)
    return shape[1:] if len(shape) == 3 and shape[0] == 1 else shape


def _layout(X: NDArray[Any], name: str) -> str:
    text = (
        f"{name} must have shape (n, height, width) or (n, channels, height, width) "
        f"with 1 or 3 channels, and at least one image, got {X.shape}."
    )
    if X.ndim == 4 and X.shape[3] in (1, 3):
        text += f" Put the channels first: {name}.transpose(0, 3, 1, 2)."
    elif X.ndim == 4 and 4 in (X.shape[1], X.shape[3]):
        text += " Leave out the alpha channel."
    elif X.ndim == 3:
        text += f" For one image pass {name}[None], with the channels first."
    return text


def _resolve_range(
    images: NDArray[Any], value_range: ValueRange, most: float, name: str
) -> tuple[float, float]:
    if not isinstance(value_range, str):
        return _check_range(value_range)
    if value_range != "auto":
        raise ValueError(f"value_range must be 'auto' or two numbers: {value_range!r}.")
    if images.dtype.kind in "fb":
        return 0.0, 1.0
    if images.dtype == np.uint8 and most != 1:
        return 0.0, 255.0
    raise ValueError(
        f"value_range='auto' takes uint8 to be 0 to 255 and floats to be 0 to 1, but "
        f"{name} is {images.dtype} with a maximum of {most:g}. Give the values of "
        "black and white: value_range=(0, 255), or (0, 1) for binary images."
    )


def _check_range(value_range: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = map(float, value_range)
    except (TypeError, ValueError):
        low, high = math.nan, math.nan
    if not -math.inf < low < high < math.inf:
        raise ValueError(
            "value_range must be 'auto' or two finite numbers (low, high) with "
            f"low < high, got {value_range!r}."
        )
    return low, high


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
