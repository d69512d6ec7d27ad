"""Latent densities: anything with fit and sample, behind one small adapter."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import numpy as np
import sklearn
from sklearn.base import BaseEstimator, DensityMixin, clone
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.utils.validation import check_is_fitted, validate_data

from skvae._distributions.kernels import kernel_log_density
from skvae._utils.random import draw_seed
from skvae._utils.validation import check_integer

__all__ = ["StandardNormal"]

# Rows on which a density of the user's own is tried: to fit it, and to use it.
_TRIED, _USED = 256, 5


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


def check_density(density: Any) -> None:
    """Raise TypeError or ValueError if `density` can be no latent density.

    It must be None, or have ``fit``, ``sample`` and valid parameters, and be one that
    `sklearn.base.clone` copies.
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
    try:
        copied = clone(density)
    except (TypeError, RuntimeError) as error:
        raise TypeError(
            "The 'latent_density' parameter must be an estimator that can be cloned: "
            "derive it from sklearn.base.BaseEstimator, and let its __init__ do "
            f"nothing but store its parameters. Got {density!r} ({error})"
        ) from error
    if hasattr(copied, "_parameter_constraints"):  # else checked in fit, if at all
        copied._validate_params()


def check_enough_codes(density: Any, n_rows: int, n_codes: int) -> None:
    """Raise ValueError if a mixture has more components than there will be codes."""
    if not isinstance(density, GaussianMixture | BayesianGaussianMixture):
        return
    needed = max(2, density.n_components)
    if n_codes < needed:
        raise ValueError(
            f"The latent density {density!r} needs at least {needed} codes, but "
            f"n_samples = {n_rows} gives {n_codes}. Pass more rows, or choose a "
            "latent_density with fewer components."
        )


def try_density(density: Any, n_components: int) -> None:
    """Fit a density of the user's own to a few standard normal rows, and use it.

    Raises
    ------
    ValueError
        If it draws or scores what is no use. An error of this type in its own ``fit``
        is let pass: there may be too few rows for it.
    """
    if density is None or not _own_methods(density):
        return
    Z = np.random.default_rng(0).standard_normal((_TRIED, n_components))
    tried = _seeded(density, 0)
    try:
        with sklearn.config_context(array_api_dispatch=False):
            tried.fit(Z)
    except ValueError:
        return
    _check_use(tried, Z)


def fit_density(density: Any, Z: np.ndarray, seed: int) -> Any:
    """Return a fitted clone of `density`; one without seed of its own gets `seed`."""
    density = _seeded(density, seed)
    with sklearn.config_context(array_api_dispatch=False):  # codes are NumPy arrays
        density.fit(Z)
    _check_use(density, Z)
    return density


def _seeded(density: Any, seed: int) -> Any:
    density = StandardNormal() if density is None else clone(density)
    if density.get_params().get("random_state", 0) is None:
        density.set_params(random_state=seed)
    return density


def _own_methods(density: Any) -> list[str]:
    """Return those of ``sample`` and ``score_samples`` that are the user's own."""
    methods = {m: getattr(density, m, None) for m in ("sample", "score_samples")}
    return [
        name
        for name, method in methods.items()
        if method is not None
        and method.__module__.partition(".")[0] not in ("sklearn", "skvae")
    ]


def _check_use(density: Any, Z: np.ndarray) -> None:
    """Draw from and score with a fitted density, where these are the user's own."""
    own, Z = _own_methods(density), Z[:_USED]
    if "sample" in own:
        sample_density(density, _USED, 0, Z.shape[1])
    if "score_samples" in own:
        score_density(density, Z)


def sample_density(
    density: Any, n_samples: int, seed: int, n_components: int | None = None
) -> np.ndarray:
    """Draw latents in float64 from any fitted density, with a seed of one's own.

    Raises
    ------
    ValueError
        If there are not `n_samples` rows, or, where `n_components` is given, not of so
        many finite numbers.
    """
    Z = np.asarray(draw(density, n_samples, seed), dtype=np.float64)
    width = n_components or (Z.shape[1] if Z.ndim == 2 else "n_components")
    if Z.shape != (n_samples, width):
        raise _misbehaved(density, "sample", (n_samples, width), f"shape {Z.shape}")
    if n_components and not np.isfinite(Z).all():
        raise _misbehaved(density, "sample", Z.shape, "NaN or infinity")
    return shuffled(Z, seed)


def draw(density: Any, n_samples: int, seed: int) -> Any:
    """Return what a fitted density samples, with a seed of one's own.

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
        try:
            Z = density.sample(n_samples, **options)
        except NotImplementedError as error:
            raise NotImplementedError(
                f"{density!r} cannot draw samples. Take a density that can; a "
                "KernelDensity needs kernel='gaussian' or 'tophat'."
            ) from error
    return Z[0] if isinstance(Z, tuple) else Z


def shuffled(rows: np.ndarray, seed: int) -> np.ndarray:
    """Put rows into a random order.

    Mixtures sort their draws by component; the first rows must be like any others.
    """
    return rows[np.random.default_rng(seed).permutation(len(rows))]


def score_density(density: Any, Z: np.ndarray) -> np.ndarray:
    """Log density of every row of latents in nats.

    A density that is itself an importance sampler takes one draw for each row: the
    weights p(z|u) p(u) / q(u|z) are right in expectation, and those of the outer
    sampler average them.

    A KernelDensity with Gaussian kernels is computed here: in ten dimensions and more,
    scikit-learn's sums over a tree lose small densities in differences of large ones.
    """
    if _is_gaussian_kernels(density):
        centres = np.asarray(density.tree_.data)
        return kernel_log_density(Z, centres, density.bandwidth_)
    arguments = inspect.signature(density.score_samples).parameters
    options = {"n_importance_samples": 1} if "n_importance_samples" in arguments else {}
    with sklearn.config_context(array_api_dispatch=False):
        scores = np.asarray(density.score_samples(Z, **options), dtype=np.float64)
    if scores.shape != (len(Z),):
        raise _misbehaved(density, "score_samples", (len(Z),), f"shape {scores.shape}")
    if np.isnan(scores).any():
        raise _misbehaved(density, "score_samples", (len(Z),), "NaN")
    return scores


def _is_gaussian_kernels(density: Any) -> bool:
    return (
        isinstance(density, KernelDensity)
        and "score_samples" not in _own_methods(density)
        and density.kernel == "gaussian"
        and density.metric == "euclidean"
    )


def _misbehaved(
    density: Any, method: str, expected: tuple[Any, ...], found: str
) -> ValueError:
    name = type(density).__name__
    sizes = ", ".join(map(str, expected)) + "," * (len(expected) == 1)
    return ValueError(
        f"`{method}` of the latent density {name} must return numbers of shape "
        f"({sizes}), but has returned {found}. Mend {name}, or fit another "
        "latent_density by fit_latent_density."
    )
