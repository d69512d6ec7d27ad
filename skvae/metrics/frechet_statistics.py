"""Mean and covariance of a set of rows, to compute once and keep."""

from dataclasses import dataclass
from os import PathLike
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from skvae._utils.arrays import FloatArray, as_rows
from skvae._utils.validation import check_integer


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


def checked_statistics(X: FrechetStatistics, name: str) -> FrechetStatistics:
    """Return statistics in float64; raise ValueError unless they can be of rows.

    That the covariance has no negative eigenvalue is left to its root.
    """
    mu, sigma = np.asarray(X.mu, dtype=float), np.asarray(X.sigma, dtype=float)
    if mu.ndim != 1 or sigma.shape != 2 * mu.shape:
        raise ValueError(
            f"{name} must have mu of shape (d,) and sigma of shape (d, d), got "
            f"{mu.shape} and {sigma.shape}. Use FrechetStatistics.from_data."
        )
    as_rows(np.vstack([mu, sigma]), f"{name} (mu above sigma)")
    if not np.allclose(sigma, sigma.T, rtol=0, atol=1e-6 * np.abs(sigma).max()):
        i, j = np.unravel_index(np.abs(sigma - sigma.T).argmax(), sigma.shape)
        raise ValueError(
            f"{name}.sigma must be symmetric, as covariances are, but has "
            f"{sigma[i, j]:.6g} in row {i}, column {j} and {sigma[j, i]:.6g} in row "
            f"{j}, column {i}. Use FrechetStatistics.from_data."
        )
    if X.n is not None:
        check_integer(f"the FrechetStatistics {name}", "n", X.n, 2)
    return FrechetStatistics(mu, sigma, X.n)
