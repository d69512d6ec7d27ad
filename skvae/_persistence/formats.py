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
        If the file has a newer format, or one that is none.
    """
    number = document.get("format")
    if type(number) is not int:
        raise ValueError(f"The file is not valid: it has the format {number!r}.")
    if number > FORMAT:
        raise ValueError(
            f"The file was written by skvae {document['versions']['skvae']} with "
            f"format {number}; this is skvae {_version.__version__}, which reads "
            f"formats up to {FORMAT}. Upgrade skvae to read it."
        )
    for step in range(number, FORMAT):
        if step not in MIGRATIONS:
            raise ValueError(f"The file is not valid: there was no format {number}.")
        document = MIGRATIONS[step](document)
    return document


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
