"""A density of two features on a grid, and where a latent plane is decoded to."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skvae.estimators.base import BaseAutoencoder
from skvae.pipeline._abilities import can_score, last_step, log_likelihood
from skvae.pipeline.sampling import chosen_model
from skvae.plotting._models import decode_rows, draw_samples, name_of, refuse_categories
from skvae.plotting._plane import grid_points

FloatArray = NDArray[np.float64]

# The colours of the corners: lower left and right, upper left and right.
_CORNERS = (("#2080ff", "#00d060"), ("#ff40c0", "#ffb000"))
_MARGIN = 0.1  # around rows, as a share of their range
_SAMPLES = 1000  # that find where a model has its mass


class LatentPlane(NamedTuple):
    """Where a square of the latent plane is decoded to."""

    locations: FloatArray
    """Decoded centres of cells, from the lowest row upwards, shape (n, n, 2)."""
    log_density: FloatArray
    """Of the reference, or else the model, at the locations, in nats, shape (n, n)."""
    log_weights: FloatArray
    """Log density of the latent variables, up to a constant, shape (n, n)."""
    limit: float
    """The square reaches from ``-limit`` to ``limit``."""

    def dark_mass(self, log_bound: float) -> float:
        """Return the mass that is decoded to where the log density is below a bound."""
        weights = np.exp(self.log_weights - self.log_weights.max())
        return float(weights[self.log_density < log_bound].sum() / weights.sum())


def check_plane_model(owner: str, estimator: Any) -> None:
    """Raise an error unless a model has a density of two features."""
    if not can_score(estimator):
        raise TypeError(
            f"{owner} needs an estimator that has `score_samples`, but "
            f"{name_of(estimator)} has none. Pass a density, such as VAE or "
            "GaussianMixture."
        )
    check_is_fitted(last_step(estimator))
    refuse_categories(owner, estimator)
    n_features = getattr(chosen_model(estimator), "n_features_in_", 2)
    if n_features != 2:
        raise ValueError(
            f"{owner} needs a model of 2 features, whose plane it shows, got "
            f"{n_features}. For images, use SampleGridDisplay; for codes, "
            "LatentSpaceDisplay."
        )


def names_of_features(estimator: Any) -> tuple[str, str]:
    """Return the names of the columns that a model was fitted on."""
    default = "feature 0", "feature 1"
    first, second = getattr(chosen_model(estimator), "feature_names_in_", default)
    return str(first), str(second)


def check_extent(extent: Any) -> tuple[float, ...]:
    """Return edges as floats; raise ValueError unless they enclose something."""
    edges = np.asarray(extent)
    valid = edges.shape == (4,) and edges.dtype.kind in "iuf"
    if not (valid and np.isfinite(edges).all() and (edges[::2] < edges[1::2]).all()):
        raise ValueError(
            "extent must be None or (left, right, low, high), with left < right and "
            f"low < high, got {extent!r}."
        )
    return tuple(map(float, edges))


def grid_log_likelihood(estimator: Any, X: Any, **options: Any) -> Any:
    """Score rows of a grid, which have no names of columns."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        return log_likelihood(estimator, X, **options)


def samples_of_most(owner: str, estimator: Any) -> Any:
    """Draw rows that show where a model has its mass, without the rarest."""
    X = draw_samples(owner, estimator, _SAMPLES, False, 0).astype(np.float64)
    return np.quantile(X, (0.005, 0.995), axis=0)


def has_latent_plane(estimator: Any) -> bool:
    """Tell whether an estimator decodes two latent components."""
    last = last_step(estimator)
    return isinstance(last, BaseAutoencoder) and last.module_.n_components == 2


def decoded_plane(
    estimator: Any,
    log_density: Callable[[FloatArray], FloatArray],
    limit: float,
    n: int,
) -> LatentPlane:
    """Decode a grid over the latent plane, in the units of the estimator's input.

    Parameters
    ----------
    estimator : BaseAutoencoder or Pipeline that ends in one
    log_density : callable
        Log density of rows, (n, 2) -> (n,).
    limit : float
        Of the square, in units of the latent components.
    n : int
        Cells along each axis.
    """
    Z = grid_points((-limit, limit, -limit, limit), n).reshape(-1, 2)
    locations = decode_rows(estimator, Z).astype(np.float64)
    log_weights = last_step(estimator).latent_density_.score_samples(Z)
    return LatentPlane(
        locations.reshape(n, n, 2),
        log_density(locations).reshape(n, n),
        np.asarray(log_weights, dtype=np.float64).reshape(n, n),
        limit,
    )


def log_density_of(density: Any) -> Callable[[FloatArray], FloatArray]:
    """Return a function of rows from a density with `score_samples` or `log_prob`.

    Raises
    ------
    TypeError
        If it has neither.
    """
    if hasattr(density, "score_samples"):
        return _checked(density.score_samples)
    if hasattr(density, "log_prob"):
        return _checked(lambda X: _log_prob(density, X))
    raise TypeError(
        "density must have `score_samples`, as EightGaussians and a fitted "
        "KernelDensity have, or `log_prob`, as distributions of torch have, got "
        f"{density!r}."
    )


def _log_prob(distribution: Any, X: FloatArray) -> FloatArray:
    values = distribution.log_prob(torch.as_tensor(X, dtype=torch.get_default_dtype()))
    return values.detach().cpu().numpy()


def _checked(
    score: Callable[[FloatArray], Any],
) -> Callable[[FloatArray], FloatArray]:
    def checked(X: FloatArray) -> FloatArray:
        values = np.asarray(score(X), dtype=np.float64)
        if values.shape != (len(X),) or np.isnan(values).any():
            raise ValueError(
                f"density must give one log density for each of {len(X)} rows, got "
                f"shape {values.shape} and {np.isnan(values).sum()} NaN."
            )
        return values

    return checked


def extent_around(X: FloatArray) -> tuple[float, ...]:
    """Return (left, right, low, high) around rows, with a margin."""
    low, high = X.min(0), X.max(0)
    margin = _MARGIN * np.where(high > low, high - low, 1.0)
    return tuple(np.stack([low - margin, high + margin], 1).ravel().tolist())


def colours_of_places(X: FloatArray, extent: Sequence[float]) -> FloatArray:
    """Return a colour for each place in the plane, shape (..., 3).

    Colours are mixed from those of the corners of the extent, by the distances from its
    sides; places beyond have those of the nearest side.
    """
    from matplotlib.colors import to_rgb

    low, high = np.reshape(extent, (2, 2)).T
    u, v = np.moveaxis(np.clip((X - low) / (high - low), 0, 1), -1, 0)[..., None]
    (a, b), (c, d) = (np.array([to_rgb(k) for k in pair]) for pair in _CORNERS)
    return (1 - v) * ((1 - u) * a + u * b) + v * ((1 - u) * c + u * d)
