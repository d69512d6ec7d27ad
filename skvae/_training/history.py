"""The history of an estimator: one array for every entry of the records of epochs."""

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
