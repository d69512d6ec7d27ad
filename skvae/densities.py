"""Latent densities: anything with fit and sample, behind one small adapter."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import numpy as np
import sklearn
from sklearn.base import BaseEstimator, DensityMixin, clone

from skvae._utils.random import draw_seed

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
        self.n_features_in_ = np.shape(X)[1]
        return self

    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> np.ndarray:
        """Draw rows, shape (n_samples, n_features_in_)."""
        rng = np.random.default_rng(draw_seed(random_state))
        return rng.standard_normal((n_samples, self.n_features_in_))

    def score_samples(self, X: Any) -> np.ndarray:
        """Log density of every row in nats, shape (n_samples,)."""
        X = np.asarray(X, dtype=np.float64)
        return -0.5 * (np.square(X).sum(-1) + X.shape[-1] * np.log(2 * np.pi))

    def score(self, X: Any, y: Any = None) -> float:
        """Mean log density in nats."""
        return float(self.score_samples(X).mean())


def check_density(density: Any) -> None:
    """Raise TypeError if `density` is not None and lacks ``fit`` or ``sample``.

    A density of scikit-learn also checks its parameters, before training instead of
    after it.
    """
    if density is None:
        return
    for method in ("fit", "sample"):
        if isinstance(density, type) or not hasattr(density, method):
            raise TypeError(
                "The 'latent_density' parameter must be None or an estimator with "
                f"`fit` and `sample`, such as GaussianMixture(10). Got {density!r}, "
                f"which has no usable `{method}`."
            )
    if hasattr(density, "_parameter_constraints"):
        density._validate_params()


def fit_density(density: Any, Z: np.ndarray, seed: int) -> Any:
    """Return a fitted clone of `density`; one without seed of its own gets `seed`."""
    density = StandardNormal() if density is None else clone(density)
    if density.get_params().get("random_state", 0) is None:
        density.set_params(random_state=seed)
    with sklearn.config_context(array_api_dispatch=False):  # codes are NumPy arrays
        return density.fit(Z)


def sample_density(density: Any, n_samples: int, seed: int) -> np.ndarray:
    """Draw latents in float64 from any fitted density, with a seed of one's own.

    Densities differ in how they sample: some return a tuple of rows and labels, some
    take ``random_state`` in the call and others in the constructor, and a VAE must be
    asked for its observation noise.
    """
    arguments = inspect.signature(density.sample).parameters
    options: dict[str, Any] = {"mean": False} if "mean" in arguments else {}
    if "random_state" in arguments:
        options["random_state"] = seed
    elif "random_state" in density.get_params():
        density = copy.copy(density).set_params(random_state=seed)
    with sklearn.config_context(array_api_dispatch=False):
        Z = density.sample(n_samples, **options)
    Z = np.asarray(Z[0] if isinstance(Z, tuple) else Z, dtype=np.float64)
    # Mixtures sort their draws by component; the first rows must be like any others.
    return Z[np.random.default_rng(seed).permutation(len(Z))]


def score_density(density: Any, Z: np.ndarray) -> np.ndarray:
    """Log density of every row of latents in nats.

    A density that is itself an importance sampler takes one draw for each row: the
    weights p(z|u) p(u) / q(u|z) are right in expectation, and those of the outer
    sampler average them.
    """
    arguments = inspect.signature(density.score_samples).parameters
    options = {"n_importance_samples": 1} if "n_importance_samples" in arguments else {}
    with sklearn.config_context(array_api_dispatch=False):
        return density.score_samples(Z, **options)
