"""CIFAR-10, from its batches in Python's or in the binary format."""

from __future__ import annotations

import io
import pickle
import tarfile
import zlib
from collections.abc import Callable
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from skvae.datasets._published import (
    PublishedImages,
    Rows,
    load_published,
    sha256_of,
)

_BATCHES = {
    "train": [f"data_batch_{i}" for i in range(1, 6)],
    "test": ["test_batch"],
}
_N_ROWS, _N_VALUES = 10_000, 3 * 32 * 32

Batch = tuple[NDArray[np.uint8], NDArray[np.int64]]


def _read(folder: Path, part: str) -> tuple[*Rows, Path] | None:
    for place in (folder, *(folder / name for name in _FOLDERS)):
        for ending, decode in _FORMATS:
            paths = [place / f"{batch}{ending}" for batch in _BATCHES[part]]
            if all(path.is_file() for path in paths):
                return *_join([_read_file(p, decode) for p in paths]), place
    for name, ending, decode in _ARCHIVES:
        if (folder / name).is_file():
            return *_read_archive(folder / name, part, ending, decode), folder / name
    return None


def _read_archive(
    path: Path, part: str, ending: str, decode: Callable[[bytes, Path], Batch]
) -> Batch:
    wanted = [f"{batch}{ending}" for batch in _BATCHES[part]]
    found = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                if name in wanted and member.isfile():
                    content: BinaryIO = archive.extractfile(member)
                    _check_size(path / name, member.size)
                    found[name] = decode(content.read(), path / name)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} is damaged ({error}). Get it again.") from error
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}. Get it again.")
    return _join([found[name] for name in wanted])


def _read_file(path: Path, decode: Callable[[bytes, Path], Batch]) -> Batch:
    _check_size(path, path.stat().st_size)
    return decode(path.read_bytes(), path)


def _check_size(path: Path, n_bytes: int) -> None:
    """Raise ValueError, before anything is read, if no batch has so many bytes."""
    largest = 2 * _N_ROWS * _N_VALUES
    if n_bytes > largest:
        raise ValueError(
            f"{path} has {n_bytes} bytes, but no batch of CIFAR-10 has more than "
            f"{largest}. Get it again."
        )


def _join(batches: list[Batch]) -> Batch:
    return np.concatenate([X for X, _ in batches]), np.concatenate(
        [y for _, y in batches]
    )


def _decode_binary(content: bytes, path: Path) -> Batch:
    expected = _N_ROWS * (1 + _N_VALUES)
    if len(content) != expected:
        raise ValueError(
            f"{path} must have {expected} bytes, a label and {_N_VALUES} values for "
            f"each of {_N_ROWS} images, but has {len(content)}. Get it again."
        )
    rows = np.frombuffer(content, np.uint8).reshape(_N_ROWS, -1)
    return rows[:, 1:], rows[:, 0].astype(np.int64)


def _decode_python(content: bytes, path: Path) -> Batch:
    try:
        batch = _BatchUnpickler(io.BytesIO(content), encoding="latin1").load()
        X, y = batch["data"], np.asarray(batch["labels"])
        forms = (X.dtype, X.shape, y.dtype, y.shape)
        if forms != (np.uint8, (_N_ROWS, _N_VALUES), np.int64, (_N_ROWS,)):
            raise ValueError(f"data {X.dtype} {X.shape}, labels {y.dtype} {y.shape}")
    except Exception as error:  # bytes at random can make pickle raise anything
        raise ValueError(
            f"{path} is not a batch of CIFAR-10 in Python's format, with {_N_ROWS} "
            f"images of {_N_VALUES} values ({type(error).__name__}: {error}). Get it "
            "again."
        ) from error
    return X, y


class _BatchUnpickler(pickle.Unpickler):
    """Unpickler that can make arrays of bytes, and call nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what a published batch needs, and refuse all other names."""
        known = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): _bytes_dtype,
            ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return known[module, name]


def _bytes_dtype(name: str, *options: Any) -> np.dtype[Any]:
    if name != "u1":
        raise pickle.UnpicklingError(f"it asks for an array of {name!r}")
    return np.dtype(np.uint8, copy=True)


def _digests(X: NDArray[np.uint8], y: NDArray[np.int64]) -> dict[str, str]:
    """Digests of the batches in the binary format, whatever format they came in."""
    rows = np.column_stack([y.astype(np.uint8), X])
    names = _BATCHES["train" if len(X) > _N_ROWS else "test"]
    return {
        name: sha256_of(rows[i * _N_ROWS : (i + 1) * _N_ROWS])
        for i, name in enumerate(names)
    }


