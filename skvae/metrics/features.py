"""Feature maps: from rows or images to the features that metrics compare."""

import copy
import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional as F

from skvae._utils.arrays import FloatArray, as_rows
from skvae._utils.device import resolve_device
from skvae._utils.images import as_images, image_shape_of
from skvae._utils.threads import limited_threads
from skvae._utils.validation import check_choice, check_integer
from skvae.metrics._pixels import pixel_range, to_levels
from skvae.metrics.efficientnet import load_efficientnet_lite0
from skvae.metrics.inception import load_fid_inception

# By name: the loader of the network, and the size to which images are resized (None if
# the network does that itself).
_NETWORKS = {
    "efficientnet-lite0": (load_efficientnet_lite0, 96),
    "inception": (load_fid_inception, None),
}
_SECONDS_BETWEEN_LINES = 5.0
_OWNER = "ImageFeatures"


class ImageFeatures(TransformerMixin, BaseEstimator):
    """Features of images by a pretrained network.

    A transformer that learns nothing: `transform` needs no `fit`.

    Parameters
    ----------
    network : str or nn.Module, default="efficientnet-lite0"
        - "efficientnet-lite0": 1,280 ImageNet features; its weights come with the
          package of the extra ``skvae[features]``.
        - "inception": the 2,048 features of the published FID; its file of weights is
          found as `load_fid_inception` finds it.
        - a module that maps float32 images of shape (n, 3, height, width) in [0, 1] to
          (n, n_features). A copy of it is used, in evaluation mode.
    image_shape : (height, width) or (channels, height, width), default=None
        Shape of one image, for images flattened to rows, channel after channel.
    value_range : "auto" or (low, high), default="auto"
        Values of black and white. "auto" is (0, 255) for uint8 and (0, 1) for floats;
        other types need a range.
    clip : bool, default=False
        Clip values outside the range, as those of samples may be, instead of raising
        an error. Many values far outside are an error all the same: the range is wrong.
    size : int, default=None
        Height and width that images are resized to, the aspect not kept. None is 96
        for "efficientnet-lite0", 299 (and nothing else) for "inception", and the
        images' own for a module.
    batch_size : int, default=32
        Images that go through the network at once.
    device : str or torch.device, default="auto"
        "auto" is CUDA where there is a device, else the CPU.
    verbose : int, default=0
        Print a line every few seconds, and at the end, if positive.

    See Also
    --------
    fid_score : The published Fréchet inception distance.

    Notes
    -----
    Values are rounded to the 256 levels of an 8-bit image, as if it had been written to
    a file, so that samples in floats and data in 8 bits are measured alike. Grey images
    are repeated in the three channels.

    Resizing is bilinear, corners not aligned, and with antialiasing where an image
    shrinks; only "inception" goes without the latter, as pytorch-fid does.

    EfficientNet-Lite0's features are not the FID's: no number from them compares with
    a published one. On one core an image takes about 0.01 s at 96 x 96, and 0.2 s by
    Inception.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from skvae.metrics import ImageFeatures
    >>> pool = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
    >>> images = np.random.RandomState(0).randint(256, size=(5, 28, 28), dtype="uint8")
    >>> ImageFeatures(pool, device="cpu").transform(images).shape
    (5, 12)
    >>> rows = images.reshape(5, 784) / 255
    >>> ImageFeatures(pool, image_shape=(28, 28), device="cpu").transform(rows).shape
    (5, 12)
    """

    def __init__(
        self,
        network: str | nn.Module = "efficientnet-lite0",
        *,
        image_shape: tuple[int, ...] | None = None,
        value_range: str | tuple[float, float] = "auto",
        clip: bool = False,
        size: int | None = None,
        batch_size: int = 32,
        device: Any = "auto",
        verbose: int = 0,
    ) -> None:
        self.network = network
        self.image_shape = image_shape
        self.value_range = value_range
        self.clip = clip
        self.size = size
        self.batch_size = batch_size
        self.device = device
        self.verbose = verbose

    def fit(self, X: ArrayLike | Tensor | None = None, y: Any = None) -> Self:
        """Check the parameters and find the network; nothing is learned.

        Parameters
        ----------
        X : ignored
        y : ignored

        Returns
        -------
        self : ImageFeatures
        """
        self._prepare()
        return self

    def transform(self, X: ArrayLike | Tensor) -> FloatArray:
        """Compute the features of images.

        Parameters
        ----------
        X : array-like or Tensor
            Shape (n, height, width), (n, channels, height, width) with 1 or 3 channels,
            or (n, n_pixels) with `image_shape`.

        Returns
        -------
        features : ndarray of shape (n, n_features), float64

        Raises
        ------
        ValueError
            If the images have another layout, values outside the range, or NaN.
        FileNotFoundError, ImportError
            If the network's weights are not there; the message says how to get them.
        """
        images = as_images(X, self.image_shape, _OWNER)
        low, high = pixel_range(images, self.value_range, self.clip, _OWNER)
        network, size, device = self._prepare()
        found = []
        with limited_threads(), torch.inference_mode():
            for rows in self._batches(len(images)):
                levels = torch.from_numpy(to_levels(images[rows], low, high))
                with torch.autocast(device.type, enabled=False):
                    h = network(_to_input(levels.to(device), size))
                found.append(_check_output(h, len(levels)).cpu().double().numpy())
        return as_rows(np.concatenate(found), "The output of the network")

    def _prepare(self) -> tuple[nn.Module, int | None, torch.device]:
        check_integer(_OWNER, "batch_size", self.batch_size, 1)
        if self.image_shape is not None:
            image_shape_of(self.image_shape, _OWNER)
        device = resolve_device(self.device)
        if isinstance(self.network, nn.Module):
            network, size = copy.deepcopy(self.network).to(device).eval(), None
        else:
            check_network_name(_OWNER, "network", self.network)
            network, size = _named_network(self.network, device)
        if self.size is not None:
            size = check_integer(_OWNER, "size", self.size, 1)
            if self.network == "inception" and size != 299:
                raise ValueError(
                    f"size must be None or 299 for network='inception', got {size}: "
                    "its features are defined at that size."
                )
        return network, size, device

    def _batches(self, n: int) -> Iterator[slice]:
        begin = last = time.perf_counter()
        size = int(self.batch_size)
        for start in range(0, n, size):
            yield slice(start, start + size)
            done, now = min(start + size, n), time.perf_counter()
            late = now - last > _SECONDS_BETWEEN_LINES or done == n
            if self.verbose and late:
                last, rest = now, (now - begin) * (n / done - 1)
                print(f"[ImageFeatures] {done}/{n} images, {rest:.0f} s left")

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.three_d_array = True
        return tags


