"""From an object to a document and entries of a file."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch import Tensor, nn

from skvae._persistence.arrays import entry_of_array, entry_of_tensor
from skvae._persistence.container import Entry
from skvae._persistence.states import Described, state_of
from skvae._persistence.values import CODECS

_DEEPEST = 200  # values inside of each other
_SHOWN = 12  # of their names, in an error
# Names that torch has for the parts of modules, without which paths are shorter.
_PASSED_OVER = ("_parameters", "_buffers", "_modules", "tensors")


class NotWritableError(TypeError):
    """A value that no file without code can hold.

    Parameters
    ----------
    path : tuple of str
        Where it is.
    value : object
    reason : str
    """

    def __init__(self, path: tuple[str, ...], value: Any, reason: str) -> None:
        self.path, self.value = path, value
        place = ".".join(path[:_SHOWN]) + "..." * (len(path) > _SHOWN)
        super().__init__(f"{place or 'it'} ({_short(value)}): {reason}")


class Writer:
    """Turns objects into values of JSON, and their arrays into entries.

    An object or array that is in several places is written once.

    Parameters
    ----------
    names : dict of type to str
        Names of the classes that may be written.

    Attributes
    ----------
    objects : list of dict
        The objects in the order in which they can be read.
    entries : dict of str to Entry
    """

    def __init__(self, names: dict[type, str]) -> None:
        self.names = names
        self.objects: list[dict[str, Any]] = []
        self.entries: dict[str, Entry] = {}
        # Numbers of objects by id, and the objects, so that no id is used again.
        self._numbers: dict[int, int | None] = {}
        self._seen: list[Any] = []

    def node(self, value: Any, path: tuple[str, ...] = ()) -> Any:
        """Return what JSON can hold of a value.

        Raises
        ------
        NotWritableError
            If a file cannot hold it.
        """
        if len(path) > _DEEPEST:
            raise NotWritableError(path, value, "it lies too deep")
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float and math.isfinite(value):
            return value
        if type(value) is list:
            return self._items(value, path)
        for tag, codec in CODECS.items():
            if codec.takes(value):
                return {tag: self._simpler(codec, value, path)}
        return {"object": self._number(value, path)}

    def _items(self, values: list[Any], path: tuple[str, ...]) -> list[Any]:
        return [self.node(v, (*path, str(i))) for i, v in enumerate(values)]

    def _simpler(self, codec: Any, value: Any, path: tuple[str, ...]) -> Any:
        if type(value) is dict:
            return [
                [self.node(k, (*path, "key")), self.node(v, (*path, str(k)))]
                for k, v in value.items()
            ]
        try:
            simpler = codec.simpler(value)
        except TypeError as error:
            raise NotWritableError(path, value, str(error)) from error
        return self.node(simpler, path)

    def _number(self, value: Any, path: tuple[str, ...]) -> int:
        """Return the place of an object among those written, and write it if new."""
        if id(value) not in self._numbers:
            self._numbers[id(value)] = None
            self._seen.append(value)
            written = self._written(value, path)
            self._numbers[id(value)] = len(self.objects)
            self.objects.append(written)
        number = self._numbers[id(value)]
        if number is None:
            raise NotWritableError(path, value, "it is a part of itself")
        return number

    def _written(self, value: Any, path: tuple[str, ...]) -> dict[str, Any]:
        try:
            if isinstance(value, Tensor):
                return self._written_tensor(value, path)
            if type(value) in (np.ndarray, np.memmap):
                return self._written_array(np.asarray(value), path)
            if isinstance(value, Described):
                cls, state = value.cls, value.state
            elif type(value) in self.names:
                cls, state = type(value), state_of(value)
            else:
                kind = type(value).__qualname__
                raise TypeError(f"skvae does not know {kind} as data")
        except NotWritableError:
            raise
        except TypeError as error:
            raise NotWritableError(path, value, str(error)) from error
        nodes = {name: self.node(v, (*path, name)) for name, v in state.items()}
        return {"class": self.names[cls], "state": nodes}

    def _written_tensor(self, tensor: Tensor, path: tuple[str, ...]) -> dict[str, Any]:
        if type(tensor) not in (Tensor, nn.Parameter):
            raise TypeError(f"it is a tensor of the class {type(tensor).__name__}")
        entry, note = entry_of_tensor(tensor)
        note["is_parameter"] = isinstance(tensor, nn.Parameter)
        note["requires_grad"] = tensor.requires_grad
        return {"tensor": {"entry": self._add(entry, path), **note}}

    def _written_array(self, array: Any, path: tuple[str, ...]) -> dict[str, Any]:
        if array.dtype == object:
            items = self._items(array.ravel().tolist(), path)
            return {"objects": {"shape": list(array.shape), "items": items}}
        entry, note = entry_of_array(array)
        return {"array": {"entry": self._add(entry, path), **note}}

    def _add(self, entry: Entry, path: tuple[str, ...]) -> str:
        """Add an entry under a name that says where it is."""
        name = ".".join(p for p in path if p not in _PASSED_OVER)
        unique, n = name, 1
        while unique in self.entries or unique == "__metadata__":
            n += 1
            unique = f"{name}#{n}"
        self.entries[unique] = entry
        return unique


def _short(value: Any) -> str:
    try:
        text = " ".join(repr(value).split())
    except Exception:
        text = type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."
