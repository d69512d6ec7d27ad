"""The state of a fit in a file: written all or nothing, read only if it is whole."""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from skvae._training.checkpoint import State

_KIND, _FORMAT = "checkpoint of skvae", 1


def write_state(path: Path, state: State, *, is_first: bool = False) -> None:
    """Put a state in the place of what a file has, in one step.

    Parameters
    ----------
    path : Path
    state : State
    is_first : bool, default=False
        Whether there must be no such file yet.

    Raises
    ------
    FileExistsError
        If there is one.
    OSError
        If it cannot be written; the file then stays as it was.

    Notes
    -----
    Tensors are in the format of safetensors. The rest is one JSON text in its metadata,
    beside the number of the format and a checksum.
    """
    import safetensors.torch

    text = json.dumps(state.values, default=float)  # records may hold other numbers
    tensors = {k: t.detach().cpu().contiguous() for k, t in state.tensors.items()}
    metadata = {"kind": _KIND, "format": str(_FORMAT), "state": text}
    metadata["checksum"] = _checksum(tensors, text)
    # Another process that writes to the same path has a file of its own.
    new = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        try:
            safetensors.torch.save_file(tensors, new, metadata)
        except safetensors.SafetensorError as error:  # which is its word for OSError
            raise OSError(str(error)) from error
        _flush(new)
        (_put if is_first else os.replace)(new, path)
        with suppress(OSError):  # not every system can flush a folder
            _flush(path.parent)
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)


def read_state(path: Path) -> State:
    """Return the state in a file.

    Raises
    ------
    ValueError
        If the file is damaged, of another format, or none of these files.
    OSError
        If it cannot be read.
    """
    metadata, tensors = _content(path)
    found = metadata.get("format")
    if metadata.get("kind") != _KIND:
        raise ValueError(f"{path} is no {_KIND}. {_REMEDY}")
    if found != str(_FORMAT):
        raise ValueError(
            f"{path} has the format {found} of checkpoints; this version of skvae "
            f"reads {_FORMAT}. Go on with the version that has written it. {_REMEDY}"
        )
    text = metadata.get("state", "")
    if metadata.get("checksum") != _checksum(tensors, text):
        raise ValueError(f"{path} is damaged: its checksum is wrong. {_REMEDY}")
    return State(tensors, json.loads(text))


_REMEDY = "Give Checkpoint another path, or delete the file to begin anew."


def delete(path: Path) -> None:
    """Delete a file, and what processes have left that were killed as they wrote it."""
    for file in (path, *path.parent.glob(f"{_escaped(path.name)}.*-*.tmp")):
        with suppress(OSError):
            file.unlink(missing_ok=True)


def _content(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    import safetensors

    try:
        with safetensors.safe_open(path, "pt", device="cpu") as file:
            names = list(file.keys())
            # Copies: the file is replaced while these are in use.
            return file.metadata() or {}, {k: file.get_tensor(k).clone() for k in names}
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"{path} is damaged, or no {_KIND} ({error}). {_REMEDY}"
        ) from error


def _checksum(tensors: dict[str, Tensor], text: str) -> str:
    digest = blake2b(text.encode(), digest_size=20)
    for name in sorted(tensors):
        t = tensors[name]
        digest.update(f"{name} {t.dtype} {tuple(t.shape)}".encode())
        digest.update(t.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _put(new: Path, path: Path) -> None:
    """Give a file another name, which no file has, also if others try the same."""
    try:
        os.link(new, path)
    except FileExistsError:
        raise
    except OSError:  # not every file system has links
        os.replace(new, path)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _escaped(name: str) -> str:
    """Return a name in which no character stands for others."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
