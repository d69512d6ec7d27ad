"""Reconstructions beside the optimal decoder's output and the images it averages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skvae._utils.validation import check_integer
from skvae.diagnostics import optimal_decoder
from skvae.pipeline._abilities import as_fitted
from skvae.plotting._axes import (
    axes_for,
    check_matplotlib,
    is_small,
    note_below,
    note_of_first,
    ranks,
    short,
)
from skvae.plotting._models import (
    autoencoder_and_rows,
    from_last_step,
    reconstruct_rows,
)
from skvae.plotting._mosaic import (
    MOST_SHOWN,
    Mosaic,
    check_alike,
    grey_levels,
    interleaved,
    read_images,
)
from skvae.scorers._reference import to_array

__all__ = ["OptimalDecoderDisplay"]

# Of an image's height, for the weight above it, and columns with letters of their size.
_ROOM, _MOST_WIDE = 0.27, 12


class OptimalDecoderDisplay:
    """Reconstructions beside the optimal decoder's output and the images it averages.

    Parameters
    ----------
    images : ndarray of shape (n_images, channels, height, width)
        What is encoded.
    reconstructions : ndarray of shape (n_images, channels, height, width)
        What the decoder of the model makes of the codes.
    averages : ndarray of shape (n_images, channels, height, width)
        What the optimal decoder makes of the same codes: weighted averages of the
        training images.
    heaviest : ndarray of shape (n_images, n_heaviest, channels, height, width)
        Training images of the largest weights, in descending order.
    weights : ndarray of shape (n_images, n_heaviest)
        Their weights, in [0, 1].
    perplexity : ndarray of shape (n_images,)
        Number of training images that share the weight.
    value_range : (low, high) or None, default=None
        Values of black and white. None takes the medians of the extremes of `images`
        if they are grey; colour is in [0, 1] or 0 to 255.

    Attributes
    ----------
    im_ : matplotlib.image.AxesImage
        All images as one.
    texts_ : list of matplotlib.text.Text
        The weights, each above its training image, row by row.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    See Also
    --------
    PerplexityDisplay : The perplexities of all rows.
    skvae.diagnostics.reconstruction_matching : Which of the two a reconstruction is
        nearer to, as numbers.

    Notes
    -----
    A decoder that could be any function would return the averages. Where
    reconstructions of images of an unknown kind resemble their input, it is the limits
    of the network that keep the model from memorising; where they resemble the
    averages, the model has memorised.

    References
    ----------
    Bozkurt et al., "Can VAEs generate novel examples?", 2018, figure 1.
    arXiv:1812.09624

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAE
    >>> from skvae.plotting import OptimalDecoderDisplay
    >>> X = load_digits().data
    >>> vae = VAE(8, max_epochs=2, random_state=0).fit(X[:900])
    >>> display = OptimalDecoderDisplay.from_estimator(
    ...     vae, X[900:], X[:900], n_images=5
    ... )
    >>> display.heaviest.shape
    (5, 3, 1, 8, 8)
    """

    def __init__(
        self,
        images: Any,
        reconstructions: Any,
        averages: Any,
        heaviest: Any,
        weights: Any,
        perplexity: Any,
        *,
        value_range: tuple[float, float] | None = None,
    ) -> None:
        self.images = images
        self.reconstructions = reconstructions
        self.averages = averages
        self.heaviest = heaviest
        self.weights = weights
        self.perplexity = perplexity
        self.value_range = value_range

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        X_train: Any,
        *,
        n_heaviest: int = 3,
        n_images: int = 8,
        leave_out: Any = None,
        image_shape: Sequence[int] | None = None,
        value_range: tuple[float, float] | None = None,
        ax: Any = None,
        im_kw: dict[str, Any] | None = None,
    ) -> OptimalDecoderDisplay:
        """Decode the codes of the first rows of X by both decoders and draw them.

        Parameters
        ----------
        estimator : BaseAutoencoder or Pipeline that ends in one
            Fitted, with normal posteriors and a likelihood whose optimal decoder is
            known; see `skvae.diagnostics.optimal_decoder`.
        X : array-like or Tensor of images, flattened or not
            Images to decode; best held out, or of a kind that is not in `X_train`.
        X_train : array-like or Tensor of images, flattened or not
            What it was fitted on.
        n_heaviest : int, default=3
            Training images shown for each image.
        n_images : int, default=8
            The first so many are shown; pass ``X[rows]`` for others.
        leave_out : array-like of int of shape (n_samples,), default=None
            Training row that may have no weight for each row of X; -1 for none. For
            training rows, their own index.
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
        display : OptimalDecoderDisplay

        Raises
        ------
        TypeError
            If the estimator is no autoencoder of skvae, or its optimal decoder is not
            known.
        ValueError
            If the rows are not images, or there are fewer training images than
            `n_heaviest`.
        ImportError
            If matplotlib is not installed.
        """
        owner = cls.__name__
        check_matplotlib(f"{owner}.from_estimator")
        n_images = check_integer(owner, "n_images", n_images, 1)
        X, X_train = (
            as_fitted(estimator, rows, name)
            for rows, name in ((X[:n_images], "X"), (X_train, "X_train"))
        )
        leave_out = None if leave_out is None else leave_out[:n_images]
        autoencoder, rows = autoencoder_and_rows(owner, estimator, X, X_train)
        _check_n_heaviest(owner, n_heaviest, len(X_train))
        best = optimal_decoder(
            autoencoder, *rows, leave_out=leave_out, keep_weights=True
        )
        order = np.argsort(-best.weights, axis=1, kind="stable")[:, :n_heaviest]
        averages = from_last_step(estimator, best.averages)
        return cls.from_predictions(
            X,
            reconstruct_rows(owner, estimator, X),
            averages.reshape(np.shape(X)),
            [to_array(X_train)[indices] for indices in order],
            np.take_along_axis(best.weights, order, axis=1),
            best.perplexity,
            image_shape=image_shape,
            value_range=value_range,
            ax=ax,
            im_kw=im_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        X: Any,
        X_reconstructed: Any,
        X_average: Any,
        X_heaviest: Any,
        weights: Any,
        perplexity: Any,
        *,
        image_shape: Sequence[int] | None = None,
        value_range: tuple[float, float] | None = None,
        ax: Any = None,
        im_kw: dict[str, Any] | None = None,
    ) -> OptimalDecoderDisplay:
        """Draw images and what is made of them, whatever computed it.

        Parameters
        ----------
        X : array-like or Tensor of images, flattened or not
        X_reconstructed, X_average : array-like or Tensor of as many images
        X_heaviest : array-like or Tensor of shape (n_images, n_heaviest, ...)
            Training images, the heaviest first.
        weights : array-like of shape (n_images, n_heaviest)
        perplexity : array-like of shape (n_images,)
        image_shape, value_range, ax, im_kw
            As in `from_estimator`.

        Returns
        -------
        display : OptimalDecoderDisplay

        Raises
        ------
        ValueError
            If the sets are not as many images of one shape.
        """
        check_matplotlib(f"{cls.__name__}.from_predictions")
        images = read_images(X, image_shape, "X")
        sets = {"X_reconstructed": X_reconstructed, "X_average": X_average}
        sets = {name: read_images(Y, image_shape, name) for name, Y in sets.items()}
        for name, others in sets.items():
            check_alike(images, others, ("X", name))
        heaviest = [read_images(Y, image_shape, "X_heaviest") for Y in X_heaviest]
        heaviest = np.stack(heaviest)
        check_alike(images, heaviest[:, 0], ("X", "X_heaviest"))
        display = cls(
            images,
            *sets.values(),
            heaviest,
            weights,
            perplexity,
            value_range=value_range,
        )
        return display.plot(ax, im_kw=im_kw)

    def plot(
        self, ax: Any = None, *, im_kw: dict[str, Any] | None = None
    ) -> OptimalDecoderDisplay:
        """Draw a column for each image, with its perplexity.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a new figure.
        im_kw : dict, default=None
            Keywords for ``Axes.imshow``, such as ``{"cmap": "gray_r"}``.

        Returns
        -------
        display : OptimalDecoderDisplay
            The object itself.
        """
        images, heaviest = np.asarray(self.images), np.asarray(self.heaviest)
        n = min(MOST_SHOWN, len(images))
        decoded = [images, np.asarray(self.reconstructions), np.asarray(self.averages)]
        sets = [X[:n] for X in [*decoded, *heaviest.swapaxes(0, 1)]]
        levels = grey_levels(images, self.value_range)
        mosaic = Mosaic(interleaved(sets, n), n, levels, room=_ROOM)
        labels = [short(p) for p in np.asarray(self.perplexity)[:n]]
        note = ["above training images: their weights"]
        note += [first] if (first := note_of_first(n, len(images), "images")) else []
        below = 0.6 + 0.2 * len(note)
        self.ax_ = axes_for(self, ax, mosaic.size(1.7, below, labels))
        self.im_ = mosaic.draw(self.ax_, im_kw)
        names = ["input", "reconstruction", "optimal decoder"]
        names += ranks("heaviest in training", "heaviest", heaviest.shape[1])
        mosaic.label_rows(self.ax_, names)
        mosaic.label_columns(self.ax_, labels)
        mosaic.caption(self.ax_, "perplexity: training images that share the weight")
        self.texts_ = self._write_weights(mosaic, images.shape[2])
        note_below(self.ax_, "\n".join(note))
        self.figure_ = self.ax_.figure
        return self

    def _write_weights(self, mosaic: Mosaic, height: int) -> list[Any]:
        """Write each weight above its training image."""
        weights = np.asarray(self.weights)[: len(mosaic.x)].T
        is_tight = is_small(self.ax_) or len(mosaic.x) > _MOST_WIDE
        style = {"fontsize": "xx-small" if is_tight else "x-small"}
        tops = mosaic.y[-len(weights) :] - height / 2
        return [
            self.ax_.text(x, top, _weight(w), ha="center", va="bottom", **style)
            for top, row in zip(tops, weights, strict=True)
            for x, w in zip(mosaic.x, row, strict=True)
        ]


def _check_n_heaviest(owner: str, n_heaviest: Any, n_train: int) -> None:
    if check_integer(owner, "n_heaviest", n_heaviest, 1) > n_train:
        raise ValueError(
            f"n_heaviest must be at most the number of training images, got "
            f"{n_heaviest} and {n_train}."
        )


def _weight(w: float) -> str:
    """Return a weight with two decimals; what rounds to nothing is below 0.01."""
    return f"{w:.2f}" if w >= 0.005 else "<0.01"
