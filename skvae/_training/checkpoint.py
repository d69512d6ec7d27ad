"""The last complete epoch of a training, to which it can go back at any time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

Record = dict[str, float]
Copies = dict[int, Tensor]


class State(NamedTuple):
    """What a training has come to, as plain data, from which another can go on.

    Attributes
    ----------
    tensors : dict of str to Tensor
        Not to be changed.
    values : dict of str to object
        What JSON can hold.
    """

    tensors: dict[str, Tensor]
    values: dict[str, Any]


class _Saved(NamedTuple):
    records: tuple[Record, ...]
    weights: Copies
    moments: Copies
    recoveries: tuple[int, ...] = ()
    waits_since: int = 0
    best_epoch: int = 0
    best_loss: float = math.inf
    best_weights: Copies | None = None


# What a state has of these, beside tensors.
_VALUES = ("records", "recoveries", "waits_since", "best_epoch", "best_loss")
_WEIGHTS, _BEST, _MOMENTS = "weights", "best", "moments"


class Checkpoint:
    """Records, weights and optimizer state of the last complete epoch, as one.

    They change together, by a single assignment, so that an interrupt at any point
    finds those of one and the same epoch.

    Parameters
    ----------
    module : nn.Module
    optimizers : list of objects with ``state``
    """

    def __init__(self, module: torch.nn.Module, optimizers: list[Any]) -> None:
        self.module, self.optimizers = module, optimizers
        self._saved = _Saved((), _copies(self._weights()), _copies(self._moments()))

    @property
    def records(self) -> list[Record]:
        """The records of all complete epochs."""
        return list(self._saved.records)

    @property
    def recoveries(self) -> tuple[int, ...]:
        """For each epoch that was undone, how many epochs were complete then."""
        return self._saved.recoveries

    @property
    def best_epoch(self) -> int:
        """The epoch, counted from 1, of least validation loss; 0 without any."""
        return self._saved.best_epoch

    @property
    def kept_epoch(self) -> int:
        """The epoch, counted from 1, whose weights `finish` leaves in the module."""
        return self._saved.best_epoch or len(self._saved.records)

    def n_waited(self, n_warmup: int) -> int:
        """Return the number of epochs since the best one or the end of the warm-up."""
        saved = self._saved
        since = max(saved.best_epoch, saved.waits_since, n_warmup)
        return len(saved.records) - since

    def commit(self, record: Record) -> None:
        """Take the module and the optimizers as they are for those of a new epoch."""
        old, loss = self._saved, record.get("validation_loss", math.inf)
        weights, moments = _copies(self._weights()), _copies(self._moments())
        new = old._replace(
            records=(*old.records, record), weights=weights, moments=moments
        )
        if loss < old.best_loss:
            best = {"best_epoch": len(new.records), "best_loss": loss}
            new = new._replace(best_weights=weights, **best)
        self._saved = new

    def undo(self) -> None:
        """Go back to the last complete epoch, and remember that it was necessary."""
        old = self._saved
        self._saved = old._replace(recoveries=(*old.recoveries, len(old.records)))
        self.restore()

    def restore(self) -> None:
        """Go back to the last complete epoch."""
        _write(self._saved.weights, self._weights())
        _write(self._saved.moments, self._moments())

    def finish(self) -> None:
        """Go back to the last complete epoch, with the weights of the best one."""
        self.restore()
        if self._saved.best_weights is not None:
            _write(self._saved.best_weights, self._weights())

    def state(self) -> State:
        """Return all that `load` needs to go on from the last complete epoch."""
        saved = self._saved
        parts = {_WEIGHTS: (self._named_weights(), saved.weights)}
        parts[_MOMENTS] = self._named_moments(), saved.moments
        if saved.best_weights and saved.best_weights is not saved.weights:
            parts[_BEST] = self._named_weights(), saved.best_weights
        tensors = {
            f"{part}/{name}": copies[id(t)]
            for part, (named, copies) in parts.items()
            for name, t in named.items()
            if id(t) in copies
        }
        return State(tensors, {name: getattr(saved, name) for name in _VALUES})

    def load(self, state: State) -> None:
        """Take a state for the last complete epoch.

        Where it has no weights, those of the module are the last ones, or the best.

        Raises
        ------
        ValueError
            If it is the state of another module.
        """
        values, present = state.values, _copies(self._weights())
        records = tuple(values["records"])
        weights = _found(state, _WEIGHTS, self._named_weights()) or present
        best = _found(state, _BEST, self._named_weights()) or present
        best = weights if values["best_epoch"] == len(records) else best
        self._create_moments(state)
        self._saved = _Saved(
            records,
            weights,
            _found(state, _MOMENTS, self._named_moments()),
            tuple(values["recoveries"]),
            values["waits_since"],
            values["best_epoch"],
            values["best_loss"],
            best if values["best_epoch"] else None,
        )
        self.restore()

    def _named_weights(self) -> dict[str, Tensor]:
        """Return weights and buffers by name; those that are shared have one."""
        names = {
            id(t): (f"{owner}.{name}", t)
            for owner, module in self.module.named_modules()
            for tensors in (module._parameters, module._buffers)
            for name, t in tensors.items()
            if t is not None
        }
        return dict(names.values())

    def _named_moments(self) -> dict[str, Tensor]:
        return {
            f"{i}.{j}.{name}": v
            for i, optimizer in enumerate(self.optimizers)
            for j, p in enumerate(_parameters(optimizer))
            for name, v in optimizer.state.get(p, {}).items()
            if isinstance(v, Tensor)
        }

    def _create_moments(self, state: State) -> None:
        """Create what optimizers, other than our own, create in their first step."""
        known = self._named_moments()
        for key, t in state.tensors.items():
            part, _, place = key.partition("/")
            if part == _MOMENTS and place not in known:
                i, j, name = place.split(".", 2)
                p = _parameters(self.optimizers[int(i)])[int(j)]
                created = t.to(p.device, copy=True)
                self.optimizers[int(i)].state.setdefault(p, {})[name] = created

    def _weights(self) -> Iterator[Tensor]:
        # One pass over the modules: `parameters` and `buffers` are two slow ones.
        for module in self.module.modules():
            for tensors in (module._parameters, module._buffers):
                yield from (t for t in tensors.values() if t is not None)

    def _moments(self) -> Iterator[Tensor]:
        for optimizer in self.optimizers:
            for values in optimizer.state.values():
                yield from (v for v in values.values() if isinstance(v, Tensor))


def _copies(tensors: Iterable[Tensor]) -> Copies:
    return {id(t): t.detach().clone() for t in tensors}


@torch.no_grad()
def _write(copies: Copies, tensors: Iterable[Tensor]) -> None:
    for t in tensors:
        # What an optimizer has created after the copy is reset to zero.
        saved = copies.get(id(t))
        t.zero_() if saved is None else t.copy_(saved)


def _parameters(optimizer: Any) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _found(state: State, part: str, named: dict[str, Tensor]) -> Copies:
    """Return one part of a state as copies of the tensors of these names."""
    prefix = f"{part}/"
    tensors = {
        key.removeprefix(prefix): t
        for key, t in state.tensors.items()
        if key.startswith(prefix)
    }
    for name in sorted(tensors.keys() | (named.keys() if tensors else set())):
        old, new = (_form(group.get(name)) for group in (tensors, named))
        if old != new:
            raise ValueError(
                f"The state is of another network: of {name!r}, it has {old}, the "
                f"network {new}."
            )
    return {id(named[name]): t.to(named[name].device) for name, t in tensors.items()}


def _form(t: Tensor | None) -> str:
    return "nothing" if t is None else f"{str(t.dtype)[6:]} of shape {tuple(t.shape)}"
