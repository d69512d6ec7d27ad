"""The plane in which codes are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from skvae.plotting._axes import styled

FloatArray = NDArray[np.float64]


def plane_of(means: FloatArray, components: Any) -> tuple[FloatArray, tuple[str, str]]:
    """Return two orthonormal directions, (2, n_components), and their names."""
    d = means.shape[1]
    if d < 2:
        raise ValueError(
            "LatentSpaceDisplay needs at least 2 latent components, got 1. Draw a "
            "histogram of transform(X) instead."
        )
    if components is None and d > 2 and not means.std(0).any():
        raise ValueError(
            "LatentSpaceDisplay finds the plane in which codes vary most, but all "
            f"{len(means)} codes are equal. Pass components=(0, 1)."
        )
    if components is None and d > 2:
        pca = PCA(2, random_state=0).fit(means)
        shares = pca.explained_variance_ratio_
        names = (
            f"principal component {i} of the codes ({share:.0%} of the variance)"
            for i, share in enumerate(shares, 1)
        )
        return pca.components_, tuple(names)
    first, second = _check_components((0, 1) if components is None else components, d)
    names = f"latent component {first}", f"latent component {second}"
    return np.eye(d)[[first, second]], names


def _check_components(components: Any, d: int) -> tuple[int, int]:
    pair = np.asarray(components)
    valid = pair.shape == (2,) and pair.dtype.kind in "iu" and len(set(pair)) == 2
    if not (valid and pair.min() >= 0 and pair.max() < d):
        raise ValueError(
            f"components must be None or two different integers in [0, {d - 1}], got "
            f"{components!r}."
        )
    return int(pair[0]), int(pair[1])


def grid_points(extent: Sequence[float], n: int) -> FloatArray:
    """Return the centres of n x n cells, (n, n, 2), as `imshow` draws them from below.

    Parameters
    ----------
    extent : (left, right, low, high)
    n : int
    """
    low, high = np.reshape(extent, (2, 2)).T
    x, y = (low + (high - low) * (np.arange(n)[:, None] + 0.5) / n).T
    return np.stack(np.meshgrid(x, y), -1)


def ellipse_axes(covariances: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Axes, end to end, and angles in degrees of ellipses of one deviation."""
    variances, directions = np.linalg.eigh(covariances)
    height, width = 2 * np.sqrt(np.maximum(variances, 0)).T
    angle = np.degrees(np.arctan2(directions[:, 1, 1], directions[:, 0, 1]))
    return width, height, angle


def draw_ellipses(
    ax: Any, centres: FloatArray, covariances: Any, colours: Any, ellipse_kw: Any
) -> Any:
    """Draw ellipses of one standard deviation, and return their collection."""
    from matplotlib.collections import EllipseCollection

    defaults = {"facecolors": "none", "edgecolors": colours, "linewidths": 0.8}
    ellipses = EllipseCollection(
        *ellipse_axes(np.asarray(covariances)),
        units="xy",
        offsets=centres,
        offset_transform=ax.transData,
        **styled(EllipseCollection, defaults, ellipse_kw),
    )
    ax.add_collection(ellipses, autolim=False)
    # Ellipses of points at the edge reach beyond it.
    reach = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    ax.update_datalim(np.concatenate([centres - reach, centres + reach]))
    ax.autoscale_view()
    return ellipses


def scale_equally(ax: Any, *, fills_box: bool = False) -> None:
    """Give both axes one scale, also where other Axes share them.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    fills_box : bool, default=False
        Whether something drawn is to fill the box, whose shape then follows it.
    """
    groups = ax.get_shared_x_axes(), ax.get_shared_y_axes()
    is_shared = all(len(group.get_siblings(ax)) > 1 for group in groups)
    follows = is_shared or fills_box
    ax.set_aspect("equal", adjustable="box" if follows else "datalim")
