"""Singular values of codes, which a standard normal prior would make 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from skvae.diagnostics import posterior_draws
from skvae.metrics import latent_spectrum
from skvae.plotting._axes import (
    add_legend,
    axes_for,
    check_matplotlib,
    frame_lightly,
    legend_label,
    line_style,
    next_colour,
    start_at_zero,
)
from skvae.plotting._models import autoencoder_and_rows, name_of

__all__ = ["LatentSpectrumDisplay"]


class LatentSpectrumDisplay:
    """Singular values of codes, which a standard normal prior would make 1.

    Parameters
    ----------
    singular_values : ndarray of shape (n_components,)
        Of Z / sqrt(n), descending, for n codes Z.
    lower, upper : float
        Edges between which those of n draws from N(0, I) lie.
    name : str, default=None
        For the legend.

    Attributes
    ----------
    line_ : matplotlib.lines.Line2D
        The singular values.
    band_ : matplotlib.patches.Polygon
        The edges.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    See Also
    --------
    skvae.metrics.latent_spectrum : The same as numbers.

    Notes
    -----
    Values near 0 are directions that no code uses, and a sample from N(0, I) falls
    where the decoder was never trained. A second stage or another latent density is
    the remedy. Both stages of a TwoStageVAE go on one Axes: the first as any model,
    the second by its own codes, those of draws from the first::

        Z = posterior_draws(model, X)
        LatentSpectrumDisplay.from_estimator(model.second_stage_, Z, ax=display.ax_)

    References
    ----------
    Dai & Wipf, "Diagnosing and Enhancing VAE Models", ICLR 2019, figure 2.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAE
    >>> from skvae.plotting import LatentSpectrumDisplay
    >>> X = load_digits().data
    >>> vae = VAE(8, max_epochs=2, random_state=0).fit(X)
    >>> display = LatentSpectrumDisplay.from_estimator(vae, X, random_state=0)
    >>> display.singular_values.shape
    (8,)
    """

    def __init__(
        self,
        singular_values: Any,
        lower: float,
        upper: float,
        *,
        name: str | None = None,
    ) -> None:
        self.singular_values = singular_values
        self.lower = lower
        self.upper = upper
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        random_state: Any = None,
        name: str | None = None,
        ax: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> LatentSpectrumDisplay:
        """Draw one code z ~ q(z|x) for every row, and their singular values.

        Parameters
        ----------
        estimator : BaseAutoencoder or Pipeline that ends in one
            Fitted, with any posterior.
        X : array-like or Tensor of shape (n_samples, ...)
            Rows in the estimator's units; more than components.
        random_state : int, RandomState instance or None, default=None
        name : str, default=None
            For the legend; None is the name of the estimator's class.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on, also those of another display; None makes a new figure.
        line_kw : dict, default=None
            Keywords for ``Axes.plot``.

        Returns
        -------
        display : LatentSpectrumDisplay

        Raises
        ------
        TypeError
            If the estimator is no autoencoder of skvae.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        autoencoder, (rows,) = autoencoder_and_rows(cls.__name__, estimator, X)
        Z = posterior_draws(autoencoder, rows, random_state=random_state)
        name = name_of(estimator) if name is None else name
        return cls.from_predictions(Z, name=name, ax=ax, line_kw=line_kw)

    @classmethod
    def from_predictions(
        cls,
        Z: Any,
        *,
        name: str | None = None,
        ax: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> LatentSpectrumDisplay:
        """Draw the singular values of codes, such as those of a second stage.

        Parameters
        ----------
        Z : array-like or Tensor of shape (n_samples, n_components)
            Draws from q(z|x), not their means.
        name, ax, line_kw
            As in `from_estimator`; without a name there is no legend.

        Returns
        -------
        display : LatentSpectrumDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_predictions")
        spectrum = latent_spectrum(Z)
        display = cls(*spectrum[:3], name=name)
        return display.plot(ax, line_kw=line_kw)

    def plot(
        self, ax: Any = None, *, line_kw: dict[str, Any] | None = None
    ) -> LatentSpectrumDisplay:
        """Draw the singular values in descending order.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on, also those of another display; None makes a new figure.
        line_kw : dict, default=None
            Keywords for ``Axes.plot``.

        Returns
        -------
        display : LatentSpectrumDisplay
            The object itself.
        """
        self.ax_ = ax = axes_for(self, ax)
        values = np.asarray(self.singular_values)
        colour = next_colour(ax)
        defaults = {"color": colour, "marker": "o", "markersize": 4}
        defaults["label"] = legend_label(ax, self.name)
        style = line_style(defaults, line_kw)
        (self.line_,) = ax.plot(np.arange(1, len(values) + 1), values, **style)
        self.band_ = self._draw_band()
        ax.set(xlabel="component, sorted", ylabel="singular value of the codes")
        start_at_zero(ax)
        ax.xaxis.get_major_locator().set_params(integer=True)
        frame_lightly(ax)
        if self.name is not None:
            add_legend(ax)
        self.figure_ = ax.figure
        return self

    def _draw_band(self) -> Any:
        """Draw the edges, in the colour of the line if another display has others."""
        bands = [p for p in self.ax_.patches if str(p.get_label()).startswith(_BAND)]
        edges = [(p.get_y(), p.get_y() + p.get_height()) for p in bands]
        style: dict[str, Any] = {"color": "0.88", "label": None if bands else _BAND}
        if bands and not np.isclose(edges, (self.lower, self.upper)).all(1).any():
            label = legend_label(self.ax_, f"{_BAND}, as many as of {self.name}")
            style = {"color": self.line_.get_color(), "alpha": 0.2, "label": label}
        return self.ax_.axhspan(self.lower, self.upper, zorder=0, **style)


_BAND = "draws from N(0, I)"
