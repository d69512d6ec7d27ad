"""The optimizers of a module."""

from __future__ import annotations

from typing import Any

import torch

from skvae._utils.adam import Adam
from skvae._utils.optimizers import HasOptimizers


def make_optimizers(module: torch.nn.Module, learning_rate: float) -> list[Any]:
    """Return Adam for the networks, then the optimizers that parts bring along."""
    parts = [m for m in module.modules() if isinstance(m, HasOptimizers)]
    special = [optimizer for part in parts for optimizer in part.optimizers()]
    taken = {id(p) for o in special for g in o.param_groups for p in g["params"]}
    rest = [p for p in module.parameters() if p.requires_grad and id(p) not in taken]
    return [Adam(rest, learning_rate), *special]
