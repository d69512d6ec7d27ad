"""Fréchet distance between two sets of rows, seen as Gaussians."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from skvae._utils.arrays import (
    FloatArray,
    IntArray,
    as_rows,
    check_same_width,
)
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
from skvae.metrics._sets import as_numbers
from skvae.metrics.frechet_statistics import FrechetStatistics, checked_statistics

_OWNER = "frechet_distance_infinity"


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
    standard_error: float
    """Of `value`, from the scatter of the subsets about the line; without what is
    random in the rows themselves. nan for two sizes."""


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
        If a set has fewer than two rows or NaN, the widths differ, or statistics have a
        covariance that is not symmetric and positive semidefinite.

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
    sets = as_numbers({"X_real": X_real, "X_generated": X_generated})
    X_real, X_generated = (_read(X, name) for name, X in sets.items())
    check_same_width(_width(X_real), _width(X_generated), ("X_real", "X_generated"))
    _warn_if_small(X_real, "X_real")
    _warn_if_small(X_generated, "X_generated")
    origin = _origin(X_real)
    return squared_wasserstein(
        _gaussian(X_real, origin, "X_real"),
        _gaussian(X_generated, origin, "X_generated"),
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
        Named tuple (value, slope, sizes, distances, n_real, n_generated,
        standard_error), in squared units of the features.

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

    The bias is a line in 1/size only for subsets of several times as many rows as
    features. With 200 rows of 50 features, whose distance to the reference rows is 3.6,
    the default gives 2.2 and ``min_size=100`` 3.3.

    The standard error allows for a scatter that differs between sizes (HC3).

    References
    ----------
    Chong and Forsyth 2020, Effectively unbiased FID and Inception score and where to
    find them, arXiv:1911.07023. MacKinnon and White 1985, Some heteroskedasticity
    consistent covariance matrix estimators, Journal of Econometrics 29 (HC3).

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.metrics import frechet_distance_infinity
    >>> X = np.random.RandomState(0).normal(size=(600, 2))
    >>> result = frechet_distance_infinity(X[:300], X[300:], random_state=0)
    >>> len(result.sizes), abs(result.value) < 0.1
    (15, True)
    """
    sets = as_numbers({"X_real": X_real, "X_generated": X_generated})
    X_real = _read(sets["X_real"], "X_real")
    X_generated = as_rows(sets["X_generated"], "X_generated", min_rows=4)
    check_same_width(_width(X_real), X_generated.shape[1], ("X_real", "X_generated"))
    sizes = _sizes(len(X_generated), n_sizes, min_size)
    _warn_if_small(X_real, "X_real")
    _warn_if_small(X_generated[: sizes[0]], "The smallest subset of X_generated")
    rng = random_state_of(random_state)
    origin = _origin(X_real)
    real = _gaussian(X_real, origin, "X_real")
    subsets = (rng.choice(len(X_generated), n, replace=False) for n in sizes)
    distances = np.array(
        [
            squared_wasserstein(real, gaussian_of_rows(X_generated[s], origin))
            for s in subsets
        ]
    )
    value, slope, error = _intercept(1 / sizes, distances)
    return FrechetExtrapolation(
        value, slope, sizes, distances, real.n, len(X_generated), error
    )


def _intercept(x: FloatArray, y: FloatArray) -> tuple[float, float, float]:
    """Fit a line by least squares; return intercept, slope, error of the intercept."""
    slope, value = np.polyfit(x, y, 1)
    design = np.stack([np.ones_like(x), x], axis=1)
    weights = np.linalg.pinv(design)  # (2, n_sizes)
    rest = 1 - np.einsum("ij,ji->i", design, weights)
    residuals = y - value - slope * x
    error = np.nan
    if len(x) > 2 and rest.min() > 0:
        error = np.linalg.norm(weights[0] * residuals / rest)
    return float(value), float(slope), float(error)


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
    return checked_statistics(X, name)


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


def _gaussian(
    X: FloatArray | FrechetStatistics, origin: FloatArray, name: str
) -> Gaussian:
    """Moments of `X` about `origin`, a point near the data."""
    if isinstance(X, FrechetStatistics):
        root = root_of_covariance(X.sigma, f"{name}.sigma")
        return Gaussian(X.mu - origin, root, X.n)
    return gaussian_of_rows(X, origin)
