"""Rows as float32 tensors, in an origin and units that lose nothing of them."""

import math
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_LARGEST = np.finfo(np.float32).max


@dataclass(frozen=True)
class Frame:
    """Origin and units of the numbers that a module computes with.

    A module sees ``(X - origin) / 2**exponent``, computed in float64 and cast to
    float32. Powers of two change no digit. The plain frame leaves rows as they are.

    Attributes
    ----------
    origin : float or ndarray of shape (n_features,)
    exponent : int or ndarray of int of shape (n_features,)
    dtype : NumPy type
        Type of the rows that are given back: float64 if X had so many digits.
    has_missing : bool
        Whether NaN stands for a missing value; an error otherwise.
    """

    origin: Any = 0.0
    exponent: Any = 0
    dtype: Any = np.float32
    has_missing: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether rows stay as they are."""
        return not (np.any(self.origin) or np.any(self.exponent))

    @property
    def unit(self) -> Any:
        """What is 1 inside, in the units of X."""
        return np.ldexp(1.0, self.exponent)

    def to_frame(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Take values by feature from the units of X, in float64."""
        # Scaled first, differences of the largest numbers stay finite.
        origin = np.ldexp(self.origin, -np.asarray(self.exponent))
        scaled = np.ldexp(values.astype(np.float64), -np.asarray(self.exponent))
        return scaled - origin

    def read(self, rows: NDArray[Any]) -> Tensor:
        """Return rows of X as a float32 tensor; raise ValueError if it cannot be."""
        if self.is_plain:
            x = to_float32(rows, self.has_missing)
        else:
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                x = torch.from_numpy(self.to_frame(rows).astype(np.float32))
            _check_finite(x, rows, self.has_missing)
        # The noise of a row is that of its bits, of which NaN may have several.
        return torch.where(x.isnan(), torch.nan, x) if self.has_missing else x

    def restore(self, rows: NDArray[np.float32]) -> NDArray[Any]:
        """Take rows back to the units of X."""
        if self.is_plain:
            return rows.astype(self.dtype, copy=False)
        with np.errstate(over="ignore", under="ignore"):
            exact = np.ldexp(rows.astype(np.float64), self.exponent) + self.origin
            return exact.astype(self.dtype, copy=False)

    def log_volume(self, X: NDArray[Any]) -> Any:
        """Logarithm of the volume of the unit cube of what is observed, by row of X."""
        if not np.any(self.exponent):
            return 0.0
        exponents = np.broadcast_to(self.exponent, X.shape[1])
        return (~np.isnan(X) @ exponents) * math.log(2)


PLAIN = Frame()


def to_float32(rows: NDArray[Any], has_missing: bool = False) -> Tensor:
    """Return rows as a float32 tensor, sharing their memory where that is safe.

    Parameters
    ----------
    rows : ndarray
    has_missing : bool, default=False
        Whether NaN may stand for a missing value.

    Raises
    ------
    ValueError
        If a value is NaN, infinite, or beyond the range of float32.
    """
    if rows.dtype == np.float32 and rows.flags.writeable and rows.flags.c_contiguous:
        x = torch.from_numpy(rows)
    else:
        with np.errstate(over="ignore", under="ignore"):
            x = torch.from_numpy(np.array(rows, dtype=np.float32, order="C"))
    _check_finite(x, rows, has_missing)
    return x


def check_range(values: NDArray[Any], X: NDArray[Any]) -> None:
    """Raise ValueError, naming a value of `X`, if float32 cannot hold statistics."""
    if not (np.abs(values) < _LARGEST).all():
        _refuse_range(X)


def _check_finite(x: Tensor, rows: NDArray[Any], has_missing: bool) -> None:
    # One cheap pass; the sum may also overflow, so look closely before raising.
    if math.isfinite(x.sum()):
        return
    if (x.isinf() if has_missing else ~x.isfinite()).any():
        check_finite(rows, has_missing or not np.isnan(rows).any())
        _refuse_range(rows)


def check_finite(X: NDArray[Any], has_missing: bool = False) -> None:
    """Raise ValueError, naming a feature, if a value is infinite, or NaN.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    has_missing : bool, default=False
        Whether NaN may stand for a missing value.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        # A sum is cheaper than a look at each value, but finite values may overflow it.
        if X.dtype.kind != "f" or math.isfinite(X.sum(dtype=np.float64)):
            return
    wrong = np.isinf(X) if has_missing else ~np.isfinite(X)
    if wrong.any():
        row, feature = np.argwhere(wrong)[0]
        n_wrong = "one value is" if wrong.sum() == 1 else f"{wrong.sum()} values are"
        what, remedy = "NaN or infinity", "Impute missing values, or leave out rows"
        if has_missing:
            what, remedy = "infinity", "Put NaN where a value is missing"
        raise ValueError(
            f"X must not contain {what}, but {n_wrong}; the first of them, "
            f"{X[row, feature]}, is in feature {feature}. {remedy}."
        )


def _refuse_range(X: NDArray[Any]) -> NoReturn:
    row, feature = np.unravel_index(np.nanargmax(np.abs(X)), X.shape)
    raise ValueError(
        "X must stay within the range of float32, +-3.4e38, but feature "
        f"{feature} has the value {X[row, feature]:.3g}. Rescale X, for example with "
        "StandardScaler, or remove that row if the value stands for a missing one."
    )
