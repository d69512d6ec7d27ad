"""The number of the format of files, and how older files are read.

Raise `FORMAT` by one whenever what a file says changes: an attribute that is renamed
or has another meaning, a new way to write a value. Give `MIGRATIONS` a function for the
number before, which changes the document of such a file into one of the next format.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sklearn
import torch

from skvae import _version

Document = dict[str, Any]

FORMAT = 1
MIGRATIONS: dict[int, Callable[[Document], Document]] = {}
_PARTS = {"format": int, "versions": dict, "supplied": dict, "objects": list}


def versions() -> dict[str, str]:
    """Return the versions of the libraries that a model depends on."""
    return {
        "skvae": _version.__version__,
        "torch": str(torch.__version__),
        "scikit-learn": sklearn.__version__,
    }


def migrated(document: Document) -> Document:
    """Return the document of a file in the format of today.

    Raises
    ------
    ValueError
        If the file has a newer format, or is none that was written.
    """
    _check(document)
    number = document["format"]
    if number > FORMAT:
        raise ValueError(
            f"The file was written by skvae {document['versions'].get('skvae')} with "
            f"format {number}; this is skvae {_version.__version__}, which reads "
            f"formats up to {FORMAT}. Upgrade skvae to read it."
        )
    for step in range(number, FORMAT):
        if step not in MIGRATIONS:
            raise ValueError(f"The file is not valid: there was no format {number}.")
        document = MIGRATIONS[step](document)
    return document


def _check(document: Any) -> None:
    """Raise ValueError unless a document has all parts, of the right types."""
    parts = document if isinstance(document, dict) else {}
    for name, kind in _PARTS.items():
        if type(parts.get(name)) is not kind:
            raise ValueError(
                f"The file is not valid: its {name} is no {kind.__name__}."
            )
    for name in ("versions", "supplied"):
        if not all(isinstance(value, str) for value in parts[name].values()):
            raise ValueError(f"The file is not valid: {name} has more than words.")


def with_renamed_attribute(
    document: Document, class_name: str, old: str, new: str
) -> Document:
    """Return a document in which objects of a class have an attribute renamed.

    Parameters
    ----------
    document : dict
    class_name : str
        As files name the class.
    old, new : str
    """
    objects = [
        {**o, "state": {new if k == old else k: v for k, v in o["state"].items()}}
        if o.get("class") == class_name
        else o
        for o in document["objects"]
    ]
    return {**document, "objects": objects}
