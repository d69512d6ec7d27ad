"""What a fit asks of its processes, where there is only one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class OneProcess:
    """The only process of a fit: it has all rows, and exchanges nothing.

    Attributes
    ----------
    rank, size : int
        Number of this process, from 0, and number of all.
    is_first : bool
        Whether output, warnings and callbacks are those of this process.
    key : tuple of int
        Extends the path of a seed that is to differ between processes.
    """

    rank, size = 0, 1
    is_first = True
    key: tuple[int, ...] = ()
    local_rank: int | None = None

    def generator(self, device: torch.device) -> torch.Generator:
        """Return the generator of the noise of batches."""
        return torch.Generator(device=device)

    def share(self, x: Tensor) -> Tensor:
        """Return the rows of a batch that are this process's, all of a small one."""
        return x

    def collected(self, values: list[Tensor]) -> Tensor:
        """Return values of the rows of several batches, those of all processes."""
        return torch.cat(values)

    def by_row(self, values: Tensor) -> Tensor:
        """Return values of the rows of the last batch, in a form for `collected`."""
        return values

    def led(self, function: Callable[[], Any]) -> Any:
        """Return what `function` returns on the first process, which alone calls it."""
        return function()

    def same(self, value: Any) -> Any:
        """Return the value of the first process."""
        return value

    def gathered(self, value: Any) -> list[Any]:
        """Return the values of all processes."""
        return [value]

    def agree(self, what: str) -> None:
        """Wait for all others, and raise if one of them has failed."""

    def share_state(self, module: nn.Module) -> None:
        """Give a module the parameters and buffers that the first process has."""

    def over(self, module: nn.Module) -> contextlib.AbstractContextManager[None]:
        """Return the context in which layers see the whole batch."""
        return contextlib.nullcontext()


ONE = OneProcess()
