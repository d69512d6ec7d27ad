"""Keep torch from oversubscribing the processor inside parallel workers."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from joblib.parallel import get_active_backend

_LOCK = threading.RLock()


@contextmanager
def limited_threads() -> Iterator[None]:
    """Use one torch thread inside a worker, and what the user has set elsewhere.

    A worker is any thread but the main one, and whatever runs under joblib. Two workers
    with two threads each on two cores can be thirty times slower than with one each.
    Workers of dask share the number that is set in their process.

    The number follows from where the call is made, never from what else happens to run:
    with another number, sums are rounded differently.
    """
    with using_threads(_share(_number_here())):
        yield


@contextmanager
def using_threads(n_threads: int) -> Iterator[None]:
    """Let torch use this number of threads in the thread that is running."""
    before = _number_here()
    try:
        _set_here(n_threads)
        yield
    finally:
        _set_here(before)


def _share(n_threads: int) -> int:
    """Return how many of the threads that are set the running thread may use."""
    if get_active_backend()[0].nesting_level > 0:
        return 1
    if threading.current_thread() is threading.main_thread():
        return n_threads
    return max(1, n_threads // (_workers_of_dask() or n_threads))


def _workers_of_dask() -> int | None:
    """Return the number of threads of dask workers, where the running thread is one.

    A process may have several workers.
    """
    if "distributed" not in sys.modules:
        return None
    distributed = sys.modules["distributed"]
    try:
        worker = distributed.get_worker()
    except ValueError:
        return None
    all_here = set(getattr(distributed.Worker, "_instances", ())) | {worker}
    return sum(w.state.nthreads for w in all_here if w.status == worker.status)


def _number_here() -> int:
    """Return the number of this thread, which a thread that is new takes up here."""
    # The main thread has one, and waits for no lock that an interrupt has left closed.
    if threading.current_thread() is threading.main_thread():
        return torch.get_num_threads()
    with _LOCK:  # not while another thread sets its own
        return torch.get_num_threads()


def _set_here(n_threads: int) -> None:
    """Set the number of this thread alone.

    torch's own function also sets what threads begin with that start later.
    """
    if _number_here() == n_threads:
        return
    with _LOCK:
        of_new_threads = _in_new_thread(torch.get_num_threads)
        torch.set_num_threads(n_threads)
        if of_new_threads != n_threads:
            _in_new_thread(lambda: torch.set_num_threads(of_new_threads))


def _in_new_thread(function: Callable[[], Any]) -> Any:
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]
