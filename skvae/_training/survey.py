"""The one look at all stored rows that a fit takes before its first epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skvae._utils.float32 import check_finite
from skvae._utils.rows import Statistics
from skvae._utils.sources import StoredRows
from skvae._utils.warn import warn

Numbers = NDArray[np.intp]


def survey(
    X: StoredRows,
    kept: dict[str, Numbers],
    check: Callable[[NDArray[Any]], None] | None = None,
    report: Callable[[int], None] = lambda n_rows: None,
) -> None:
    """Read stored rows once, for all that has to be known of them.

    Afterwards X knows its statistics, and has the rows in memory that will be asked
    for.

    Parameters
    ----------
    X : StoredRows of shape (n_samples, n_features)
    kept : dict of str to ndarray of int
        Rising numbers of the rows that are to be kept.
    check : callable, optional
        Raises an error for rows that the likelihood cannot have.
    report : callable, optional
        Called with the number of rows read so far.

    Raises
    ------
    ValueError
        If a value is infinite, or all are missing.

    Warns
    -----
    UserWarning
        If rows are stored in chunks so large that each is read again and again.
    """
    _warn_of_large_chunks(X)
    statistics: Statistics | None = None
    found = {
        name: np.empty((len(rows), X.shape[1]), X.dtype) for name, rows in kept.items()
    }
    start = 0
    for block in X.blocks():
        check_finite(block, has_missing=True)
        if check is not None:
            check(block)
        seen = Statistics.of(block)
        statistics = seen if statistics is None else statistics.merged(seen)
        stop = start + len(block)
        for name, rows in kept.items():
            first, last = np.searchsorted(rows, [start, stop])
            found[name][first:last] = block[rows[first:last] - start]
        start = stop
        report(start)
    if not np.any(statistics.count):
        raise ValueError(
            f"X must have values, but all {X.size} of them are missing. See how it was "
            "read, or leave it out."
        )
    X.facts = statistics
    X.kept = {name: (rows, found[name]) for name, rows in kept.items()}


def _warn_of_large_chunks(X: StoredRows) -> None:
    n = X.n_readings
    if n > 1:
        rows = int(np.diff(X.edges).max())
        warn(
            f"X is stored in chunks, or row groups, of about {n * rows:,} rows. They "
            "are too large to mix many of them in memory, so that parts of them are "
            f"read, and each is read about {n} times in an epoch. Store X anew, with "
            f"whole rows in chunks of at most {rows:,} rows."
        )
