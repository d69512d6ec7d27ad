"""Normal densities of classes, of which some may have hardly any rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skvae._utils.random import draw_seed

_LEAST_VARIANCE = 1e-6  # added to all, as scikit-learn's mixtures do


class Normal:
    """Normal density.

    Parameters
    ----------
    mean : ndarray of shape (n_features,)
    covariance : ndarray of shape (n_features, n_features)

    Attributes
    ----------
    mean_, covariance_ : ndarray
    precision_root_ : ndarray of shape (n_features, n_features)
        Whose product with its transpose is the inverse of the covariance.
    """

    def __init__(self, mean: NDArray[Any], covariance: NDArray[Any]) -> None:
        self.mean_, self.covariance_ = mean, covariance
        self._root = np.linalg.cholesky(covariance)
        self.precision_root_ = np.linalg.inv(self._root).T

    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> NDArray[Any]:
        """Draw rows, shape (n_samples, n_features)."""
        rng = np.random.default_rng(draw_seed(random_state))
        noise = rng.standard_normal((n_samples, len(self.mean_)))
        return self.mean_ + noise @ self._root.T

    def score_samples(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Log density of every row in nats, shape (n_samples,)."""
        distances = (X - self.mean_) @ self.precision_root_
        log_det = np.log(np.diag(self.precision_root_)).sum()
        constant = log_det - 0.5 * len(self.mean_) * np.log(2 * np.pi)
        return constant - 0.5 * np.square(distances).sum(-1)


def shrunk_normals(groups: list[NDArray[Any]], n_draws: int) -> list[Normal]:
    """Return a normal density for each class, with a covariance between two estimates.

    That of the class itself counts as many rows as there are beyond the first, and that
    of all classes, each around its own mean, one row more than there are features: the
    fewest that determine a covariance matrix. A class of one row has that of all
    classes; where no class has more, it is the identity, that of the prior of codes.

    Parameters
    ----------
    groups : list of ndarray of shape (n_codes, n_features)
        The codes of each class.
    n_draws : int
        Codes of each row.

    References
    ----------
    Friedman, "Regularized Discriminant Analysis", 1989, JASA 84(405), section 2.
    """
    d = groups[0].shape[1]
    means = [Z.mean(0) for Z in groups]
    scatters = [
        (Z - m).T @ (Z - m) / n_draws for Z, m in zip(groups, means, strict=True)
    ]
    # Of rows beyond the first of each class.
    counts = [len(Z) / n_draws - 1 for Z in groups]
    pooled = sum(scatters) / sum(counts) if sum(counts) > 0 else np.eye(d)
    least = _LEAST_VARIANCE * np.eye(d)
    return [
        Normal(mean, (scatter + (d + 1) * pooled) / (count + d + 1) + least)
        for mean, scatter, count in zip(means, scatters, counts, strict=True)
    ]
