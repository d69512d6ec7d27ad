"""Objects as attributes that are data, and back, without a call of their classes."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.neighbors import BallTree, KDTree, KernelDensity
from torch import Tensor, nn

from skvae._utils.device import available_device
from skvae.module import AutoencoderModule

# What a module knows beside its attributes, and what is data of it. All else in a new
# module is bookkeeping, which the version of torch at hand makes itself.
_KEPT = {
    "_parameters": nn.Parameter | None,
    "_buffers": Tensor | None,
    "_modules": nn.Module | None,
}
_UNSAVED_BUFFERS = "_non_persistent_buffers_set"
_BOOKKEEPING = vars(nn.Module()).keys() - {*_KEPT, _UNSAVED_BUFFERS, "training"}
# What an estimator knows beside its parameters and what it has learned.
_UNSAVED = ("_versions", "_sklearn_version", "_training_state")
_UNSAVED += ("_skl_callbacks", "_metadata_request")
_TREES = {"KDTree": KDTree, "BallTree": BallTree}


@dataclass(frozen=True, eq=False)
class Described:
    """An object that is to be written with other attributes than its own."""

    cls: type
    state: dict[str, Any]


def state_of(value: Any) -> dict[str, Any]:
    """Return the attributes of an object.

    Raises
    ------
    TypeError
        If there is more to it than attributes.
    """
    if isinstance(value, nn.Module):
        return _state_of_module(value)
    state = value.__getstate__()
    if not isinstance(state, dict | None):
        raise TypeError("its state is more than its attributes")
    state = {k: v for k, v in (state or {}).items() if k not in _UNSAVED}
    if isinstance(value, KernelDensity) and "tree_" in state:
        state["tree_"] = _state_of_tree(value)
    return state


def restored(cls: type, state: dict[str, Any], device: Any = None) -> Any:
    """Return an object of a class with these attributes.

    A parameter that its class did not have when the object was saved has its default.

    Parameters
    ----------
    cls : type
    state : dict
        As `state_of` returns it.
    device : torch.device, optional
        Of an `AutoencoderModule`; by default the one that it was on, where it exists.

    Raises
    ------
    ValueError
        If an object of the class cannot have such attributes.
    """
    for name in state:
        if not name.isidentifier() or name.startswith("__") or _is_code(cls, name):
            raise ValueError(f"{cls.__name__} cannot have an attribute {name!r}.")
    state = {**state, **_new_parameters(cls, state)}
    value = cls.__new__(cls)
    if issubclass(cls, nn.Module):
        return _restored_module(value, dict(state), device)
    if issubclass(cls, KernelDensity) and "tree_" in state:
        state = {**state, "tree_": _tree(state, *_kind_and_rows(state["tree_"]))}
    vars(value).update(state)
    return value


def _is_code(cls: type, name: str) -> bool:
    """Tell whether a class has a method, a property or the like of this name."""
    if (cls, name) == (AutoencoderModule, "device"):  # written beside its attributes
        return False
    found = inspect.getattr_static(cls, name, None)
    return hasattr(type(found), "__get__") and not isinstance(found, cached_property)


def _new_parameters(cls: type, state: dict[str, Any]) -> dict[str, Any]:
    if not issubclass(cls, BaseEstimator) or cls.__init__ is object.__init__:
        return {}
    parameters = inspect.signature(cls.__init__).parameters.items()
    return {
        name: p.default
        for name, p in parameters
        if name not in state and p.default is not p.empty
    }


def _state_of_module(module: nn.Module) -> dict[str, Any]:
    state = nn.Module.__getstate__(module)
    hooks = [state.pop(name, None) for name in _BOOKKEEPING]
    if any(hooks):
        raise TypeError("it has hooks, which are functions")
    for kind in (*_KEPT, _UNSAVED_BUFFERS):
        state[kind] = state[kind].copy()
        if not state[kind]:
            del state[kind]
    if isinstance(module, AutoencoderModule):
        state["device"] = str(module.device)
    return state


def _restored_module(module: nn.Module, state: dict[str, Any], device: Any) -> Any:
    name = type(module).__name__
    nn.Module.__init__(module)
    if not _BOOKKEEPING.isdisjoint(state):
        raise ValueError(f"A file cannot set how torch keeps {name}.")
    if isinstance(module, AutoencoderModule):
        saved = available_device(state.pop("device"))
        device = device or saved
    for kind, allowed in _KEPT.items():
        found = state.pop(kind, {})
        if not all(isinstance(v, allowed) for v in found.values()):
            raise ValueError(f"{name} has something else among its {kind[1:]}.")
        vars(module)[kind].update(found)
    unsaved = state.pop(_UNSAVED_BUFFERS, set())
    if type(unsaved) is not set:
        raise ValueError(f"{name} has something else among its names of buffers.")
    vars(module)[_UNSAVED_BUFFERS].update(unsaved)
    vars(module).update(state)
    return module.to(device) if isinstance(module, AutoencoderModule) else module


def _state_of_tree(density: KernelDensity) -> list[Any]:
    """Return the kind of the tree of a density, and its rows.

    Its other arrays are made anew, since those of a file would be addresses that
    nobody checks.
    """
    tree = density.tree_
    state = [type(tree).__name__, np.asarray(tree.data)]
    again = _tree(density.get_params(deep=False), *state).get_arrays()
    if not all(map(np.array_equal, again, tree.get_arrays())):
        raise TypeError("its parameters have changed since it was fitted")
    return state


def _kind_and_rows(saved: Any) -> list[Any]:
    if type(saved) is not list or type(saved[-1]) is not np.ndarray:
        raise ValueError("A tree is made of its kind and an array of rows.")
    return saved


def _tree(params: dict[str, Any], kind: str, rows: Any) -> KDTree | BallTree:
    options = params["metric_params"] or {}
    metric, size = params["metric"], params["leaf_size"]
    return _TREES[kind](rows, metric=metric, leaf_size=size, **options)


def copy_of_weights(network: nn.Module, tensors: dict[str, Tensor], name: str) -> None:
    """Give a network weights from a file.

    Raises
    ------
    ValueError
        If the network has others than these, or of other shapes.
    """
    own = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    there = {key: tuple(value.shape) for key, value in tensors.items()}
    if own != there:
        keys = [k for k in {**own, **there} if own.get(k) != there.get(k)]
        found = ", ".join(
            f"{k} has shape {own.get(k, 'none')} here and {there.get(k, 'none')} there"
            for k in keys[:3]
        )
        raise ValueError(
            f"The {name} that the supplied network makes does not fit the weights in "
            f"the file: {found}. Supply the network that the model was fitted with."
        )
    with torch.no_grad():
        network.load_state_dict(tensors)
