"""Mini-batches of stored rows: blocks in random order, mixed in a buffer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skvae._training.batches import Batches, even_batch_size
from skvae._utils.float32 import PLAIN, Frame
from skvae._utils.rows import spacing
from skvae._utils.sources import StoredRows

# Blocks, at least, whose rows are mixed; all of them if they are fewer than twice as
# many.
MIXED_BLOCKS = 16


class BlockBatches:
    """Mini-batches of stored rows in float32 on the device.

    An epoch reads every block once, in random order. The rows of 16 to 31 blocks at a
    time lie in a buffer, from which batches are taken in one random order.

    Parameters
    ----------
    X : StoredRows of shape (n_samples, n_features)
    batch_size : int
        Upper limit; batches are of about equal size.
    device : torch.device
    frame : Frame, optional
        The origin and the units of the batches; those of X by default.
    held_out : ndarray of int, optional
        Rising numbers of rows that are left out.
    report : callable, optional
        Called with the number of rows that an epoch has read so far.
    """

    def __init__(
        self,
        X: StoredRows,
        batch_size: int,
        device: torch.device,
        frame: Frame = PLAIN,
        held_out: NDArray[np.intp] | None = None,
        report: Callable[[], Callable[[int], None]] | None = None,
    ) -> None:
        self.X, self.device, self.frame = X, device, frame
        self.held_out = np.zeros(0, np.intp) if held_out is None else held_out
        self.n_rows = len(X) - len(self.held_out)
        self.most, self.report = batch_size, report
        self.batch_size = even_batch_size(self.n_rows, batch_size)

    def __len__(self) -> int:
        """Return the number of batches in one pass."""
        return -(-self.n_rows // self.batch_size)

    def without(self, held_out: NDArray[np.intp]) -> BlockBatches:
        """Return batches of the other rows."""
        parts = self.X, self.most, self.device, self.frame, held_out, self.report
        return type(self)(*parts)

    def shuffled(self, generator: torch.Generator) -> Iterator[Tensor]:
        """Yield all rows once in random order, by batches."""
        n_blocks, size = len(self.X.edges) - 1, self.batch_size
        order = torch.randperm(n_blocks, generator=generator, device="cpu").numpy()
        groups = np.array_split(order, max(1, n_blocks // MIXED_BLOCKS))
        blocks = zip(order, self.X.blocks(order), strict=True)
        buffer = np.empty((self._buffer_rows(groups), self.X.shape[1]), self.X.dtype)
        report = self.report() if self.report else None
        n_rest, n_read = 0, 0
        for i, group in enumerate(groups):
            n = self._fill(buffer, n_rest, islice(blocks, len(group)))
            n_read += n - n_rest
            mixed = torch.randperm(n, generator=generator, device="cpu").numpy()
            n_taken = n if i == len(groups) - 1 else n - n % size
            for first in range(0, n_taken, size):
                yield self._tensor(buffer[mixed[first : min(first + size, n_taken)]])
            n_rest = n - n_taken
            buffer[:n_rest] = buffer[mixed[n_taken:]]
            if report is not None:
                report(n_read)

    def ordered(self) -> Iterator[Tensor]:
        """Yield all rows once in their order, by batches."""
        for start in range(0, len(self.X), self.batch_size):
            rows = self.X[start : start + self.batch_size]
            yield self._tensor(self._trained(rows, start))

    def some(self, most: int) -> Batches:
        """Return batches of at most so many rows from all over X, which are kept."""
        rows = np.arange(0, len(self.X), spacing(self.X))
        rows = np.setdiff1d(rows, self.held_out)
        rows = rows[:: -(-len(rows) // most)]
        return Batches(self.X[rows], self.most, self.device, self.frame)

    def _buffer_rows(self, groups: list[NDArray[Any]]) -> int:
        """Return how many rows a buffer may hold, with those that were left over."""
        sizes = np.diff(self.X.edges)
        return max(int(sizes[group].sum()) for group in groups) + self.batch_size

    def _fill(self, buffer: NDArray[Any], n: int, blocks: Any) -> int:
        """Write blocks behind the first n rows; return how many there are then."""
        for i, rows in blocks:
            rows = self._trained(rows, int(self.X.edges[i]))
            buffer[n : n + len(rows)] = rows
            n += len(rows)
        return n

    def _trained(self, rows: NDArray[Any], start: int) -> NDArray[Any]:
        """Return consecutive rows without those that are held out."""
        first, last = np.searchsorted(self.held_out, [start, start + len(rows)])
        left_out = self.held_out[first:last] - start
        return np.delete(rows, left_out, axis=0) if len(left_out) else rows

    def _tensor(self, rows: NDArray[Any]) -> Tensor:
        return self.frame.read(rows).to(self.device)
