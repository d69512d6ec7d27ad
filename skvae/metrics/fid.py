"""The published Fréchet inception distance."""

from dataclasses import dataclass
from os import PathLike
from typing import Any

from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from skvae._utils.arrays import FloatArray
from skvae._utils.cache import ContentCache
from skvae._utils.images import as_images
from skvae.metrics._pixels import pixel_range
from skvae.metrics.features import ImageFeatures
from skvae.metrics.frechet import frechet_distance
from skvae.metrics.frechet_statistics import FrechetStatistics
from skvae.metrics.inception import load_fid_inception

_OWNER = "fid_score"
_REFERENCES = ContentCache(max_items=4)


def fid_score(
    X_real: ArrayLike | Tensor | FrechetStatistics,
    X_generated: ArrayLike | Tensor,
    *,
    weights: str | PathLike[str] | None = None,
    image_shape: tuple[int, ...] | None = None,
    value_range: str | tuple[float, float] = "auto",
    clip: bool = False,
    batch_size: int = 32,
    device: Any = "auto",
    verbose: int = 0,
) -> float:
    """Fréchet inception distance (FID) between two sets of images.

    The `frechet_distance` between 2,048 features of the 2015 Inception network, with
    the weights and the preprocessing of pytorch-fid.

    Parameters
    ----------
    X_real : array-like or Tensor, or FrechetStatistics
        Reference images of shape (n, height, width), (n, channels, height, width), or
        (n, n_pixels) with `image_shape`; or the statistics of their features, which
        `FrechetStatistics.load` also reads from files that pytorch-fid has written.
    X_generated : array-like or Tensor
        Generated images, of such a shape.
    weights : str or path-like, default=None
        The file of weights; None looks for it as `load_fid_inception` does.
    image_shape : (height, width) or (channels, height, width), default=None
        Shape of one image, for images flattened to rows, channel after channel.
    value_range : "auto" or (low, high), default="auto"
        Values of black and white. "auto" is (0, 255) for uint8 and (0, 1) for floats.
    clip : bool, default=False
        Clip values outside the range instead of raising an error.
    batch_size : int, default=32
        Images that go through the network at once.
    device : str or torch.device, default="auto"
        "auto" is CUDA where there is a device, else the CPU.
    verbose : int, default=0
        Print a line every few seconds, and at the end of a set, if positive.

    Returns
    -------
    distance : float
        In squared units of the features; lower is better.

    Raises
    ------
    FileNotFoundError
        If there is no file of weights; the message says where to put it.
    ValueError
        If a set has fewer than two images, another layout, values outside the range,
        or NaN; or if the file is not the published one.

    Warns
    -----
    UserWarning
        If a set has fewer images than there are features, 2,048.

    Notes
    -----
    The estimate is biased by about C/n: with 2,000 images of one distribution on
    either side it is far above zero. Compare only at equal numbers of images.

    Values are rounded to 8 bits, grey images repeated in three channels, and images of
    any size resized to 299 x 299 without antialiasing. Libraries that resize or scale
    in another way (clean-fid, torchmetrics) report other numbers.

    Features or moments of the last four reference sets are cached, at most 34 MB each,
    so that the same images are not embedded again. On one core an image takes about
    0.2 s.

    References
    ----------
    Heusel et al. 2017, GANs trained by a two time-scale update rule converge to a
    local Nash equilibrium, eq. 6, arXiv:1706.08500.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.metrics import fid_score
    >>> images = np.zeros((4, 28, 28, 3))
    >>> fid_score(images, images)
    Traceback (most recent call last):
    ValueError: X_real must have shape ... Put the channels first: ...
    """
    reading = image_shape, value_range, clip
    known = isinstance(X_real, FrechetStatistics)
    real = None if known else _read(X_real, "X_real", *reading)
    generated = _read(X_generated, "X_generated", *reading)
    network = "inception" if weights is None else load_fid_inception(weights)

    def features(images: _Images) -> FloatArray:
        return ImageFeatures(
            network,
            value_range=images.value_range,
            clip=clip,
            batch_size=batch_size,
            device=device,
            verbose=verbose,
        ).transform(images.pixels)

    if real is not None:
        X_real = _REFERENCES.get(
            real.pixels, real.value_range, lambda: _summary(features(real))
        )
    return frechet_distance(X_real, features(generated))


@dataclass(frozen=True)
class _Images:
    """Images whose layout and range have been checked, and the range."""

    pixels: NDArray[Any]
    value_range: tuple[float, float]


def _read(
    X: ArrayLike | Tensor,
    name: str,
    image_shape: tuple[int, ...] | None,
    value_range: str | tuple[float, float],
    clip: bool,
) -> _Images:
    pixels = as_images(X, image_shape, _OWNER, name)
    return _Images(pixels, pixel_range(pixels, value_range, clip, _OWNER, name))


def _summary(h: FloatArray) -> FloatArray | FrechetStatistics:
    """Return the smaller of the features and their statistics."""
    n, d = h.shape
    return h if n <= d else FrechetStatistics.from_data(h)
