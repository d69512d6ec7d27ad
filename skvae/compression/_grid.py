"""Normal variables on an even grid, which an entropy coder can push and pop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from skvae.compression._stack import CodingError, Floats, Stack, Symbols

# Scales of q(z|x) in cells, at least, and as a share of the reach, at most. Narrower
# ones have all their mass in one cell, or in two, as the least has.
_LEAST_CELLS, _LARGEST_SHARE = 0.1, 1 / 8
_WIDTH = 6  # half the window of q(z|x), in scales


class Grid(NamedTuple):
    """Codes at multiples of ``2**-bits``, up to +-`reach`; symbols are the multiples.

    The coder's probabilities are multiples of 2^-24, and none is 0. Of a grid of some
    thousand cells, those far out would be drawn once in a thousand rows, and decode to
    anything. So codes are drawn from windows around their means.
    """

    bits: int = 8
    reach: int = 16

    @property
    def last(self) -> int:
        """The largest symbol; the least is minus as much."""
        return self.reach << self.bits

    def values(self, symbols: Symbols) -> Floats:
        """Return the codes that symbols stand for."""
        return np.ldexp(symbols.astype(np.float64), -self.bits)

    def push(self, stack: Stack, symbols: Symbols, mean: Floats, scale: Floats) -> None:
        """Push codes under normal densities; all arrays have one shape."""
        stack.push_normal(symbols, self.last, *self._in_cells(mean, scale))

    def pop(self, stack: Stack, mean: Floats, scale: Floats) -> Symbols:
        """Pop codes under normal densities, in the shape of their means."""
        return stack.pop_normal(self.last, *self._in_cells(mean, scale))

    def draw(self, stack: Stack, mean: Floats, scale: Floats) -> Symbols:
        """Draw codes by bits of the stack: pop them from windows around their means."""
        symbols = np.empty(mean.shape, dtype=np.int32)
        for where, centre, width, *normal in self._windows(mean, scale):
            symbols[where] = centre + stack.pop_normal(width, *normal)
        return symbols

    def undraw(
        self, stack: Stack, symbols: Symbols, mean: Floats, scale: Floats
    ) -> None:
        """Give the bits back by which codes were drawn."""
        for where, centre, width, *normal in reversed([*self._windows(mean, scale)]):
            offset = symbols[where] - centre
            if np.abs(offset).max() > width:
                raise CodingError
            stack.push_normal(offset, width, *normal)

    def _in_cells(self, mean: Floats, scale: Floats) -> tuple[Floats, Floats]:
        """Return means, none beyond the grid, and scales, none far below a cell."""
        check_numbers(mean, scale)
        mean, scale = np.ldexp(mean, self.bits), np.ldexp(scale, self.bits)
        return np.clip(mean, -self.last, self.last), np.clip(scale, _LEAST_CELLS, None)

    def _windows(self, mean: Floats, scale: Floats) -> Iterator[tuple[Any, ...]]:
        """Yield codes of one width of window: where, centres, width, mean, scale."""
        mean, scale = self._in_cells(mean, scale)
        scale = scale.clip(max=self.last * _LARGEST_SHARE)
        widths = _WIDTH << np.ceil(np.log2(scale)).astype(int).clip(min=0)
        centres = np.rint(mean).astype(np.int32)
        centres = np.clip(centres, widths - self.last, self.last - widths)
        for width in np.unique(widths):
            where = widths == width
            centre = centres[where]
            offset = np.clip(mean[where] - centre, -width, width)
            yield where, centre, int(width), offset, scale[where]


def check_numbers(*arrays: Floats) -> None:
    """Raise ValueError if a parameter of a distribution is NaN or infinite."""
    if not all(np.isfinite(a).all() for a in arrays):
        raise ValueError(
            "Encoder or decoder gives values that are not finite, with which nothing "
            "can be coded. Fit with a lower learning_rate, or leave out rows that lie "
            "far from the training data."
        )
