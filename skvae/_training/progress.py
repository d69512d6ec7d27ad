"""Lines on how far a pass over many rows has come."""

from __future__ import annotations

import time
from typing import Any

from skvae._training.history import print_line

_SECONDS = 10.0  # between two lines


class Progress:
    """Prints how many of the rows have been read, at most every ten seconds.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Nothing is printed if its `verbose` is below `level`.
    what : str
        What the pass is for.
    n_rows : int
    level : int
    """

    def __init__(self, estimator: Any, what: str, n_rows: int, level: int) -> None:
        self.estimator, self.what, self.n_rows = estimator, what, n_rows
        self.is_on = estimator.verbose >= level
        self.start = self.last = time.perf_counter()

    def __call__(self, n_read: int, *, is_end: bool = False) -> None:
        """Tell that so many rows have been read."""
        now = time.perf_counter()
        if self.is_on and (is_end or now - self.last >= _SECONDS):
            self.last = now
            rows = f"{n_read:,} of {self.n_rows:,} rows"
            line = f"{self.what}: {rows}  ({now - self.start:.2f} s)"
            print_line(self.estimator, line)
