"""Arrays and tensors as entries of a file, with their order in memory."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skvae._persistence.container import Entry

_NUMPY = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "complex64": "C64",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}
_TORCH = {**_NUMPY, "bfloat16": "BF16"}
# Types of arrays that are written as bytes: text, and bytes, of a fixed length.
_OF_BYTES = re.compile(r"([<>]U|\|S)[0-9]{1,9}")


def dtype_of(name: str) -> np.dtype[Any]:
    """Return the type of an array from its name.

    Raises
    ------
    ValueError
        If there is no type of this name, or none that a file may have.
    """
    if name in _NUMPY or name == "object" or _OF_BYTES.fullmatch(name):
        return np.dtype(name)
    raise ValueError(f"{name!r} is no type of an array that a file may have.")


def name_of_dtype(dtype: np.dtype[Any]) -> str | None:
    """Return the name by which `dtype_of` finds a type, None if it does not."""
    name = dtype.name if dtype.name in (*_NUMPY, "object") else dtype.str
    known = name in (*_NUMPY, "object") or _OF_BYTES.fullmatch(name)
    return name if known else None


def torch_dtype_of(name: str) -> torch.dtype:
    """Return the type of a tensor from its name.

    Raises
    ------
    ValueError
        If there is none that a file may have.
    """
    if name not in _TORCH:
        raise ValueError(f"{name!r} is no type of a tensor that a file may have.")
    return getattr(torch, name)


def entry_of_array(array: NDArray[Any]) -> tuple[Entry, dict[str, Any]]:
    """Return an entry, and what JSON says of it.

    Parameters
    ----------
    array : ndarray
        Not of objects.
    """
    dtype = array.dtype.newbyteorder("=")
    name = name_of_dtype(dtype)
    if name is None:
        raise TypeError(f"it is an array of {array.dtype}")
    order = sorted(range(array.ndim), key=lambda i: -abs(array.strides[i]))
    values = np.ascontiguousarray(array.transpose(order), dtype=dtype)
    shape = values.shape if array.ndim else ()
    data = values.reshape(-1).view(np.uint8)
    note = {"dtype": name, "shape": list(shape), "order": order}
    if name in _NUMPY:
        return Entry(_NUMPY[name], shape, data), note
    return Entry("U8", (data.size,), data), note


def array_of_entry(
    entry: Entry, dtype: str, shape: list[int], order: list[int]
) -> NDArray[Any]:
    """Return a new array from what `entry_of_array` returns."""
    if entry.dtype != _NUMPY.get(dtype, "U8"):
        raise ValueError(f"An array of {dtype} has entries of {entry.dtype}.")
    if sorted(order) != list(range(len(shape))):
        raise ValueError(f"An array of shape {shape} has its axes in order {order}.")
    values = np.frombuffer(entry.data, dtype=dtype_of(dtype)).reshape(shape)
    return values.transpose(np.argsort(order)).copy(order="K")


def entry_of_tensor(tensor: Tensor) -> tuple[Entry, dict[str, Any]]:
    """Return an entry, and what JSON says of it."""
    name = str(tensor.dtype).removeprefix("torch.")
    if name not in _TORCH or tensor.layout != torch.strided:
        raise TypeError(f"it is a tensor of {name} and of layout {tensor.layout}")
    values = tensor.detach().cpu().contiguous()
    data = values.reshape(-1).view(torch.uint8).numpy()
    stride = tensor.stride() if _is_dense(tensor) else values.stride()
    note = {"dtype": name, "stride": list(stride)}
    return Entry(_TORCH[name], tuple(tensor.shape), data), note


def tensor_of_entry(entry: Entry, dtype: str, stride: list[int]) -> Tensor:
    """Return a new tensor from what `entry_of_tensor` returns."""
    if entry.dtype != _TORCH.get(dtype):
        raise ValueError(f"A tensor of {dtype} has entries of {entry.dtype}.")
    sizes = zip(entry.shape, stride, strict=True)
    reach = sum((size - 1) * abs(step) for size, step in sizes)
    if 0 < math.prod(entry.shape) <= reach:
        raise ValueError(f"A tensor of shape {entry.shape} has strides {stride}.")
    options = {"dtype": torch_dtype_of(dtype), "device": "cpu"}
    values = torch.empty(entry.shape, **options)
    values.reshape(-1).view(torch.uint8).numpy()[:] = np.frombuffer(entry.data, "u1")
    return torch.empty_strided(entry.shape, stride, **options).copy_(values)


def _is_dense(tensor: Tensor) -> bool:
    """Tell whether the values of a tensor fill their place in memory, once each."""
    reach = 1
    sizes = zip(tensor.stride(), tensor.shape, strict=True)
    for step, size in sorted(pair for pair in sizes if pair[1] > 1):
        if step != reach:
            return False
        reach *= size
    return True
