"""Log-likelihoods of rows: importance sampling, and what becomes of infinite ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skvae._distributions.normal import rsample_with_log_prob
from skvae._utils.random import row_normal
from skvae.densities import score_density
from skvae.estimators._far_rows import draws_around_mode, is_far
from skvae.module import AutoencoderModule, block_size, blockwise, power_of_two

# Blocks of the module that are decoded at once.
_DECODED_BLOCKS = 4
# By how many nats a mode must be better than q(z|x) to take its place: where q(z|x) is
# good, choosing the higher of two estimates would bias them.
_CLEARLY_BETTER = 0.5
# What stands for the logarithm of 0; the mean of many is finite, too.
_LOWEST_SCORE = -1e300


class ImportanceSampler:
    """Estimates log p(x) from draws of z: q(z|x), or for far rows a mode's.

    Parameters
    ----------
    module : AutoencoderModule
    density : estimator with ``score_samples``
        The density of codes.
    n_samples : int
    seed : int
    """

    def __init__(
        self, module: AutoencoderModule, density: Any, n_samples: int, seed: int
    ) -> None:
        self.module, self.density = module, density
        self.n_samples, self.seed = n_samples, seed

    def __call__(self, X: NDArray[Any]) -> tuple[NDArray[np.float64], ...]:
        """Return the scores of rows of data, in nats, and effective sample sizes."""
        module = self.module
        largest = power_of_two(_DECODED_BLOCKS * module.block // self.n_samples)
        self.is_single = len(X) == 1
        n_rows, read = block_size(len(X), largest), module.frame.read
        found = blockwise(self._from_encoder, X, module.device, n_rows, read)
        scores, sizes, far = found.T.copy()
        far = (far > 0) | ~np.isfinite(scores)
        if far.any():
            per_row = max(self.n_samples, 2 * module.n_components)
            n_rows = power_of_two(_DECODED_BLOCKS * module.block // per_row)
            found = blockwise(self._from_mode, X[far], module.device, n_rows, read)
            is_better = ~(found[:, 0] <= scores[far] + _CLEARLY_BETTER)
            better = np.flatnonzero(far)[is_better]
            scores[better], sizes[better] = found[is_better].T
        return in_units(scores, module), sizes

    def _from_encoder(self, x: Tensor) -> Tensor:
        """Return scores, sample sizes and which rows are far, shape (n, 3)."""
        h = self.module.raw_encoding(x)
        if self.is_single:  # only the encoder needs a larger block
            x, h = x[:1], h[:1]
        q = self.module.posterior(h)
        z, log_q = rsample_with_log_prob(q, self._noise(x))
        found = self._average(z, self.module.decode(z).log_prob(x) - log_q)
        # A single draw is the evidence lower bound, whatever q is.
        far = is_far(self.module, x, q.mean) & (self.n_samples > 1)
        return torch.cat([found, far.cpu().double()[:, None]], 1)

    def _from_mode(self, x: Tensor) -> Tensor:
        """Return scores and sample sizes of far rows: (n, n_features) -> (n, 2)."""
        code = self.module.encode(x).mean
        return self._average(*draws_around_mode(self.module, x, code, self._noise(x)))

    def _noise(self, x: Tensor) -> Tensor:
        shape = self.n_samples, self.module.n_components
        return row_normal(x, *shape, self.seed).to(x.device)

    def _average(self, z: Tensor, log_ratio: Tensor) -> Tensor:
        """Return log of the mean weight and (sum w)^2 / sum w^2 of every row."""
        k = self.n_samples
        Z = z.reshape(-1, self.module.n_components).cpu().double().numpy()
        log_prior = torch.from_numpy(score_density(self.density, Z)).reshape(k, -1)
        log_w = log_ratio.cpu().double() + log_prior
        total = log_w.logsumexp(0)
        size = (2 * total - (2 * log_w).logsumexp(0)).exp()
        return torch.stack([total - math.log(k), size], 1)


def in_units(scores: NDArray[Any], module: AutoencoderModule) -> NDArray[np.float64]:
    """Return log densities in the units of X, all of them finite.

    Raises
    ------
    ValueError
        If a score is not a number, or infinitely high.
    """
    if not (scores < np.inf).all():
        row = int(np.argmin(scores < np.inf))
        raise ValueError(
            f"The score of row {row} of X is {scores[row]}: encoder, decoder or latent "
            "density give values that are not finite for it. Remove that row, or fit "
            "with a lower learning_rate or for fewer epochs."
        )
    scores = np.maximum(scores, _LOWEST_SCORE)
    return scores - module.frame.log_volume(module.n_features)
