"""The bytes of a message: a header, then the words of the stack."""

from __future__ import annotations

import math
import struct
import zlib
from typing import NamedTuple, NoReturn

import numpy as np

from skvae.compression._grid import Grid
from skvae.compression._stack import Words

_MAGIC, _FORMAT = b"skvae", 1
_START = struct.Struct("<5sBI")  # magic, format, checksum of all that follows
# Fingerprint, checksum of X, grid, number of known words, type of X, dimensions of X.
_FIELDS = struct.Struct("<8sIBBI3sB")
_MOST_BITS, _MOST_REACH = 12, 64  # of a grid
_TYPES = {f"{kind}{size}".encode() for kind in "iuf" for size in (1, 2, 4, 8)}
_TYPES = _TYPES - {b"f1"} | {b"b1"}


class Header(NamedTuple):
    """What a message says beside its stack.

    Attributes
    ----------
    fingerprint : bytes
        Of the model.
    checksum : int
        Of the symbols of X.
    grid : Grid
        Of the codes.
    n_known : int
        Number of words that both sides know and that were below all others.
    dtype : str
        Type of X, with its byte order.
    shape : tuple of int
        Of X.
    """

    fingerprint: bytes
    checksum: int
    grid: Grid
    n_known: int
    dtype: str
    shape: tuple[int, ...]

    def check(self, fingerprint: bytes, n_features: int) -> None:
        """Raise ValueError if another model wrote the message."""
        if self.fingerprint != fingerprint:
            raise ValueError(
                "The message must be read by the model that wrote it, which has the "
                f"fingerprint {self.fingerprint.hex()}; that of this one is "
                f"{fingerprint.hex()}. Keep the estimator, saved or pickled, with the "
                "message: one that is fitted again has other weights."
            )
        if math.prod(self.shape[1:]) != n_features:
            _refuse(f"it has rows of the shape {self.shape[1:]}")


def write(header: Header, words: Words) -> bytes:
    """Return a message."""
    fields = _FIELDS.pack(
        header.fingerprint,
        header.checksum,
        *header.grid,
        header.n_known,
        header.dtype.encode(),
        len(header.shape),
    )
    shape = struct.pack(f"<{len(header.shape)}I", *header.shape)
    return sealed(fields + shape + words.astype("<u4").tobytes())


def sealed(content: bytes) -> bytes:
    """Return content behind the start of a message, with its checksum."""
    return _START.pack(_MAGIC, _FORMAT, zlib.crc32(content)) + content


def read(message: bytes) -> tuple[Header, Words]:
    """Return what a message says, and the words of its stack.

    Raises
    ------
    TypeError
        If the message is not of bytes.
    ValueError
        If it is none, of a newer format, or not as it was written.
    """
    if not isinstance(message, bytes | bytearray | memoryview):
        raise TypeError(
            f"The message must be bytes, got {type(message).__name__}. Pass what "
            "compress returned, or what a file of it has: open(path, 'rb').read()."
        )
    message = bytes(message)
    if message[: len(_MAGIC)] != _MAGIC:
        raise ValueError(
            f"The message must begin with {_MAGIC!r}, got {message[: len(_MAGIC)]!r}. "
            "Pass what skvae.compression.compress returned."
        )
    if len(message) < _START.size:
        _refuse(f"it ends after {len(message)} bytes")
    _, version, checksum = _START.unpack_from(message)
    if version != _FORMAT:
        raise ValueError(
            f"The message must have the format {_FORMAT}, got {version}. Use the "
            "version of skvae that wrote it, or a newer one."
        )
    content = message[_START.size :]
    if zlib.crc32(content) != checksum:
        _refuse(f"the checksum of its {len(message)} bytes does not match")
    return _read(content)


def _read(content: bytes) -> tuple[Header, Words]:
    """Return header and words; what a checksum lets pass was forged."""
    if len(content) < _FIELDS.size:
        _refuse("its header is too short")
    *fields, bits, reach, n_known, dtype, n_axes = _FIELDS.unpack_from(content)
    start = _FIELDS.size + 4 * n_axes
    n_words, rest = divmod(len(content) - start, 4)
    if rest or n_words < 2 or not any(content[-4:]):
        _refuse("its stack is none")
    if bits > _MOST_BITS or not 1 <= reach <= _MOST_REACH or n_axes < 2:
        _refuse("its header is none")
    if dtype[:1] not in b"<>|" or dtype[1:] not in _TYPES:
        _refuse(f"it has the type {dtype!r}")
    shape = struct.unpack_from(f"<{n_axes}I", content, _FIELDS.size)
    words = np.frombuffer(content, "<u4", offset=start).astype(np.uint32)
    grid = Grid(bits, reach)
    return Header(*fields, grid, n_known, dtype.decode(), shape), words


def _refuse(what: str) -> NoReturn:
    raise ValueError(
        f"The message is not as it was written: {what}. Fetch it again, as a whole."
    )
