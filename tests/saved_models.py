"""Models that go through a file, and files that are written by hand."""

import hashlib
import json
import warnings

import numpy as np

import skvae
from skvae._persistence.container import Entry, packed, unpacked


def supplied_by(model, path):
    """Return those parameters of a model that a file of it does not hold."""
    document, _ = unpacked(path.read_bytes())
    known = {**model.get_params(), "estimator": model}
    return {name: known[name] for name in document["supplied"]}


def through_file(model, path):
    """Return what `skvae.load` makes of a file of a model."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The file .* does not hold", UserWarning)
        model.save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return skvae.load(path, parts=supplied_by(model, path))


def changed(path, change):
    """Let a function change the document of a file, with a checksum that is right."""
    document, entries = unpacked(path.read_bytes())
    document = change(document) or document
    del document["sha256"]
    path.write_bytes(b"".join(map(bytes, packed(document, entries))))


def file_of(path, root, objects=(), entries=None, **parts):
    """Write a file by hand, whatever it says."""
    document = {
        "format": 1,
        "versions": {},
        "supplied": {},
        "root": root,
        "objects": list(objects),
    }
    content = packed({**document, **parts}, entries or {})
    path.write_bytes(b"".join(map(bytes, content)))


def with_header(path, header, data=b"", length=None):
    """Write a file with this text as its header, and with the checksum it needs."""
    head = header.encode()
    length = len(head) if length is None else length
    content = length.to_bytes(8, "little") + head + data
    start = content.index(b"0" * 64)
    digest = hashlib.sha256(content).hexdigest().encode()
    path.write_bytes(content[:start] + digest + content[start + 64 :])


def header_of(text, entries=""):
    """Return a header whose document is a text, and which has these entries."""
    inner = json.dumps('{"sha256":"' + "0" * 64 + '",' + text)
    return '{"__metadata__":{"skvae":' + inner + "}" + entries + "}"


def entry_of(values):
    """Return the entry of an array of float32 or uint8."""
    dtype = {"float32": "F32", "uint8": "U8"}[values.dtype.name]
    return Entry(dtype, values.shape, np.ascontiguousarray(values).reshape(-1))
