"""Adam, without what torch imports at the first use of its own."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import unwrap
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class Adam(Optimizer):
    """The optimizer `torch.optim.Adam` with ``fused=True``, bit for bit.

    torch's own imports its compiler when it is made, which takes a second: longer than
    many a fit. Methods are therefore those of `torch.optim.Optimizer` without what
    keeps the compiler out of them, and hooks of steps are not called.

    Parameters
    ----------
    parameters : iterable of Tensor
        Floating point, on one device.
    lr : float
        Step size.
    betas : tuple of float, default=(0.9, 0.999)
        Decay of the averages of gradients and of their squares.

    Raises
    ------
    ValueError
        If there are no parameters.

    References
    ----------
    Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 1.
    """

    _EPS = 1e-8

    add_param_group = unwrap(Optimizer.add_param_group)
    state_dict = unwrap(Optimizer.state_dict)
    load_state_dict = unwrap(Optimizer.load_state_dict)

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        # "fused" tells torch that numbers of steps belong on the parameters' device.
        super().__init__(parameters, {"lr": lr, "betas": betas, "fused": True})
        parameters = self.param_groups[0]["params"]
        # A number would be made a tensor again for every parameter, in every step.
        self._one = torch.ones((), device=parameters[0].device, dtype=torch.float32)
        for p in parameters:
            self.state[p] = {
                "step": torch.zeros((), device=p.device, dtype=torch.float32),
                "exp_avg": torch.zeros_like(p),
                "exp_avg_sq": torch.zeros_like(p),
            }

    @torch.no_grad()
    def step(self) -> None:
        """Move all parameters that have a gradient."""
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            for _, parameters in groupby(moved, lambda p: p.dtype):
                self._move(list(parameters), group)

    step.hooked = True  # else torch wraps it

    def _move(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        states = [self.state[p] for p in parameters]
        steps = [state["step"] for state in states]
        beta1, beta2 = group["betas"]
        torch._foreach_add_(steps, self._one, alpha=1.0)
        torch._fused_adam_(
            parameters,
            [p.grad for p in parameters],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            steps,
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=0.0,
            eps=self._EPS,
            amsgrad=False,
            maximize=False,
        )
