"""Keep torch from oversubscribing the processor inside parallel workers."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from joblib.parallel import get_active_backend


@contextmanager
def limited_threads() -> Iterator[None]:
    """Use one torch thread inside a joblib worker, and what the user has set elsewhere.

    Joblib limits the threads of its loky processes itself, but not of its other
    workers, and two workers with two threads each on two cores can be thirty times
    slower than with one each.
    """
    n_threads = torch.get_num_threads()
    if n_threads == 1 or get_active_backend()[0].nesting_level == 0:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
