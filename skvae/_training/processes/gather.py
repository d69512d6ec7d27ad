"""Rows of all processes in one tensor, with the gradient of the loss of them all."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Gather(torch.autograd.Function):
    """Put the parts of all processes into one tensor.

    The loss of a fit is the mean of the losses of its processes, weighted by their
    rows, and those weights are applied after the backward pass. The gradient by a part
    of the process s is therefore the sum over all processes r of their own gradients by
    it, times n_r / n_s, with the numbers n of their rows.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, processes: Any, place: slice, n: int) -> Tensor:
        """Return a tensor of n rows, of which those at `place` are x."""
        ctx.details = processes, place, processes.n_own
        whole = x.new_zeros((n, *x.shape[1:]))
        whole[place] = x
        return processes.sum(whole)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient by the part of this process."""
        return Scatter.apply(gradient, *ctx.details), None, None, None


class Scatter(torch.autograd.Function):
    """The adjoint of `Gather`, whose own adjoint that is."""

    @staticmethod
    def forward(
        ctx: Any, gradient: Tensor, processes: Any, place: slice, n_own: int
    ) -> Tensor:
        """Return a weighted sum over all processes of the rows at `place`."""
        ctx.details = processes, place, len(gradient)
        return processes.sum(gradient * n_own)[place] / n_own

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the rows of all processes."""
        return Gather.apply(gradient, *ctx.details), None, None, None
