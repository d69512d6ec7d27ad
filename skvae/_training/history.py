"""The history of an estimator: one array for every entry of the records of epochs."""

import contextlib
import time
from typing import Any

import numpy as np

from skvae._training.checkpoint import Record


def extended(
    history: dict[str, np.ndarray], n_epochs: int, records: list[Record]
) -> dict[str, np.ndarray]:
    """Return a history of so many epochs with records appended to it.

    All arrays are of the same length. Entries that only some of the epochs have, such
    as "validation_loss" where only the later ones validate, are NaN in the others.
    """
    names = dict.fromkeys(name for entries in (history, *records) for name in entries)
    missing = np.full(n_epochs, np.nan)
    return {
        name: np.append(
            history.get(name, missing), [r.get(name, np.nan) for r in records]
        )
        for name in names
    }


def print_epoch(
    estimator: Any, n_done: int, n_epochs: int, record: Record, start: float
) -> None:
    """Print a line on a complete epoch, which began when a clock showed `start`."""
    figures = "  ".join(f"{name} {value:.4g}" for name, value in record.items())
    seconds = time.perf_counter() - start
    print_line(estimator, f"epoch {n_done}/{n_epochs}  {figures}  ({seconds:.2f} s)")


def print_line(estimator: Any, line: str) -> None:
    """Print a line of an estimator, with its name."""
    # A full disk or a closed pipe behind the output must not end the training.
    with contextlib.suppress(OSError, ValueError):
        print(f"[{type(estimator).__name__}] {line}", flush=True)
