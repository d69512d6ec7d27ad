"""Rows as numbers of the values that a feature can have."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from skvae._utils.containers import as_array_like
from skvae._utils.float32 import check_finite
from skvae._utils.rows import row_blocks

_LARGEST_ITEM = 8  # bytes


def read_rows(
    estimator: Any, X: Any, support: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[np.uint16]]:
    """Return X as an array, and the symbols of its rows.

    Parameters
    ----------
    estimator : BaseAutoencoder
    X : array-like or Tensor of shape (n_samples, ...)
    support : ndarray of shape (n_values,)

    Returns
    -------
    X : ndarray
    symbols : ndarray of shape (n_samples, n_features)
        ``support[symbols]``, in the type of X, is X.

    Raises
    ------
    TypeError, ValueError
        If X is not of real numbers, has another shape than the rows of the fit, or a
        value that is not in the support.
    """
    array = np.asarray(as_array_like(X))
    is_empty = array.ndim > 1 and len(array) == 0
    estimator._validate(np.zeros((1, *array.shape[1:])) if is_empty else X)
    if array.dtype.kind not in "buif" or array.dtype.itemsize > _LARGEST_ITEM:
        raise TypeError(
            "X must hold Booleans, integers or floats of at most 64 bits, got dtype "
            f"{array.dtype}. Convert it, for example with X.astype(float)."
        )
    rows = array.reshape(len(array), estimator.n_features_in_)
    blocks = [_symbols(block, support, estimator) for block in row_blocks(rows)]
    none = np.empty((0, rows.shape[1]), dtype=np.uint16)
    return array, np.concatenate([none, *blocks])


def _symbols(
    rows: NDArray[Any], support: NDArray[np.float64], estimator: Any
) -> NDArray[np.uint16]:
    """Return the numbers of the nearest values, which must be the values."""
    check_finite(rows)
    middle = (support[1:] + support[:-1]) / 2
    symbols = np.searchsorted(middle, rows).astype(np.uint16)
    with np.errstate(invalid="ignore", over="ignore"):  # of values X cannot have
        is_off = support.astype(rows.dtype)[symbols] != rows
    if is_off.any():
        _refuse(rows, np.argwhere(is_off)[0], support, estimator)
    return symbols


def _refuse(
    rows: NDArray[Any], index: NDArray[Any], support: NDArray[Any], estimator: Any
) -> NoReturn:
    row, feature = index
    value, name = rows[row, feature], type(estimator.likelihood_).__name__
    nearest = support[np.abs(support - value).argmin()]
    raise ValueError(
        f"X must have exactly the {len(support)} values from {support[0]:g} to "
        f"{support[-1]:g} that {name} gives probabilities to, in the type of X, but "
        f"feature {feature} has the value {value:.17g}, where {nearest:.17g} is "
        "nearest. Round X to `estimator.likelihood_.support`, or fit with "
        "DiscretizedLogisticLikelihood(n_levels, low, high) of the levels of X."
    )
