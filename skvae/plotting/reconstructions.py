"""Reconstructions of a model under the images that they are of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from skvae._utils.validation import check_integer
from skvae.plotting._axes import axes_for, check_matplotlib, note_below
from skvae.plotting._models import reconstruct_rows
from skvae.plotting._mosaic import (
    MOST_SHOWN,
    Mosaic,
    check_alike,
    grey_levels,
    interleaved,
    read_images,
)

__all__ = ["ReconstructionDisplay"]


class ReconstructionDisplay:
    """Reconstructions of a model under the images that they are of.

    Parameters
    ----------
    images : ndarray of shape (n_images, channels, height, width)
        Originals.
    reconstructions : ndarray of shape (n_images, channels, height, width)
    value_range : (low, high) or None, default=None
        Values of black and white. None takes the medians of the originals' extremes if
        they are grey; colour is in [0, 1] or 0 to 255.

    Attributes
    ----------
    im_ : matplotlib.image.AxesImage
        All images as one.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAE
    >>> from skvae.plotting import ReconstructionDisplay
    >>> X = load_digits().data
    >>> vae = VAE(8, max_epochs=2, random_state=0).fit(X)
    >>> display = ReconstructionDisplay.from_estimator(vae, X, n_images=5)
    >>> display.reconstructions.shape
    (5, 1, 8, 8)
    """

    def __init__(
        self,
        images: Any,
        reconstructions: Any,
        *,
        value_range: tuple[float, float] | None = None,
    ) -> None:
        self.images = images
        self.reconstructions = reconstructions
        self.value_range = value_range

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        n_images: int = 10,
        image_shape: Sequence[int] | None = None,
        value_range: tuple[float, float] | None = None,
        ax: Any = None,
        n_columns: int | None = None,
        im_kw: dict[str, Any] | None = None,
    ) -> ReconstructionDisplay:
        """Reconstruct the first rows of X and draw both.

        Parameters
        ----------
        estimator : object
            Fitted autoencoder, or anything that transforms forth and back: a Pipeline,
            PCA.
        X : array-like or Tensor of images, flattened or not
            Held-out ones tell most.
        n_images : int, default=10
            The first so many are shown; pass ``X[rows]`` for others.
        image_shape : (height, width), (channels, height, width) or None, default=None
            Of one flattened image. None takes rows of a square number of features for
            square grey images.
        value_range : (low, high) or None, default=None
            Values of black and white.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a new figure.
        n_columns : int, default=None
            Pairs beside each other; more go below. None is 10, or as many as make the
            picture about square.
        im_kw : dict, default=None
            Keywords for ``Axes.imshow``, such as ``{"cmap": "gray_r"}``.

        Returns
        -------
        display : ReconstructionDisplay

        Raises
        ------
        TypeError
            If the estimator cannot transform back.
        ValueError
            If the rows are not images.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        n_images = check_integer(cls.__name__, "n_images", n_images, 1)
        X = X[:n_images]
        return cls.from_predictions(
            X,
            reconstruct_rows(cls.__name__, estimator, X),
            image_shape=image_shape,
            value_range=value_range,
            ax=ax,
            n_columns=n_columns,
            im_kw=im_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        X: Any,
        X_reconstructed: Any,
        *,
        image_shape: Sequence[int] | None = None,
        value_range: tuple[float, float] | None = None,
        ax: Any = None,
        n_columns: int | None = None,
        im_kw: dict[str, Any] | None = None,
    ) -> ReconstructionDisplay:
        """Draw images and their reconstructions, whatever made them.

        Parameters
        ----------
        X : array-like or Tensor of images, flattened or not
        X_reconstructed : array-like or Tensor of as many images
        image_shape, value_range, ax, n_columns, im_kw
            As in `from_estimator`.

        Returns
        -------
        display : ReconstructionDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_predictions")
        images = read_images(X, image_shape, "X")
        reconstructions = read_images(X_reconstructed, image_shape, "X_reconstructed")
        check_alike(images, reconstructions, ("X", "X_reconstructed"))
        display = cls(images, reconstructions, value_range=value_range)
        return display.plot(ax, n_columns=n_columns, im_kw=im_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        n_columns: int | None = None,
        im_kw: dict[str, Any] | None = None,
    ) -> ReconstructionDisplay:
        """Draw rows of originals, each over its row of reconstructions.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a new figure.
        n_columns : int, default=None
            Pairs beside each other; more go below. None is 10, or as many as make the
            picture about square.
        im_kw : dict, default=None
            Keywords for ``Axes.imshow``, such as ``{"cmap": "gray_r"}``.

        Returns
        -------
        display : ReconstructionDisplay
            The object itself.
        """
        images = np.asarray(self.images)
        if n_columns is None:
            n_columns = max(10, math.ceil(math.sqrt(2 * len(images))))
        n_columns = check_integer(type(self).__name__, "n_columns", n_columns, 1)
        n_columns = min(n_columns, len(images))
        both = interleaved([images, np.asarray(self.reconstructions)], n_columns)
        mosaic = Mosaic(both, n_columns, grey_levels(images, self.value_range))
        self.ax_ = axes_for(self, ax, mosaic.size(beside=1.2, below=0.2))
        self.im_ = mosaic.draw(self.ax_, im_kw)
        # Many rows are too low for names of their own.
        n_named = len(mosaic.y) if len(mosaic.y) <= MOST_SHOWN else 2
        names = ["original", "reconstruction"] * (n_named // 2)
        mosaic.label_rows(self.ax_, names + [""] * (len(mosaic.y) - n_named))
        note_below(self.ax_, self._errors())
        self.figure_ = self.ax_.figure
        return self

    def _errors(self) -> str:
        """Say how large the errors of the images that are shown are."""
        images, others = (
            np.asarray(X, dtype=np.float64) for X in (self.images, self.reconstructions)
        )
        squared = np.square(images - others).reshape(len(images), -1).mean(axis=1)
        least, most = np.sqrt([squared.min(), squared.max()])
        spread = f" ({least:.3g} to {most:.3g} by image)" * (len(squared) > 1)
        return f"root mean squared error {np.sqrt(squared.mean()):.3g}{spread}"
