"""Rows held out for early stopping, and the mean of their losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skvae._training.batches import Batches
from skvae._training.block_batches import BlockBatches
from skvae._training.stream import RowSample
from skvae._utils.random import Stream, child_seed, make_generator
from skvae._utils.sources import is_stored
from skvae._utils.validation import named

# Losses further above the upper quartile than so many quartile ranges are cut.
_FENCE = 10.0
# Of fewer rows, a tenth says too little.
_FEW_ROWS = 100
# Of stored rows, those held out stay in memory: at most so many, and so many values.
_MOST_HELD_OUT, _MOST_VALUES = 100_000, 2**23
HELD_OUT = "held out"


def split_batches(
    fit: Any,
) -> tuple[Batches | BlockBatches, Batches | BlockBatches | None]:
    """Return the batches of a `Fit` to train on, and those to validate on, if any."""
    batches = fit.batches(fit.rows)
    if not fit.stops_early:
        return batches, None
    if fit.X_val is None and is_stored(fit.rows):
        rows = stored_rows_held_out(fit, fit.rows)
        validated = fit.batches(fit.rows[rows])
        fit.rows.forget(HELD_OUT)
        return batches.without(rows), validated
    if fit.X_val is None:
        train, held_out = split_rows(fit.estimator, len(fit.X), fit.seed)
        return batches.of(train), batches.of(held_out)
    with named("X_val"):
        if fit.draws is None:
            fit.module.likelihood.check_support(fit.X_val)
        return batches, fit.batches(fit.X_val)


def stops_early(
    early_stopping: bool | str, n_rows: int, has_others: bool, stream: bool
) -> bool:
    """Return what `early_stopping` is for so many rows.

    Parameters
    ----------
    early_stopping : bool or "auto"
    n_rows : int
    has_others : bool
        Whether there are other rows to validate on.
    stream : bool
        Whether the rows are a chunk of a stream, of which every row counts.
    """
    if isinstance(early_stopping, str):
        return has_others or (n_rows >= _FEW_ROWS and not stream)
    return bool(early_stopping)


def split_rows(estimator: Any, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return the rows to train on, and those to validate on.

    Raises
    ------
    ValueError
        If early stopping would leave no rows to train on.
    """
    n_validation = n_held_out(estimator, n)
    generator = make_generator(seed, Stream.SPLIT)
    order = torch.randperm(n, generator=generator, device="cpu")
    return order[n_validation:], order[:n_validation]


def n_held_out(estimator: Any, n: int) -> int:
    """Return how many of n rows are held out; raise ValueError if it were all."""
    n_validation = max(1, round(n * estimator.validation_fraction))
    if n_validation >= n:
        raise ValueError(
            f"early_stopping=True needs rows to train on and rows to validate on, "
            f"but n_samples = {n} and validation_fraction = "
            f"{estimator.validation_fraction} leave {n - n_validation} to train on. "
            "Pass more rows, or rows to validate on as X_val."
        )
    return n_validation


def stored_rows_held_out(fit: Any, X: Any) -> np.ndarray:
    """Return the rising numbers of the rows of stored X that a `Fit` holds out.

    They are few enough to be kept in memory, so that an epoch need not read them again.
    """
    if not fit.stops_early or fit.X_val is not None:
        return np.zeros(0, np.intp)
    n = min(n_held_out(fit.estimator, len(X)), _MOST_HELD_OUT)
    n = min(n, max(1, _MOST_VALUES // X.shape[1]))
    rng = np.random.default_rng(child_seed(fit.seed, Stream.SPLIT))
    return np.sort(rng.choice(len(X), n, replace=False, shuffle=False))


def rows_to_train(fit: Any, X: np.ndarray, most: int) -> np.ndarray:
    """Return rows of X that no validation of a `Fit` sees, some of many."""
    if is_stored(X):
        origins = RowSample().origins(*X.shape, fit.seed)
        is_seen = np.isin(origins, stored_rows_held_out(fit, X))
        rows = fit.sample.rows[~is_seen]
        return rows[:: -(-len(rows) // most)]
    rows = torch.arange(len(X), device="cpu")
    if fit.stops_early and fit.X_val is None and len(X) > 1:
        rows = split_rows(fit.estimator, len(X), fit.seed)[0].sort().values
    return X[rows[:: -(-len(rows) // most)].numpy()]


def validation_loss(fit: Any, batches: Batches) -> Callable[[], float]:
    """Return a function that computes the loss of a `Fit` on rows held out."""
    processes = fit.processes
    noise = processes.generator(fit.device)

    def loss() -> float:
        noise.manual_seed(child_seed(fit.seed, Stream.VALIDATE))
        fit.module.eval()
        losses = []
        with torch.no_grad():
            for x in map(processes.share, batches.ordered()):
                terms = fit.terms(fit.module, x, noise).values()
                by_row = sum(t.double().expand(len(x)) for t in terms)
                losses.append(processes.by_row(by_row))
        fit.module.train()
        return robust_mean(processes.collected(losses))

    return loss


def robust_mean(losses: Tensor) -> float:
    """Return the mean of losses by row, where those far above all others are cut."""
    lower, upper = np.quantile(losses.cpu().numpy(), [0.25, 0.75])
    fence = upper + _FENCE * (upper - lower)
    # Where most rows are equal, there is no distance to measure by.
    return float((losses.clamp(max=fence) if upper > lower else losses).mean())
