"""The closed-form optimum of a scale, approached step by step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class ClosedFormScale:
    """Move a log scale to its optimum for the current batch, smoothed.

    The gradient of the loss with respect to log s, where the loss is the mean of
    error / (p s^p) + count * log s, is g = count - error / s^p; p is 2 for a normal
    density and its squared error, 1 for a Laplace one and its absolute error. The
    optimum is therefore s^p (1 - g / count), whatever weights the loss has given to its
    rows, and the step goes a fraction `lr` of the way from s^p to it.
    """

    def __init__(
        self,
        log_scale: nn.Parameter,
        count: int,
        lowest: Tensor,
        power: int = 2,
        lr: float = 0.1,
    ) -> None:
        self.param_groups = [{"params": [log_scale], "lr": lr}]
        self.state: dict[Any, Any] = {}
        self.count = count
        self.lowest = lowest
        self.power = power

    @torch.no_grad()
    def step(self) -> None:
        """Update the log scale from its gradient."""
        group = self.param_groups[0]
        (log_scale,) = group["params"]
        shift = torch.log1p(log_scale.grad * (-group["lr"] / self.count))
        log_scale.add_(shift, alpha=1 / self.power).clamp_(min=self.lowest)
