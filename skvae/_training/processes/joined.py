"""How a fit joins the processes that share it, and leaves them."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.distributed as dist

from skvae._training.processes.one import ONE, OneProcess
from skvae._training.processes.several import LOST, Processes
from skvae._utils.warn import quiet

_CURRENT: ContextVar[OneProcess | None] = ContextVar("processes", default=None)
# For every default group of torch.distributed, that of its control traffic.
_CONTROL: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def current_processes() -> OneProcess:
    """Return the processes of the fit that runs."""
    return _CURRENT.get() or ONE


@contextlib.contextmanager
def joined(distributed: bool) -> Iterator[OneProcess]:
    """Fit on all processes of torch.distributed, if asked to, in a context.

    A fit inside another, such as that of a latent density, is one of this process
    alone, whatever it asks for: the others wait for what the first one makes.

    Parameters
    ----------
    distributed : bool

    Raises
    ------
    ValueError
        If there are no processes.
    """
    is_inside = _CURRENT.get() is not None
    processes = _all_processes() if distributed and not is_inside else ONE
    token = _CURRENT.set(processes)
    try:
        with _session(processes):
            yield processes
    finally:
        _CURRENT.reset(token)


def _all_processes() -> OneProcess:
    if not (dist.is_available() and dist.is_initialized()):
        raise ValueError(
            "distributed=True needs several processes, but torch.distributed has not "
            "been initialised. Start them by `torchrun --nproc-per-node=2 script.py`, "
            "and call torch.distributed.init_process_group() in the script before fit."
        )
    if dist.get_world_size() == 1:
        return ONE
    world = dist.group.WORLD
    if world not in _CONTROL:
        try:
            _CONTROL[world] = dist.new_group(backend="gloo", timeout=_timeout(world))
        except RuntimeError as error:
            raise RuntimeError(LOST) from error
    return Processes(_CONTROL[world])


def _timeout(world: Any) -> Any:
    """Return the timeout that the user has given the group, None where it has none."""
    with contextlib.suppress(RuntimeError, AttributeError):
        return world._get_backend(torch.device("cpu")).options._timeout
    return None


@contextlib.contextmanager
def _session(processes: OneProcess) -> Iterator[None]:
    """Let all processes know if this one fails, and interrupts end all at one step."""
    if not isinstance(processes, Processes):
        yield
        return
    silent = contextlib.nullcontext() if processes.is_first else quiet()
    with _interrupts_taken_by(processes), silent:
        try:
            yield
        except BaseException as error:
            processes.fail(error)
            raise


@contextlib.contextmanager
def _interrupts_taken_by(processes: Processes) -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not callable(before):  # elsewhere, or ignored
        yield
        return
    signal.signal(signal.SIGINT, processes.press)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if processes.is_pressed:  # after the last exchange
            signal.raise_signal(signal.SIGINT)
