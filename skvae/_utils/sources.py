"""Rows that are stored in files or elsewhere, and are read block by block."""

from __future__ import annotations

import copy
import mmap
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Fewer values than these (64 MB in float32) are read at once, and are then an array.
IN_MEMORY = 2**24
# Bytes of a block of rows that are read together. Rows that are stored together, as
# those of a chunk, are not torn apart up to the second size.
BLOCK_BYTES, _LARGEST_BLOCK = 2**22, 2**23
_AHEAD_BYTES = 2**25  # of blocks that are read ahead, at most
# Types that reach the device as they are. All others become float64.
TYPES = (
    *(np.float64, np.float32, np.float16, np.uint8, np.bool_),
    *(np.int8, np.int16, np.int32, np.int64),
)


class StoredRows:
    """Rows that lie elsewhere, with the shape, type and indices of an array of them.

    A subclass defines `_read`. `np.asarray` reads all rows into memory.

    Parameters
    ----------
    shape : tuple of int
        Rows first; `reshape` flattens what follows.
    dtype : NumPy type
        As stored; rows that are read have this type in the byte order of the machine,
        or float64 if it is none of `TYPES`.
    chunks : int or ndarray of int, default=1
        Rows that are stored together, and best read together: so many each time, or
        where each such group begins, and last the number of rows.

    Attributes
    ----------
    head : object or None
        A frame without rows, where columns have names.
    facts : Statistics or None
        What a look at all rows has told of them.
    kept : dict of str to (ndarray of int, ndarray)
        Numbers of rows, rising, and these rows, which are not read again.
    """

    head: Any = None
    facts: Any = None

    def __init__(
        self, shape: Iterable[int], dtype: Any, chunks: int | NDArray[np.intp] = 1
    ) -> None:
        self.shape = tuple(int(n) for n in shape)
        self.stored_type = np.dtype(dtype)
        self.dtype = _type_read(self.stored_type)
        self.chunks = chunks
        self.kept: dict[str, tuple[NDArray[np.intp], NDArray[Any]]] = {}
        self._last: tuple[int, Any] = (-1, None)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=object))

    @property
    def row_bytes(self) -> int:
        """Bytes of a row as it is read."""
        n_values = int(np.prod(self.shape[1:], dtype=object))
        return max(1, n_values * self.dtype.itemsize)

    @property
    def block_rows(self) -> int:
        """Rows of a block, about, where they are not stored in larger chunks."""
        return max(1, BLOCK_BYTES // self.row_bytes)

    @property
    def is_small(self) -> bool:
        """Whether all rows may be read into memory."""
        return self.size <= IN_MEMORY

    def __len__(self) -> int:
        return self.shape[0]

    def reshape(self, *shape: int) -> StoredRows:
        """Return the same rows in another shape."""
        twin = copy.copy(self)
        twin.shape = tuple(int(n) for n in shape)
        return twin

    @property
    def edges(self) -> NDArray[np.intp]:
        """Where the blocks begin that rows are read by, and last the number of rows."""
        if not hasattr(self, "_edges"):
            largest = max(1, _LARGEST_BLOCK // self.row_bytes)
            self._edges = block_edges(self.chunks, len(self), self.block_rows, largest)
        return self._edges

    @property
    def n_readings(self) -> int:
        """How often rows that are stored together are read in one pass, at most."""
        chunks = self.chunks
        most = chunks if isinstance(chunks, int) else int(np.diff(chunks).max())
        return 1 if most <= 1 else max(1, round(most / np.diff(self.edges).max()))

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Read consecutive rows into memory."""
        rows = np.asarray(self._read(start, stop))
        if len(rows) != stop - start:
            raise ValueError(
                f"X had {len(self)} rows, but of rows {start} to {stop} it gives "
                f"{len(rows)}. Do not change it while it is read."
            )
        out = own_memory((len(rows), *self.shape[1:]), self.dtype)
        out[:] = rows.reshape(out.shape)
        return out

    def _read(self, start: int, stop: int) -> Any:
        """Return consecutive rows in any shape and type."""
        raise NotImplementedError

    def blocks(self, order: Iterable[int] | None = None) -> Iterator[NDArray[Any]]:
        """Read all blocks in their order, or in another; some of them ahead."""
        edges = self.edges
        order = range(len(edges) - 1) if order is None else order
        largest = np.diff(edges).max(initial=1)
        n_ahead = max(1, _AHEAD_BYTES // (largest * self.row_bytes))
        reader, ahead = ThreadPoolExecutor(1, "skvae reads ahead"), deque()
        try:
            for i in order:
                ahead.append(reader.submit(self.read, int(edges[i]), int(edges[i + 1])))
                if len(ahead) > n_ahead:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:  # an interrupt does not wait for a slow disk
            reader.shutdown(wait=False, cancel_futures=True)

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        """Return some rows as an array, or some columns, which stay where they are."""
        if isinstance(rows, tuple):
            rows, columns = rows
            if isinstance(rows, slice) and rows == slice(None):
                return SomeColumns(self, columns)
            return self[rows][:, columns]
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        rows = np.asarray(rows)
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        if rows.ndim == 0:
            return self.take(rows.reshape(1))[0]
        return self.take(rows.astype(np.intp))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        rows = np.empty(self.shape, self.dtype)
        for start, block in zip(self.edges, self.blocks(), strict=False):
            rows[start : start + len(block)] = block
        return rows.astype(dtype or self.dtype, copy=False)

    def forget(self, name: str) -> None:
        """Keep rows of this name no longer."""
        self.kept.pop(name, None)

    def take(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return rows by their numbers, those that are kept without reading."""
        for numbers, values in self.kept.values():
            places = np.searchsorted(numbers, rows)
            if np.array_equal(numbers[places[places < len(numbers)]], rows):
                return values[places]
        return self._take(np.where(rows < 0, rows + len(self), rows))

    def _take(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        of_block = np.searchsorted(self.edges, rows, side="right") - 1
        order = np.argsort(of_block, kind="stable")
        numbers, first = np.unique(of_block[order], return_index=True)
        for i, places in zip(numbers, np.split(order, first[1:]), strict=False):
            out[places] = self._block(int(i))[rows[places] - self.edges[i]]
        return out

    def _block(self, i: int) -> NDArray[Any]:
        """Return a block, which stays in memory until another one is asked for."""
        if self._last[0] != i or self._last[1].shape[1:] != self.shape[1:]:
            self._last = (-1, None)
            self._last = i, self.read(int(self.edges[i]), int(self.edges[i + 1]))
        return self._last[1]


class MappedRows(StoredRows):
    """Rows of a memory-mapped array.

    A block is asked for as a whole before it is copied: the system would else read far
    more than the page that is touched, or page by page.
    """

    def __init__(self, X: NDArray[Any]) -> None:
        super().__init__(X.shape, X.dtype)
        self.array, self.map = X, X
        while self.map is not None and not isinstance(self.map, mmap.mmap):
            self.map = getattr(self.map, "base", None)
        can_announce = hasattr(mmap, "MADV_WILLNEED") and X.flags.c_contiguous
        self.announces = self.map is not None and can_announce
        if self.announces:
            self.first = _address(X) - _address(np.frombuffer(self.map, np.uint8))

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        if self.announces:
            begin, end = (self.first + i * self.array.strides[0] for i in (start, stop))
            page = begin - begin % mmap.PAGESIZE
            self.map.madvise(mmap.MADV_WILLNEED, page, end - page)
        return self.array[start:stop]


class SomeRows(StoredRows):
    """Some of the rows of others, by their rising numbers.

    Parameters
    ----------
    base : StoredRows
    rows : ndarray of int
    """

    def __init__(self, base: StoredRows, rows: NDArray[np.intp]) -> None:
        edges = np.unique([*np.searchsorted(rows, base.edges), 0, len(rows)])
        super().__init__((len(rows), *base.shape[1:]), base.dtype, edges)
        self.base, self.numbers, self.facts = base, rows, base.facts

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        return self.base.take(self.numbers[start:stop])


class SomeColumns(StoredRows):
    """Some of the columns of rows."""

    def __init__(self, base: StoredRows, columns: Any) -> None:
        self.columns = np.atleast_1d(np.arange(base.shape[1])[columns])
        super().__init__((len(base), len(self.columns)), base.dtype, base.edges)
        self.base = base
        self._edges = base.edges

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        return self.base.read(start, stop)[:, self.columns]

    def _take(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        return self.base.take(rows)[:, self.columns]


def is_stored(X: Any) -> bool:
    """Tell whether rows lie elsewhere, and are read block by block."""
    return isinstance(X, StoredRows)


def every(X: Any, step: int) -> Any:
    """Return every so many-th row, of stored rows without reading them as yet."""
    return SomeRows(X, np.arange(0, len(X), step)) if is_stored(X) else X[::step]


def in_parts(n_rows: int, size: int) -> Iterator[slice]:
    """Cut rows into parts of `size`, the last of which has the rest beside its own."""
    ends = [*range(size, n_rows - size + 1, size), n_rows]
    start = 0
    for end in ends:
        yield slice(start, end)
        start = end


def even_blocks(blocks: Iterable[NDArray[Any]], n_rows: int) -> Iterator[NDArray[Any]]:
    """Cut blocks of rows anew, into blocks of `n_rows` and a last one of the rest."""
    rest: NDArray[Any] | None = None
    for block in blocks:
        rest = block if rest is None or not len(rest) else np.concatenate([rest, block])
        n_whole = len(rest) - len(rest) % n_rows
        yield from (rest[i : i + n_rows] for i in range(0, n_whole, n_rows))
        rest = rest[n_whole:]
    if rest is not None and len(rest):
        yield rest


def block_edges(
    chunks: int | NDArray[np.intp], n_rows: int, most: int, largest: int
) -> NDArray[np.intp]:
    """Return where blocks of rows begin, and last the number of rows.

    Parameters
    ----------
    chunks : int or ndarray of int
        As of `StoredRows`. A block has whole chunks, unless one has more rows than
        `largest`.
    n_rows : int
    most : int
        Rows of a block of several chunks, or of part of one, at most.
    largest : int
        Rows of a block of one chunk, at most.
    """
    if isinstance(chunks, int):
        chunks = max(1, chunks) * max(1, most // max(1, chunks))
        chunks = np.arange(0, n_rows + chunks, chunks).clip(max=n_rows)
    edges = [0]
    for start, stop in zip(chunks[:-1].tolist(), chunks[1:].tolist(), strict=True):
        if len(edges) > 1 and stop - edges[-2] <= most:
            edges.pop()
        n_parts = 1
        if stop - start > largest:
            n_parts = min(stop - start, -(-(stop - start) // most))
        edges += np.linspace(start, stop, n_parts + 1).astype(int)[1:].tolist()
    return np.unique(np.array(edges, dtype=np.intp))


def is_memory_mapped(X: Any) -> bool:
    """Tell whether the memory of an array is a mapped file."""
    while X is not None:
        if isinstance(X, np.memmap | mmap.mmap):
            return True
        X = getattr(X, "base", None)
    return False


def own_memory(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an array in memory that goes back to the system with the array.

    The heap would keep much of what blocks, which threads hand to each other, free.
    """
    n_values = int(np.prod(shape, dtype=object))
    if not n_values:
        return np.empty(shape, dtype)
    memory = mmap.mmap(-1, n_values * dtype.itemsize, access=mmap.ACCESS_COPY)
    return np.frombuffer(memory, dtype).reshape(shape)


def _address(X: NDArray[Any]) -> int:
    return X.__array_interface__["data"][0]


def _type_read(dtype: np.dtype[Any]) -> np.dtype[Any]:
    native = dtype.newbyteorder("=")
    return native if native.type in TYPES else np.dtype(np.float64)
