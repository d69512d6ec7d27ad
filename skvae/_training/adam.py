"""Adam with less to do between the steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import Adam, adam


class FusedAdam(Adam):
    """torch's fused Adam, which looks up the state of its parameters only once.

    Every number is the same; on small networks a step takes less time.

    Parameters
    ----------
    parameters : iterable of Tensor
    lr : float
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        super().__init__(parameters, lr=lr, fused=True)
        self._lists: tuple[list[Tensor], ...] | None = None

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """Take a step along the parameters' gradients."""
        (group,) = self.param_groups
        parameters = group["params"]
        gradients = [p.grad for p in parameters]
        if any(g is None for g in gradients):
            super().step()
            return
        if self._lists is None:
            super().step()  # makes the state
            states = [self.state[p] for p in parameters]
            names = ("exp_avg", "exp_avg_sq", "step")
            self._lists = tuple([state[name] for state in states] for name in names)
            return
        means, squares, steps = self._lists
        beta1, beta2 = group["betas"]
        adam(
            parameters,
            gradients,
            means,
            squares,
            [],
            steps,
            fused=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=0.0,
            eps=group["eps"],
            maximize=False,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the state of another optimizer."""
        super().load_state_dict(state_dict)
        self._lists = None
