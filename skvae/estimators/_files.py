"""Estimators as files without code: what goes into one, and how it is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from sklearn.base import BaseEstimator
from torch import nn

from skvae import estimators
from skvae._persistence import formats
from skvae._persistence.classes import CLASSES, Supplied, Weights, names_of_classes
from skvae._persistence.container import packed, unpacked
from skvae._persistence.reader import Reader
from skvae._persistence.states import Described, copy_of_weights, state_of
from skvae._persistence.writer import NotWritableError, Writer
from skvae._training.parts import describe_parts
from skvae._utils.device import resolve_device
from skvae._utils.files import write_whole
from skvae._utils.random import Stream, child_seed, make_generator
from skvae._utils.validation import with_plain_integers
from skvae._utils.warn import warn
from skvae.estimators._persistence import warn_of_versions
from skvae.estimators._table import Table
from skvae.estimators.base import BaseAutoencoder
from skvae.networks import resolve_network

_ESTIMATORS = {
    f"skvae.{name}": getattr(estimators, name) for name in estimators.__all__
}
_CLASSES = {**CLASSES, **_ESTIMATORS, "skvae.Table": Table}
_KNOWN = names_of_classes(_CLASSES)
_NETWORKS = ("encoder", "decoder")  # of a module, made by the network
_MAKING = ("_row_shape", "_seed", "_parts")  # what an estimator knows that makes one


def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write an estimator; see `BaseAutoencoder.save`."""
    contents = _Contents()
    writer = Writer(contents.names)
    try:
        root = writer.node(contents.of_root(estimator))
    except NotWritableError as error:
        raise TypeError(
            f"{type(estimator).__name__} cannot be saved without code: {error}. Keep "
            "it in attributes that are arrays, numbers or strings, or save the model "
            "by joblib or cloudpickle."
        ) from error
    document = {
        "format": formats.FORMAT,
        "versions": formats.versions(),
        "supplied": contents.supplied,
        "root": root,
        "objects": writer.objects,
    }
    if contents.supplied:
        warn(
            f"The file {os.fspath(path)!r} does not hold {_listed(contents.supplied)}, "
            "which no file without code can hold. Keep the code, and load by "
            f"{_call(path, contents.supplied)}."
        )
    write_whole(path, packed(document, writer.entries))


def load(
    path: str | os.PathLike[str], parts: dict[str, Any] | None, device: Any
) -> Any:
    """Read an estimator; see `skvae.load`."""
    device = None if device is None else resolve_device(device)
    with open(path, "rb") as file:
        document, entries = unpacked(file.read())
    document = formats.migrated(document)
    parts = {} if parts is None else parts
    _check_parts(path, parts, document["supplied"])
    classes = {**_CLASSES, **_classes_of_parts(parts)}
    reader = Reader(entries, classes, parts, device)
    estimator = reader.read(document)
    if not isinstance(estimator, BaseAutoencoder):
        kind = type(estimator).__name__
        raise ValueError(f"The file holds no estimator, but an object of {kind}.")
    for read in reader.objects:
        if isinstance(read, BaseAutoencoder):
            read._training_state = None
            _make_networks(read, parts)
    warn_of_versions(type(estimator).__name__, document["versions"])
    return estimator


class _Contents:
    """What of an estimator goes into a file, and what the caller must supply again.

    Attributes
    ----------
    names : dict of type to str
        Of classes that may be written; those of the user's own begin with the
        parameter by which `load` is given them.
    supplied : dict of str to str
        What is left out, by parameter.
    """

    def __init__(self) -> None:
        self.names = dict(_KNOWN)
        self.supplied: dict[str, str] = {}

    def of_root(self, estimator: Any) -> Described:
        """Return an estimator as it is to be written."""
        if type(estimator) not in self.names:
            self._leave_out(estimator, "estimator")
        return self._of(estimator, "")

    def _of(self, estimator: Any, prefix: str) -> Described:
        state = state_of(estimator)
        for name in estimator.get_params(deep=False):
            state[name] = self._parameter(state[name], prefix + name)
        if "module_" in state and isinstance(state["network"], Supplied):
            state["module_"] = _without_networks(state["module_"])
        if isinstance(state.get("_density"), BaseAutoencoder):
            density = "second_stage" if "second_stage" in state else "latent_density"
            # The default second stage has parameters of the first.
            own = "" if state[density] is None else f"{density}__"
            state["_density"] = self._of(state["_density"], prefix + own)
        return Described(type(estimator), state)

    def _parameter(self, value: Any, name: str) -> Any:
        if isinstance(value, BaseAutoencoder) and type(value) in self.names:
            return self._of(value, f"{name}__")
        try:
            Writer(_KNOWN).node(value)
        except NotWritableError:
            self._leave_out(value, name)
            return Supplied(name)
        return value

    def _leave_out(self, value: Any, name: str) -> None:
        self.supplied[name] = type(value).__name__
        for key, cls in _classes_of_parts({name: value}).items():
            self.names.setdefault(cls, key)


