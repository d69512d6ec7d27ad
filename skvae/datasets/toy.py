"""Toy densities in the plane, with exact log density and entropy.

All lie in about [-0.5, 0.5]^2 and follow the definitions of Yu, "A Tutorial on VAEs",
arXiv 2006.10273, section 6, and its code. Each has `sample`, `score_samples` and
`entropy`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from skvae._utils.arrays import as_rows
from skvae._utils.random import draw_seed

FloatArray = NDArray[np.float64]

_GRID = 256
_BLOCK = 2048


def _as_points(X: ArrayLike) -> FloatArray:
    """Read rows of the plane; raise ValueError for others."""
    X = as_rows(X, "X")
    if X.shape[1] != 2:
        raise ValueError(
            f"X must have 2 features, as the density has, got {X.shape[1]}. Pass "
            "points of the plane."
        )
    return X


class _Mixture:
    """A mixture of normal densities of equal scale around weighted centres."""

    def __init__(self) -> None:
        self._centres, self._log_weights = self._components()

    def score_samples(self, X: ArrayLike) -> FloatArray:
        """Log density of every row of X in nats, shape (n_samples,)."""
        X = _as_points(X)
        blocks = [
            self._log_density(X[i : i + _BLOCK]) for i in range(0, len(X), _BLOCK)
        ]
        return np.concatenate(blocks)

    def entropy(self) -> float:
        """Differential entropy in nats, by a sum over a grid of 256 x 256 points."""
        axis = (np.arange(_GRID) + 0.5) / _GRID * 1.2 - 0.6
        grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
        log_p = self.score_samples(grid)
        return float(-np.sum(np.exp(log_p) * log_p) * (1.2 / _GRID) ** 2)

    def _components(self) -> tuple[FloatArray, FloatArray]:
        raise NotImplementedError

    def _log_density(self, X: FloatArray) -> FloatArray:
        error = sum(
            np.subtract.outer(X[:, i], self._centres[:, i]) ** 2 for i in (0, 1)
        )
        log_p = logsumexp(self._log_weights - error / (2 * self._SCALE**2), axis=1)
        return log_p - np.log(2 * np.pi * self._SCALE**2)


class EightGaussians(_Mixture):
    """Eight normal densities on a circle.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.datasets import EightGaussians
    >>> density = EightGaussians()
    >>> density.sample(3, random_state=0).shape
    (3, 2)
    >>> round(float(density.entropy() / np.log(2)), 3)
    -1.914
    """

    _RADIUS, _SCALE = 4 / 1.414 / 8, 0.5 / 1.414 / 8

    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> FloatArray:
        """Draw rows, shape (n_samples, 2)."""
        rng = np.random.default_rng(draw_seed(random_state))
        centres = self._centres[rng.integers(8, size=n_samples)]
        return centres + self._SCALE * rng.standard_normal((n_samples, 2))

    def _components(self) -> tuple[FloatArray, FloatArray]:
        angle = np.arange(8) * np.pi / 4
        centres = self._RADIUS * np.stack([np.cos(angle), np.sin(angle)], 1)
        return centres, np.full(8, -np.log(8))


class TwoSpirals(_Mixture):
    """Two interleaved spirals with normal noise.

    The log density is a sum over 1,000 points of the curves, closer than the noise.

    Examples
    --------
    >>> from skvae.datasets import TwoSpirals
    >>> TwoSpirals().sample(3, random_state=0).shape
    (3, 2)
    """

    _TURN, _SCALE, _POINTS = 3 * np.pi, 0.1 / 8, 500

    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> FloatArray:
        """Draw rows, shape (n_samples, 2)."""
        rng = np.random.default_rng(draw_seed(random_state))
        curve = self._curve(np.sqrt(rng.random(n_samples)) * self._TURN)
        sign = 2 * rng.integers(2, size=(n_samples, 1)) - 1
        return sign * curve + self._SCALE * rng.standard_normal((n_samples, 2))

    def _components(self) -> tuple[FloatArray, FloatArray]:
        t = (np.arange(self._POINTS) + 0.5) / self._POINTS * self._TURN
        curve = self._curve(t)
        log_weights = np.log(t / t.sum() / 2)  # p(t) is proportional to t
        return np.concatenate([curve, -curve]), np.tile(log_weights, 2)

    @staticmethod
    def _curve(t: FloatArray) -> FloatArray:
        return np.stack([-t * np.cos(t), t * np.sin(t)], 1) / 3 / 8


class Checkerboard:
    """The uniform density on eight of the sixteen squares of [-0.5, 0.5]^2.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.datasets import Checkerboard
    >>> float(Checkerboard().entropy() / np.log(2))
    -1.0
    """

    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> FloatArray:
        """Draw rows, shape (n_samples, 2)."""
        rng = np.random.default_rng(draw_seed(random_state))
        x = rng.uniform(-2, 2, n_samples)
        y = rng.random(n_samples) - 2 * rng.integers(2, size=n_samples)
        return np.stack([x, y + np.floor(x) % 2], 1) / 4

    def score_samples(self, X: ArrayLike) -> FloatArray:
        """Log density of every row of X in nats, -inf outside, shape (n_samples,)."""
        x, y = 4 * _as_points(X).T
        cell = np.floor(y - np.floor(x) % 2)
        inside = (np.abs(x) <= 2) & np.isin(cell, (0, -2))
        return np.where(inside, np.log(2), -np.inf)

    def entropy(self) -> float:
        """Differential entropy in nats."""
        return -float(np.log(2))
