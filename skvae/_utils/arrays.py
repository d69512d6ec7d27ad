"""Arrays and tensors as finite rows of numbers."""

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse

from skvae._utils.containers import as_array_like

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
_CHECKED_ENTRIES = 2**22
# Sums of squares of larger values overflow; squares of smaller ones are all 0.
LARGEST = 1e140
_SMALLEST = 1e-140


def as_rows(X: ArrayLike | torch.Tensor, name: str, *, min_rows: int = 1) -> FloatArray:
    """Read an array or tensor as finite float64 rows.

    Parameters
    ----------
    X : array-like or Tensor of shape (n, ...)
        Rows may have any shape (images, for instance) and are flattened.
    name : str
        Name of the argument, for error messages.
    min_rows : int, default=1
        Smallest number of rows that is enough.

    Returns
    -------
    X : ndarray of shape (n, n_features), float64
        A view of the input where that is possible.

    Raises
    ------
    TypeError
        If `X` is sparse or not real numbers.
    ValueError
        If `X` has no row axis, too few rows, no features, masked values, NaN, infinity
        or values beyond 1e140.
    """
    X = _flattened(_as_float64(X, name), name, min_rows)
    _check_finite(X, name)
    return X


def as_real_rows(X: ArrayLike | torch.Tensor, name: str) -> NDArray[Any]:
    """Read an array or tensor as finite rows, without a copy in another type."""
    X = _flattened(as_real(X, name), name, min_rows=1)
    if X.dtype.kind == "f":
        step = max(1, _CHECKED_ENTRIES // X.shape[1])
        for start in range(0, len(X), step):
            _check_finite(X[start : start + step], name, start)
    return X


def as_real(X: ArrayLike | torch.Tensor, name: str) -> NDArray[Any]:
    """Read an array or tensor of any shape and real type, which it keeps."""
    if not issparse(X):
        _check_not_masked(X, name)
        X = np.asarray(as_array_like(X, name))
        if X.dtype.kind in "buif":
            return X
    return _as_float64(X, name)


def as_finite(X: ArrayLike | torch.Tensor, name: str) -> FloatArray:
    """Read an array or tensor of any shape as finite float64."""
    X = _as_float64(X, name)
    _check_finite(X.reshape(len(X) if X.ndim > 1 else 1, -1), name)
    return X


def as_pair(
    X: ArrayLike | torch.Tensor,
    Y: ArrayLike | torch.Tensor,
    names: tuple[str, str] = ("X_real", "X_generated"),
    *,
    min_rows: int = 1,
) -> tuple[FloatArray, FloatArray]:
    """Read two sets with `as_rows` and check that they have the same columns."""
    check_same_columns(X, Y, names)
    X = as_rows(X, names[0], min_rows=min_rows)
    Y = as_rows(Y, names[1], min_rows=min_rows)
    check_same_width(X.shape[1], Y.shape[1], names)
    check_not_tiny(X, Y, names)
    return X, Y


def check_same_columns(X: Any, Y: Any, names: tuple[str, str]) -> None:
    """Raise ValueError if two data frames differ in the names or order of columns."""
    x, y = column_names(X), column_names(Y)
    if x and y and len(x) == len(y) and x != y:
        i = next(i for i, (a, b) in enumerate(zip(x, y, strict=True)) if a != b)
        raise ValueError(
            f"{names[0]} and {names[1]} must have the same columns in the same order, "
            f"but column {i} is {x[i]!r} in one and {y[i]!r} in the other. Select the "
            f"columns of {names[0]}: {names[1]}[{names[0]}.columns]."
        )


def column_names(X: Any) -> list[str] | None:
    """Return the names of a data frame's columns, if it has any that are strings."""
    names = list(getattr(X, "columns", []))
    return names if names and all(isinstance(name, str) for name in names) else None


def check_same_width(d_x: int, d_y: int, names: tuple[str, str]) -> None:
    """Raise ValueError unless both sets have the same number of features."""
    if d_x != d_y:
        raise ValueError(
            f"{names[0]} and {names[1]} must have the same number of features, "
            f"got {d_x} and {d_y}. Pass both through the same feature map."
        )


def at_most(X: Any, n_rows: int, rng: np.random.RandomState) -> Any:
    """Draw `n_rows` rows of an array or frame, where there are more of them."""
    if len(X) <= n_rows:
        return X
    rows = np.sort(rng.choice(len(X), n_rows, replace=False))
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def _as_float64(X: Any, name: str) -> NDArray[Any]:
    if issparse(X):
        raise TypeError(f"{name} must be dense, got {type(X)}. Use {name}.toarray().")
    _check_not_masked(X, name)
    X = np.asarray(as_array_like(X, name))
    try:
        # A cast from complex numbers or strings would succeed.
        return X.astype(np.float64, copy=False, casting=_casting(X))
    except (TypeError, ValueError):
        raise TypeError(
            f"{name} must hold real numbers, got dtype {X.dtype}. "
            "Convert it to a numeric feature matrix."
        ) from None


def _casting(X: NDArray[Any]) -> str:
    return "unsafe" if X.dtype.kind == "O" else "same_kind"


def _flattened(X: NDArray[Any], name: str, min_rows: int) -> NDArray[Any]:
    """Reshape to one row per sample; raise ValueError if there are too few of them."""
    if X.ndim < 2:
        array = f"{name}." if name.isidentifier() else ""
        raise ValueError(
            f"{name} must have shape (n_rows, n_features), got {X.shape}. "
            f"Reshape one feature with {array}reshape(-1, 1)."
        )
    X = X.reshape(len(X), int(np.prod(X.shape[1:])))
    if len(X) < min_rows:
        raise ValueError(
            f"{name} must have at least {min_rows} row{'s' * (min_rows > 1)}, "
            f"got {len(X)}. Pass a larger sample."
        )
    if X.shape[1] == 0:
        raise ValueError(f"{name} must have at least 1 feature, got shape {X.shape}.")
    return X


def _check_not_masked(X: Any, name: str) -> None:
    if np.ma.is_masked(X):
        raise ValueError(
            f"{name} must have no masked values, but {np.ma.count_masked(X)} are. "
            "Remove or impute those rows."
        )


def _check_finite(X: FloatArray, name: str, first_row: int = 0) -> None:
    if X.size == 0 or (float(X.min()) >= -LARGEST and float(X.max()) <= LARGEST):
        return
    finite = np.isfinite(X)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise ValueError(
            f"{name} must be finite, but has {np.sum(~finite)} NaN or infinite values, "
            f"the first ({X[row, column]}) in row {first_row + row}, column {column}. "
            "Remove or impute those rows."
        )
    row, column = np.argwhere(np.abs(X) > LARGEST)[0]
    raise ValueError(
        f"{name} must have values between -{LARGEST:g} and {LARGEST:g}, whose squares "
        f"can be summed, but has {X[row, column]:g} in row {first_row + row}, column "
        f"{column}. Rescale it, or look for what made that row."
    )


def check_not_tiny(X: FloatArray, Y: FloatArray, names: tuple[str, str]) -> None:
    """Raise ValueError if no value of either set has a square above 0."""
    largest = max(extreme for A in (X, Y) for extreme in (A.max(), -A.min()))
    if 0 < largest < _SMALLEST:
        raise ValueError(
            f"{names[0]} and {names[1]} must have values above {_SMALLEST:g}, whose "
            f"squares are not 0, but the largest is {largest:g}. Rescale both."
        )