def _without_networks(module: nn.Module) -> Described:
    state = state_of(module)
    weights = {name: Weights(state["_modules"][name]) for name in _NETWORKS}
    return Described(type(module), {**state, "_modules": state["_modules"] | weights})


def _classes_of_parts(parts: dict[str, Any]) -> dict[str, type]:
    """Return the classes of supplied parts, and of what they are made of."""
    return {
        f"{name}:{type(value).__name__}": type(value)
        for name, part in parts.items()
        for value in _inside(part)
        if isinstance(value, BaseEstimator | nn.Module)
        if type(value) not in _KNOWN
    }


def _inside(part: Any) -> Iterator[Any]:
    """Yield an object and those that it has as parameters."""
    yield part
    if isinstance(part, list | tuple):
        inside = list(part)
    elif isinstance(part, dict):
        inside = list(part.values())
    elif hasattr(part, "get_params") and not isinstance(part, type):
        inside = list(part.get_params(deep=False).values())
    else:
        inside = []
    for value in inside:
        yield from _inside(value)


def _check_parts(path: Any, parts: Any, needed: dict[str, str]) -> None:
    if not isinstance(parts, dict):
        raise TypeError(
            "The 'parts' parameter of load must be a dict of parameters by name. Got "
            f"{parts!r} instead."
        )
    if missing := {name: needed[name] for name in needed if name not in parts}:
        raise ValueError(
            f"The file {os.fspath(path)!r} does not hold {_listed(missing)}. Supply "
            f"what the model was fitted with: {_call(path, needed)}."
        )
    if unknown := [name for name in parts if name not in needed]:
        raise ValueError(
            f"The file {os.fspath(path)!r} holds {', '.join(map(repr, unknown))} "
            "itself, or has no such part. Leave it out of 'parts', and change "
            "parameters of the loaded estimator by set_params."
        )


def _listed(supplied: dict[str, str]) -> str:
    return ", ".join(f"{name!r} ({kind})" for name, kind in supplied.items())


def _call(path: Any, supplied: dict[str, str]) -> str:
    parts = ", ".join(f'"{name}": ...' for name in supplied)
    return f"skvae.load({os.fspath(path)!r}, parts={{{parts}}})"


def _make_networks(estimator: Any, parts: dict[str, Any]) -> None:
    """Let a network of the user's own make the modules that have the weights read."""
    module = getattr(estimator, "module_", None)
    if not isinstance(getattr(module, "encoder", None), Weights):
        return
    is_own = any(estimator.network is part for part in parts.values())
    if not is_own or not all(hasattr(estimator, name) for name in _MAKING):
        raise ValueError("The file is not valid: nothing makes a network of weights.")
    network = resolve_network(estimator.network).for_shape(estimator._row_shape)
    network = with_plain_integers(network)
    with network.rng_context(child_seed(estimator._seed, Stream.FOREIGN)):
        made = _made_by(network, estimator, module)
    for name in _NETWORKS:
        weights, own = getattr(module, name), getattr(made, name)
        own.train(weights.training)
        copy_of_weights(own, weights.tensors, name)
        setattr(module, name, own.to(module.device))
    parts = describe_parts(estimator, network)
    estimator._parts = {**estimator._parts, "network": parts["network"]}


def _made_by(network: Any, estimator: Any, module: Any) -> Any:
    """Return a module with a new encoder and decoder, and all else of a module."""
    d, likelihood = module.n_components, module.likelihood
    n_inputs = likelihood.n_inputs(module.n_features)
    n_outputs = likelihood.n_outputs(module.n_features)
    generator = make_generator(estimator._seed, Stream.INIT)
    twin = module.__new__(type(module))
    vars(twin).update(vars(module))
    n_encoded = module.posterior.n_outputs(d)
    made = {
        "encoder": network.make_encoder(n_inputs, n_encoded, generator),
        "decoder": network.make_decoder(d, n_outputs, generator),
    }
    vars(twin)["_modules"] = {**module._modules, **made}
    return estimator.finish_module(twin, generator)
