"""The IDX format of MNIST and its kin: arrays with a header."""

from __future__ import annotations

import gzip
import math
import zlib
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

# The third byte of a file: the type of its numbers, most significant byte first.
_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"
_LARGEST_RATIO = 1032  # by which deflate can make anything smaller


def load_idx(path: str | PathLike[str]) -> NDArray[Any]:
    """Read an array from a file in the IDX format, compressed with gzip or not.

    Parameters
    ----------
    path : str or path-like
        Whether the file is compressed is seen from its content, not from its name.

    Returns
    -------
    array : ndarray
        With the file's shape and type (uint8, int8, int16, int32, float32 or float64),
        in the byte order of the machine.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not in the IDX format, or has fewer or more bytes than its header
        says.

    References
    ----------
    LeCun, Cortes & Burges, "The MNIST database", the section on file formats.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skvae.datasets import load_idx
    >>> header = [0, 0, 8, 1, 0, 0, 0, 3]  # unsigned bytes, one axis, of length 3
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "labels-idx1-ubyte"
    ...     _ = path.write_bytes(bytes([*header, 5, 0, 4]))
    ...     load_idx(path)
    array([5, 0, 4], dtype=uint8)
    """
    return read_idx(path)


def read_idx(
    path: str | PathLike[str], largest: tuple[int, ...] | None = None
) -> NDArray[Any]:
    """Read an array whose header is looked at before its numbers are.

    Parameters
    ----------
    path : str or path-like
    largest : tuple of int, optional
        Demand unsigned bytes of this shape, or with fewer elements on the first axis.
    """
    path = Path(path).expanduser()
    with path.open("rb") as file:
        zipped = file.read(2) == _GZIP
    try:
        with gzip.open(path) if zipped else path.open("rb") as file:
            dtype, shape = _read_header(path, file)
            if largest is not None:
                _check_published(path, dtype, shape, largest)
            n_bytes = math.prod(shape) * dtype.itemsize
            _check_size(path, file.tell() + n_bytes, zipped, shape, dtype)
            content = file.read(n_bytes + 1)  # at the end, gzip compares checksums
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"{path} is compressed with gzip, but damaged ({error}). Get the file "
            "again."
        ) from error
    if len(content) != n_bytes:
        found = "more" if len(content) > n_bytes else f"only {len(content)}"
        raise _wrong_size(path, n_bytes, shape, dtype, f"unpacks to {found}")
    return _as_array(path, content, dtype, shape)


def _read_header(path: Path, file: BinaryIO) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES:
        raise ValueError(
            f"{path} is not in the IDX format, whose files begin (unpacked) with two "
            f"zero bytes and one of {', '.join(f'{code:#04x}' for code in _TYPES)}. It "
            f"begins with {magic!r}. Get the file again; a page that tells of it "
            "is not it."
        )
    n_axes = magic[3]
    sizes = file.read(4 * n_axes)
    if len(sizes) < 4 * n_axes:
        raise ValueError(
            f"{path} ends inside its header: {n_axes} axes need {4 + 4 * n_axes} "
            f"bytes, but the file has {4 + len(sizes)}. Get the file again."
        )
    return np.dtype(_TYPES[magic[2]]), tuple(np.frombuffer(sizes, ">u4").tolist())


def _check_published(
    path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], largest: tuple[int, ...]
) -> None:
    alike = len(shape) == len(largest) and shape[1:] == largest[1:]
    if dtype != np.uint8 or not alike or shape[0] > largest[0]:
        sizes = ", ".join(map(str, [f"up to {largest[0]}", *largest[1:]]))
        raise ValueError(
            f"{path} must hold uint8 of shape ({sizes}), but by its header holds "
            f"{dtype.newbyteorder('=')} of shape {shape}. Get the file again."
        )


def _check_size(
    path: Path, expected: int, zipped: bool, shape: tuple[int, ...], dtype: Any
) -> None:
    """Raise ValueError if a file of this size cannot hold what its header says."""
    size = path.stat().st_size
    if expected > size * _LARGEST_RATIO if zipped else expected != size:
        raise _wrong_size(path, expected, shape, dtype, f"has {size}")


def _wrong_size(
    path: Path, expected: int, shape: tuple[int, ...], dtype: Any, found: str
) -> ValueError:
    return ValueError(
        f"{path} must have {expected} bytes by its header (shape {shape}, "
        f"{dtype.newbyteorder('=')}), but {found}: it was cut short or changed. Get "
        "the file again."
    )


def _as_array(
    path: Path, content: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> NDArray[Any]:
    try:
        array = np.frombuffer(content, dtype).reshape(shape)
    except ValueError as error:  # too many axes, or too long ones beside an empty one
        raise ValueError(
            f"{path} has, by its header, {len(shape)} axes of lengths that no array "
            f"can have ({error}). Get the file again."
        ) from error
    return array.astype(dtype.newbyteorder("="))
