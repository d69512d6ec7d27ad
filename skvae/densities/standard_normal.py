"""The standard normal density."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from skvae._utils.random import draw_seed
from skvae._utils.validation import check_integer

__all__ = ["StandardNormal"]


class StandardNormal(DensityMixin, BaseEstimator):
    """The standard normal density N(0, I), the prior of a VAE.

    Attributes
    ----------
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.densities import StandardNormal
    >>> density = StandardNormal().fit(np.zeros((1, 2)))
    >>> density.sample(3, random_state=0).shape
    (3, 2)
    >>> density.score_samples(np.zeros((1, 2))).round(4)
    array([-1.8379])
    """

    def fit(self, X: Any, y: Any = None) -> StandardNormal:
        """Remember the number of columns of X."""
        validate_data(self, X)
        return self

    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> np.ndarray:
        """Draw rows, shape (n_samples, n_features_in_)."""
        check_is_fitted(self)
        n_samples = check_integer("StandardNormal.sample", "n_samples", n_samples, 1)
        rng = np.random.default_rng(draw_seed(random_state))
        return rng.standard_normal((n_samples, self.n_features_in_))

    def score_samples(self, X: Any) -> np.ndarray:
        """Log density of every row in nats, shape (n_samples,)."""
        check_is_fitted(self)
        options = {"dtype": np.float64, "ensure_all_finite": False}
        X = validate_data(self, X, reset=False, **options)
        return -0.5 * (np.square(X).sum(-1) + X.shape[-1] * np.log(2 * np.pi))

    def score(self, X: Any, y: Any = None) -> float:
        """Mean log density in nats."""
        return float(self.score_samples(X).mean())
