"""From the document and the entries of a file to an object."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor, nn

from skvae._persistence.arrays import array_of_entry, tensor_of_entry
from skvae._persistence.classes import Supplied, WrongPartError, class_of
from skvae._persistence.container import Entry
from skvae._persistence.states import restored
from skvae._persistence.values import CODECS

_CONTAINERS = ("tuple", "dict", "set")
_DEEPEST, _LARGEST = 100, 2_000_000  # objects inside each other, and inside of one


class Reader:
    """Turns what `Writer` has written into objects again.

    Objects are made of attributes, never by a call of their class, and only of classes
    that the caller names.

    Parameters
    ----------
    entries : dict of str to Entry
    classes : dict of str to type
        The classes that may be named.
    parts : dict of str to object
        What stands in the place of `Supplied`.
    device : torch.device, optional
        Where modules go.

    Attributes
    ----------
    objects : list
        All that have been read.
    """

    def __init__(
        self,
        entries: dict[str, Entry],
        classes: dict[str, type],
        parts: dict[str, Any],
        device: Any = None,
    ) -> None:
        self.entries, self.classes = entries, classes
        self.parts, self.device = parts, device
        self.objects: list[Any] = []
        self._measures: list[tuple[int, int]] = []
        self._depth, self._size = 0, 1  # of the object that is being read

    def read(self, document: dict[str, Any]) -> Any:
        """Return the object of a document.

        Raises
        ------
        WrongPartError
            If a class of the caller's is not among `classes`.
        ValueError
            If it names a class that it may not, or is not one that was written.
        """
        try:
            for written in document["objects"]:
                self._depth, self._size = 0, 1
                read = self._object(**written)
                self.objects.append(read)
                self._measures.append((self._depth, self._size))
            return self.value(document["root"])
        except WrongPartError:
            raise
        except (
            *(ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError),
            ValueError,
        ) as error:
            raise ValueError(f"The file is not valid: {error}") from error

    def value(self, node: Any) -> Any:
        """Return the value of a node."""
        if isinstance(node, list):
            return [self.value(item) for item in node]
        if not isinstance(node, dict):
            return node
        ((tag, content),) = node.items()
        if tag == "object":
            if type(content) is not int or content < 0:
                raise ValueError(f"There is no object {content!r}.")
            self._measure(*self._measures[content])
            return self.objects[content]
        if tag not in _CONTAINERS:
            _refuse_ranges(content)
        elif not _is_written(tag, content):
            raise ValueError(f"A {tag} is not made of {content!r:.99}.")
        return CODECS[tag].rebuilt(self.value(content))

    def _measure(self, depth: int, size: int) -> None:
        """Count the objects in the one that is being read, as if none had two places.

        Whatever walks through an object, such as its end, calls itself for each that is
        inside, and for one in two places twice.
        """
        self._depth = max(self._depth, depth + 1)
        self._size += size
        if self._depth > _DEEPEST or self._size > _LARGEST:
            raise ValueError("Objects are inside each other as in no model.")

    def _object(
        self,
        tensor: dict[str, Any] | None = None,
        array: dict[str, Any] | None = None,
        objects: dict[str, Any] | None = None,
        **written: Any,
    ) -> Any:
        if tensor is not None:
            return self._tensor(**tensor)
        if array is not None:
            return array_of_entry(self.entries[array.pop("entry")], **array)
        if objects is not None:
            items = self.value({"tuple": objects["items"]})
            return _array_of_objects(items, objects["shape"])
        cls = class_of(written["class"], self.classes)
        state = {name: self.value(v) for name, v in written["state"].items()}
        if cls is Supplied:
            return self.parts[state["name"]]
        return restored(cls, state, self.device)

    def _tensor(
        self, entry: str, is_parameter: bool, requires_grad: bool, **note: Any
    ) -> Tensor:
        tensor = tensor_of_entry(self.entries[entry], **note)
        if is_parameter:
            return nn.Parameter(tensor, requires_grad=requires_grad)
        return tensor.requires_grad_(requires_grad)


def _is_written(tag: str, content: Any) -> bool:
    """Tell whether a container is written as a list, and a dictionary as one of pairs.

    All else may be a few letters that stand for more items than any memory holds.
    """
    is_list = type(content) is list
    return is_list and (tag != "dict" or all(type(pair) is list for pair in content))


def _refuse_ranges(node: Any) -> None:
    """Raise ValueError if there is a range in what a value is made of."""
    if isinstance(node, dict) and "range" in node:
        raise ValueError("A value is made of a range, which may be of any length.")
    inside = node.values() if isinstance(node, dict) else node
    for item in inside if isinstance(node, dict | list) else ():
        _refuse_ranges(item)


def _array_of_objects(items: tuple[Any, ...], shape: list[int]) -> np.ndarray:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array.reshape(shape)
