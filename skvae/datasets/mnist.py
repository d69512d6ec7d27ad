"""MNIST and Fashion-MNIST, which share format, size and names of files."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from skvae.datasets._published import (
    PublishedImages,
    Rows,
    load_published,
    sha256_of,
)
from skvae.datasets.idx import read_idx

_PREFIXES = {"train": "train", "test": "t10k"}
_LARGEST = (60_000, 28, 28)


def _read(folder: Path, part: str) -> tuple[*Rows, Path] | None:
    images = _find(folder, f"{_PREFIXES[part]}-images", "idx3-ubyte")
    labels = _find(folder, f"{_PREFIXES[part]}-labels", "idx1-ubyte")
    if images is None or labels is None:
        return None
    X, y = read_idx(images, _LARGEST), read_idx(labels, _LARGEST[:1])
    return X.reshape(len(X), -1), y.astype(np.int64), images


def _find(folder: Path, name: str, kind: str) -> Path | None:
    names = [f"{name}{joint}{kind}{end}" for joint in "-." for end in ("", ".gz")]
    return next((folder / n for n in names if (folder / n).is_file()), None)


def _digests(X: NDArray[np.uint8], y: NDArray[np.int64]) -> dict[str, str]:
    return {"images": sha256_of(X), "labels": sha256_of(y.astype(np.uint8))}


_SHARED = {
    "files": {
        part: f"{prefix}-images-idx3-ubyte and {prefix}-labels-idx1-ubyte, each with "
        "or without .gz"
        for part, prefix in _PREFIXES.items()
    },
    "n_images": {"train": 60_000, "test": 10_000},
    "image_shape": (28, 28),
    "digests": _digests,
    "read": _read,
}

MNIST = PublishedImages(
    name="MNIST",
    loader="load_mnist",
    folders=("mnist", "MNIST/raw", "MNIST"),
    target_names=tuple("0123456789"),
    checksums={
        "train": {
            "images": "741c988805d008ac6e4c904b69001ba1"
            "84c24b2c540a4ef403f4c71b676cf757",
            "labels": "1feba77c54802fa5339a11837ea4b286"
            "6434b83314ec45192930f1df69120c13",
        },
        "test": {
            "images": "6d87418db22cc8025d05968bec9bd5c3"
            "932904b23485740db143a061a2c9d161",
            "labels": "ddeff807876a9661a1110d45c266c862"
            "39a3a1b7d37da0c3716a7a683c852ff5",
        },
    },
    openml=("mnist_784", 1),
    description=(
        "MNIST: handwritten digits, 60,000 to train on and 10,000 to test, in grey "
        "levels 0 to 255 on 28 x 28 pixels, by the employees of the US Census Bureau "
        "and by students. LeCun, Cortes & Burges; LeCun et al., 'Gradient-based "
        "learning applied to document recognition', Proceedings of the IEEE, 1998."
    ),
    **_SHARED,
)

FASHION_MNIST = PublishedImages(
    name="Fashion-MNIST",
    loader="load_fashion_mnist",
    folders=("fashion-mnist", "FashionMNIST/raw", "FashionMNIST"),
    target_names=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    checksums={
        "train": {
            "images": "2e487a6c89124f78f2d7521542223caf"
            "e96f7123c3ca13d447772ac6ecbb3012",
            "labels": "657fbd221bfc9f4198cc14b5619cc33e"
            "c57c58dd0e47af4d99d6650759e869a7",
        },
        "test": {
            "images": "c867c93ff95360594e8ec3287995350b"
            "824dd110b11595c0e13d5423f621867a",
            "labels": "3d0e6c6ea990b53b6f8f500a41cac938"
            "81d981b315f84578b7d915342ade01e9",
        },
    },
    openml=("Fashion-MNIST", 1),
    description=(
        "Fashion-MNIST: Zalando's pictures of articles of clothing, 60,000 to train on "
        "and 10,000 to test, 7,000 of each of ten kinds, in grey levels 0 to 255 on "
        "28 x 28 pixels. Xiao, Rasul & Vollgraf, 'Fashion-MNIST: a novel image dataset "
        "for benchmarking machine learning algorithms', 2017, arXiv 1708.07747. "
        "Licence: MIT."
    ),
    **_SHARED,
)


def load_mnist(
    *,
    subset: str = "train",
    data_home: str | PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
) -> Bunch | Rows:
    """Load MNIST, 70,000 handwritten digits, in the published order.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        The 60,000 images for training, the 10,000 for testing, or the ones after the
        others.
    data_home : str or path-like, default=None
        Folder with the published files, ``train-images-idx3-ubyte`` and so on,
        compressed or not, in itself, in ``mnist`` or in ``MNIST/raw``. None takes the
        environment variable ``SKVAE_DATA_HOME``, and without one the folder of
        `sklearn.datasets.get_data_home`.
    download_if_missing : bool, default=True
        Without files, fetch the images with `sklearn.datasets.fetch_openml`
        ("mnist_784", version 1), which keeps them in the same folder.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    mnist : `sklearn.utils.Bunch`
        With data, ndarray of uint8 of shape (n_images, 784); target, ndarray of int64
        of shape (n_images,); images, the data as (n_images, 28, 28); image_shape;
        target_names; and DESCR.
    (data, target) : tuple if `return_X_y` is True

    Raises
    ------
    FileNotFoundError
        If there are no files and OpenML cannot be reached or asked.
    ValueError
        If a file is damaged, or the images or labels are not the published ones, which
        is checked by their sha256.

    References
    ----------
    LeCun, Bottou, Bengio & Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE, 1998.

    Examples
    --------
    >>> from skvae.datasets import load_mnist
    >>> mnist = load_mnist(subset="test")                          # doctest: +SKIP
    >>> mnist.images.shape, mnist.target[:3]                       # doctest: +SKIP
    ((10000, 28, 28), array([7, 2, 1]))
    """
    return load_published(MNIST, subset, data_home, download_if_missing, return_X_y)


def load_fashion_mnist(
    *,
    subset: str = "train",
    data_home: str | PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
) -> Bunch | Rows:
    """Load Fashion-MNIST, 70,000 pictures of clothes, in the published order.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        The 60,000 images for training, the 10,000 for testing, or the ones after the
        others.
    data_home : str or path-like, default=None
        Folder with the published files, ``train-images-idx3-ubyte`` and so on,
        compressed or not, in itself, in ``fashion-mnist`` or in ``FashionMNIST/raw``.
        None takes the environment variable ``SKVAE_DATA_HOME``, and without one the
        folder of `sklearn.datasets.get_data_home`.
    download_if_missing : bool, default=True
        Without files, fetch the images with `sklearn.datasets.fetch_openml`
        ("Fashion-MNIST", version 1), which keeps them in the same folder.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    fashion_mnist : `sklearn.utils.Bunch`
        With data, ndarray of uint8 of shape (n_images, 784); target, ndarray of int64
        of shape (n_images,); images, the data as (n_images, 28, 28); image_shape;
        target_names; and DESCR.
    (data, target) : tuple if `return_X_y` is True

    Raises
    ------
    FileNotFoundError
        If there are no files and OpenML cannot be reached or asked.
    ValueError
        If a file is damaged, or the images or labels are not the published ones, which
        is checked by their sha256.

    References
    ----------
    Xiao, Rasul & Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking
    machine learning algorithms", 2017, arXiv 1708.07747.

    Examples
    --------
    >>> from skvae.datasets import load_fashion_mnist
    >>> fashion = load_fashion_mnist(subset="test")                # doctest: +SKIP
    >>> fashion.target_names[fashion.target[0]]                    # doctest: +SKIP
    'Ankle boot'
    """
    return load_published(
        FASHION_MNIST, subset, data_home, download_if_missing, return_X_y
    )
