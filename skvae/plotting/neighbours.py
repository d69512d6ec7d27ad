"""Samples of a model over the training images nearest to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from skvae._utils.arrays import as_pair
from skvae._utils.validation import check_integer
from skvae.pipeline._abilities import as_fitted
from skvae.plotting._axes import (
    axes_for,
    check_matplotlib,
    note_below,
    note_of_first,
    ranks,
    short,
)
from skvae.plotting._models import draw_samples, refuse_categories
from skvae.plotting._mosaic import (
    MOST_SHOWN,
    Mosaic,
    check_alike,
    grey_levels,
    interleaved,
    read_images,
)
from skvae.scorers._reference import feature_rows, resolve_features, to_array

__all__ = ["NearestNeighbourDisplay"]


class NearestNeighbourDisplay:
    """Samples of a model over the training images nearest to them.

    Parameters
    ----------
    images : ndarray of shape (n_samples, channels, height, width)
        Generated images.
    neighbours : ndarray of shape (n_samples, n_neighbours, channels, height, width)
        Training images, the nearest first.
    distances : ndarray of shape (n_samples, n_neighbours)
        From each sample to these training images.
    floor : float, default=nan
        Median distance of held-out images to their nearest training image.
    value_range : (low, high) or None, default=None
        Values of black and white. None takes the medians of the extremes of the
        training images shown if they are grey; colour is in [0, 1] or 0 to 255.

    Attributes
    ----------
    im_ : matplotlib.image.AxesImage
        All images as one.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    See Also
    --------
    skvae.metrics.nearest_neighbour_distances : The same of all samples, as numbers.

    Notes
    -----
    A copy looks like its neighbour and is much nearer to it than held-out images are to
    theirs. Euclidean distances of pixels do not see a copy that was moved by a pixel;
    `features` can be a map that does.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAE
    >>> from skvae.plotting import NearestNeighbourDisplay
    >>> X = load_digits().data
    >>> vae = VAE(8, max_epochs=2, random_state=0).fit(X[:900])
    >>> display = NearestNeighbourDisplay.from_estimator(
    ...     vae, X[:900], X_test=X[900:], n_samples=6, random_state=0
    ... )
    >>> display.distances.shape, round(display.floor)
    ((6, 1), 19)
    """

    def __init__(
        self,
        images: Any,
        neighbours: Any,
        distances: Any,
        *,
        floor: float = np.nan,
        value_range: tuple[float, float] | None = None,
    ) -> None:
        self.images = images
        self.neighbours = neighbours
        self.distances = distances
        self.floor = floor
        self.value_range = value_range

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X_train: Any,
        *,
        X_test: Any = None,
        n_samples: int = 10,
        n_neighbours: int = 1,
        mean: bool = True,
        random_state: Any = None,
        features: Any = None,
        image_shape: Sequence[int] | None = None,
        value_range: tuple[float, float] | None = None,
        ax: Any = None,
        im_kw: dict[str, Any] | None = None,
    ) -> NearestNeighbourDisplay:
        """Draw samples of a fitted model and the training images nearest to them.

        Parameters
        ----------
        estimator : object
            Fitted, with ``sample``: an estimator of skvae, a density of scikit-learn,
            or a Pipeline that ends in one, whose samples are in the units of its input.
        X_train : array-like or Tensor of images, flattened or not
            What it was fitted on.
        X_test : array-like or Tensor of images, default=None
            Held-out ones, for the distance to expect of images that are no copies.
        n_samples : int, default=10
        n_neighbours : int, default=1
            Training images for each sample.
        mean : bool, default=True
            Show the decoder's means; False adds the observation noise of p(x|z).
        random_state : int, RandomState instance or None, default=None
            None gives other samples in every call.
        features : None, str, callable or transformer, default=None
            Map applied before distances are taken, as in `make_sample_scorer`. None
            compares pixels, in their units.
        image_shape : (height, width), (channels, height, width) or None, default=None
            Of one flattened image. None takes rows of a square number of features for
            square grey images.
        value_range : (low, high) or None, default=None
            Values of black and white.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a new figure.
        im_kw : dict, default=None
            Keywords for ``Axes.imshow``, such as ``{"cmap": "gray_r"}``.

        Returns
        -------
        display : NearestNeighbourDisplay

        Raises
        ------
        TypeError
            If the estimator cannot sample.
        ValueError
            If samples or rows are not images, or there are fewer training images than
            `n_neighbours`.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        refuse_categories(cls.__name__, estimator)
        X = draw_samples(
            cls.__name__, estimator, n_samples, mean, random_state, X_train
        )
        return cls.from_predictions(
            X,
            as_fitted(estimator, X_train, "X_train"),
            X_test=as_fitted(estimator, X_test, "X_test"),
            n_neighbours=n_neighbours,
            features=features,
            image_shape=image_shape,
            value_range=value_range,
            ax=ax,
            im_kw=im_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        X_generated: Any,
        X_train: Any,
        *,
        X_test: Any = None,
        n_neighbours: int = 1,
        features: Any = None,
        image_shape: Sequence[int] | None = None,
        value_range: tuple[float, float] | None = None,
        ax: Any = None,
        im_kw: dict[str, Any] | None = None,
    ) -> NearestNeighbourDisplay:
        """Draw images and the training images nearest to them.

        Parameters
        ----------
        X_generated : array-like or Tensor of images, flattened or not
        X_train : array-like or Tensor of images, flattened or not
        X_test, n_neighbours, features, image_shape, value_range, ax, im_kw
            As in `from_estimator`.

        Returns
        -------
        display : NearestNeighbourDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_predictions")
        train = to_array(X_train)
        images = read_images(X_generated, image_shape, "X_generated")
        train_images = read_images(train, image_shape, "X_train")
        check_alike(images[:1], train_images[:1], ("X_generated", "X_train"))
        n_neighbours = _check_n_neighbours(cls.__name__, n_neighbours, len(train))
        space = _Space(train, resolve_features(features))
        indices, distances = space.nearest(X_generated, "X_generated", n_neighbours)
        floor = np.nan
        if X_test is not None:
            floor = float(np.median(space.nearest(X_test, "X_test", 1)[1]))
        display = cls(
            images,
            train_images[indices],
            distances,
            floor=floor,
            value_range=value_range,
        )
        return display.plot(ax, im_kw=im_kw)

    def plot(
        self, ax: Any = None, *, im_kw: dict[str, Any] | None = None
    ) -> NearestNeighbourDisplay:
        """Draw a column for each sample, with the distance of its nearest image.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a new figure.
        im_kw : dict, default=None
            Keywords for ``Axes.imshow``, such as ``{"cmap": "gray_r"}``.

        Returns
        -------
        display : NearestNeighbourDisplay
            The object itself.
        """
        images, neighbours = np.asarray(self.images), np.asarray(self.neighbours)
        levels = grey_levels(
            neighbours.reshape(-1, *images.shape[1:]), self.value_range
        )
        n = min(MOST_SHOWN, len(images))
        columns = [images[:n], *neighbours[:n].swapaxes(0, 1)]
        mosaic = Mosaic(interleaved(columns, n), n, levels)
        labels = [short(d) for d in np.asarray(self.distances)[:n, 0]]
        note = note_of_first(n, len(images), "samples")
        below = 0.8 if note else 0.6
        self.ax_ = axes_for(self, ax, mosaic.size(1.5, below, labels))
        self.im_ = mosaic.draw(self.ax_, im_kw)
        names = ranks("nearest in training", "nearest", neighbours.shape[1])
        mosaic.label_rows(self.ax_, ["sample", *names])
        mosaic.label_columns(self.ax_, labels)
        mosaic.caption(self.ax_, _caption(self.floor))
        note_below(self.ax_, note)
        self.figure_ = self.ax_.figure
        return self


class _Space:
    """Training rows after the feature map, and distances to them."""

    def __init__(self, train: NDArray[Any], features: Any) -> None:
        self.features = features
        self.rows = feature_rows(train, features, "X_train")

    def nearest(
        self, X: Any, name: str, k: int
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return indices and distances of the k nearest training rows, (n, k) each."""
        rows = feature_rows(to_array(X), self.features, name)
        as_pair(self.rows[:1], rows[:1], ("X_train", name))
        search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(self.rows)
        indices = search.kneighbors(rows, return_distance=False)
        # From differences, so that a copy has distance 0 exactly.
        difference = rows[:, None] - self.rows[indices]
        return indices, np.linalg.norm(difference, axis=-1)


def _check_n_neighbours(owner: str, n_neighbours: Any, n_train: int) -> int:
    n_neighbours = check_integer(owner, "n_neighbours", n_neighbours, 1)
    if n_neighbours > n_train:
        raise ValueError(
            f"n_neighbours must be at most the number of training images, got "
            f"{n_neighbours} and {n_train}."
        )
    return n_neighbours


def _caption(floor: float) -> str:
    text = "distance to the nearest training image"
    if np.isnan(floor):
        return text
    return f"{text}\n(median of held-out images: {short(floor)})"
