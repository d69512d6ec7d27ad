"""The largest weight of the optimal decoder, as the background of a latent plane."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skvae.metrics import optimal_decoder_weights
from skvae.metrics.latent import broadcast_deviations
from skvae.plotting._plane import grid_points

FloatArray = NDArray[np.float64]

# Points along each axis, and the margin around posteriors, as a share of their reach.
_N_POINTS, _MARGIN = 256, 0.05
_LABEL = "largest weight in the optimal decoder"


class Background(NamedTuple):
    """Values on a grid of cells in the plane."""

    values: FloatArray
    """At the centres of cells, from the lowest row upwards, shape (n_y, n_x)."""
    extent: tuple[float, float, float, float]
    """Left, right, lower and upper edge."""


def max_weights(
    means: FloatArray, standard_deviations: Any, plane: FloatArray
) -> Background:
    """Find the largest weight of the optimal decoder at every point of a plane.

    Parameters
    ----------
    means : ndarray of shape (n, 2)
        Of the posteriors of the rows.
    standard_deviations : array-like broadcast to the same shape, or None
    plane : ndarray of shape (2, 2)
        Which component is shown along each axis.

    Raises
    ------
    ValueError
        If there are more than two components, or no standard deviations.
    """
    if means.shape[1] != 2:
        raise ValueError(
            "background='max_weight' needs a model of two components, got "
            f"{means.shape[1]}. Fit with n_components=2, or leave the background out: "
            "skvae.diagnostics.optimal_decoder gives the largest weights at codes."
        )
    if standard_deviations is None:
        raise ValueError(
            "background='max_weight' needs normal posteriors with independent "
            "components, whose spreads weigh the rows. Fit a VAE with "
            "posterior='diagonal', or leave the background out."
        )
    deviations = broadcast_deviations(standard_deviations, means) @ plane.T
    means = means @ plane.T
    low, high = (means - deviations).min(0), (means + deviations).max(0)
    margin = _MARGIN * (high - low)
    extent = tuple(np.stack([low - margin, high + margin], 1).ravel().tolist())
    grid = grid_points(extent, _N_POINTS).reshape(-1, 2)
    rows = np.zeros((len(means), 1))  # weights do not depend on them
    weights = optimal_decoder_weights(grid, means, deviations, rows).max_weight
    return Background(weights.reshape(_N_POINTS, _N_POINTS), extent)


def draw_background(ax: Any, background: Background | None, side: str) -> Any:
    """Draw a background, white where one row has all the weight; return the image.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    background : Background or None
    side : {"top", "right"}
        Where its colour bar goes.
    """
    if background is None:
        return None
    from matplotlib.colors import LinearSegmentedColormap

    values, extent = background
    # On all of these, coloured points are seen.
    greys = LinearSegmentedColormap.from_list("light greys", ["0.45", "1"])
    style = {"cmap": greys, "vmin": 0, "vmax": 1, "origin": "lower"}
    image = ax.imshow(values, extent=extent, **style)
    bar = {"location": side, "label": _LABEL, "shrink": 0.7}
    ax.figure.colorbar(image, ax=ax, **bar)
    return image
