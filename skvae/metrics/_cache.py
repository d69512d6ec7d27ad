"""Values that are dear to compute, kept by the content of the array they are of."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ContentCache:
    """
    The values that were last asked for, a bounded number of them.

    The arrays themselves are not kept. A copy or a pickle starts empty.

    Parameters
    ----------
    max_items : int
        Beyond these, the value that was not used for the longest time goes.
    """

    def __init__(self, max_items: int) -> None:
        self.max_items = max_items
        self._items: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = Lock()

    def get(
        self, X: NDArray[Any], settings: Hashable, compute: Callable[[], Any]
    ) -> Any:
        """
        Return the value of an array, computed unless it is kept.

        Parameters
        ----------
        X : ndarray
            Equal shape, type and bytes are the same array.
        settings : hashable
            Whatever else the value depends on.
        compute : callable
            Called without arguments where there is no value yet.

        Returns
        -------
        value : object
            What `compute` returned, not to be changed.
        """
        key = content_key(X), settings
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
                return self._items[key]
        value = compute()
        with self._lock:
            self._items[key] = value
            while len(self._items) > self.max_items:
                self._items.popitem(last=False)
        return value

    def clear(self) -> None:
        """Forget all values."""
        with self._lock:
            self._items.clear()

    def __len__(self) -> int:
        return len(self._items)

    def __reduce__(self) -> tuple[type, tuple[int]]:
        return type(self), (self.max_items,)


def content_key(X: NDArray[Any]) -> tuple[tuple[int, ...], str, str]:
    """Shape, type and hash of the bytes of a numeric array."""
    digest = hashlib.blake2b(digest_size=20)
    for start in range(0, len(X), 1024):  # no copy of the whole where it has strides
        digest.update(np.ascontiguousarray(X[start : start + 1024]))
    return X.shape, X.dtype.str, digest.hexdigest()
