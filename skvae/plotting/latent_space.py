"""Codes in the plane, with their labels and posteriors."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skvae._utils.arrays import as_rows
from skvae._utils.random import draw_seed
from skvae._utils.validation import check_choice, check_integer
from skvae.diagnostics import posterior_moments
from skvae.metrics.latent import broadcast_deviations
from skvae.plotting._axes import (
    axes_for,
    check_matplotlib,
    folded,
    legend_label,
    next_colour,
    note_below,
    styled,
    width_of,
)
from skvae.plotting._background import Background, draw_background, max_weights
from skvae.plotting._classes import check_labels, colours_of, dot, join_legend
from skvae.plotting._models import autoencoder_and_rows
from skvae.plotting._plane import draw_ellipses, plane_of, scale_equally

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
    y_name : str, default="y"
        Name of what the colour bar shows, if there is one.
    name : str, default=None
        What the codes are of, for the legend.
    n_rows : int, default=None
        Rows among which the points were chosen; None for all of them.
    background : Background or None, default=None
        Largest weight of the optimal decoder over the plane, and where it is.

    Attributes
    ----------
    scatter_ : matplotlib.collections.PathCollection
        The codes.
    ellipses_ : matplotlib.collections.EllipseCollection or None
        One standard deviation around the first codes.
    background_ : matplotlib.image.AxesImage or None
        The largest weight of a row at every point.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    References
    ----------
    Bozkurt et al., "Can VAEs generate novel examples?", 2018, figure 3, for ellipses
    and background. arXiv:1812.09624

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
        y_name: str = "y",
        name: str | None = None,
        n_rows: int | None = None,
        background: Background | None = None,
    ) -> None:
        self.codes = codes
        self.covariances = covariances
        self.labels = labels
        self.axis_names = axis_names
        self.y_name = y_name
        self.name = name
        self.n_rows = n_rows
        self.background = background

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
        background: str | None = None,
        name: str | None = None,
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
        background : {None, "max_weight"}, default=None
            What colours the plane. "max_weight" is the largest weight that the optimal
            decoder gives to a row of X, the training rows, at every point; see
            `skvae.metrics.optimal_decoder_weights`. Two components only.
        name : str, default=None
            What the codes are of, for the legend.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on, also those of another display; None makes a new figure.
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
            If there are fewer than two latent components, `components` or `y` do not
            fit, or the plane of other models than those of two components with
            independent normal posteriors is to be coloured.
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
            background=background,
            name=name,
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
        background: str | None = None,
        name: str | None = None,
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
        y, components, n_points, n_ellipses, random_state, background, name
            As in `from_estimator`.
        ax, scatter_kw, ellipse_kw
            As in `from_estimator`.

        Returns
        -------
        display : LatentSpaceDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_predictions")
        n_points = check_integer(cls.__name__, "n_points", n_points, 1)
        n_ellipses = check_integer(cls.__name__, "n_ellipses", n_ellipses, 0)
        means = as_rows(means, "means")
        labels = check_labels(y, len(means))
        plane, names = plane_of(means, components)
        if background is not None:
            check_choice(cls.__name__, "background", background, ("max_weight",))
            background = max_weights(means, standard_deviations, plane)
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
            y_name=str(getattr(y, "name", None) or "y"),
            name=name,
            n_rows=len(means),
            background=background,
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
        # A legend has its place on the right, where colour bars stand well together.
        side = "right" if self._has_numbers() else "top"
        self.background_ = draw_background(ax, self.background, side)
        self._scatter(scatter_kw)
        self.ellipses_ = None
        if self.covariances is not None:
            colours = self.scatter_.get_facecolors()  # one for all, or one a point
            colours = "0.3" if self.scatter_.get_array() is not None else colours
            centres = np.asarray(self.codes)[: len(self.covariances)]
            self.ellipses_ = draw_ellipses(
                ax, centres, self.covariances, colours, ellipse_kw
            )
        width = 1.2 * width_of(ax)
        ax.set_xlabel(folded(self.axis_names[0], width))
        ax.set_ylabel(folded(self.axis_names[1], width))
        scale_equally(ax, fills_box=self.background is not None)
        note_below(ax, self._note())
        return self

    def _scatter(self, scatter_kw: Any) -> None:
        from matplotlib.collections import PathCollection

        labels = check_labels(self.labels, len(self.codes))
        handles = []
        if labels is None:
            colour = next_colour(self.ax_)
            colours: dict[str, Any] = {"c": colour}
            if self.name is not None:
                handles = [dot(colour, legend_label(self.ax_, self.name))]
        else:
            colours, handles = colours_of(labels)
        style = {"s": 9, "linewidths": 0, **colours}
        chosen = styled(PathCollection, {}, scatter_kw)
        self.scatter_ = self.ax_.scatter(*np.asarray(self.codes).T, **style | chosen)
        if "cmap" in colours:
            self.figure_.colorbar(self.scatter_, ax=self.ax_, label=self._y_label())
        if handles:
            join_legend(self.ax_, handles)

    def _y_label(self) -> str:
        return folded(f"{self.y_name}, {self.name}" if self.name else self.y_name)

    def _note(self) -> str:
        """Say which points are not shown, and what the ellipses are."""
        n, of = len(self.codes), f" of {self.name}" if self.name else ""
        lines = []
        if n < (self.n_rows or 0):
            lines += [f"{n:,} of {self.n_rows:,} codes{of}, chosen at random"]
        if self.ellipses_ is not None:
            n_ellipses = len(self.covariances)
            lines += [
                f"ellipses: one standard deviation of q(z|x), {n_ellipses} of {n:,}"
            ]
        if self._has_numbers():
            n_missing = np.sum(~np.isfinite(check_labels(self.labels, n)))
            lines += [f"grey: {n_missing:,} without a finite y"] if n_missing else []
        return "\n".join(lines)

    def _has_numbers(self) -> bool:
        """Tell whether the labels are shown by a colour bar."""
        labels = check_labels(self.labels, len(self.codes))
        return labels is not None and labels.dtype.kind == "f"
