"""The processes that share one fit, and what they exchange."""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor, nn

from skvae._training.processes.gather import Gather
from skvae._training.processes.one import OneProcess
from skvae._utils.random import SharedGenerator

LOST = (
    "Another process of the fit was lost: it ended, or did not answer within the "
    "timeout of torch.distributed.init_process_group, as where it does not call the "
    "same method. The fit has ended, and the estimator is as it was before. End the "
    "remaining processes and start all of them anew; a longer timeout helps where "
    "callbacks or latent densities take long."
)
_OUT_OF_STEP = (
    "The processes of the fit are out of step: they have not called the same methods "
    "with distributed=True in the same order, or their networks or losses do not do "
    "the same for every row. The fit has ended, and the estimator is as it was before."
)
# Seconds in which interrupts are one: a terminal sends it to all processes, which hear
# of it from each other, too, and torchrun passes on what it has got itself.
_ONE_PRESS = 1.0


class Processes(OneProcess):
    """Processes that share the rows of every batch of a fit.

    Every exchange begins with `agree`, a few numbers over a group of its own on the
    CPU, and nothing that can fail lies between the two. A process that has failed takes
    part in one more `agree`, in which all others learn of it, so that none waits for
    what never comes. An interrupt from the keyboard waits for the next `agree`, and
    then ends the same step of all processes.

    Parameters
    ----------
    control : torch.distributed.ProcessGroup
        Of all processes, with the backend gloo.

    Attributes
    ----------
    n_rows : int
        Rows of the batch at hand.
    rows : slice
        Those of this process.
    is_shared : bool
        Whether they are a part: a batch of fewer rows than processes is whole on each.
    """

    def __init__(self, control: Any) -> None:
        self.control = control
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.is_first = self.rank == 0
        self.key = (self.rank,) if self.rank else ()
        self.local_rank = int(os.environ.get("LOCAL_RANK", self.rank))
        self.n_rows, self.rows, self.is_shared = 0, slice(0), False
        self.is_exchanging = self.is_pressed = self.is_alone = self.has_ended = False
        self.is_forced, self.pressed_at = False, -math.inf

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a copy of what holds this, such as a layer, belong to no processes."""
        return type(None), ()

    # What a process has of a batch.

    def generator(self, device: torch.device) -> torch.Generator:
        """Return a generator whose normal draws are rows of those of one process."""
        return SharedGenerator(self, device)

    def share(self, x: Tensor) -> Tensor:
        """Return the rows of a batch that are this process's, all of a small one."""
        self.n_rows, self.is_shared = len(x), len(x) >= self.size
        ends = [len(x) * rank // self.size for rank in (self.rank, self.rank + 1)]
        self.rows = slice(*ends) if self.is_shared else slice(0, len(x))
        return x[self.rows]

    @property
    def n_own(self) -> int:
        """Number of rows of this process."""
        return self.rows.stop - self.rows.start

    @property
    def weight(self) -> float:
        """What a mean over the rows of this process counts for in that of all."""
        return self.n_own / self.n_rows if self.is_shared else 1 / self.size

    def by_row(self, values: Tensor) -> Tensor:
        """Return values for all rows of the batch, 0 where others have them."""
        padded = values.new_zeros(self.n_rows)
        if self.is_shared or self.is_first:
            padded[self.rows] = values
        return padded

    def collected(self, values: list[Tensor]) -> Tensor:
        """Return values of the rows of several batches, those of all processes."""
        return self.sum(torch.cat(values))

    def gather(self, x: Tensor) -> Tensor:
        """Return the rows of all processes, through which gradients reach these."""
        if not self.is_shared:
            return x
        return Gather.apply(x, self, self.rows, self.n_rows)

    def stack(self, x: Tensor) -> Tensor:
        """Return the tensors of all processes, stacked; gradients reach this one."""
        place = slice(self.rank, self.rank + 1)
        return Gather.apply(x.unsqueeze(0), self, place, self.size)

    @contextlib.contextmanager
    def over(self, module: nn.Module) -> Iterator[None]:
        """Let layers with an attribute `processes` see the whole batch."""
        layers = [layer for layer in module.modules() if hasattr(layer, "processes")]
        try:
            for layer in layers:
                layer.processes = self
            yield
        finally:
            for layer in layers:
                layer.processes = None

    # What processes exchange.

    def agree(self, what: str) -> None:
        """Wait for all others, and raise if one of them has failed.

        Parameters
        ----------
        what : str
            What comes next, which must be the same on all processes.

        Raises
        ------
        RuntimeError
            If another process has failed, was lost, or is about to do something else.
        KeyboardInterrupt
            If one of the processes was interrupted.
        """
        with self._exchanging():
            self._agree(what)

    def sum(self, x: Tensor) -> Tensor:
        """Sum tensors over all processes, in place."""
        with self._exchanging():
            self._agree(f"sum of {x.numel()}")
            dist.all_reduce(x, group=self.control if x.device.type == "cpu" else None)
        return x

    def same(self, value: Any) -> Any:
        """Return the value of the first process."""
        data = pickle.dumps(value) if self.is_first else b""
        return pickle.loads(self._from_first("value", data))

    def gathered(self, value: Any) -> list[Any]:
        """Return the values of all processes, which must be of built-in types."""
        with self._exchanging():
            self._agree("values")
            return self._gathered(value)

    def led(self, function: Callable[[], Any]) -> Any:
        """Return what `function` returns on the first process, which alone calls it.

        Inside of it nothing is exchanged, and an interrupt ends it at once.

        Raises
        ------
        Exception
            On the first process what `function` raises, a RuntimeError on all others.
        KeyboardInterrupt
            On all processes, if one was interrupted.
        """
        if self.is_alone:
            return function()
        self._leave_if_forced()
        value, data, error = None, b"", None
        try:
            if self.is_first:
                with self._alone():
                    value = function()
                    data = _pickled(value)
        except (Exception, KeyboardInterrupt) as caught:
            error = caught
        self.is_alone = False  # also if the interrupt came on the way out
        is_interrupt = isinstance(error, KeyboardInterrupt)
        outcome = data, None if error is None else _told(error), is_interrupt
        data, text, is_interrupt = self._from_first("what one does for all", outcome)
        if error is not None:
            raise error
        if is_interrupt:
            self._interrupt()
        if text:
            raise RuntimeError(f"The first process of the fit failed: {text}")
        return value if self.is_first else pickle.loads(data)

    @torch.no_grad()
    def share_state(self, module: nn.Module) -> None:
        """Give a module the parameters and buffers that the first process has."""
        tensors = [*module.parameters(), *module.buffers()]
        flat = torch.cat([t.detach().double().flatten() for t in tensors])
        if not self.is_first:
            flat.zero_()
        found = self.sum(flat).split([t.numel() for t in tensors])
        for tensor, new in zip(tensors, found, strict=True):
            tensor.copy_(new.view_as(tensor))

    def fail(self, error: BaseException) -> None:
        """Let all others know of an error, in the `agree` that they are waiting in."""
        if self.has_ended:
            return
        text = _told(error)
        with contextlib.suppress(RuntimeError), self._exchanging():
            self._meet("", failed=True)
            self._end(text)

    def press(self, *_: Any) -> None:
        """Take an interrupt: at the next `agree`, or at once if it comes again.

        Those that follow within a second are the same one. One that ends this process
        at once leaves no step at which all others could end alike.
        """
        if time.monotonic() - self.pressed_at < _ONE_PRESS:
            return
        if self.is_pressed and not self.is_exchanging:
            self.is_forced = True
        if self.is_alone or self.is_forced:
            self._interrupt()
        self.is_pressed, self.pressed_at = True, time.monotonic()

    def _interrupt(self) -> NoReturn:
        self.is_pressed, self.pressed_at = False, time.monotonic()
        raise KeyboardInterrupt

    def _leave_if_forced(self) -> None:
        if self.is_forced:
            raise KeyboardInterrupt

    def _agree(self, what: str) -> None:
        self._leave_if_forced()
        if self.has_ended:
            raise RuntimeError("This fit on several processes has ended.")
        failed, pressed, greatest, least = self._meet(what)
        if failed:
            raise RuntimeError(self._end(None))
        if pressed:
            self._interrupt()
        if greatest != -least:
            self.has_ended = True
            raise RuntimeError(_OUT_OF_STEP)

    def _meet(self, what: str, *, failed: bool = False) -> list[int]:
        kind = zlib.crc32(what.encode())
        seen = torch.tensor(
            [failed, self.is_pressed, kind, -kind], dtype=torch.int64, device="cpu"
        )
        dist.all_reduce(seen, dist.ReduceOp.MAX, group=self.control)
        return seen.tolist()

    def _end(self, text: str | None) -> str:
        """Take part in the last exchange, after a failure; return what has failed."""
        self.has_ended = True
        texts = self._gathered(text)
        rank, text = next((r, t) for r, t in enumerate(texts) if t)
        return (
            f"Process {rank} of the fit failed, and ended it on all processes: {text}"
        )

    def _from_first(self, what: str, value: Any) -> Any:
        """Return a value of the first process, of built-in types."""
        values = [value]
        with self._exchanging():
            self._agree(what)
            dist.broadcast_object_list(values, 0, self.control)
        return values[0]

    def _gathered(self, value: Any) -> list[Any]:
        values = [None] * self.size
        dist.all_gather_object(values, value, self.control)
        return values

    @contextlib.contextmanager
    def _exchanging(self) -> Iterator[None]:
        """Let no interrupt come in between, and say what it means if torch fails."""
        self.is_exchanging = True
        try:
            yield
        except RuntimeError as error:
            if self.has_ended:
                raise
            self.has_ended = True
            raise RuntimeError(LOST) from error
        finally:
            self.is_exchanging = False

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        self.is_alone = True
        try:
            yield
        finally:
            self.is_alone = False


def _pickled(value: Any) -> bytes:
    try:
        return pickle.dumps(value)
    except Exception as error:
        raise TypeError(
            "A fit on several processes sends its parts from the first one to all "
            f"others, but pickle refuses them ({_told(error)}). Define the classes of "
            "networks, losses and densities at the top of a module, not in a function, "
            "and use no lambdas in them."
        ) from error


def _told(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # of the user's own class
        return type(error).__name__