@dataclass(frozen=True)
class FeatureMap:
    """Function from a set of rows or images to its features, whose output is checked.

    Parameters
    ----------
    function : callable
        From a set of n rows or images to (n, n_features).
    """

    function: Callable[[Any], Any]

    def __call__(self, X: ArrayLike | Tensor) -> FloatArray:
        """Return finite float64 features of shape (n, n_features)."""
        h = as_rows(self.function(X), "The output of features")
        n = X.shape[0] if hasattr(X, "shape") else len(X)
        if len(h) != n:
            raise ValueError(
                f"features must return one row for each of the {n} rows of its input, "
                f"got {len(h)}. Let it return shape (n_samples, n_features)."
            )
        return h


def resolve_features(features: Any) -> FeatureMap:
    """Make a function from sets to features from what is passed as `features`.

    Parameters
    ----------
    features : None, str, nn.Module, transformer or callable
        - None: the rows themselves, flattened.
        - "efficientnet-lite0" or "inception": `ImageFeatures` with its defaults.
        - an nn.Module: `ImageFeatures` of that network.
        - a fitted transformer: its `transform`.
        - a callable: from a set of n rows to (n, n_features).

    Returns
    -------
    feature_map : FeatureMap
        Maps a set to finite float64 features of shape (n, n_features), and can be
        pickled where `features` can.

    Raises
    ------
    ValueError
        If `features` is another string.
    TypeError
        If it is none of these.
    sklearn.exceptions.NotFittedError
        If it is a transformer that has not been fitted.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.metrics import resolve_features
    >>> resolve_features(np.abs)([[-1, 2], [3, -4]])
    array([[1., 2.],
           [3., 4.]])
    """
    if features is None:
        return FeatureMap(_rows)
    if isinstance(features, str):
        check_network_name("resolve_features", "features", features)
    if isinstance(features, str | nn.Module):
        features = ImageFeatures(features)
    if hasattr(features, "transform") and not inspect.isclass(features):
        if hasattr(features, "fit"):
            check_is_fitted(features)
        return FeatureMap(features.transform)
    if callable(features) and not inspect.isclass(features):
        return FeatureMap(features)
    raise TypeError(
        "features must be None, 'efficientnet-lite0', 'inception', an nn.Module, a "
        f"fitted transformer or a callable, got {features!r} (a "
        f"{type(features).__name__}). Pass for example PCA(10).fit(X_other)."
    )


def check_network_name(owner: str, name: str, network: Any) -> None:
    """Raise TypeError or ValueError unless `network` is the name of one."""
    if not isinstance(network, str):
        raise TypeError(
            f"The {name!r} parameter of {owner} must be a string or an nn.Module. Got "
            f"{network!r} instead."
        )
    check_choice(owner, name, network, tuple(_NETWORKS))


@lru_cache(maxsize=2)
def _named_network(name: str, device: torch.device) -> tuple[nn.Module, int | None]:
    # Networks are cached here only: transformers and their pickles stay small.
    load, size = _NETWORKS[name]
    return load().to(device), size


def _rows(X: ArrayLike | Tensor) -> FloatArray:
    return as_rows(X, "X")


def _to_input(levels: Tensor, size: int | None) -> Tensor:
    x = levels.float() / 255
    x = x.expand(-1, 3, -1, -1)
    if size is None or x.shape[2:] == (size, size):
        return x
    options = {"mode": "bilinear", "align_corners": False, "antialias": True}
    return F.interpolate(x, (size, size), **options)


def _check_output(h: Any, n: int) -> Tensor:
    shape = tuple(h.shape) if isinstance(h, Tensor) else type(h).__name__
    if not isinstance(h, Tensor) or h.ndim != 2 or len(h) != n:
        raise ValueError(
            f"network must return a Tensor of shape (n, n_features) for n images, got "
            f"{shape} for {n}. Pool or flatten its output, "
            "for instance with nn.Sequential(network, nn.Flatten())."
        )
    return h
