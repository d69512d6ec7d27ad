"""Distributions of rows whose columns have distributions of different kinds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


class Columns:
    """Independent distributions of groups of columns.

    Parameters
    ----------
    parts : sequence of distributions
    places : sequence of Tensor of int
        The columns of every part.
    back : Tensor of int, shape (d,)
        Where the columns are after those of all parts are put side by side.
    """

    def __init__(
        self, parts: Sequence[Any], places: Sequence[Tensor], back: Tensor
    ) -> None:
        self.parts, self.places, self.back = parts, places, back

    @property
    def mean(self) -> Tensor:
        """Expectations of numbers, likeliest categories, shape (..., d)."""
        return self._joined(lambda p: p.mean)

    def weighted_mean(self, weights: Tensor) -> Tensor:
        """Return the mean of a mixture over the first axis, shape (n, d).

        Parameters
        ----------
        weights : Tensor of shape (k, n)
            That sum to 1 over k.
        """
        return self._joined(lambda p: weighted_mean(p, weights))

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw once for every row."""
        return self._joined(lambda p: p.sample(generator))

    def log_prob_by_feature(self, x: Tensor) -> Tensor:
        """Log probability or density of every column in nats, shape (..., d)."""
        pairs = zip(self.parts, self.places, strict=True)
        found = [p.log_prob_by_feature(x[..., place]) for p, place in pairs]
        return torch.cat(found, -1)[..., self.back]

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density in nats, shape (...,)."""
        pairs = zip(self.parts, self.places, strict=True)
        return sum(p.log_prob(x[..., place]) for p, place in pairs)

    def information_coordinates(self) -> Tensor:
        """Return numbers whose squared slopes sum to Fisher's information."""
        return torch.cat([_coordinates(p) for p in self.parts], -1)

    def _joined(self, function: Callable[[Any], Tensor]) -> Tensor:
        found = [function(p) for p in self.parts]
        return torch.cat(found, -1)[..., self.back]


def weighted_mean(p: Any, weights: Tensor) -> Tensor:
    """Return the mean of a mixture of distributions, weights (k, n) -> (n, d)."""
    if hasattr(p, "weighted_mean"):
        return p.weighted_mean(weights)
    return torch.einsum("kn,knd->nd", weights.to(p.mean), p.mean)


def _coordinates(p: Any) -> Tensor:
    if hasattr(p, "information_coordinates"):
        return p.information_coordinates()
    return p.mean / p.variance.sqrt()
