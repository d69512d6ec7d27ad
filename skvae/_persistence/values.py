"""Values that JSON does not know, each by values that are simpler."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from skvae._persistence import frames
from skvae._persistence.arrays import dtype_of, name_of_dtype, torch_dtype_of

_NUMBERS = ("float16", "float32", "float64", "bool", "int8", "int16", "int32", "int64")
_NUMBERS += ("uint8", "uint16", "uint32", "uint64", "number", "integer", "floating")
_TYPES = {f"numpy.{name}": getattr(np, name) for name in _NUMBERS}
_TYPES |= {t.__name__: t for t in (bool, float, int, object, str)}
_NAMES = {t: name for name, t in _TYPES.items()}
_PLACES = 624  # of the state of a RandomState


@dataclass(frozen=True)
class Codec:
    """How values of a kind are written, and read.

    Attributes
    ----------
    takes : callable, value -> bool
    simpler : callable, value -> simpler value
        It raises TypeError for a value that a file cannot hold.
    rebuilt : callable, simpler value -> value
    """

    takes: Callable[[Any], bool]
    simpler: Callable[[Any], Any]
    rebuilt: Callable[[Any], Any]


def _is(*types: type) -> Callable[[Any], bool]:
    return lambda value: type(value) in types


def _float(text: str) -> float:
    if text not in ("nan", "inf", "-inf"):
        raise ValueError(f"{text!r} is no number that has a name.")
    return float(text)


def _dict(pairs: list[Any]) -> dict[Any, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("A dictionary has a key twice.")
    return found


def _dtype_name(dtype: np.dtype[Any]) -> str:
    name = name_of_dtype(dtype)
    if name is None:
        raise TypeError(f"it is the type {dtype}")
    return name


def _type_name(cls: type) -> str:
    if cls not in _NAMES:
        raise TypeError(f"it is the class {cls.__qualname__}")
    return _NAMES[cls]


def _scalar(value: np.generic) -> list[Any]:
    item = value.item()
    if type(item) not in (bool, int, float, str, bytes):
        raise TypeError(f"it is a number of the type {value.dtype}")
    return [_dtype_name(value.dtype), item]


def _rebuilt_scalar(parts: list[Any]) -> Any:
    name, item = parts
    dtype = dtype_of(name)
    kinds = {"S": (bytes,), "U": (str,)}.get(dtype.kind, (bool, int, float))
    if type(item) not in kinds:  # NumPy makes arrays of lists, and bytes of numbers
        raise ValueError(f"A number of the type {name} is no {type(item).__name__}.")
    return dtype.type(item)


def _state_of_generator(generator: np.random.RandomState) -> list[Any]:
    name, *state = generator.get_state()
    if name != "MT19937":
        raise TypeError(f"it is a generator {name}")
    return state


def _generator(state: list[Any]) -> np.random.RandomState:
    keys, place, has_gauss, gauss = state
    if not 0 <= place <= _PLACES:  # NumPy would read beyond the keys
        raise ValueError(f"A generator is at place {place}.")
    generator = np.random.RandomState()
    generator.set_state(("MT19937", keys, int(place), has_gauss, gauss))
    return generator


def _is_interval(value: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and type(value) is pandas.Interval


def _interval(parts: list[Any]) -> Any:
    import pandas

    return pandas.Interval(*parts)


CODECS: dict[str, Codec] = {
    "float": Codec(_is(float), repr, _float),
    "tuple": Codec(_is(tuple, torch.Size), list, tuple),
    "dict": Codec(_is(dict), lambda d: [list(pair) for pair in d.items()], _dict),
    "set": Codec(_is(set), lambda s: sorted(s, key=repr), set),
    "bytes": Codec(_is(bytes), bytes.hex, bytes.fromhex),
    "slice": Codec(
        _is(slice), lambda s: [s.start, s.stop, s.step], lambda ends: slice(*ends)
    ),
    "range": Codec(
        _is(range), lambda r: [r.start, r.stop, r.step], lambda ends: range(*ends)
    ),
    "type": Codec(lambda v: isinstance(v, type), _type_name, _TYPES.__getitem__),
    "dtype": Codec(lambda v: isinstance(v, np.dtype), _dtype_name, dtype_of),
    "torch.dtype": Codec(
        _is(torch.dtype), lambda t: str(t).removeprefix("torch."), torch_dtype_of
    ),
    "torch.device": Codec(_is(torch.device), str, torch.device),
    "scalar": Codec(lambda v: isinstance(v, np.generic), _scalar, _rebuilt_scalar),
    "random_state": Codec(_is(np.random.RandomState), _state_of_generator, _generator),
    "interval": Codec(_is_interval, lambda i: [i.left, i.right, i.closed], _interval),
    "frame": Codec(frames.is_head, frames.described, frames.rebuilt),
}
"""The codecs by the names that files have for them."""
