"""Files that are either written whole or left as they were."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable
from contextlib import suppress
from typing import Any


def write_whole(path: str | os.PathLike[str], chunks: Iterable[Any]) -> None:
    """Write bytes to a file that appears under its name only when it is complete.

    A file that was there before is replaced at once, and stays as it is if anything
    goes wrong. A symbolic link stays one.

    Parameters
    ----------
    path : str or path-like
    chunks : iterable of bytes-like

    Raises
    ------
    OSError
        If the file cannot be written, because the disk is full for instance.
    """
    path = os.path.realpath(path)
    beside = f"{path}.{secrets.token_hex(8)}.tmp"
    try:
        with open(beside, "xb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path):
            shutil.copymode(path, beside)
        os.replace(beside, path)
    except BaseException:
        with suppress(OSError):
            os.remove(beside)
        raise
