"""A message as a stack of bits, by asymmetric numeral systems."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The coder keeps two words apart, and reads others when these run low.
_LEAST_WORDS = 2
MOST_BITS = 24  # of a symbol: probabilities are multiples of 2^-24

Words = NDArray[np.uint32]
Symbols = NDArray[np.int32]
Floats = NDArray[np.floating]


class CodingError(Exception):
    """What is on the stack, or to be pushed, cannot be."""


class RunDryError(CodingError):
    """More bits were asked for than there are."""


class Stack:
    """Symbols that are pushed come back in reverse order; popped bits are returned.

    To pop a symbol from bits that encode something else is to draw it at random; to
    push it again gives these bits back.

    Parameters
    ----------
    words : ndarray of uint32, default=None
        What stands on the stack, the last word on top. None is the first of the words
        that both sides know, to which `deepen` adds.
    """

    def __init__(self, words: Words | None = None) -> None:
        self.n_known = _LEAST_WORDS
        words = known_words(self.n_known) if words is None else words
        self._coder = _constriction().stream.stack.AnsCoder(words)
        self._lowest = len(words)

    def copy(self) -> Stack:
        """Return a stack of its own with the same bits."""
        twin = object.__new__(Stack)
        vars(twin).update(vars(self), _coder=self._coder.clone())
        return twin

    def deepen(self) -> None:
        """Double the known words at the bottom, so that more bits can be popped."""
        added = known_words(2 * self.n_known)[: self.n_known]
        words = np.concatenate([added, self.words])
        self._coder = _constriction().stream.stack.AnsCoder(words)
        self._lowest += self.n_known
        self.n_known *= 2

    @property
    def words(self) -> Words:
        """All words, the last on top."""
        return self._coder.get_compressed()

    def message(self) -> tuple[int, Words]:
        """Return the number of known words that were read, and the words above others.

        The rest of the known words need not be sent.
        """
        n_unread = self._lowest - _LEAST_WORDS
        return self.n_known - n_unread, self.words[n_unread:]

    def push_normal(
        self, symbols: Symbols, last: int, mean: Floats, scale: Floats
    ) -> None:
        """Push integers from -last to last, under normal densities around `mean`."""
        model = self._models.QuantizedGaussian(-last, last)
        self._push(symbols, model, mean.ravel(), scale.ravel())

    def pop_normal(self, last: int, mean: Floats, scale: Floats) -> Symbols:
        """Pop integers, one for each mean."""
        model = self._models.QuantizedGaussian(-last, last)
        symbols = self._pop(model, mean.ravel(), scale.ravel())
        return symbols.reshape(mean.shape)

    def push_table(self, symbols: Symbols, table: Floats) -> None:
        """Push integers whose probabilities are in the last axis of a table."""
        model = self._models.Categorical(perfect=False)
        self._push(symbols, model, table.reshape(-1, table.shape[-1]))

    def pop_table(self, table: Floats) -> Symbols:
        """Pop integers, one for each vector of probabilities."""
        model = self._models.Categorical(perfect=False)
        symbols = self._pop(model, table.reshape(-1, table.shape[-1]))
        return symbols.reshape(table.shape[:-1])

    def push_count(self, count: int, most: int) -> None:
        """Push a number from 0 to `most`, all of which are alike."""
        self._coder.encode_reverse(count, self._uniform(most))

    def pop_count(self, most: int) -> int:
        """Pop a number from 0 to `most`."""
        return self._pop(self._uniform(most))

    def _uniform(self, most: int) -> Any:
        return self._models.Uniform(max(2, most + 1))  # the coder knows no sure event

    @property
    def _models(self) -> Any:
        return _constriction().stream.model

    def holds(self, n_bits: int) -> bool:
        """Tell whether so many bits can be popped."""
        return self._coder.num_bits() >= n_bits + 32 * (_LEAST_WORDS + 1)

    def _push(self, symbols: Symbols, model: Any, *parameters: Floats) -> None:
        symbols = np.asarray(symbols, dtype=np.int32).ravel()
        self._coder.encode_reverse(symbols, model, *parameters)

    def _pop(self, model: Any, *parameters: Any) -> Any:
        """Pop symbols, or raise RunDryError."""
        symbols = self._coder.decode(model, *parameters)
        n_words = self._coder.num_words()
        if n_words < _LEAST_WORDS:
            raise RunDryError
        self._lowest = min(self._lowest, n_words)
        return symbols


def known_words(n_words: int) -> Words:
    """Return the words that both sides know, pseudo-random, the first of them last."""
    digest = hashlib.shake_128(b"skvae").digest(4 * n_words)
    return np.frombuffer(digest, "<u4").astype(np.uint32)[::-1]


def _constriction() -> Any:
    try:
        import constriction
    except ImportError:
        raise ImportError(
            "skvae.compression needs the package constriction (0.4 MB), which is not "
            "installed. Use: pip install 'skvae[compression]'"
        ) from None
    return constriction
