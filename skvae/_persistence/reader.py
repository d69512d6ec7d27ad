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
                self.objects.append(self._object(**written))
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
            return self.objects[content]
        return CODECS[tag].rebuilt(self.value(content))

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
            return _array_of_objects(self.value(objects["items"]), objects["shape"])
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


def _array_of_objects(items: list[Any], shape: list[int]) -> np.ndarray:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array.reshape(shape)
