"""Anything with fit and sample as a latent density, behind one small adapter."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import sklearn
from sklearn.base import clone
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.neighbors import KernelDensity

from skvae._distributions.kernels import kernel_log_density
from skvae._utils.columns import take_rows
from skvae._utils.labels import as_labels, is_labelled
from skvae._utils.random import numpy_seed
from skvae.densities.standard_normal import StandardNormal

# Rows on which a density of the user's own is tried: to fit it, and to use it.
_TRIED, _USED = 256, 5


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
    elif takes_labels(copied) and hasattr(copied, "check_parameters"):
        copied.check_parameters()


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


def takes_labels(density: Any) -> bool:
    """Whether a density is one of rows with labels, which has ``of_class``."""
    return hasattr(density, "of_class")


def asked_labels(density: Any, y: Any, n_rows: int, owner: str) -> np.ndarray:
    """Return the class that is asked for each row, from one label or one for each row.

    Raises
    ------
    ValueError
        If the density knows no classes, or if y has not one for each row.
    """
    if not takes_labels(density):
        raise ValueError(
            f"{owner} takes y only where the latent density is one of classes, but "
            f"{type(density).__name__} is not. Fit with labels and with "
            "latent_density=ClassConditionalDensity() of skvae.densities."
        )
    is_one = np.ndim(y) == 0
    labels = as_labels([y] * n_rows if is_one else y, n_rows, owner)
    if not is_labelled(labels).all():
        raise ValueError(
            f"{owner} needs a class for each row, but y has missing labels. Leave y "
            "out for rows of any class."
        )
    return labels


def draw_labels(density: Any, n_samples: int, seed: int) -> np.ndarray:
    """Draw labels from the priors of a density of classes."""
    rng = np.random.default_rng(seed)
    return rng.choice(density.classes_, n_samples, p=density.class_prior_)


def by_class(density: Any, labels: np.ndarray) -> Iterator[tuple[np.ndarray, Any]]:
    """Yield the rows of every class that occurs, and the density of the class."""
    classes, index = np.unique(labels, return_inverse=True)
    densities = [density.of_class(label) for label in classes.tolist()]
    for k, of_class in enumerate(densities):
        yield np.flatnonzero(index == k), of_class


def try_density(density: Any, n_components: int) -> None:
    """Fit a density of the user's own to a few standard normal rows, and use it.

    Raises
    ------
    ValueError
        If it draws or scores what is no use. An error of this type in its own ``fit``
        is let pass: there may be too few rows for it.
    """
    own = getattr(density, "density", None)  # that of every class
    if takes_labels(density) and own is not None:
        try_density(own, n_components)
    if density is None or not _own_methods(density):
        return
    Z = np.random.default_rng(0).standard_normal((_TRIED, n_components))
    tried = _seeded(density, 0)
    try:
        _fit(tried, Z, np.arange(_TRIED) % 2)
    except ValueError:
        return
    _check_use(tried, Z)


def fit_density(
    density: Any, Z: np.ndarray, seed: int, y: Any = None, n_draws: int = 1
) -> Any:
    """Return a fitted clone of `density`; one without seed of its own gets `seed`.

    One that takes labels gets y, and is told how many codes each row has, if it asks.
    """
    density = _seeded(density, seed)
    _fit(density, Z, y, n_draws)
    _check_use(density, Z)
    return density


def _fit(density: Any, Z: np.ndarray, y: Any, n_draws: int = 1) -> None:
    options: dict[str, Any] = {}
    if takes_labels(density):
        asks = "n_draws" in inspect.signature(density.fit).parameters
        options = {"y": y, **({"n_draws": n_draws} if asks else {})}
    with sklearn.config_context(array_api_dispatch=False):  # codes are NumPy arrays
        density.fit(Z, **options)


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


def sample_classes(
    density: Any, labels: np.ndarray, seed: int, n_components: int
) -> np.ndarray:
    """Draw one latent of the class of each label, in their order."""
    Z = np.empty((len(labels), n_components))
    for k, (rows, of_class) in enumerate(by_class(density, labels)):
        own_seed = numpy_seed(seed, k)
        Z[rows] = sample_density(of_class, len(rows), own_seed, n_components)
    return Z


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


def shuffled(rows: Any, seed: int) -> Any:
    """Put rows into a random order.

    Mixtures sort their draws by component; the first rows must be like any others.
    """
    return take_rows(rows, np.random.default_rng(seed).permutation(len(rows)))


def score_density(density: Any, Z: np.ndarray) -> np.ndarray:
    """Log density of every row of latents in nats.

    A density that is itself an importance sampler takes one draw for each row: the
    weights p(z|u) p(u) / q(u|z) are right in expectation, and those of the outer
    sampler average them.

    A KernelDensity with Gaussian kernels is computed here: in ten dimensions and more,
    scikit-learn's sums over a tree lose small densities in differences of large ones.
    """
    if is_gaussian_kernels(density):
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


def is_gaussian_kernels(density: Any) -> bool:
    """Tell whether `score_density` sums the kernels of a density itself."""
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
