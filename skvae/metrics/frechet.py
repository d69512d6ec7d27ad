"""Fréchet distance between two sets of rows, seen as Gaussians."""

from dataclasses import dataclass
from os import PathLike
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from skvae._utils.arrays import FloatArray, IntArray, as_rows, check_same_width
from skvae._utils.random import RandomState, random_state_of
from skvae._utils.validation import check_integer
from skvae._utils.warn import warn
from skvae.metrics._gaussian import (
    Gaussian,
    gaussian_of_rows,
    root_of_covariance,
    squared_wasserstein,
    sum_of_rows,
)

_OWNER = "frechet_distance_infinity"


@dataclass(frozen=True, eq=False)
class FrechetStatistics:
    """Mean and covariance of a reference set, to compute once and keep.

    Parameters
    ----------
    mu : ndarray of shape (n_features,)
        Mean row.
    sigma : ndarray of shape (n_features, n_features)
        Covariance, with divisor n - 1.
    n : int or None, default=None
        Number of rows behind them; None where it is not known.

    Notes
    -----
    A covariance loses precision in its smallest eigenvalues: where it is singular, a
    distance from statistics is right to about 1e-8 of its scale ``tr(sigma)``, one from
    rows to about 1e-15.

    Examples
    --------
    >>> from skvae.metrics import FrechetStatistics
    >>> statistics = FrechetStatistics.from_data([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
    >>> statistics.mu
    array([2., 1.])
    >>> statistics.n
    3
    """

    mu: FloatArray
    sigma: FloatArray
    n: int | None = None

    @classmethod
    def from_data(cls, X: ArrayLike | Tensor) -> Self:
        """Compute the statistics of rows.

        Parameters
        ----------
        X : array-like or Tensor of shape (n, ...)
            At least two rows.

        Returns
        -------
        statistics : FrechetStatistics
        """
        X = as_rows(X, "X", min_rows=2)
        mu = X.mean(axis=0)
        Z = X - mu
        rest = Z.mean(axis=0)  # rounding of the first mean, of rows far from 0
        Z -= rest
        return cls(mu + rest, Z.T @ Z / (len(X) - 1), len(X))

    def save(self, path: str | PathLike[str]) -> None:
        """Write an npz file with arrays "mu", "sigma" and, where known, "n".

        Parameters
        ----------
        path : str or path-like
            Used as it is: no suffix is added.
        """
        arrays = {"mu": self.mu, "sigma": self.sigma}
        if self.n is not None:
            arrays["n"] = np.array(self.n)
        with open(path, "wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read an npz file with "mu" and "sigma", the format of pytorch-fid.

        Parameters
        ----------
        path : str or path-like

        Returns
        -------
        statistics : FrechetStatistics

        Raises
        ------
        ValueError
            If one of the two arrays is absent.
        """
        with np.load(path, allow_pickle=False) as file:
            if not {"mu", "sigma"} <= set(file.files):
                raise ValueError(
                    f"{path} must hold arrays 'mu' and 'sigma', but has {file.files}. "
                    "Write it with FrechetStatistics.save."
                )
            n = int(file["n"]) if "n" in file.files else None
            return cls(file["mu"].astype(float), file["sigma"].astype(float), n)


class FrechetExtrapolation(NamedTuple):
    """Fréchet distance at growing sample sizes and its limit."""

    value: float
    """Intercept of the fitted line: the distance at infinitely many samples."""
    slope: float
    """Slope over 1/n, the bias times n."""
    sizes: IntArray
    """Sample sizes, shape (n_sizes,)."""
    distances: FloatArray
    """Distance at each size, shape (n_sizes,)."""
    n_real: int | None
    """Reference rows, None where the statistics have no number."""
    n_generated: int
    """Generated rows."""


def frechet_distance(
    X_real: ArrayLike | Tensor | FrechetStatistics,
    X_generated: ArrayLike | Tensor | FrechetStatistics,
) -> float:
    """Fréchet distance between Gaussians fitted to two sets.

    ``|m_r - m_g|^2 + tr S_r + tr S_g - 2 tr (S_r S_g)^(1/2)``, the squared
    2-Wasserstein distance; on Inception features it is the FID.

    Parameters
    ----------
    X_real : array-like or Tensor of shape (n, ...), or FrechetStatistics
        Reference rows, at least two, or their statistics.
    X_generated : array-like or Tensor of shape (m, ...), or FrechetStatistics
        Generated rows, at least two, or their statistics.

    Returns
    -------
    distance : float
        In squared units of the features; lower is better, 0 for equal moments.
        Rounding can leave it a little below zero.

    Raises
    ------
    ValueError
        If a set has fewer than two rows or NaN, or the widths differ.

    Warns
    -----
    UserWarning
        If a set has fewer rows than features.

    Notes
    -----
    The estimate is biased upwards by about C/n, where C depends on the model:
    compare only at equal sample sizes, or extrapolate with
    `frechet_distance_infinity`. Only two moments are seen.

    The last trace is the sum of singular values of ``R_r R_g'``, where
    ``R'R = S``: unlike a matrix square root it needs no regularisation, whether or
    not the covariances are singular.

    References
    ----------
    Dowson and Landau 1982, The Fréchet distance between multivariate normal
    distributions, eq. 4. Heusel et al. 2017, eq. 6, arXiv:1706.08500.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.metrics import frechet_distance
    >>> X = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> round(frechet_distance(X, X + 3), 6)
    18.0
    """
    X_real = _read(X_real, "X_real")
    X_generated = _read(X_generated, "X_generated")
    check_same_width(_width(X_real), _width(X_generated), ("X_real", "X_generated"))
    _warn_if_small(X_real, "X_real")
    _warn_if_small(X_generated, "X_generated")
    origin = _origin(X_real)
    return squared_wasserstein(
        _gaussian(X_real, origin), _gaussian(X_generated, origin)
    )


def frechet_distance_infinity(
    X_real: ArrayLike | Tensor | FrechetStatistics,
    X_generated: ArrayLike | Tensor,
    *,
    n_sizes: int = 15,
    min_size: int | None = None,
    random_state: RandomState = None,
) -> FrechetExtrapolation:
    """Fréchet distance extrapolated to infinitely many generated rows.

    The distance is computed for random subsets (without replacement) of the generated
    rows at equally spaced sizes; a line in 1/size is fitted by least squares.

    Parameters
    ----------
    X_real : array-like or Tensor of shape (n, ...), or FrechetStatistics
        Reference rows or their statistics, used whole: the bias that comes from
        them stays.
    X_generated : array-like or Tensor of shape (m, ...)
        Generated rows.
    n_sizes : int, default=15
        Number of sizes, from `min_size` to m.
    min_size : int, default=None
        Smallest size; None is ``min(5000, max(m / 10, 2))``.
    random_state : int, RandomState or None, default=None
        Draws the subsets.

    Returns
    -------
    result : FrechetExtrapolation
        Named tuple (value, slope, sizes, distances, n_real, n_generated), in squared
        units of the features.

    Raises
    ------
    ValueError
        If there are fewer than 4 generated rows, or `min_size` is not below m.

    Warns
    -----
    UserWarning
        If the smallest subset, or the reference, has fewer rows than features.

    Notes
    -----
    Only the bias is removed, not the variance, which dominates with few rows or few
    features.

    References
    ----------
    Chong and Forsyth 2020, Effectively unbiased FID and Inception score and where to
    find them, arXiv:1911.07023.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.metrics import frechet_distance_infinity
    >>> X = np.random.RandomState(0).normal(size=(600, 2))
    >>> result = frechet_distance_infinity(X[:300], X[300:], random_state=0)
    >>> len(result.sizes), abs(result.value) < 0.1
    (15, True)
    """
    X_real = _read(X_real, "X_real")
    X_generated = as_rows(X_generated, "X_generated", min_rows=4)
    check_same_width(_width(X_real), X_generated.shape[1], ("X_real", "X_generated"))
    sizes = _sizes(len(X_generated), n_sizes, min_size)
    _warn_if_small(X_real, "X_real")
    _warn_if_small(X_generated[: sizes[0]], "The smallest subset of X_generated")
    rng = random_state_of(random_state)
    origin = _origin(X_real)
    real = _gaussian(X_real, origin)
    subsets = (rng.choice(len(X_generated), n, replace=False) for n in sizes)
    distances = [
        squared_wasserstein(real, _gaussian(X_generated[s], origin)) for s in subsets
    ]
    slope, value = np.polyfit(1 / sizes, distances, 1)
    return FrechetExtrapolation(
        float(value), float(slope), sizes, np.array(distances), real.n, len(X_generated)
    )


def _sizes(n: int, n_sizes: int, min_size: int | None) -> IntArray:
    n_sizes = check_integer(_OWNER, "n_sizes", n_sizes, 2)
    if min_size is None:
        min_size = int(min(5000, max(n / 10, 2)))
    min_size = check_integer(_OWNER, "min_size", min_size, 2)
    if min_size >= n:
        raise ValueError(
            f"min_size must be below the {n} rows of X_generated, got {min_size}. "
            "Choose a smaller one or pass a larger sample."
        )
    return np.linspace(min_size, n, n_sizes).astype(int)


def _read(
    X: ArrayLike | Tensor | FrechetStatistics, name: str
) -> FloatArray | FrechetStatistics:
    if not isinstance(X, FrechetStatistics):
        return as_rows(X, name, min_rows=2)
    mu, sigma = np.asarray(X.mu, dtype=float), np.asarray(X.sigma, dtype=float)
    if mu.ndim != 1 or sigma.shape != 2 * mu.shape:
        raise ValueError(
            f"{name} must have mu of shape (d,) and sigma of shape (d, d), got "
            f"{mu.shape} and {sigma.shape}. Use FrechetStatistics.from_data."
        )
    as_rows(np.vstack([mu, sigma]), f"{name} (mu above sigma)")
    return FrechetStatistics(mu, sigma, X.n)


def _width(X: FloatArray | FrechetStatistics) -> int:
    return len(X.mu) if isinstance(X, FrechetStatistics) else X.shape[1]


def _origin(X: FloatArray | FrechetStatistics) -> FloatArray:
    """Return a point near the mean."""
    return X.mu if isinstance(X, FrechetStatistics) else sum_of_rows(X) / len(X)


def _warn_if_small(X: FloatArray | FrechetStatistics, name: str) -> None:
    n = X.n if isinstance(X, FrechetStatistics) else len(X)
    if n is not None and n < _width(X):
        warn(
            f"{name} has {n} rows, fewer than its {_width(X)} features: the Fréchet "
            "distance has a large upward bias. Use more rows or fewer features, and "
            "compare only at equal sample sizes."
        )


def _gaussian(X: FloatArray | FrechetStatistics, origin: FloatArray) -> Gaussian:
    """Moments of `X` about `origin`, a point near the data."""
    if isinstance(X, FrechetStatistics):
        return Gaussian(X.mu - origin, root_of_covariance(X.sigma), X.n)
    return gaussian_of_rows(X, origin)
