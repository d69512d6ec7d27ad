"""Log-likelihoods of rows: importance sampling, and what becomes of infinite ones."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skvae._distributions.normal import rsample_with_log_prob
from skvae._utils.row_noise import row_normal
from skvae._utils.rows import without_values
from skvae.densities._adapter import score_density
from skvae.estimators._far_rows import N_STARTS, draws_around_mode, is_far, is_off_prior
from skvae.estimators._modes import Joint, Levels, levels_of
from skvae.module import AutoencoderModule, block_size, blockwise, power_of_two

# Blocks of the module that are decoded at once.
_DECODED_BLOCKS = 4
# An estimate around the mode takes the place of that from q(z|x), unless this is higher
# by so many nats, as chance has it in less than one row of e^5 (Markov's inequality).
# Where draws from q(z|x) have even weights, it must itself be higher by as many.
_CLEARLY_BETTER = 5.0
# Where the best log weight is so far above their median, q(z|x) misses much of p(z|x):
# two standard deviations of 64 normal ones.
_WIDE = 5.0
# Rows that q(z|x) has missed, and those that lie far from the training data.
_MISSED, _FAR = 1.0, 2.0
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
    summary : callable, (Tensor (k, n, d), Tensor (k, n)) -> Tensor (n, m), optional
        What else to compute of every row, from the draws and their log weights.
    """

    def __init__(
        self,
        module: AutoencoderModule,
        density: Any,
        n_samples: int,
        seed: int,
        summary: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> None:
        self.module, self.density = module, density
        self.n_samples, self.seed = n_samples, seed
        self.summary = summary

    def __call__(self, X: NDArray[Any]) -> tuple[NDArray[np.float64], ...]:
        """Return the scores of rows of data, in nats, and effective sample sizes.

        Where there is a `summary`, it comes third, as an array of shape (n, m).
        """
        module = self.module
        largest = power_of_two(_DECODED_BLOCKS * module.block // self.n_samples)
        self.is_single = len(X) == 1
        n_rows, read = block_size(len(X), largest), module.frame.read
        found = blockwise(self._from_encoder, X, module.device, n_rows, read)
        (scores, sizes, where), summary = found[:, :3].T.copy(), found[:, 3:]
        where[~np.isfinite(scores)] = _FAR
        for kind in (_MISSED, _FAR):
            rows = np.flatnonzero(where == kind)
            if len(rows):
                of_mode = self._scores_of_modes(X[rows], everywhere=kind == _FAR)
                better = self._is_better(of_mode[0], scores[rows], sizes[rows], X[rows])
                scores[rows[better]], sizes[rows[better]] = of_mode[:2, better]
                summary[rows[better]] = of_mode[2:, better].T
        nothing = without_values(X)  # whose density is 1
        scores[nothing], sizes[nothing] = 0.0, self.n_samples
        scores = in_units(scores, module, X)
        return (scores, sizes, summary) if self.summary else (scores, sizes)

    def _scores_of_modes(self, X: NDArray[Any], *, everywhere: bool) -> NDArray[Any]:
        """Return scores, sample sizes and summary from draws around modes."""
        module, d = self.module, sum(self._levels.sizes)
        per_row = max(self.n_samples, 2 * d * (N_STARTS if everywhere else 1))
        n_rows = power_of_two(_DECODED_BLOCKS * module.block // per_row)
        from_mode = functools.partial(self._from_mode, everywhere=everywhere)
        found = blockwise(from_mode, X, module.device, n_rows, module.frame.read)
        found[:, 0] = _rounded(found[:, 0])
        return found.T

    def _is_better(
        self,
        of_mode: NDArray[Any],
        scores: NDArray[Any],
        sizes: NDArray[Any],
        X: NDArray[Any],
    ) -> NDArray[np.bool_]:
        """Tell where estimates around modes take the place of those from q(z|x)."""
        # Weights are even if q(z|x) is right, but also if it is narrow.
        is_even = (sizes > self.n_samples / 2) & ~np.isnan(X).any(axis=1)
        lead = np.where(is_even, _CLEARLY_BETTER, -_CLEARLY_BETTER)
        is_kept = (of_mode < scores + lead) | np.isnan(of_mode)
        return ~is_kept | np.isnan(scores)

    def _from_encoder(self, x: Tensor) -> Tensor:
        """Return scores, sample sizes and what is wrong with q(z|x), shape (n, 3)."""
        h = self.module.raw_encoding(x)
        if self.is_single:  # only the encoder needs a larger block
            x, h = x[:1], h[:1]
        q = self.module.posterior(h)
        noise = self._noise(x, self.module.n_components)
        z, log_q = rsample_with_log_prob(q, noise)
        log_ratio = self.module.decode(z).log_prob(x) - log_q
        log_w = self._log_weights(z, log_ratio, self.density)
        scores, sizes = _averages(log_w)
        excess = log_w.max(0).values - log_w.median(0).values
        missed = (excess.isfinite() & (excess > _WIDE)) | is_off_prior(q.mean).cpu()
        # Of a row with gaps, q(z|x) knows too little, and is narrow.
        missed |= x.isnan().any(-1).cpu()
        far = is_far(self.module, x, q.mean).cpu()
        where = torch.where(far, _FAR, torch.where(missed, _MISSED, 0.0))
        # A single draw is the evidence lower bound, whatever q is.
        where = where * (self.n_samples > 1)
        return self._summarised(z, log_w, scores, sizes, where)

    def _from_mode(self, x: Tensor, *, everywhere: bool) -> Tensor:
        """Return scores, sample sizes and summary of rows that q(z|x) has missed."""
        joint = Joint(self._levels, x)
        noise = self._noise(x, sum(self._levels.sizes))
        z, log_q = draws_around_mode(joint, noise, everywhere=everywhere)
        log_ratio = joint.log_likelihood(z) - log_q
        log_w = self._log_weights(joint.last(z), log_ratio, self._levels.density)
        return self._summarised(joint.first(z), log_w, *_averages(log_w))

    def _summarised(self, z: Tensor, log_w: Tensor, *columns: Tensor) -> Tensor:
        """Return columns, and after them the summary of draws: shape (n, ...)."""
        table = torch.stack(columns, 1)
        if self.summary is None:
            return table
        summary = self.summary(z, log_w.to(z.device)).to(table)
        return torch.cat([table, summary], 1)

    @functools.cached_property
    def _levels(self) -> Levels:
        return levels_of(self.module, self.density, self.seed)

    def _noise(self, x: Tensor, n_components: int) -> Tensor:
        return row_normal(x, self.n_samples, n_components, self.seed).to(x.device)

    def _log_weights(self, z: Tensor, log_ratio: Tensor, density: Any) -> Tensor:
        """Return the log ratio with the log density of codes, on the CPU: (k, n)."""
        Z = z.reshape(-1, z.shape[-1]).cpu().double().numpy()
        log_prior = torch.from_numpy(score_density(density, Z))
        return log_ratio.cpu().double() + log_prior.reshape(len(z), -1)


def _rounded(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scores with the digits of float32, without those that blocks decide."""
    mantissa, exponent = np.frexp(scores)
    return np.ldexp(mantissa.astype(np.float32).astype(np.float64), exponent)


def _averages(log_w: Tensor) -> tuple[Tensor, Tensor]:
    """Return log of the mean weight and (sum w)^2 / sum w^2, of every row."""
    total = log_w.logsumexp(0)
    # Shares of the largest weight: logarithms of 1e14 leave sums no digits.
    share = (log_w - log_w.max(0).values).exp()
    size = share.sum(0).square() / share.square().sum(0)
    return total - math.log(len(log_w)), size


def in_units(
    scores: NDArray[Any], module: AutoencoderModule, X: NDArray[Any]
) -> NDArray[np.float64]:
    """Return log densities of the rows of X in its units, all of them finite.

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
    return scores - module.frame.log_volume(X)
