"""The bytes of a file: those of safetensors, with a document and a checksum."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

# The checksum stands at one place in every file, so that it can be compared before
# anything is read. It is that of the file with zeros in its place.
_PREFIX = rb'{"__metadata__":{"skvae":"{\"sha256\":\"'
_START = 8 + len(_PREFIX)
_ZEROS = "0" * 64
_MOST_HEADER = 100_000_000  # bytes, a limit of safetensors

SIZES = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("U8", "I8", "BOOL"), 1),
}
"""Bytes of a value by the name of its type in safetensors."""


@dataclass(frozen=True)
class Entry:
    """A tensor of the file.

    Attributes
    ----------
    dtype : str
        As safetensors calls it.
    shape : tuple of int
    data : bytes-like
        In C order.
    """

    dtype: str
    shape: tuple[int, ...]
    data: Any


def packed(document: dict[str, Any], entries: dict[str, Entry]) -> list[Any]:
    """Return the bytes of a file, in pieces.

    Parameters
    ----------
    document : dict
        Of what JSON can hold.
    entries : dict of str to Entry

    Raises
    ------
    ValueError
        If there is too much that is no tensor.
    """
    text = json.dumps(
        {"sha256": _ZEROS, **document}, allow_nan=False, separators=(",", ":")
    )
    header: dict[str, Any] = {"__metadata__": {"skvae": text}}
    order = sorted(entries, key=lambda name: (-SIZES[entries[name].dtype], name))
    end = 0
    for name in order:
        entry, start = entries[name], end
        end += memoryview(entry.data).nbytes
        shape, offsets = list(entry.shape), [start, end]
        header[name] = {"dtype": entry.dtype, "shape": shape, "data_offsets": offsets}
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    if len(head) > _MOST_HEADER:
        raise ValueError(
            f"The model has {len(head)} bytes beside its arrays, such as categories, "
            f"but a file has room for {_MOST_HEADER}. Pickle the model instead."
        )
    head = len(head).to_bytes(8, "little") + head
    data = [entries[name].data for name in order]
    digest = _digest([head, *data]).encode()
    return [head[:_START], digest, head[_START + len(digest) :], *data]


def unpacked(content: bytes) -> tuple[dict[str, Any], dict[str, Entry]]:
    """Return what `packed` was given, from the bytes of a file.

    Raises
    ------
    ValueError
        If these are not the bytes of such a file, or any bit of them has changed.
    """
    if content[8:_START] != _PREFIX:
        raise ValueError(
            "This is no file that skvae has saved, or its first bytes are damaged. "
            "Pickles are read by pickle.load or joblib.load."
        )
    end = _START + len(_ZEROS)
    rest = memoryview(content)
    parts = [rest[:_START], _ZEROS.encode(), rest[end:]]
    if content[_START:end] != _digest(parts).encode():
        raise ValueError(
            "The file is damaged: its content does not have the checksum that it was "
            "saved with. Take another copy of it."
        )
    data = 8 + int.from_bytes(content[:8], "little")
    try:
        header = _parsed(content[8:data].decode())
        document = _parsed(header.pop("__metadata__")["skvae"])
        return document, _entries(header, rest[data:])
    except (AttributeError, LookupError, RecursionError, TypeError) as error:
        raise ValueError(f"The file is not valid: {error!r}") from error


def _entries(header: dict[str, Any], data: memoryview) -> dict[str, Entry]:
    """Return the tensors of a file, which must fill its data, one after the other."""
    entries, end = {}, 0
    for name, note in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        dtype, shape = note["dtype"], note["shape"]
        start, stop = note["data_offsets"]
        n_bytes = SIZES[dtype] * math.prod(_size(n) for n in shape)
        if (start, stop) != (end, end + n_bytes):
            raise ValueError(f"The file is not valid: {name!r} has another size.")
        entries[name], end = Entry(dtype, tuple(shape), data[start:stop]), stop
    if end != len(data):
        raise ValueError("The file is not valid: there is more in it than its tensors.")
    return entries


def _size(n: Any) -> int:
    if type(n) is not int or n < 0:
        raise ValueError(f"The file is not valid: a tensor has the size {n!r}.")
    return n


def _digest(chunks: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def _parsed(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("The file is not valid: it has a key twice.")
    return found


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"The file is not valid: it has the number {name}.")