_FOLDERS = ("cifar-10-batches-bin", "cifar-10-batches-py")
_FORMATS = ((".bin", _decode_binary), ("", _decode_python))
_ARCHIVES = (
    ("cifar-10-binary.tar.gz", ".bin", _decode_binary),
    ("cifar-10-python.tar.gz", "", _decode_python),
)

CIFAR10 = PublishedImages(
    name="CIFAR-10",
    loader="load_cifar10",
    folders=("cifar10", "CIFAR10"),
    files={
        part: "cifar-10-binary.tar.gz or cifar-10-python.tar.gz (or, unpacked, "
        f"{names}, which in the binary format end in .bin)"
        for part, names in (
            ("train", "data_batch_1 to data_batch_5"),
            ("test", "test_batch"),
        )
    },
    n_images={"train": 50_000, "test": 10_000},
    image_shape=(3, 32, 32),
    target_names=(
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
    checksums={
        "train": {
            "data_batch_1": "cee916563c9f80d84e3cc88e17fdc094"
            "1787f1244f00a67874d45b261883ada5",
            "data_batch_2": "a591ca11fa1708a91ee40f54b3da4784"
            "ccd871ecf2137de63f51ada8b3fa57ed",
            "data_batch_3": "bbe8596564c0f86427f876058170b84d"
            "ac6670ddf06d79402899d93ceea26f67",
            "data_batch_4": "014e562d6e23c72197cc727519169a60"
            "359f5eccd8945ad5a09d710285ff4e48",
            "data_batch_5": "755304fc0b379caeae8c14f0dac912fb"
            "c7d6cd469eb67a1029a08a39453a9add",
        },
        "test": {
            "test_batch": "8e2eb146ae340b09e24670f29cabc632"
            "6dba54da8789dab6768acf480273f65b",
        },
    },
    digests=_digests,
    read=_read,
    openml=("CIFAR_10", 1),
    description=(
        "CIFAR-10: colour pictures of ten kinds of animals and vehicles, 50,000 to "
        "train on and 10,000 to test, in levels 0 to 255 of red, green and blue on "
        "32 x 32 pixels. Krizhevsky, 'Learning multiple layers of features from tiny "
        "images', 2009."
    ),
)


def load_cifar10(
    *,
    subset: str = "train",
    data_home: str | PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
) -> Bunch | Rows:
    """Load CIFAR-10, 60,000 small colour pictures, in the published order.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        The 50,000 images for training, the 10,000 for testing, or the ones after the
        others.
    data_home : str or path-like, default=None
        Folder with ``cifar-10-binary.tar.gz`` or ``cifar-10-python.tar.gz``, or with
        what they unpack to, in itself or in ``cifar10``. None takes the environment
        variable ``SKVAE_DATA_HOME``, and without one the folder of
        `sklearn.datasets.get_data_home`.
    download_if_missing : bool, default=True
        Without files, fetch the images with `sklearn.datasets.fetch_openml`
        ("CIFAR_10", version 1), which keeps them in the same folder.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    cifar10 : `sklearn.utils.Bunch`
        With data, ndarray of uint8 of shape (n_images, 3072), all red values first,
        then green, then blue; target, ndarray of int64 of shape (n_images,); images,
        the data as (n_images, 3, 32, 32); image_shape; target_names; and DESCR.
    (data, target) : tuple if `return_X_y` is True

    Raises
    ------
    FileNotFoundError
        If there are no files and OpenML cannot be reached or asked.
    ValueError
        If a file is damaged, or the images or labels are not the published ones, which
        is checked by the sha256 of every batch in the binary format.

    Notes
    -----
    The batches in Python's format are pickles. They are read by an unpickler that can
    make arrays of bytes and call nothing else, so that no file can run code.

    References
    ----------
    Krizhevsky, "Learning multiple layers of features from tiny images", 2009.

    Examples
    --------
    >>> from skvae.datasets import load_cifar10
    >>> cifar10 = load_cifar10(subset="test")                      # doctest: +SKIP
    >>> cifar10.images.shape                                       # doctest: +SKIP
    (10000, 3, 32, 32)
    """
    return load_published(CIFAR10, subset, data_home, download_if_missing, return_X_y)
