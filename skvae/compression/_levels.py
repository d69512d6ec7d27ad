"""What a model says of rows and of codes, in the terms of an entropy coder."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skvae._distributions.normal import FullNormal
from skvae._utils.float32 import to_float32
from skvae.compression._grid import Grid, check_numbers
from skvae.compression._stack import Floats, Stack, Symbols
from skvae.module import AutoencoderModule, blockwise

_FARTHEST = 6.0  # of a standard normal draw
_ROUNDING = 1e-3  # of a sum of probabilities


class Encoder:
    """The posterior q(z|x) of one stage, by which codes are popped and pushed back.

    Parameters
    ----------
    module : AutoencoderModule
        On the CPU.
    grid : Grid
        Of the codes.
    """

    def __init__(self, module: AutoencoderModule, grid: Grid) -> None:
        self.module, self.grid = module, grid

    def draw(self, stack: Stack, X: Floats) -> Symbols:
        """Draw a code for every row, by bits of the stack."""
        mean, factor = self._posterior(X)
        if factor.ndim == 2:
            return self.grid.draw(stack, mean, factor)
        draw = self.grid.draw
        return self._by_component(mean, factor, lambda _, *q: draw(stack, *q))

    def undraw(self, stack: Stack, X: Floats, codes: Symbols) -> None:
        """Give back the bits by which these codes were drawn."""
        mean, factor = self._posterior(X)
        if factor.ndim == 2:
            steps = [(codes, mean, factor)]
        else:
            steps = self._steps(mean, factor, codes)
        for step in reversed(steps):
            self.grid.undraw(stack, *step)

    def _steps(
        self, mean: Floats, factor: Floats, codes: Symbols
    ) -> list[tuple[Symbols, Floats, Floats]]:
        """Return how codes were drawn: those of a component, means and scales."""
        steps = []

        def note(j: int, *q: Floats) -> Symbols:
            steps.append((codes[:, j], *q))
            return codes[:, j]

        self._by_component(mean, factor, note)
        return steps

    def _posterior(self, X: Floats) -> tuple[Floats, Floats]:
        """Return means, and scales (n, d) or triangular factors (n, d, d)."""

        def parameters(x: Tensor) -> Tensor:
            q = self.module.encode(x)
            if isinstance(q, FullNormal):
                return torch.cat([q.mean.unsqueeze(-1), q.factor], -1)
            return torch.stack([q.mean, q.variance.sqrt()], -1)

        out = in_one_block(self.module, parameters, X, self.module.frame.read)
        out = out.astype(np.float64)
        return out[..., 0], (out[..., 1] if out.shape[-1] == 2 else out[..., 1:])

    def _by_component(
        self, mean: Floats, factor: Floats, code: Callable[..., Symbols]
    ) -> Symbols:
        """Code one component after the other, each given those before it.

        With z = m + L e, the density of z_j given z_1, ..., z_{j-1} is normal around
        m_j + sum_{k<j} L_jk e_k with the deviation L_jj.
        """
        check_numbers(mean, factor)
        e, codes = np.zeros_like(mean), np.zeros(mean.shape, dtype=np.int32)
        for j in range(mean.shape[1]):
            centre = mean[:, j] + (factor[:, j, :j] * e[:, :j]).sum(-1)
            scale = factor[:, j, j]
            codes[:, j] = code(j, centre, scale)
            deviation = (self.grid.values(codes[:, j]) - centre) / scale
            # No draw is farther out, but a cell may be.
            e[:, j] = np.clip(deviation, -_FARTHEST, _FARTHEST)
        return codes


class Levels:
    """The likelihood p(x|z) of a feature with few values, as a table of probabilities.

    Parameters
    ----------
    module : AutoencoderModule
    grid : Grid
        Of the codes.
    """

    def __init__(self, module: AutoencoderModule, grid: Grid) -> None:
        self.module, self.grid = module, grid
        self.support = np.asarray(module.likelihood.support, dtype=np.float64)

    def values(self, symbols: Symbols) -> Floats:
        """Return the rows that symbols stand for."""
        return self.support[symbols]

    def push(self, stack: Stack, symbols: Symbols, codes: Symbols) -> None:
        """Push rows, given their codes."""
        stack.push_table(symbols, self._table(codes))

    def pop(self, stack: Stack, codes: Symbols) -> Symbols:
        """Pop rows, given their codes."""
        return stack.pop_table(self._table(codes))

    def _table(self, codes: Symbols) -> Floats:
        """Return the probabilities of all values: (n, n_features, n_values)."""

        def probabilities(z: Tensor) -> Tensor:
            return self.module.decode(z).probabilities()

        table = in_one_block(self.module, probabilities, self.grid.values(codes))
        total = table.sum(-1)
        check_numbers(total)
        shape = len(codes), self.module.n_features, len(self.support)
        is_valid = table.shape == shape and table.min() >= 0
        if not (is_valid and (np.abs(total - 1) < _ROUNDING).all()):
            raise ValueError(
                "`probabilities()` of the distributions of "
                f"{type(self.module.likelihood).__name__} must have the shape {shape} "
                "here, be at least 0, and sum to 1 over the last axis. Got the shape "
                f"{table.shape}, a least value of {table.min():.3g}, and sums from "
                f"{total.min():.6g} to {total.max():.6g}."
            )
        return table


class NormalCodes:
    """The likelihood p(z|u) of codes under a stage that models them.

    Parameters
    ----------
    module : AutoencoderModule
        With a normal likelihood.
    grid : Grid
        Of both z and u.
    """

    def __init__(self, module: AutoencoderModule, grid: Grid) -> None:
        self.module, self.grid = module, grid

    def values(self, symbols: Symbols) -> Floats:
        """Return the codes that symbols stand for."""
        return self.grid.values(symbols)

    def push(self, stack: Stack, symbols: Symbols, codes: Symbols) -> None:
        """Push codes z, given those of the stage itself, u."""
        self.grid.push(stack, symbols, *self._moments(codes))

    def pop(self, stack: Stack, codes: Symbols) -> Symbols:
        """Pop codes z, given those of the stage itself, u."""
        return self.grid.pop(stack, *self._moments(codes))

    def _moments(self, codes: Symbols) -> tuple[Floats, Floats]:
        def moments(u: Tensor) -> Tensor:
            p = self.module.decode(u)
            return torch.stack([p.mean, p.variance.sqrt()], -1)

        U, frame = self.grid.values(codes), self.module.frame
        out = in_one_block(self.module, moments, U).astype(np.float64)
        return out[..., 0] * frame.unit + frame.origin, out[..., 1] * frame.unit


def in_one_block(
    module: AutoencoderModule,
    function: Callable[[Tensor], Tensor],
    X: Floats,
    read: Callable[[Floats], Tensor] = to_float32,
) -> NDArray[np.float32]:
    """Apply a function to rows in one block of just their number.

    Both sides know the rows of a block, and equal shapes give equal floats. The copy
    lies in memory as torch aligns it, on which the rounding of products may depend.
    """
    return blockwise(lambda x: function(x.clone()), X, module.device, len(X), read)
