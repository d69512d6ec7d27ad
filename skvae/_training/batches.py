"""Mini-batches of rows in float32 on the device."""

import copy
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from skvae._utils.float32 import PLAIN, Frame


class Batches:
    """Mini-batches of rows in float32 on the device.

    An array is put on the device once, as float32 or, if its type is smaller, as it is;
    one that does not fit is read batch by batch.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    batch_size : int
        Upper limit; batches are of about equal size.
    device : torch.device
    frame : Frame, optional
        The origin and the units of the batches; those of X by default.
    """

    def __init__(
        self,
        X: np.ndarray,
        batch_size: int,
        device: torch.device,
        frame: Frame = PLAIN,
    ) -> None:
        self.X, self.device, self.frame = X, device, frame
        self.rows = torch.arange(len(X), device="cpu")
        self.most = batch_size
        self.resident = self._place(X)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.rows)

    @property
    def batch_size(self) -> int:
        """Rows of all batches but the last."""
        return even_batch_size(len(self.rows), self.most)

    def of(self, rows: Tensor) -> "Batches":
        """Return batches of some of the rows, which lie where all of them do."""
        some = copy.copy(self)
        some.rows = rows
        return some

    def some(self, most: int) -> "Batches":
        """Return batches of at most so many rows from all over X."""
        return self.of(self.rows[:: -(-len(self.rows) // most)])

    def __len__(self) -> int:
        """Return the number of batches in one pass."""
        return -(-len(self.rows) // self.batch_size)

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the given rows of X (indices where the data are)."""
        if self.resident is None:
            return self.frame.read(self.X[rows.numpy()]).to(self.device)
        return self.resident.index_select(0, rows).float()

    def shuffled(self, generator: torch.Generator) -> Iterator[Tensor]:
        """Yield all rows once in random order, by batches."""
        order = torch.randperm(len(self.rows), generator=generator, device="cpu")
        yield from self._batches(self.rows[order])

    def ordered(self) -> Iterator[Tensor]:
        """Yield all rows once in their order, by batches."""
        yield from self._batches(self.rows)

    def _batches(self, rows: Tensor) -> Iterator[Tensor]:
        rows = rows if self.resident is None else rows.to(self.device)
        yield from map(self, rows.split(self.batch_size))

    def _place(self, X: np.ndarray) -> Tensor | None:
        if not self._fits(X):
            return None
        if X.dtype.itemsize < 4 and self.frame.is_plain:
            return torch.tensor(X, device=self.device)
        return self.frame.read(X).to(self.device)

    def _fits(self, X: np.ndarray) -> bool:
        if self.device.type != "cuda":
            return True
        free, _ = torch.cuda.mem_get_info(self.device)
        return X.size * min(4, X.dtype.itemsize) < free / 2


def even_batch_size(n_rows: int, largest: int) -> int:
    """Return the size that spreads the rows evenly over the fewest possible batches.

    With 133 rows and batches of 128, the second batch would have 5 rows, and its
    gradient, which is mostly noise, the same weight as that of the first.
    """
    n_batches = max(1, -(-n_rows // largest))
    return max(1, -(-n_rows // n_batches))


class Draws(Protocol):
    """Rows that are drawn anew for every batch, such as codes from posteriors."""

    rows: np.ndarray
    """What batches are taken from, shape (n_samples, ...)."""

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Return rows to model, drawn for a batch of `rows`."""
