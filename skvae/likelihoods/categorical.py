"""The observation model of categories."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from skvae._distributions.categorical import Categorical, Levels
from skvae._utils.rows import DataSummary, row_blocks
from skvae.likelihoods.base import Likelihood

_MOST_SHOWN = 5
_LARGEST_STEP = 2.0  # of a logit, for a code of length 1
_MOST_LEVELS = 200_000  # networks of the default width then take 2 GB in training


class CategoricalLikelihood(Likelihood):
    """Categories: p(x|z) = softmax(log p + f(z)) for every column, p its frequencies.

    Values of X are names, whatever numbers they are: the encoder sees which one it is,
    and what is reconstructed is the likeliest one. A data frame needs no such numbers.

    Attributes
    ----------
    levels_ : list of ndarray
        The values of every column.

    Notes
    -----
    The decoder has one output for every value of every column. An untrained one has the
    frequencies of the training rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae import VAE
    >>> X = np.random.default_rng(0).choice([1, 4, 7], size=(200, 3))
    >>> vae = VAE(2, likelihood="categorical", max_epochs=2, random_state=0).fit(X)
    >>> np.unique(vae.sample(100, mean=False, random_state=0)).tolist()
    [1.0, 4.0, 7.0]
    """

    discrete = True
    is_nominal = True

    def look(self, X: np.ndarray, columns: Any = None) -> None:
        """Take the values and their frequencies; see `Likelihood.look`."""
        counts: list[dict[float, int]] = [{} for _ in range(X.shape[1])]
        for rows in row_blocks(X):
            for column, found in zip(rows.T, counts, strict=True):
                column = column[~np.isnan(column)]
                values, n = np.unique(column.astype(np.float64), return_counts=True)
                for value, m in zip(values.tolist(), n.tolist(), strict=True):
                    found[value] = found.get(value, 0) + m
            _check_number([len(found) for found in counts])
        # A column without any value has one, which is never seen.
        self.counts = [dict(sorted(c.items())) or {0.0: 1} for c in counts]
        self.levels_ = [np.array(list(c)) for c in self.counts]
        for j, levels in enumerate(self.levels_):
            if len(np.unique(levels.astype(np.float32))) < len(levels):
                raise ValueError(
                    "CategoricalLikelihood has values in float32, which does not tell "
                    f"those of feature {j} apart. Number them from 0, or name their "
                    "columns in categorical_features."
                )

    def build(self, summary: DataSummary) -> Likelihood:
        """Begin with the frequencies; return self."""
        counts = [np.array(list(c.values())) for c in self.__dict__.pop("counts")]
        share = np.concatenate([np.zeros(0), *(c / c.sum() for c in counts)])
        self.register_buffer("share", torch.from_numpy(share.astype(np.float32)))
        self.levels = Levels([torch.from_numpy(v).float() for v in self.levels_])
        return self

    def n_outputs(self, n_features: int) -> int:
        """Return the number of decoder outputs, one for every value of every column."""
        return sum(map(len, self.levels_))

    def n_inputs(self, n_features: int) -> int:
        """Return the number of encoder inputs, one for every value of every column."""
        return self.n_outputs(n_features)

    def forward(self, h: Tensor) -> Categorical:
        """Return p(x|z); see `Likelihood.forward`."""
        return Categorical(self.share.log() + h, self.levels)

    def inputs(self, x: Tensor) -> Tensor:
        """Return which value it is, less its frequency; see `Likelihood.inputs`."""
        levels = self.levels
        places = levels.starts + levels.codes(x)
        seen = torch.zeros((*x.shape[:-1], levels.n_logits), device=x.device)
        seen.scatter_(-1, places, 1.0)
        missing = x.isnan()[..., levels.column]
        return (seen - self.share).masked_fill(missing, torch.nan)

    def start_outputs(self, loadings: np.ndarray) -> np.ndarray:
        """Return logits of which probabilities change as inputs do, to first order.

        Those of rare values, which would change very much, are bounded.
        """
        rows = loadings / self.share.double().numpy()[:, None]
        length = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
        return rows * np.minimum(1, _LARGEST_STEP / np.maximum(length, 1e-12))

    def check_support(self, X: np.ndarray) -> None:
        """Raise ValueError for values that the training rows have not shown."""
        if not hasattr(self, "levels_"):
            return
        for j, levels in enumerate(self.levels_):
            values = np.unique(X[:, j])
            unseen = np.setdiff1d(values[~np.isnan(values)], levels)
            if len(unseen):
                raise ValueError(
                    f"CategoricalLikelihood was fitted to the values {_shown(levels)} "
                    f"of feature {j}, but it now has {unseen[0]:g}. Put NaN in the "
                    "place of values that are unknown, or fit with rows that have them."
                )


def _check_number(n_levels: list[int]) -> None:
    """Raise ValueError for more values than networks have outputs for."""
    if sum(n_levels) > _MOST_LEVELS:
        column = int(np.argmax(n_levels))
        raise ValueError(
            f"Categories must have at most {_MOST_LEVELS:,} different values in all "
            "columns together, since networks have an output for each, but X has more: "
            f"{n_levels[column]:,} and more in feature {column} alone. For "
            "measurements take another likelihood, such as 'gaussian', and leave out "
            "columns that name rows."
        )


def _shown(levels: np.ndarray) -> str:
    shown = ", ".join(f"{v:g}" for v in levels[:_MOST_SHOWN])
    return f"{shown}, ..." if len(levels) > _MOST_SHOWN else shown
