"""Observation models with bounded support: values in [0, 1], or a few levels."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import logit
from torch import Tensor, nn

from skvae._distributions.normal import Bernoulli
from skvae._distributions.observations import ContinuousBernoulli, DiscretizedLogistic
from skvae._utils.adam import Adam
from skvae._utils.float32 import Frame, check_finite
from skvae._utils.rows import DataSummary, row_blocks, value_beyond
from skvae._utils.validation import check_integer, check_real
from skvae.likelihoods._locations import float32
from skvae.likelihoods.base import Likelihood
from skvae.likelihoods.scaled import ScaledLikelihood


class UnitIntervalLikelihood(Likelihood):
    """Base class of observation models for X in [0, 1] with a logit for every feature.

    A subclass defines `distribution`, as a method or as a class of distributions.
    """

    def build(self, summary: DataSummary) -> Likelihood:
        """Create the constant part of the logits from the mean of X; return self."""
        self.register_buffer("offset", float32(self._log_odds(summary)))
        return self

    def restandardise(self, summary: DataSummary) -> tuple[np.ndarray, np.ndarray]:
        """Take the constant part from another mean; see `Likelihood.restandardise`."""
        before = self.offset.double().cpu().numpy()
        self.offset.copy_(float32(self._log_odds(summary)))
        return np.ones_like(before), before - self.offset.double().cpu().numpy()

    @staticmethod
    def _log_odds(summary: DataSummary) -> np.ndarray:
        return logit(np.clip(summary.mean, 1e-3, 1 - 1e-3))

    def forward(self, h: Tensor) -> Any:
        """Return the distribution with logits offset + h; see `Likelihood.forward`."""
        return self.distribution(self.offset + h)

    def distribution(self, logits: Tensor) -> Any:
        """Return the distribution with logits of shape (..., n_features)."""
        raise NotImplementedError

    def check_support(self, X: np.ndarray) -> None:
        """Raise ValueError if a feature leaves [0, 1] by more than rounding."""
        found = value_beyond(X, 0.0, 1.0)
        if found is None:
            return
        feature, value = found
        raise ValueError(
            f"{type(self).__name__} needs X in [0, 1], but feature {feature} has the "
            f"value {value:.6g}. Scale X with MinMaxScaler(clip=True), images of bytes "
            "by X / np.float32(255), or use likelihood='gaussian'."
        )


class BernoulliLikelihood(UnitIntervalLikelihood):
    """Bernoulli observation model for X in [0, 1], p(x|z) = prod p^x (1 - p)^(1 - x).

    Grey levels are accepted, as in the papers; the value is then minus a cross-entropy
    and no longer the logarithm of a normalised probability.

    References
    ----------
    Kingma & Welling, "Auto-Encoding Variational Bayes", ICLR 2014, appendix C.1.

    Examples
    --------
    >>> from skvae import VAE
    >>> VAE(likelihood="bernoulli").fit([[0, 2.0]])
    Traceback (most recent call last):
    ...
    ValueError: BernoulliLikelihood needs X in [0, 1], but feature 1 has ...
    """

    discrete = True
    optimal_average = "mean"
    support = np.array([0.0, 1.0])
    distribution = Bernoulli


class ContinuousBernoulliLikelihood(UnitIntervalLikelihood):
    """Continuous Bernoulli observation model: a normalised density for X in [0, 1].

    p(x|z) = prod C(p) p^x (1 - p)^(1 - x). It is the Bernoulli model with the constant
    that makes grey levels a proper likelihood. Its mean is not p.

    References
    ----------
    Loaiza-Ganem & Cunningham, "The continuous Bernoulli: fixing a pervasive error in
    variational autoencoders", NeurIPS 2019, eq. 5 to 8.
    https://arxiv.org/abs/1907.06845

    Examples
    --------
    >>> import numpy as np
    >>> from skvae import VAE
    >>> X = np.random.default_rng(0).random((64, 3))
    >>> vae = VAE(2, likelihood="continuous_bernoulli", max_epochs=2).fit(X)
    >>> vae.sample(5).shape
    (5, 3)
    """

    optimal_average = "mean"
    distribution = ContinuousBernoulli


class DiscretizedLogisticLikelihood(ScaledLikelihood):
    """Logistic observation model for X on evenly spaced levels, such as 8-bit images.

    The probability of a level is the integral of a logistic density over its cell; the
    outermost cells reach to infinity. ``-score(X) / (n_features * log(2))`` is then a
    number of bits per dimension.

    Parameters
    ----------
    n_levels : int, default=256
    low, high : float, default=0.0 and 1.0
        The first and the last level, in the units of X.
    scale : {"global", "feature", "predicted"} or float, default="global"
        Scale of the logistic density, in the units of X; its standard deviation is
        ``pi / sqrt(3)`` times as large. Learned by gradient, with a rate of 0.02.

    Attributes
    ----------
    scale_ : float or ndarray of shape (n_features,)
        The scale; not available for "predicted".

    References
    ----------
    Salimans et al., "PixelCNN++", ICLR 2017, eq. 2. https://arxiv.org/abs/1701.05517
    Yu, "A Tutorial on VAEs", arXiv 2006.10273, eq. 34.

    Examples
    --------
    >>> from skvae import VAE
    >>> VAE(likelihood="discretized_logistic").fit([[0.0, 0.3], [1.0, 0.5]])
    Traceback (most recent call last):
    ...
    ValueError: DiscretizedLogisticLikelihood needs X on 256 even levels of [0, 1]...
    """

    discrete = True
    _RATE = 0.02

    def __init__(
        self,
        n_levels: int = 256,
        low: float = 0.0,
        high: float = 1.0,
        scale: str | float = "global",
    ) -> None:
        super().__init__()
        self.n_levels = n_levels
        self.low = low
        self.high = high
        self.scale = scale

    @property
    def support(self) -> np.ndarray:
        """The levels."""
        share = np.arange(self.n_levels) / (self.n_levels - 1)
        return self.low + (self.high - self.low) * share

    def check_support(self, X: np.ndarray) -> None:
        """Raise ValueError if a value is not a level."""
        self.check_parameters()
        step = (self.high - self.low) / (self.n_levels - 1)
        for rows in row_blocks(X):
            level = (rows.astype(np.float64) - self.low) / step
            nearest = np.clip(level.round(), 0, self.n_levels - 1)
            off = np.abs(level - nearest) > 0.01
            if off.any():
                self._refuse(rows, np.argwhere(off)[0])

    def frame(self, summary: DataSummary) -> Frame:
        """Return the frame of the levels, that of X."""
        return summary.plain_frame()

    def optimizers(self) -> list[Any]:
        """Return Adam with a rate of its own for a learned scale."""
        scale = getattr(self, "log_scale", None)
        learned = isinstance(scale, nn.Parameter)
        return [Adam([scale], self._RATE)] if learned else []

    def distribution(self, loc: Tensor, log_scale: Tensor) -> DiscretizedLogistic:
        """Return the distribution of levels; see `ScaledLikelihood.distribution`."""
        return DiscretizedLogistic(
            loc, log_scale, float(self.low), float(self.high), self.n_levels
        )

    def _refuse(self, rows: np.ndarray, index: np.ndarray) -> None:
        row, feature = index
        check_finite(rows, has_missing=True)
        raise ValueError(
            f"DiscretizedLogisticLikelihood needs X on {self.n_levels} even levels of "
            f"[{self.low:g}, {self.high:g}], but feature {feature} has the value "
            f"{rows[row, feature]:.6g}. Round X to the levels, set n_levels, low and "
            "high to those of X, or use likelihood='gaussian'."
        )

    def check_parameters(self) -> None:
        """Raise TypeError or ValueError for parameters that are not valid."""
        super().check_parameters()
        name = type(self).__name__
        check_integer(name, "n_levels", self.n_levels, 2)
        check_real(name, "low", self.low, -np.inf)
        check_real(name, "high", self.high, self.low)
        step = (self.high - self.low) / (self.n_levels - 1)
        largest = max(abs(self.low), abs(self.high))
        if step < 8 * np.finfo(np.float32).eps * largest:
            raise ValueError(
                f"The {self.n_levels} levels of {name} are {step:.2g} apart, which "
                f"float32 cannot tell beside {largest:.6g}. Subtract `low` from X, and "
                "set low=0."
            )
