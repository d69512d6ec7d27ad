"""The density of a model of two features, and its latent plane."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from skvae._utils.arrays import as_rows
from skvae._utils.validation import check_integer, check_real
from skvae.pipeline._abilities import as_fitted
from skvae.plotting._axes import (
    check_matplotlib,
    note_below,
    note_of_first,
    short,
)
from skvae.plotting._latent_plane import (
    LatentPlane,
    check_extent,
    check_plane_model,
    colours_of_places,
    decoded_plane,
    extent_around,
    grid_log_likelihood,
    has_latent_plane,
    log_density_of,
    names_of_features,
    samples_of_most,
)
from skvae.plotting._models import encode_rows, name_of
from skvae.plotting._panels import panels_beside
from skvae.plotting._plane import grid_points

__all__ = ["PlaneDensityDisplay"]


class PlaneDensityDisplay:
    """The density of a model of two features, and its latent plane in the same colours.

    A colour is a place in the plane of the features, and its brightness the density
    there. A point of the latent plane has the colour of the place it is decoded to: it
    is dark where that place has a low density.

    Parameters
    ----------
    log_density : ndarray of shape (n_grid, n_grid)
        Of the model at the centres of cells, from the lowest row upwards, in nats.
    extent : (left, right, low, high)
        Edges of the grid.
    log_reference : ndarray of shape (n_grid, n_grid) or None, default=None
        Log density of the reference, such as the true one, at the same points.
    latent : LatentPlane or None, default=None
        What a square of the latent plane is decoded to: its locations, their log
        density, the log density of the latent variables, and the limit of the square.
    points, codes : ndarray of shape (n_points, 2) or None, default=None
        Rows, and their codes.
    threshold : float, default=0.01
        Share of the largest density below which places are dark.
    name : str, default="model"
        For the titles.
    axis_names : (str, str), default=("feature 0", "feature 1")
        Names of the features.
    n_rows : int or None, default=None
        Rows of which `points` are the first; None for all of them.

    Attributes
    ----------
    dark_mass_ : float
        Share of the latent density, N(0, I) unless another was chosen, that is decoded
        to where the density of the reference is below `threshold` times its largest
        value on the grid; without a reference, that of the model. It is the mass of
        dark cells over that of all cells of the square, for which cells must be finer
        than the details of the densities. NaN without a latent plane.
    images_ : dict of matplotlib.image.AxesImage
        By panel: "reference", "model" and "latent", as far as they are there.
    axes_ : ndarray of matplotlib.axes.Axes
        The panels, in this order.
    ax_ : matplotlib.axes.Axes
        The first panel.
    figure_ : matplotlib.figure.Figure

    Notes
    -----
    In the code of the tutorial, dark pixels of the square from -2 to 2 are those whose
    decoded mean has less than 0.01 of the largest true density: ``latent_limit=2`` and
    ``threshold=0.01``. Here densities are computed at the decoded locations, not looked
    up on a grid.

    References
    ----------
    Yu, "A Tutorial on VAEs", 2020, section 6, figures 1 and 2. arXiv:2006.10273

    Examples
    --------
    >>> from skvae import VAE
    >>> from skvae.datasets import EightGaussians
    >>> from skvae.plotting import PlaneDensityDisplay
    >>> X = EightGaussians().sample(500, random_state=0)
    >>> vae = VAE(2, max_epochs=2, random_state=0).fit(X)
    >>> display = PlaneDensityDisplay.from_estimator(
    ...     vae, X, EightGaussians(), n_grid=20
    ... )
    >>> list(display.images_), 0 < display.dark_mass_ < 1
    (['reference', 'model', 'latent'], True)
    """

    def __init__(
        self,
        log_density: Any,
        extent: tuple[float, ...],
        log_reference: Any = None,
        latent: LatentPlane | None = None,
        *,
        points: Any = None,
        codes: Any = None,
        threshold: float = 0.01,
        name: str = "model",
        axis_names: tuple[str, str] = ("feature 0", "feature 1"),
        n_rows: int | None = None,
    ) -> None:
        self.log_density = log_density
        self.extent = extent
        self.log_reference = log_reference
        self.latent = latent
        self.points = points
        self.codes = codes
        self.threshold = threshold
        self.name = name
        self.axis_names = axis_names
        self.n_rows = n_rows

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        density: Any = None,
        *,
        n_grid: int = 100,
        extent: tuple[float, ...] | None = None,
        latent_limit: float = 3.0,
        threshold: float = 0.01,
        n_importance_samples: int | None = None,
        n_points: int = 300,
        name: str | None = None,
        ax: Any = None,
    ) -> PlaneDensityDisplay:
        """Score a grid over the features, and decode one over the latent plane.

        Parameters
        ----------
        estimator : object
            Fitted on two features, with ``score_samples``: an estimator of skvae, a
            density of scikit-learn, or a Pipeline of scalers that ends in one, in the
            units of its input. Autoencoders of two components show their latent plane.
        X : array-like or Tensor of shape (n_samples, 2), default=None
            Rows to draw, with their codes in the same colours.
        density : object, default=None
            The true density, with ``score_samples``, such as EightGaussians, or
            ``log_prob``. Where it is not known, that of the data will do:
            ``KernelDensity(bandwidth=...).fit(X)``.
        n_grid : int, default=100
            Cells along each axis, of both grids. Time grows with its square.
        extent : (left, right, low, high), default=None
            What is shown of the features. None is the range of X, else of samples of
            the model, and a tenth more on each side.
        latent_limit : float, default=3.0
            What is shown of the latent plane: the square from minus this to this, which
            holds 99.5 % of N(0, I).
        threshold : float, default=0.01
            Share of the largest density below which places are dark.
        n_importance_samples : int, default=None
            For the density of the model; None leaves the default of ``score_samples``.
        n_points : int, default=300
            The first so many rows of X are drawn.
        name : str, default=None
            For the titles; None is the name of the estimator's class.
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Axes whose place the panels share, or one for each panel; None makes a new
            figure.

        Returns
        -------
        display : PlaneDensityDisplay

        Raises
        ------
        TypeError
            If the estimator has no ``score_samples``, or `density` neither that nor
            ``log_prob``.
        ValueError
            If the model is not of two features, or nothing of a density is within
            `extent`.
        ImportError
            If matplotlib is not installed.
        """
        owner = cls.__name__
        check_matplotlib(f"{owner}.from_estimator")
        check_plane_model(owner, estimator)
        n_grid = check_integer(owner, "n_grid", n_grid, 2)
        n_points = check_integer(owner, "n_points", n_points, 0)
        check_real(owner, "latent_limit", latent_limit)
        check_real(owner, "threshold", threshold, high=1.0, high_included=True)
        X = None if X is None else as_fitted(estimator, X)
        rows = samples_of_most(owner, estimator) if X is None else as_rows(X, "X")
        extent = extent_around(rows) if extent is None else check_extent(extent)
        options = {"n_importance_samples": n_importance_samples}
        score = partial(grid_log_likelihood, estimator, **options)
        reference = score if density is None else log_density_of(density)
        grid, shape = grid_points(extent, n_grid).reshape(-1, 2), (n_grid, n_grid)
        latent, codes, has_points = None, None, X is not None and n_points > 0
        if has_latent_plane(estimator):
            latent = decoded_plane(estimator, reference, latent_limit, n_grid)
            if has_points:
                codes = encode_rows(owner, estimator, X[:n_points])
        return cls(
            score(grid).reshape(shape),
            extent,
            None if density is None else reference(grid).reshape(shape),
            latent,
            points=rows[:n_points] if has_points else None,
            codes=codes,
            threshold=threshold,
            name=name_of(estimator) if name is None else name,
            axis_names=names_of_features(estimator),
            n_rows=len(rows) if has_points else None,
        ).plot(ax)

    def plot(self, ax: Any = None) -> PlaneDensityDisplay:
        """Draw a panel for each density, and one of the latent plane.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Axes whose place the panels share, or one for each panel; None makes a new
            figure.

        Returns
        -------
        display : PlaneDensityDisplay
            The object itself.
        """
        densities = {"reference": self.log_reference, "model": self.log_density}
        densities = {k: np.asarray(v) for k, v in densities.items() if v is not None}
        first = next(iter(densities.values()))
        largest = _largest(first)
        self.axes_ = panels_beside(self, ax, len(densities) + (self.latent is not None))
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        places = grid_points(self.extent, len(first))
        panels = dict(zip([*densities, "latent"], self.axes_, strict=False))
        self.images_ = {
            k: _draw(panels[k], places, v - largest, self.extent, self.extent)
            for k, v in densities.items()
        }
        self.dark_mass_ = np.nan
        if self.latent is not None:
            bound = largest + np.log(self.threshold)
            self.dark_mass_ = self.latent.dark_mass(bound)
            self.images_["latent"] = self._draw_latent(panels["latent"], largest)
        self._write(panels)
        return self

    def _draw_latent(self, ax: Any, largest: float) -> Any:
        limit = self.latent.limit
        square = -limit, limit, -limit, limit
        relative = np.asarray(self.latent.log_density) - largest
        image = _draw(ax, self.latent.locations, relative, self.extent, square)
        if self.codes is not None:
            self._scatter(ax, self.codes)
        return image

    def _scatter(self, ax: Any, places: Any) -> None:
        """Draw rows or their codes, in the colours of the rows."""
        colours = colours_of_places(np.asarray(self.points), self.extent)
        style = {"s": 7, "c": colours, "edgecolors": "white", "linewidths": 0.35}
        ax.scatter(*np.asarray(places).T, **style)

    def _write(self, panels: dict[str, Any]) -> None:
        """Write titles and labels, and what colours mean."""
        titles = {"reference": "reference density", "model": f"density of {self.name}"}
        for key, ax in panels.items():
            ax.set_title(titles.get(key, f"latent plane of {self.name}"))
            is_latent = key == "latent"
            names = ("latent component 0", "latent component 1")
            names = names if is_latent else self.axis_names
            ax.set(xlabel=names[0], ylabel=names[1])
        first = "colour: place; brightness: density"
        if self.points is not None:
            self._scatter(self.ax_, self.points)
            shown = note_of_first(len(self.points), self.n_rows or 0, "rows")
            first += f"\n{shown}" if shown else ""
        note_below(self.ax_, first)
        note_below(panels["model"], self._note_of_cut_off())
        if self.latent is not None:
            whose = "model" if self.log_reference is None else "reference"
            note_below(
                panels["latent"],
                f"dark mass {100 * self.dark_mass_:.1f} %: decoded to less than "
                f"{self.threshold:g} of the {whose}'s largest density",
            )

    def _note_of_cut_off(self) -> str:
        """Say how much of the model's density is beyond the brightest colour."""
        if self.log_reference is None:
            return ""
        excess = np.asarray(self.log_density) - _largest(np.asarray(self.log_reference))
        share = np.mean(excess > 0)
        if share == 0:
            return ""
        times = short(np.exp(excess.max()))
        return (
            f"cut off: {100 * share:.2g} % of the cells, up to {times} times as dense"
        )


def _largest(log_density: Any) -> float:
    """Return the largest log density, to which brightness is relative."""
    largest = float(log_density.max())
    if largest == -np.inf:
        raise ValueError(
            "density must be above 0 somewhere within the extent that is shown. Pass "
            "extent=(left, right, low, high) around its mass."
        )
    return largest


def _draw(ax: Any, places: Any, log_relative: Any, colours_of: Any, extent: Any) -> Any:
    """Draw the colours of places, as bright as the density is; return the image."""
    brightness = np.exp(np.minimum(log_relative, 0.0))[..., None]
    colours = colours_of_places(places, colours_of) * brightness
    return ax.imshow(colours, origin="lower", extent=extent)
