"""Samples of a model as a grid of images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from skvae._utils.validation import check_integer
from skvae.plotting._axes import axes_for, check_matplotlib, folded, width_of
from skvae.plotting._models import draw_samples, name_of, refuse_categories
from skvae.plotting._mosaic import Mosaic, grey_levels, read_images

__all__ = ["SampleGridDisplay"]


class SampleGridDisplay:
    """Samples of a model as a grid of images.

    Parameters
    ----------
    images : ndarray of shape (n_samples, channels, height, width)
        Generated images.
    value_range : (low, high) or None, default=None
        Values of black and white. None takes the medians of the images' extremes if
        they are grey; colour is in [0, 1] or 0 to 255.
    name : str, default=None
        Title of the picture; None for none.

    Attributes
    ----------
    im_ : matplotlib.image.AxesImage
        All images as one.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    See Also
    --------
    NearestNeighbourDisplay : Samples beside the training images nearest to them.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAE
    >>> from skvae.plotting import SampleGridDisplay
    >>> vae = VAE(8, max_epochs=2, random_state=0).fit(load_digits().data)
    >>> display = SampleGridDisplay.from_estimator(vae, n_samples=16, random_state=0)
    >>> display.images.shape
    (16, 1, 8, 8)
    """

    def __init__(
        self,
        images: Any,
        *,
        value_range: tuple[float, float] | None = None,
        name: str | None = None,
    ) -> None:
        self.images = images
        self.value_range = value_range
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        *,
        n_samples: int = 64,
        mean: bool = True,
        random_state: Any = None,
        image_shape: Sequence[int] | None = None,
        value_range: tuple[float, float] | None = None,
        name: str | None = None,
        ax: Any = None,
        n_columns: int | None = None,
        row_names: Sequence[str] | None = None,
        im_kw: dict[str, Any] | None = None,
    ) -> SampleGridDisplay:
        """Draw samples of a fitted model.

        Parameters
        ----------
        estimator : object
            Fitted, with ``sample``: an estimator of skvae, a density of scikit-learn,
            or a Pipeline that ends in one, whose samples are in the units of its input.
        X : array-like or Tensor of images, default=None
            Real ones, whose values of black and white the samples then have.
        n_samples : int, default=64
        mean : bool, default=True
            Show the decoder's means; False adds the observation noise of p(x|z).
        random_state : int, RandomState instance or None, default=None
            None gives other samples in every call.
        image_shape : (height, width), (channels, height, width) or None, default=None
            Of one flattened image. None takes rows of a square number of features for
            square grey images.
        value_range : (low, high) or None, default=None
            Values of black and white; None looks at X, else at the samples.
        name : str, default=None
            Title; None is the name of the estimator's class.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a new figure.
        n_columns : int, default=None
            Images in a row; None makes the grid square.
        row_names : sequence of str, default=None
            Names to write before the rows.
        im_kw : dict, default=None
            Keywords for ``Axes.imshow``, such as ``{"cmap": "gray_r"}``.

        Returns
        -------
        display : SampleGridDisplay

        Raises
        ------
        TypeError
            If the estimator cannot sample.
        ValueError
            If its samples are not images.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        refuse_categories(cls.__name__, estimator)
        samples = draw_samples(cls.__name__, estimator, n_samples, mean, random_state)
        if X is not None:
            value_range = grey_levels(read_images(X, image_shape), value_range)
        return cls.from_predictions(
            samples,
            image_shape=image_shape,
            value_range=value_range,
            name=f"Samples of {name_of(estimator)}" if name is None else name,
            ax=ax,
            n_columns=n_columns,
            row_names=row_names,
            im_kw=im_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        X_generated: Any,
        *,
        image_shape: Sequence[int] | None = None,
        value_range: tuple[float, float] | None = None,
        name: str | None = None,
        ax: Any = None,
        n_columns: int | None = None,
        row_names: Sequence[str] | None = None,
        im_kw: dict[str, Any] | None = None,
    ) -> SampleGridDisplay:
        """Draw images, whatever they come from.

        Parameters
        ----------
        X_generated : array-like or Tensor
            Shape (n_samples, n_pixels), (n_samples, height, width) or (n_samples,
            channels, height, width).
        image_shape, value_range, ax, n_columns, row_names, im_kw
            As in `from_estimator`.
        name : str, default=None
            Title; None for none.

        Returns
        -------
        display : SampleGridDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_predictions")
        images = read_images(X_generated, image_shape, "X_generated")
        display = cls(images, value_range=value_range, name=name)
        return display.plot(ax, n_columns=n_columns, row_names=row_names, im_kw=im_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        n_columns: int | None = None,
        row_names: Sequence[str] | None = None,
        im_kw: dict[str, Any] | None = None,
    ) -> SampleGridDisplay:
        """Draw the images.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a new figure.
        n_columns : int, default=None
            Images in a row; None makes the grid square.
        row_names : sequence of str, default=None
            Names to write before the rows.
        im_kw : dict, default=None
            Keywords for ``Axes.imshow``, such as ``{"cmap": "gray_r"}``.

        Returns
        -------
        display : SampleGridDisplay
            The object itself.
        """
        images = np.asarray(self.images)
        if n_columns is None:
            n_columns = math.ceil(math.sqrt(len(images)))
        n_columns = check_integer(type(self).__name__, "n_columns", n_columns, 1)
        mosaic = Mosaic(images, n_columns, grey_levels(images, self.value_range))
        beside = 0.085 * max(map(len, row_names), default=0) if row_names else 0.0
        n_lines = len(self._title(mosaic.width).splitlines())
        self.ax_ = axes_for(self, ax, mosaic.size(beside, 0.2 * n_lines + 0.1))
        self.im_ = mosaic.draw(self.ax_, im_kw)
        if row_names:
            mosaic.label_rows(self.ax_, row_names)
        width = mosaic.width if ax is None else width_of(self.ax_)
        self.ax_.set_title(self._title(width))
        self.figure_ = self.ax_.figure
        return self

    def _title(self, width: float) -> str:
        # Its letters are a fifth larger than others.
        return folded(self.name, 0.8 * min(width, 8.0)) if self.name else ""
