"""Categories in columns with different numbers of levels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Levels(nn.Module):
    """Where the logits of columns lie, one after the other, and what they stand for.

    Columns with about as many levels (up to a factor of two) form a group, whose logits
    are padded to one size, so that neither many columns nor many levels cost much.

    Parameters
    ----------
    levels : sequence of Tensor of shape (n_levels,)
        Values of every column, rising.
    """

    def __init__(self, levels: Sequence[Tensor]) -> None:
        super().__init__()
        self.sizes = [len(v) for v in levels]
        self.n_logits = sum(self.sizes)
        starts = torch.tensor([0, *self.sizes]).cumsum(0)[:-1]
        self.register_buffer("starts", starts)
        self.register_buffer("values", torch.cat([*levels, torch.zeros(0)]))
        column = torch.repeat_interleave(torch.tensor(self.sizes, dtype=torch.long))
        self.register_buffer("column", column)
        plain = (v.equal(torch.arange(len(v), dtype=v.dtype)) for v in levels)
        self.are_codes = all(plain)
        by_width: dict[int, list[int]] = {}
        for j, size in enumerate(self.sizes):
            by_width.setdefault((size - 1).bit_length(), []).append(j)
        self.groups = list(by_width.values())
        for i, columns in enumerate(self.groups):
            self._add_group(i, columns)
        limits = torch.tensor(self.sizes, dtype=torch.long) - 1
        self.register_buffer("limits", limits)  # the last place of every column
        order = torch.tensor([j for group in self.groups for j in group])
        self.register_buffer("back", order.argsort())

    def _add_group(self, i: int, columns: list[int]) -> None:
        width = max(self.sizes[j] for j in columns)
        place = torch.full((len(columns), width), self.n_logits)  # of what is no level
        for row, j in enumerate(columns):
            place[row, : self.sizes[j]] = self.starts[j] + torch.arange(self.sizes[j])
        self.register_buffer(f"columns_{i}", torch.tensor(columns))
        self.register_buffer(f"place_{i}", place)

    def by_group(self, logits: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return columns of groups and their logits, (..., n_columns, width).

        Those of what is no level are -inf.
        """
        padded = nn.functional.pad(logits, (0, 1), value=-torch.inf)
        return [
            (getattr(self, f"columns_{i}"), padded[..., getattr(self, f"place_{i}")])
            for i in range(len(self.groups))
        ]

    def joined(self, parts: list[Tensor]) -> Tensor:
        """Return what has been computed by group, (..., n_columns), in order."""
        return torch.cat(parts, -1)[..., self.back]

    def codes(self, x: Tensor) -> Tensor:
        """Return the places of values among the levels of their columns, as integers.

        A missing value has place 0.
        """
        x = x.nan_to_num(0.0)
        if self.are_codes:
            return x.long()
        # Levels of all columns side by side: how many of its own are smaller.
        smaller = self.values < x[..., self.column]
        counts = torch.zeros(x.shape, dtype=torch.long, device=x.device)
        counts.index_add_(-1, self.column, smaller.long())
        return counts.clamp(max=self.limits)

    def value_of(self, codes: Tensor) -> Tensor:
        """Return the values at places of shape (..., n_columns)."""
        return self.values[self.starts + codes]


class Categorical:
    """Independent categories in every column.

    Parameters
    ----------
    logits : Tensor of shape (..., n_logits)
        Up to a constant for each column.
    levels : Levels
    """

    def __init__(self, logits: Tensor, levels: Levels) -> None:
        self.logits, self.levels = logits, levels

    def log_prob_by_feature(self, x: Tensor) -> Tensor:
        """Log probability in nats of values, shape (..., n_columns)."""
        codes, found = self.levels.codes(x), []
        for columns, logits in self.levels.by_group(self.logits):
            log_p = logits.log_softmax(-1)
            index = codes[..., columns].expand(log_p.shape[:-1]).unsqueeze(-1)
            found.append(log_p.gather(-1, index).squeeze(-1))
        return self.levels.joined(found)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log probability in nats, shape (...,)."""
        return self.log_prob_by_feature(x).sum(-1)

    @property
    def mean(self) -> Tensor:
        """The likeliest values, shape (..., n_columns): categories have no mean."""
        return self._likeliest(self.logits)

    def weighted_mean(self, weights: Tensor) -> Tensor:
        """Return the likeliest values of a mixture, (k, n, n_logits) -> (n, n_columns).

        Parameters
        ----------
        weights : Tensor of shape (k, n)
            That sum to 1 over k.
        """
        p = self.all_probabilities()
        return self._likeliest(torch.einsum("kn,knl->nl", weights.to(p), p))

    def all_probabilities(self) -> Tensor:
        """Return the probabilities of all levels, one column after the other."""
        p = torch.empty_like(self.logits)
        for i, (_, logits) in enumerate(self.levels.by_group(self.logits)):
            place = getattr(self.levels, f"place_{i}")
            is_level = place < self.levels.n_logits
            p[..., place[is_level]] = logits.softmax(-1)[..., is_level]
        return p

    def _likeliest(self, scores: Tensor) -> Tensor:
        groups = self.levels.by_group(scores)
        codes = self.levels.joined([values.argmax(-1) for _, values in groups])
        return self.levels.value_of(codes).to(scores)

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw once for every row."""
        found = []
        for _, logits in self.levels.by_group(self.logits):
            below = logits.softmax(-1).cumsum(-1)
            u = torch.empty_like(below[..., :1]).uniform_(generator=generator)
            # Rounded sums may end below 1, and what is no level follows the last.
            found.append((below < u * below[..., -1:]).sum(-1))
        codes = torch.minimum(self.levels.joined(found), self.levels.limits)
        return self.levels.value_of(codes).to(self.logits)

    def information_coordinates(self) -> Tensor:
        """Return numbers whose squared slopes sum to Fisher's information."""
        return 2 * self.all_probabilities().sqrt()
