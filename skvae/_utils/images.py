"""Arrays of images: their shapes, as rows, and as (n, C, H, W)."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from skvae._utils.arrays import as_real


def image_shape_of(shape: Any, owner: str) -> tuple[int, int, int]:
    """Return (channels, height, width) from that or from (height, width).

    Raises
    ------
    ValueError
        If `shape` is neither.
    """
    try:
        sizes = tuple(operator.index(size) for size in shape)
    except TypeError:
        sizes = ()
    if len(sizes) not in (2, 3) or min(sizes) < 1:
        raise ValueError(
            f"The 'image_shape' parameter of {owner} must be None, (height, width) or "
            f"(channels, height, width), of integers >= 1. Got {shape!r} instead."
        )
    return (1, *sizes) if len(sizes) == 2 else sizes


def has_channels_last(shape: tuple[int, ...]) -> bool:
    """Tell whether an image of three axes looks like (H, W, C), not (C, H, W).

    It does if only the first two are equal, or if the last is the shortest, of sides
    longer than the four channels that a picture may have.
    """
    first, second, last = shape
    square = first == second != last and first > 1
    return square or (last < min(first, second) and min(first, second) > 4)


def flatten_images(X: Any) -> tuple[Any, tuple[int, ...] | None]:
    """Return images as rows, without a copy where that is possible.

    Parameters
    ----------
    X : array-like
        Of shape (n, H, W) or (n, C, H, W); anything else is returned as it is.

    Returns
    -------
    rows : array-like
    image_shape : tuple of int or None
        Shape of one image, (H, W) or (C, H, W); None if X is not of images.

    Raises
    ------
    ValueError
        If X has more than four dimensions, or its channels last.
    """
    if isinstance(X, list | tuple) and _depth(X) > 2:
        X = np.asarray(X)
    n_dimensions = getattr(X, "ndim", 2)
    if n_dimensions < 3:
        return X, None
    X = X if hasattr(X, "reshape") else np.asarray(X)
    shape = tuple(X.shape)
    if n_dimensions > 4:
        raise ValueError(
            "X must be rows of shape (n, n_features) or images of shape (n, H, W) or "
            f"(n, C, H, W), but has {n_dimensions} dimensions, shape {shape}. Flatten "
            "it with X.reshape(len(X), -1)."
        )
    _refuse_channels_last(shape)
    return X.reshape(shape[0], int(np.prod(shape[1:]))), shape[1:]


def check_same_images(
    shape: tuple[int, ...], expected: tuple[int, int, int], owner: str
) -> None:
    """Raise ValueError unless images have the (C, H, W) that `owner` was fitted on."""
    given = image_shape_of(shape, owner)
    if given == expected:
        return
    remedy = "Bring the images to that shape first."
    if (given[-1], *given[:-1]) == expected:
        remedy = "Transpose X: X.transpose(0, 3, 1, 2)."
    raise ValueError(
        f"X has images of shape {given}, but {owner} was fitted on images of shape "
        f"{expected}, (channels, height, width). {remedy}"
    )


def as_images(
    X: ArrayLike | Tensor,
    image_shape: Sequence[int] | None,
    owner: str,
    name: str = "X",
) -> NDArray[Any]:
    """Read grey or colour images, or rows of their pixels, as (n, C, H, W).

    Parameters
    ----------
    X : array-like or Tensor
        Shape (n, H, W), (n, C, H, W) with 1 or 3 channels, or (n, n_pixels) with an
        `image_shape`.
    image_shape : (H, W), (C, H, W) or None
        Of one image.
    owner, name : str
        Function and argument, for error messages.

    Returns
    -------
    images : ndarray of shape (n, C, H, W), of any real type
        A view where that is possible; the values are not looked at.

    Raises
    ------
    ValueError
        If `X` has another layout, or images of another shape.
    """
    X = as_real(X, name)
    shape = None if image_shape is None else image_shape_of(image_shape, owner)
    if X.ndim == 2:
        _check_rows_are_images(X, image_shape, name)
        X = X.reshape(len(X), *shape)
    elif shape and shape not in (X.shape[1:], (1, *X.shape[1:])):
        raise ValueError(
            f"The images of {name} must have the image_shape {image_shape}, got "
            f"{X.shape[1:]}. Leave image_shape=None for images that are not flattened."
        )
    if X.ndim == 3 and X.shape[2] not in (1, 3):
        X = X[:, None]
    if X.ndim != 4 or X.shape[1] not in (1, 3) or 0 in X.shape:
        raise ValueError(_layout(X, name))
    return X


def _refuse_channels_last(shape: tuple[int, ...]) -> None:
    if len(shape) < 4 or not has_channels_last(shape[1:]):
        return
    raise ValueError(
        "Images must have the shape (n, channels, height, width), but X has the shape "
        f"{shape}, whose channels seem to be last. Transpose X: "
        f"X.transpose(0, 3, 1, 2), after X = np.stack(X) if it is a list. If width "
        f"{shape[3]} is what you mean, pass rows and ConvNet(image_shape={shape[1:]})."
    )


def _depth(X: Any) -> int:
    """Dimensions of nested sequences, from their first elements."""
    if isinstance(X, list | tuple):
        return 1 + (_depth(X[0]) if len(X) else 0)
    return getattr(X, "ndim", 0)


def _check_rows_are_images(
    X: NDArray[Any], image_shape: Sequence[int] | None, name: str
) -> None:
    if image_shape is None:
        raise ValueError(
            f"{name} must be images, got rows of shape {X.shape}. Pass "
            f"image_shape=(height, width) or (3, height, width){_guess(X.shape[1])}."
        )
    if math.prod(image_shape) != X.shape[1]:
        raise ValueError(
            f"image_shape must have as many pixels as {name} has columns, "
            f"got {image_shape} and {X.shape[1]}."
        )


def _guess(n_pixels: int) -> str:
    for channels, shape in ((1, ()), (3, (3,))):
        side = math.isqrt(n_pixels // channels)
        if channels * side**2 == n_pixels:
            return f", perhaps {(*shape, side, side)}"
    return ""


def check_value_range(value_range: Any, otherwise: str) -> tuple[float, float]:
    """Return the values of black and white; raise ValueError unless low < high.

    Parameters
    ----------
    value_range : (float, float)
    otherwise : str
        What else the parameter may be, for the error message.
    """
    try:
        low, high = map(float, value_range)
    except (TypeError, ValueError):
        low, high = math.nan, math.nan
    if not -math.inf < low < high < math.inf:
        raise ValueError(
            f"value_range must be {otherwise} or two finite numbers (low, high) with "
            f"low < high, got {value_range!r}."
        )
    return low, high


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
