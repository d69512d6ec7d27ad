"""What a decoder makes of the way from one code to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skvae._utils.validation import check_choice, check_integer
from skvae.metrics import slerp
from skvae.plotting._axes import (
    LETTER,
    axes_for,
    check_matplotlib,
    note_below,
    note_of_first,
)
from skvae.plotting._models import (
    check_codes,
    check_models,
    decode_rows,
    encode_rows,
)
from skvae.plotting._mosaic import (
    MOST_SHOWN,
    Mosaic,
    check_alike,
    grey_levels,
    read_images,
)

__all__ = ["InterpolationDisplay"]


class InterpolationDisplay:
    """What a decoder makes of the way from one code to another.

    Parameters
    ----------
    starts : ndarray of shape (n_paths, channels, height, width)
        Images whose codes the paths start from.
    ends : ndarray of shape (n_paths, channels, height, width)
        Images whose codes they lead to.
    steps : ndarray of shape (n_paths, n_steps, channels, height, width)
        Decoded codes along each path, at equal distances from 0 to 1.
    value_range : (low, high) or None, default=None
        Values of black and white. None takes the medians of the extremes of `starts`
        and `ends` if they are grey; colour is in [0, 1] or 0 to 255.
    row_names : sequence of str or None, default=None
        Names to write before the paths, such as those of models.

    Attributes
    ----------
    im_ : matplotlib.image.AxesImage
        All images as one.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    Notes
    -----
    Codes of a high-dimensional normal distribution lie near a sphere, which a straight
    line leaves: midpoints come too near to the origin. The spherical path keeps the
    length of the codes.

    References
    ----------
    White, "Sampling Generative Networks", 2016, section 2.1. arXiv:1609.04468

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAE
    >>> from skvae.plotting import InterpolationDisplay
    >>> X = load_digits().data
    >>> vae = VAE(8, max_epochs=2, random_state=0).fit(X)
    >>> display = InterpolationDisplay.from_estimator(vae, X[:6], n_steps=5)
    >>> display.steps.shape
    (3, 5, 1, 8, 8)
    """

    def __init__(
        self,
        starts: Any,
        ends: Any,
        steps: Any,
        *,
        value_range: tuple[float, float] | None = None,
        row_names: Sequence[str] | None = None,
    ) -> None:
        self.starts = starts
        self.ends = ends
        self.steps = steps
        self.value_range = value_range
        self.row_names = row_names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        n_paths: int = 5,
        n_steps: int = 9,
        path: str = "spherical",
        image_shape: Sequence[int] | None = None,
        value_range: tuple[float, float] | None = None,
        ax: Any = None,
        im_kw: dict[str, Any] | None = None,
    ) -> InterpolationDisplay:
        """Encode pairs of rows, go from code to code, and decode.

        Parameters
        ----------
        estimator : object
            Fitted autoencoder, or anything that transforms forth and back: a Pipeline,
            PCA.
        X : array-like or Tensor of images, flattened or not
            Path i leads from row ``2 * i`` to row ``2 * i + 1``.
        n_paths : int, default=5
            At most; X may have rows for fewer.
        n_steps : int, default=9
            Decoded codes on each path, both ends included.
        path : {"spherical", "linear"}, default="spherical"
            Along a great circle (see `skvae.metrics.slerp`) or straight.
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
        display : InterpolationDisplay

        Raises
        ------
        TypeError
            If the estimator cannot transform back.
        ValueError
            If X has fewer than two rows, or they are not images.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        display = cls._of_models([estimator], X, n_paths, n_steps, path, image_shape)
        display.value_range = value_range
        return display.plot(ax, im_kw=im_kw)

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Any],
        X: Any,
        *,
        n_paths: int = 1,
        n_steps: int = 9,
        path: str = "spherical",
        image_shape: Sequence[int] | None = None,
        value_range: tuple[float, float] | None = None,
        ax: Any = None,
        im_kw: dict[str, Any] | None = None,
    ) -> InterpolationDisplay:
        """Draw what several models make of the same paths, one row for each model.

        Parameters
        ----------
        estimators : dict of str to object
            Fitted autoencoders, by the names to write before their rows.
        X : array-like or Tensor of images, flattened or not
            Path i leads from row ``2 * i`` to row ``2 * i + 1``.
        n_paths : int, default=1
            At most; the rows of the second path stand below those of the first.
        n_steps, path, image_shape, value_range, ax, im_kw
            As in `from_estimator`.

        Returns
        -------
        display : InterpolationDisplay

        Raises
        ------
        TypeError
            If `estimators` is no dict, or one of them cannot transform back.
        ValueError
            If there are none, X has fewer than two rows, or they are not images.

        References
        ----------
        Ghosh et al., "From Variational to Deterministic Autoencoders", ICLR 2020,
        figure 3. arXiv:1903.12436
        """
        check_matplotlib(f"{cls.__name__}.from_estimators")
        check_models(cls.__name__, estimators, "fitted estimators")
        models = list(estimators.values())
        display = cls._of_models(models, X, n_paths, n_steps, path, image_shape)
        n_shown = len(display.starts) // len(models)
        display.row_names = [str(name) for name in estimators] * n_shown
        display.value_range = value_range
        return display.plot(ax, im_kw=im_kw)

    @classmethod
    def _of_models(
        cls,
        models: list[Any],
        X: Any,
        n_paths: int,
        n_steps: int,
        path: str,
        image_shape: Sequence[int] | None,
    ) -> InterpolationDisplay:
        """Encode pairs of rows by every model, and decode the paths between them."""
        owner = cls.__name__
        n_paths = check_integer(owner, "n_paths", n_paths, 1)
        n_steps = check_integer(owner, "n_steps", n_steps, 2)
        check_choice(owner, "path", path, ("spherical", "linear"))
        n_paths = min(n_paths, len(X) // 2)
        if n_paths == 0:
            raise ValueError(
                f"{owner} needs at least 2 rows of X, the ends of a path, got {len(X)}."
            )
        for model in models:
            check_codes(owner, model)
        X = X[: 2 * n_paths]
        images, steps = read_images(X, image_shape, "X"), []
        for model in models:
            Z = encode_rows(owner, model, X)
            between = _points(Z[::2], Z[1::2], n_steps, path)
            decoded = decode_rows(model, between.reshape(-1, Z.shape[1]))
            steps += [read_images(decoded, image_shape, "decoded codes")]
            check_alike(images[:1], steps[-1][:1], ("X", "decoded codes"))
        # Paths in turn, each of them by every model.
        shape = len(models), n_paths, n_steps, *images.shape[1:]
        steps = np.reshape(steps, shape).swapaxes(0, 1).reshape(-1, *shape[2:])
        ends = np.repeat(images.reshape(n_paths, 2, *shape[3:]), len(models), axis=0)
        return cls(ends[:, 0], ends[:, 1], steps)

    @classmethod
    def from_predictions(
        cls,
        starts: Any,
        ends: Any,
        steps: Any,
        *,
        image_shape: Sequence[int] | None = None,
        value_range: tuple[float, float] | None = None,
        ax: Any = None,
        im_kw: dict[str, Any] | None = None,
    ) -> InterpolationDisplay:
        """Draw decoded paths between images, whatever made them.

        Parameters
        ----------
        starts, ends : array-like or Tensor of n_paths images, flattened or not
        steps : array-like or Tensor of shape (n_paths, n_steps, ...)
            Decoded codes on the paths, images like the ends.
        image_shape, value_range, ax, im_kw
            As in `from_estimator`.

        Returns
        -------
        display : InterpolationDisplay

        Raises
        ------
        ValueError
            If there are not as many ends and paths as starts, or they are not images
            of one shape.
        """
        owner = cls.__name__
        check_matplotlib(f"{owner}.from_predictions")
        if not len(starts) == len(ends) == len(steps):
            raise ValueError(
                f"{owner} needs as many starts as ends and steps, got {len(starts)}, "
                f"{len(ends)} and {len(steps)}. Pass one of each for every path."
            )
        starts = read_images(starts, image_shape, "starts")
        ends = read_images(ends, image_shape, "ends")
        paths = [read_images(path, image_shape, "steps") for path in steps]
        check_alike(starts, ends, ("starts", "ends"))
        check_alike(starts[:1], paths[0][:1], ("starts", "steps"))
        for path in paths:
            check_alike(paths[0], path, ("the first path", "each other one"))
        display = cls(starts, ends, np.stack(paths), value_range=value_range)
        return display.plot(ax, im_kw=im_kw)

    def plot(
        self, ax: Any = None, *, im_kw: dict[str, Any] | None = None
    ) -> InterpolationDisplay:
        """Draw one row for each path, with the two images at its ends.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a new figure.
        im_kw : dict, default=None
            Keywords for ``Axes.imshow``, such as ``{"cmap": "gray_r"}``.

        Returns
        -------
        display : InterpolationDisplay
            The object itself.
        """
        starts, ends, steps = map(np.asarray, (self.starts, self.ends, self.steps))
        levels = grey_levels(np.concatenate([starts, ends]), self.value_range)
        rows = np.concatenate([starts[:, None], steps, ends[:, None]], axis=1)
        shown = rows[:MOST_SHOWN]
        n_steps, shape = steps.shape[1], steps.shape[2:]
        mosaic = Mosaic(shown.reshape(-1, *shape), n_steps + 2, levels)
        positions = [f"{t:.3g}" for t in np.linspace(0, 1, n_steps)]
        labels = ["start", *positions, "end"]
        names = list(self.row_names or [])[: len(shown)]
        beside = LETTER * max(map(len, names), default=0)
        self.ax_ = axes_for(self, ax, mosaic.size(beside, 0.5, labels))
        self.im_ = mosaic.draw(self.ax_, im_kw)
        if names:
            mosaic.label_rows(self.ax_, names)
        mosaic.label_columns(self.ax_, labels)
        mosaic.caption(self.ax_, "position on the path between the two codes")
        note_below(self.ax_, note_of_first(len(shown), len(rows), "paths"))
        self.figure_ = self.ax_.figure
        return self


def _points(A: np.ndarray, B: np.ndarray, n_steps: int, path: str) -> np.ndarray:
    """Points from A to B, rows (n, d) each, as (n, n_steps, d)."""
    A, B = A[:, None].astype(np.float64), B[:, None].astype(np.float64)
    t = np.linspace(0, 1, n_steps)
    if path == "spherical":
        return slerp(A, B, t)
    return A + t[:, None] * (B - A)
