"""Functions of rows, of which stored ones are read part by part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skvae._utils.sources import in_parts, is_stored
from skvae.module import AutoencoderModule

_MOST_BLOCKS = 4  # of the module that any function takes at once


def by_parts(
    function: Callable[[AutoencoderModule, NDArray[Any]], NDArray[Any]],
    X: Any,
    module: AutoencoderModule,
    rows: Any = slice(None),
) -> NDArray[Any]:
    """Apply a row-wise function to rows of X, a part of which is in memory at a time.

    Parameters
    ----------
    function : callable, (module, ndarray (n, n_features)) -> ndarray (n, ...)
        The module is that which reads X, which may have missing values.
    X : ndarray or StoredRows of shape (n_samples, n_features)
        An array is one part.
    module : AutoencoderModule
        What infers the rows, in blocks whose size depends on the number of rows: parts
        are large enough to have blocks of the same size as all rows together.
    rows : slice(None) or ndarray of int, optional

    Returns
    -------
    out : ndarray of shape (n, ...)
    """
    if not is_stored(X):
        return function(module.reading(X), X[rows])
    numbers = None if isinstance(rows, slice) else np.arange(len(X))[rows]
    n_rows = len(X) if numbers is None else len(numbers)
    least = _MOST_BLOCKS * module.block
    size = least * max(1, X.block_rows // least)
    out: Any = None
    for part in in_parts(n_rows, size):
        some = X[part] if numbers is None else X[numbers[part]]
        reading = module.reading(some)
        if reading is not module:  # the last digits of all rows depend on it
            return by_parts(function, X, reading, rows)
        y = function(module, some)
        if out is None:
            out = np.empty((n_rows, *y.shape[1:]), y.dtype)
        out[part] = y
    return out
