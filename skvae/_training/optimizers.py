"""The optimizers of a module, and their state."""

from __future__ import annotations

import copy
from typing import Any

import torch

from skvae._utils.adam import Adam
from skvae._utils.optimizers import HasOptimizers

State = list[dict[str, Any]]


def make_optimizers(
    module: torch.nn.Module, learning_rate: float, state: State | None = None
) -> list[Any]:
    """Return Adam for the networks, then the optimizers that parts bring along.

    Parameters
    ----------
    module : nn.Module
    learning_rate : float
        Of Adam, also if a state has another.
    state : list of dict, optional
        What `state_of` has returned, to go on from.
    """
    parts = [m for m in module.modules() if isinstance(m, HasOptimizers)]
    special = [optimizer for part in parts for optimizer in part.optimizers()]
    taken = {id(p) for o in special for g in o.param_groups for p in g["params"]}
    rest = [p for p in module.parameters() if p.requires_grad and id(p) not in taken]
    adam = Adam(rest, learning_rate)
    optimizers = [adam, *special]
    if state:
        for optimizer, one in zip(optimizers, copy.deepcopy(state), strict=True):
            optimizer.load_state_dict(one)
        adam.param_groups[0]["lr"] = learning_rate
    return optimizers


def state_of(optimizers: list[Any]) -> State:
    """Return a copy of the state of optimizers."""
    return copy.deepcopy([optimizer.state_dict() for optimizer in optimizers])
