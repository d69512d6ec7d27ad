"""Codes in the plane, with their labels and posteriors."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from skvae._utils.arrays import as_rows
from skvae._utils.random import draw_seed
from skvae._utils.validation import check_integer
from skvae.diagnostics import posterior_moments
from skvae.metrics.latent import broadcast_deviations
from skvae.plotting._axes import (
    COLOURS,
    axes_for,
    check_matplotlib,
    legend_beside,
    styled,
)
from skvae.plotting._models import autoencoder_and_rows

__all__ = ["LatentSpaceDisplay"]

FloatArray = NDArray[np.float64]


class LatentSpaceDisplay:
    """Codes in the plane, with their labels and ellipses of their posteriors.

    Parameters
    ----------
    codes : ndarray of shape (n_points, 2)
        Means of q(z|x), in the plane that is shown.
    covariances : ndarray of shape (n_ellipses, 2, 2) or None, default=None
        Covariance of q(z|x) in this plane, for the first points.
    labels : array-like of shape (n_points,) or None, default=None
        Numbers with a fraction are shown by a colour bar; anything else are classes.
    axis_names : (str, str), default=("z", "z")
        Names of the two directions.

    Attributes
    ----------
    scatter_ : matplotlib.collections.PathCollection
        The codes.
    ellipses_ : matplotlib.collections.EllipseCollection or None
        One standard deviation around the first codes.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    References
    ----------
    Bozkurt et al., "Can VAEs generate novel examples?", 2018, figure 3, for the
    ellipses. arXiv:1812.09624

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAE
    >>> from skvae.plotting import LatentSpaceDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> vae = VAE(2, max_epochs=2, random_state=0).fit(X)
    >>> display = LatentSpaceDisplay.from_estimator(vae, X, y, random_state=0)
    >>> display.codes.shape, display.covariances.shape
    ((1797, 2), (30, 2, 2))
    """

    def __init__(
        self,
        codes: Any,
        covariances: Any = None,
        labels: Any = None,
        *,
        axis_names: tuple[str, str] = ("z", "z"),
    ) -> None:
        self.codes = codes
        self.covariances = covariances
        self.labels = labels
        self.axis_names = axis_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        components: tuple[int, int] | None = None,
        n_points: int = 2000,
        n_ellipses: int = 30,
        random_state: Any = None,
        ax: Any = None,
        scatter_kw: dict[str, Any] | None = None,
        ellipse_kw: dict[str, Any] | None = None,
    ) -> LatentSpaceDisplay:
        """Encode rows and draw their codes.

        Parameters
        ----------
        estimator : BaseAutoencoder or Pipeline that ends in one
            Fitted, with two latent components or more.
        X : array-like or Tensor of shape (n_samples, ...)
            Rows in the estimator's units.
        y : array-like of shape (n_samples,), default=None
            Labels, as those of the class.
        components : (int, int), default=None
            The two latent components to show. None shows the plane in which the codes
            vary most, their first two principal components, if there are more than two.
        n_points : int, default=2000
            Rows to draw at random where there are more.
        n_ellipses : int, default=30
            Posteriors shown, as ellipses of one standard deviation; none for encoders
            that are deterministic or whose components are not independent normal ones.
        random_state : int, RandomState instance or None, default=None
            Chooses the rows.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a new figure.
        scatter_kw : dict, default=None
            Keywords for ``Axes.scatter``, such as ``{"s": 4}``.
        ellipse_kw : dict, default=None
            Keywords for the collection of ellipses.

        Returns
        -------
        display : LatentSpaceDisplay

        Raises
        ------
        TypeError
            If the estimator is no autoencoder of skvae.
        ValueError
            If there are fewer than two latent components, or `components` or `y` do
            not fit.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        autoencoder, (rows,) = autoencoder_and_rows(cls.__name__, estimator, X)
        means, deviations = autoencoder.transform(rows), None
        with contextlib.suppress(TypeError):  # as other posteriors have no ellipses
            deviations = posterior_moments(autoencoder, rows)[1]
        if deviations is not None and not deviations.any():
            deviations = None
        return cls.from_predictions(
            means,
            deviations,
            y,
            components=components,
            n_points=n_points,
            n_ellipses=n_ellipses,
            random_state=random_state,
            ax=ax,
            scatter_kw=scatter_kw,
            ellipse_kw=ellipse_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        means: Any,
        standard_deviations: Any = None,
        y: Any = None,
        *,
        components: tuple[int, int] | None = None,
        n_points: int = 2000,
        n_ellipses: int = 30,
        random_state: Any = None,
        ax: Any = None,
        scatter_kw: dict[str, Any] | None = None,
        ellipse_kw: dict[str, Any] | None = None,
    ) -> LatentSpaceDisplay:
        """Draw codes, whatever encoded them.

        Parameters
        ----------
        means : array-like or Tensor of shape (n_samples, n_components)
        standard_deviations : array-like broadcast to the same shape, default=None
            Of posteriors with independent components; None draws no ellipses.
        y, components, n_points, n_ellipses, random_state, ax, scatter_kw, ellipse_kw
            As in `from_estimator`.

        Returns
        -------
        display : LatentSpaceDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_predictions")
        n_points = check_integer(cls.__name__, "n_points", n_points, 1)
        n_ellipses = check_integer(cls.__name__, "n_ellipses", n_ellipses, 0)
        means = as_rows(means, "means")
        labels = _check_labels(y, len(means))
        plane, names = _plane(means, components)
        chosen = np.random.default_rng(draw_seed(random_state)).permutation(len(means))
        chosen = chosen[:n_points]
        covariances = None
        if standard_deviations is not None and n_ellipses:
            deviations = broadcast_deviations(standard_deviations, means)
            scaled = plane * deviations[chosen[:n_ellipses], None]
            covariances = scaled @ scaled.swapaxes(1, 2)
        display = cls(
            means[chosen] @ plane.T,
            covariances,
            None if labels is None else labels[chosen],
            axis_names=names,
        )
        return display.plot(ax, scatter_kw=scatter_kw, ellipse_kw=ellipse_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        scatter_kw: dict[str, Any] | None = None,
        ellipse_kw: dict[str, Any] | None = None,
    ) -> LatentSpaceDisplay:
        """Draw the codes, with a legend or a colour bar beside them.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a new figure.
        scatter_kw : dict, default=None
            Keywords for ``Axes.scatter``, such as ``{"s": 4}``.
        ellipse_kw : dict, default=None
            Keywords for the collection of ellipses.

        Returns
        -------
        display : LatentSpaceDisplay
            The object itself.
        """
        self.ax_ = ax = axes_for(self, ax, (6.5, 5.5))
        self.figure_ = ax.figure
        labels = None if self.labels is None else np.asarray(self.labels)
        self._scatter(labels, scatter_kw)
        self.ellipses_ = None
        if self.covariances is not None:
            self._draw_ellipses(ellipse_kw)
        ax.set(xlabel=self.axis_names[0], ylabel=self.axis_names[1])
        ax.set_aspect("equal", adjustable="datalim")
        return self

    def _scatter(self, labels: NDArray[Any] | None, scatter_kw: Any) -> None:
        from matplotlib.collections import PathCollection

        continuous = labels is not None and labels.dtype.kind == "f"
        colours: dict[str, Any] = {"c": COLOURS[0]}
        if continuous:
            colours = {"c": labels, "cmap": "viridis"}
        elif labels is not None:
            classes, index = np.unique(labels, return_inverse=True)
            palette = _palette(len(classes))
            colours = {"c": [palette[i] for i in index]}
        style = {"s": 9, "linewidths": 0, **colours}
        chosen = styled(PathCollection, {}, scatter_kw)
        self.scatter_ = self.ax_.scatter(*np.asarray(self.codes).T, **style | chosen)
        if continuous:
            self.figure_.colorbar(self.scatter_, ax=self.ax_, label="label")
        elif labels is not None:
            _legend(self.ax_, classes, palette)

    def _draw_ellipses(self, ellipse_kw: Any) -> None:
        from matplotlib.collections import EllipseCollection

        width, height, angle = _ellipses(np.asarray(self.covariances))
        colours = self.scatter_.get_facecolors()  # one for all, or one a point
        colours = "0.3" if self.scatter_.get_array() is not None else colours
        defaults = {"facecolors": "none", "edgecolors": colours, "linewidths": 0.8}
        self.ellipses_ = EllipseCollection(
            width,
            height,
            angle,
            units="xy",
            offsets=np.asarray(self.codes)[: len(width)],
            offset_transform=self.ax_.transData,
            **styled(EllipseCollection, defaults, ellipse_kw),
        )
        self.ax_.add_collection(self.ellipses_)


def _check_labels(y: Any, n: int) -> NDArray[Any] | None:
    if y is None:
        return None
    labels = np.asarray(y)
    if labels.shape != (n,):
        raise ValueError(
            f"y must have one label for each of the {n} rows, got shape {labels.shape}."
        )
    whole = labels.dtype.kind == "f" and np.array_equal(labels, np.round(labels))
    return labels.astype(np.intp) if whole else labels


def _plane(means: FloatArray, components: Any) -> tuple[FloatArray, tuple[str, str]]:
    """Return two orthonormal directions, (2, n_components), and their names."""
    d = means.shape[1]
    if d < 2:
        raise ValueError(
            "LatentSpaceDisplay needs at least 2 latent components, got 1. Draw a "
            "histogram of transform(X) instead."
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


def _ellipses(covariances: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Axes, end to end, and angles in degrees of ellipses of one deviation."""
    variances, directions = np.linalg.eigh(covariances)
    height, width = 2 * np.sqrt(np.maximum(variances, 0)).T
    angle = np.degrees(np.arctan2(directions[:, 1, 1], directions[:, 0, 1]))
    return width, height, angle


def _palette(n_classes: int) -> list[Any]:
    if n_classes <= len(COLOURS):
        return list(COLOURS[:n_classes])
    from matplotlib import colormaps

    return list(colormaps["turbo"](np.linspace(0, 1, n_classes)))


def _legend(ax: Any, classes: NDArray[Any], palette: list[Any]) -> None:
    from matplotlib.lines import Line2D

    style = {"linestyle": "none", "marker": "o", "markersize": 5}
    handles = [
        Line2D([], [], color=colour, label=str(label), **style)
        for label, colour in zip(classes, palette, strict=True)
    ]
    legend_beside(ax, handles)
