"""Cache of expensive results, keyed by the content of arrays."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from hashlib import blake2b
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROWS_AT_ONCE = 1024
_NOTHING = object()


class ContentCache:
    """The most recently used results, a bounded number of them.

    The arrays themselves are not kept. A copy or a pickle starts empty.

    Parameters
    ----------
    max_items : int
        Of more results, the least recently used is dropped.
    """

    def __init__(self, max_items: int) -> None:
        self.max_items = max_items
        self._items: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = Lock()

    def get(
        self,
        X: NDArray[Any],
        settings: Hashable,
        compute: Callable[[], Any],
        holds: Callable[[Any], bool] = lambda value: True,
    ) -> Any:
        """Return the result for an array, computed unless it is cached.

        Parameters
        ----------
        X : ndarray
            Arrays of equal shape, type and bytes are the same.
        settings : hashable
            What else the result depends on.
        compute : callable
            Called without arguments if there is no result yet.
        holds : callable
            Tells whether a cached result still holds; if not, it is computed again.

        Returns
        -------
        value : object
            What `compute` returned, not to be changed.
        """
        key = content_key(X), settings
        with self._lock:
            found = self._items.get(key, _NOTHING)
        value = found if found is not _NOTHING and holds(found) else compute()
        with self._lock:
            self._items[key] = value
            self._items.move_to_end(key)
            while len(self._items) > self.max_items:
                self._items.popitem(last=False)
        return value

    def clear(self) -> None:
        """Drop all results."""
        with self._lock:
            self._items.clear()

    def __len__(self) -> int:
        return len(self._items)

    def __reduce__(self) -> tuple[type, tuple[int]]:
        return type(self), (self.max_items,)


def content_key(X: NDArray[Any]) -> tuple[tuple[int, ...], str, bytes]:
    """Return shape, type and hash of the content of an array."""
    digest, rows = blake2b(digest_size=20), np.atleast_1d(X)
    for start in range(0, len(rows), _ROWS_AT_ONCE):  # strided arrays are copied
        block = np.ascontiguousarray(rows[start : start + _ROWS_AT_ONCE])
        if block.dtype == object:  # its bytes are addresses
            digest.update(repr(block.tolist()).encode())
        else:
            digest.update(block.reshape(-1).view(np.uint8))
    return X.shape, X.dtype.str, digest.digest()
