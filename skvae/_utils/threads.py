"""Keep torch from oversubscribing the processor inside parallel workers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from joblib.parallel import get_active_backend

_LOCK = threading.Lock()
_LIMITED: list[int] = []  # for every thread inside, the number outside


@contextmanager
def limited_threads() -> Iterator[None]:
    """Use one torch thread inside a joblib worker, and what the user has set elsewhere.

    Joblib limits the threads of its loky processes itself, but not of its other
    workers, and two workers with two threads each on two cores can be thirty times
    slower than with one each.
    """
    if get_active_backend()[0].nesting_level == 0:
        yield
        return
    with one_thread():
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one torch thread, whatever the user has set."""
    with _LOCK:  # torch keeps the number both for the thread and for the process
        n_threads = _LIMITED[0] if _LIMITED else torch.get_num_threads()
        _LIMITED.append(n_threads)
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _LOCK:
            _LIMITED.pop()
            torch.set_num_threads(n_threads)
