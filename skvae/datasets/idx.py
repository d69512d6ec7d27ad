"""The IDX format of MNIST and its kin: arrays with a header."""

from __future__ import annotations

import gzip
import math
import zlib
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The third byte of a file: the type of its numbers, most significant byte first.
_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"


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
    path = Path(path).expanduser()
    content = _content(path)
    dtype, n_axes = _read_magic(path, content)
    start = 4 + 4 * n_axes
    if len(content) < start:
        raise ValueError(
            f"{path} ends inside its header: {n_axes} axes need {start} bytes, but the "
            f"file has {len(content)}. Get the file again."
        )
    shape = tuple(np.frombuffer(content, ">u4", n_axes, offset=4).tolist())
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise ValueError(
            f"{path} must have {expected} bytes by its header (shape {shape}, "
            f"{dtype.newbyteorder('=')}), but has {len(content)}: it was cut short or "
            "changed. Get the file again."
        )
    array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if not content.startswith(_GZIP):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(
            f"{path} is compressed with gzip, but damaged ({error}). Get the file "
            "again."
        ) from error


def _read_magic(path: Path, content: bytes) -> tuple[np.dtype[Any], int]:
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise ValueError(
            f"{path} is not in the IDX format, whose files begin (unpacked) with two "
            f"zero bytes and one of {', '.join(f'{code:#04x}' for code in _TYPES)}. It "
            f"begins with {content[:4]!r}. Get the file again; a page that tells of it "
            "is not it."
        )
    return np.dtype(_TYPES[content[2]]), content[3]
