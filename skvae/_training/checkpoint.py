"""The last complete epoch of a training, to which it can go back at any time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

Record = dict[str, float]
Copies = dict[int, Tensor]


class _Saved(NamedTuple):
    records: tuple[Record, ...]
    weights: Copies
    moments: Copies
    best_epoch: int = 0
    best_loss: float = math.inf
    best_weights: Copies | None = None


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
    def best_epoch(self) -> int:
        """The epoch, counted from 1, of least validation loss; 0 without any."""
        return self._saved.best_epoch

    @property
    def kept_epoch(self) -> int:
        """The epoch, counted from 1, whose weights `finish` leaves in the module."""
        return self._saved.best_epoch or len(self._saved.records)

    def commit(self, record: Record) -> None:
        """Take the module and the optimizers as they are for those of a new epoch."""
        old, loss = self._saved, record.get("validation_loss", math.inf)
        records = (*old.records, record)
        weights = _copies(self._weights())
        best = old[3:]
        if loss < old.best_loss:
            best = len(records), loss, weights
        self._saved = _Saved(records, weights, _copies(self._moments()), *best)

    def restore(self) -> None:
        """Go back to the last complete epoch."""
        _write(self._saved.weights, self._weights())
        _write(self._saved.moments, self._moments())

    def finish(self) -> None:
        """Go back to the last complete epoch, with the weights of the best one."""
        self.restore()
        if self._saved.best_weights is not None:
            _write(self._saved.best_weights, self._weights())

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
