"""Random numbers: generators derived from one seed; no global state."""

import os
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, Self

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor

RandomState = int | np.random.RandomState | None

_GLOBAL_RNG_LOCK = threading.RLock()


def _renew_lock() -> None:
    global _GLOBAL_RNG_LOCK
    _GLOBAL_RNG_LOCK = threading.RLock()


if hasattr(os, "register_at_fork"):  # the thread that holds the lock is not forked
    os.register_at_fork(after_in_child=_renew_lock)


class Stream(IntEnum):
    """Keys of the independent random streams of one fit.

    Do not renumber them: fitted models depend on them.
    """

    INIT = 0
    SHUFFLE = 1
    NOISE = 2
    SPLIT = 3
    VALIDATE = 4
    ENCODE = 5
    DENSITY = 6
    SCORE = 7
    FOREIGN = 8
    DIAGNOSE = 9
    SECOND_STAGE = 10
    SAMPLE = 11
    CALIBRATE = 12


class SampleStream(IntEnum):
    """Keys of the streams of one call that draws from a fitted model.

    Such a call has a seed of its own, so that these are numbered from 0 again.
    """

    CODES = 0
    OBSERVATIONS = 1
    NOTHING = 2


class DiagnosticStream(IntEnum):
    """Keys of the streams of one call that measures a fitted model."""

    CODES = 0
    PRIOR = 1


def draw_seed(random_state: Any) -> int:
    """Return one integer seed for everything that follows.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        None takes fresh entropy from the operating system, so that NumPy's global
        generator is never consumed. A RandomState instance is advanced by one draw.

    Returns
    -------
    seed : int
        A seed in ``[0, 2**31 - 1)``.

    Raises
    ------
    ValueError
        If `random_state` is nothing of these, or is not in [0, 2**32 - 1].
    """
    return int(random_state_of(random_state).randint(2**31 - 1))


def random_state_of(random_state: RandomState) -> np.random.RandomState:
    """Return a generator for a seed, leaving NumPy's global one alone.

    Parameters
    ----------
    random_state : int, RandomState or None
        None takes fresh entropy from the operating system.

    Returns
    -------
    generator : numpy.random.RandomState

    Raises
    ------
    ValueError
        If `random_state` is nothing of these, or is not in [0, 2**32 - 1].
    """
    if random_state is None or random_state is np.random:
        return np.random.RandomState()
    try:
        return check_random_state(random_state)
    except ValueError as error:
        raise ValueError(
            "random_state must be an integer in [0, 2**32 - 1], a "
            f"numpy.random.RandomState or None, got {random_state!r}. Pass an integer"
            f"{_integer_from(random_state)}."
        ) from error


def _integer_from(random_state: Any) -> str:
    """Say how a new-style generator becomes a seed."""
    is_generator = isinstance(random_state, np.random.Generator)
    return ", for example int(rng.integers(2**32))" if is_generator else ""


def child_seed(seed: int, *path: int) -> int:
    """Return an independent 63-bit seed for the purpose that `path` names."""
    state = np.random.SeedSequence([seed, *path]).generate_state(1, np.uint64)
    return int(state[0] >> 1)


def numpy_seed(seed: int, *path: int) -> int:
    """Return a seed for one purpose in the range of `random_state`, below 2**31."""
    return child_seed(seed, *path) % 2**31


def purpose_seed(seed: int, purpose: str) -> int:
    """Return a seed below 2**31 for a purpose in words, the same in every call."""
    return numpy_seed(seed, zlib.crc32(purpose.encode()))


def make_generator(
    seed: int, *path: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return a generator on `device` for one purpose of one seed."""
    return torch.Generator(device=device).manual_seed(child_seed(seed, *path))


def standard_normal(
    *shape: int, generator: torch.Generator, device: torch.device | str = "cpu"
) -> Tensor:
    """Return independent standard normal draws, shape `shape`, in float32."""
    if isinstance(generator, SharedGenerator):
        return generator.standard_normal(shape, device)
    return torch.randn(shape, generator=generator, device=device, dtype=torch.float32)


def whole_batch(*rows: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Return the rows of the batch of all processes, in their order.

    For losses that couple the rows of a batch. Gradients reach the rows of this
    process, such that the weighted mean over all processes is the gradient of one.

    Parameters
    ----------
    *rows : Tensor of shape (n, d)
        All are gathered in one exchange.
    generator : torch.Generator
        That of the loss, which knows whether there are other processes.
    """
    if not isinstance(generator, SharedGenerator):
        return rows
    gathered = generator.processes.gather(torch.cat(rows, -1))
    return gathered.split([r.shape[-1] for r in rows], -1)


class SharedGenerator(torch.Generator):
    """A generator of a process that has a share of the rows of every batch.

    Normal draws by row, from `standard_normal`, are rows of those of the whole batch,
    as one process would draw them. What is drawn from the generator itself differs
    between processes.

    Parameters
    ----------
    processes : Processes
    device : torch.device
    """

    def __new__(cls, processes: Any, device: torch.device) -> Self:
        """Return a new generator on a device."""
        return super().__new__(cls, device)

    def __init__(self, processes: Any, device: torch.device) -> None:
        self.processes, self.whole = processes, torch.Generator(device)

    def manual_seed(self, seed: int) -> Self:
        """Seed the draws of whole batches alike on all processes, all others not."""
        self.whole.manual_seed(seed)
        return super().manual_seed(child_seed(seed, *self.processes.key))

    def standard_normal(
        self, shape: tuple[int, ...], device: torch.device | str
    ) -> Tensor:
        """Return the rows of this process of draws for a batch, along the axis -2."""
        processes, options = self.processes, {"device": device, "dtype": torch.float32}
        if len(shape) < 2 or shape[-2] != processes.n_own:
            return torch.randn(shape, generator=self, **options)
        whole = *shape[:-2], processes.n_rows, shape[-1]
        draws = torch.randn(whole, generator=self.whole, **options)
        return draws[..., processes.rows, :]


@contextmanager
def forked_global_rng(seed: int) -> Iterator[None]:
    """Run foreign code that draws from torch's global generator, and leave no trace.

    For modules of users, whose layers cannot be handed a generator, type or device:
    these are torch's own defaults, whatever the caller's are. Only one thread at a time
    may be inside.
    """
    with _GLOBAL_RNG_LOCK, torch.random.fork_rng(), torch.device("cpu"):
        dtype = torch.get_default_dtype()
        try:
            torch.manual_seed(seed)
            torch.set_default_dtype(torch.float32)
            yield
        finally:
            torch.set_default_dtype(dtype)
