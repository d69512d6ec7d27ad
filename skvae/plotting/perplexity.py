"""How many training rows the optimal decoder mixes."""

from __future__ import annotations

from typing import Any

import numpy as np

from skvae._utils.arrays import as_finite
from skvae._utils.validation import check_integer
from skvae.diagnostics.decoding import weights_of_training_rows
from skvae.plotting._axes import (
    add_legend,
    axes_for,
    check_matplotlib,
    folded,
    frame_lightly,
    legend_label,
    next_colour,
    start_at_zero,
    styled,
    width_of,
)
from skvae.plotting._models import autoencoder_and_rows

__all__ = ["PerplexityDisplay"]


class PerplexityDisplay:
    """Histogram of the number of training rows that the optimal decoder mixes.

    Parameters
    ----------
    perplexity : ndarray of shape (n_samples,)
        Number of training rows that share the weight, in [1, n_train].
    n_train : int
        Number of training rows.
    name : str, default=None
        What the rows are, for the legend, such as "held-out rows".

    Attributes
    ----------
    patches_ : matplotlib.container.BarContainer or list of Polygon
        The histogram.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    See Also
    --------
    skvae.diagnostics.optimal_decoder : The same as numbers.

    Notes
    -----
    For a fixed encoder, a decoder that could be any function would return averages of
    training rows. A perplexity near 1 says that it would return single ones: posteriors
    do not overlap, and only the limits of the network keep the model from memorising.

    References
    ----------
    Bozkurt et al., "Can VAEs generate novel examples?", 2018. arXiv:1812.09624

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAE
    >>> from skvae.plotting import PerplexityDisplay
    >>> X = load_digits().data
    >>> vae = VAE(8, max_epochs=2, random_state=0).fit(X[:900])
    >>> display = PerplexityDisplay.from_estimator(vae, X[900:], X[:900])
    >>> display.perplexity.shape
    (897,)
    """

    def __init__(
        self, perplexity: Any, n_train: int, *, name: str | None = None
    ) -> None:
        self.perplexity = perplexity
        self.n_train = n_train
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        X_train: Any,
        *,
        leave_out: Any = None,
        name: str | None = None,
        ax: Any = None,
        n_bins: int = 40,
        hist_kw: dict[str, Any] | None = None,
    ) -> PerplexityDisplay:
        """Weigh the training rows at the code of every row of X.

        Parameters
        ----------
        estimator : BaseAutoencoder or Pipeline that ends in one
            Fitted, with normal posteriors and any likelihood.
        X : array-like or Tensor of shape (n_samples, ...)
            Rows in the estimator's units, held out or from `X_train`.
        X_train : array-like or Tensor of shape (n_train, ...)
            The rows that the estimator was fitted to.
        leave_out : array-like of int of shape (n_samples,), default=None
            Training row that may have no weight for each row of X; -1 for none. For
            training rows, their own index.
        name : str, default=None
            What the rows are, for the legend; None is "rows".
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on, also those of another display; None makes a new figure.
        n_bins : int, default=40
            Bars, of equal width on the logarithmic axis.
        hist_kw : dict, default=None
            Keywords for ``Axes.hist``, such as ``{"alpha": 0.5}``.

        Returns
        -------
        display : PerplexityDisplay

        Raises
        ------
        TypeError
            If the estimator is no autoencoder of skvae with normal posteriors.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        autoencoder, rows = autoencoder_and_rows(cls.__name__, estimator, X, X_train)
        best = weights_of_training_rows(autoencoder, *rows, leave_out=leave_out)
        display = cls(best.perplexity, len(X_train), name=name)
        return display.plot(ax, n_bins=n_bins, hist_kw=hist_kw)

    @classmethod
    def from_predictions(
        cls,
        perplexity: Any,
        n_train: int,
        *,
        name: str | None = None,
        ax: Any = None,
        n_bins: int = 40,
        hist_kw: dict[str, Any] | None = None,
    ) -> PerplexityDisplay:
        """Draw perplexities, such as `skvae.metrics.optimal_decoder_weights` returns.

        Parameters
        ----------
        perplexity : array-like of shape (n_samples,)
        n_train : int
            Number of training rows.
        name, ax, n_bins, hist_kw
            As in `from_estimator`.

        Returns
        -------
        display : PerplexityDisplay

        Raises
        ------
        ValueError
            If there are no perplexities, or they are not from 1 to `n_train`.
        """
        owner = cls.__name__
        check_matplotlib(f"{owner}.from_predictions")
        n_train = check_integer(owner, "n_train", n_train, 1)
        display = cls(perplexity, n_train, name=name)
        return display.plot(ax, n_bins=n_bins, hist_kw=hist_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        n_bins: int = 40,
        hist_kw: dict[str, Any] | None = None,
    ) -> PerplexityDisplay:
        """Draw the histogram, from one training row to all of them.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on, also those of another display; None makes a new figure.
        n_bins : int, default=40
            Bars, of equal width on the logarithmic axis.
        hist_kw : dict, default=None
            Keywords for ``Axes.hist``, such as ``{"alpha": 0.5}``.

        Returns
        -------
        display : PerplexityDisplay
            The object itself.
        """
        n_bins = check_integer(type(self).__name__, "n_bins", n_bins, 1)
        self.ax_ = ax = axes_for(self, ax)
        from matplotlib.patches import Patch

        perplexity = _check_perplexity(self.perplexity, self.n_train)
        most, median = max(2, self.n_train), np.median(perplexity)
        defaults = {
            "bins": np.geomspace(1, most, n_bins + 1),
            "histtype": "stepfilled",
            "color": next_colour(ax),
            "alpha": 0.7,
            "weights": np.full(len(perplexity), 100 / len(perplexity)),
            "label": legend_label(
                ax, self.name or "rows", f" (median {median:.3g} of {self.n_train:,})"
            ),
        }
        style = styled(Patch, defaults, hist_kw)
        _, _, self.patches_ = ax.hist(perplexity, **style)
        ax.set_xscale("log")
        text = "perplexity: training rows that share the weight"
        ax.set_xlabel(folded(text, 1.2 * width_of(ax)))
        ax.set_ylabel("share of rows, %")
        start_at_zero(ax)
        frame_lightly(ax)
        add_legend(ax)
        self.figure_ = ax.figure
        return self


def _check_perplexity(perplexity: Any, n_train: int) -> Any:
    """Return perplexities without rounding errors beyond their bounds."""
    perplexity = as_finite(perplexity, "perplexity")
    if perplexity.ndim != 1 or not len(perplexity):
        raise ValueError(
            "perplexity must have shape (n_samples,) with at least one sample, got "
            f"{perplexity.shape}. Pass one number for each row."
        )
    within = np.clip(perplexity, 1, n_train)
    if not np.allclose(within, perplexity, rtol=1e-4, atol=0):
        worst = perplexity[np.argmax(np.abs(perplexity - within))]
        raise ValueError(
            f"perplexity must be from 1 to the number of training rows, {n_train}, got "
            f"{worst:.6g}. Pass the n_train that the perplexities are of."
        )
    return within
