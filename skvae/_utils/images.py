"""Images, arrays of shape (n, C, H, W) or (n, H, W), as rows."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

_CHANNELS = (1, 3, 4)


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


def _refuse_channels_last(shape: tuple[int, ...]) -> None:
    if len(shape) < 4 or shape[3] not in _CHANNELS or min(shape[1:3]) <= 4:
        return
    raise ValueError(
        "Images must have the shape (n, channels, height, width), but X has the shape "
        f"{shape}, whose channels seem to be last. Transpose X: "
        f"X.transpose(0, 3, 1, 2). If width {shape[3]} is what you mean, pass rows and "
        f"ConvNet(image_shape={shape[1:]})."
    )


def _depth(X: Any) -> int:
    """Dimensions of nested sequences, from their first elements."""
    if isinstance(X, list | tuple):
        return 1 + (_depth(X[0]) if len(X) else 0)
    return getattr(X, "ndim", 0)
