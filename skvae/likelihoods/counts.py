"""Observation models of counts."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skvae._distributions.counts import NegativeBinomial, Poisson
from skvae._utils.adam import Adam
from skvae._utils.float32 import check_finite
from skvae._utils.rows import DataSummary, row_blocks
from skvae._utils.validation import check_real
from skvae.likelihoods._locations import float32
from skvae.likelihoods.base import Likelihood

_LEAST_MEAN = 1e-4  # at the start, of features without a count
# Outputs change the mean by factors, up to this many deviations of the data above their
# mean and down by this power of e. Beyond, they change it in proportion.
_REACH, _LOWEST = 10.0, -20.0
_ROUNDING = 1e-3  # by which counts may differ from whole numbers
# The dispersion starts at this share of that of the data, which contains what the
# latent variables explain. Its least value adds the second share to the variance of a
# Poisson distribution; its largest is so many times that of the data, or 1.
_INITIAL_SHARE, _LEAST_SHARE, _MOST_TIMES = np.exp(-2), 1e-3, 100.0


class CountLikelihood(Likelihood):
    """Base class of observation models for counts, with a log link for the mean.

    A raw output h stands for the mean of the data times ``exp(h)``. Beyond what the
    data show it changes the mean in proportion to h, so that no output overflows and
    none is without a gradient. A subclass defines `forward`, with `log_mean`.
    """

    discrete = True
    optimal_average = "mean"

    def build(self, summary: DataSummary) -> Likelihood:
        """Create the constant part of the log means from X; return self."""
        mean = np.maximum(summary.mean, _LEAST_MEAN)
        self.register_buffer("offset", float32(np.log(mean)))
        reach = np.log1p(_REACH * summary.std / mean)
        self.register_buffer("reach", float32(reach))
        return self

    def log_mean(self, h: Tensor) -> Tensor:
        """Return the log of the mean for raw outputs of shape (..., n_features)."""
        above = (h - self.reach).clamp(min=0).log1p()
        below = (_LOWEST - h).clamp(min=0).log1p()
        return self.offset + h.clamp(min=_LOWEST).minimum(self.reach) + above - below

    def check_support(self, X: np.ndarray) -> None:
        """Raise ValueError if a value is negative or not a whole number."""
        for rows in row_blocks(X):
            values = rows.astype(np.float64)
            with np.errstate(invalid="ignore"):  # of infinite values
                off = np.abs(values - np.rint(np.maximum(values, 0))) > _ROUNDING
            if off.any():
                check_finite(rows, has_missing=True)
                row, feature = np.argwhere(off)[0]
                raise ValueError(
                    f"{type(self).__name__} needs counts, whole numbers from 0 on, but "
                    f"feature {feature} has the value {values[row, feature]:.6g}. "
                    "Round X if it holds counts, or use likelihood='gaussian'."
                )

    def encoder_scale(self, summary: DataSummary) -> np.ndarray:
        """Return the spread of every feature, since counts differ in size."""
        return summary.feature_scale


class PoissonLikelihood(CountLikelihood):
    """Poisson observation model for counts, p(x|z) = prod m^x exp(-m) / x!.

    The mean m is also the variance. Counts that vary more than that, as most do, have
    a `NegativeBinomialLikelihood`. A raw output h of the decoder stands for the mean of
    the data times ``exp(h)``, and far from the data for one that is proportional to h.

    References
    ----------
    Cameron & Trivedi, "Regression Analysis of Count Data", 2nd ed., 2013, ch. 3.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae import VAE
    >>> X = np.random.default_rng(0).poisson(3, size=(64, 4))
    >>> vae = VAE(2, likelihood="poisson", max_epochs=2, random_state=0).fit(X)
    >>> bool((vae.sample(5, mean=False) % 1 == 0).all())
    True
    >>> vae.score(X + 0.5)
    Traceback (most recent call last):
    ...
    ValueError: PoissonLikelihood needs counts, whole numbers from 0 on, but feature...
    """

    def forward(self, h: Tensor) -> Poisson:
        """Return the Poisson distribution; see `Likelihood.forward`."""
        return Poisson(self.log_mean(h))


class NegativeBinomialLikelihood(CountLikelihood):
    """Negative binomial observation model for counts that vary more than Poisson ones.

    The variance is ``m + dispersion * m**2``, with the mean m as in
    `PoissonLikelihood`: each count is a Poisson variable whose mean is drawn from a
    gamma distribution of mean m and shape ``1 / dispersion``. A dispersion of 0 would
    be the Poisson distribution.

    Parameters
    ----------
    dispersion : {"feature", "predicted"} or float, default="feature"
        Variance beyond that of the Poisson distribution, as a share of the squared
        mean: learned for each feature by gradient with a rate of 0.02, put out by the
        decoder for each row and feature, or fixed. ``1 / dispersion`` is also called
        the size, theta or the inverse dispersion.

    Attributes
    ----------
    dispersion_ : float or ndarray of shape (n_features,)
        The dispersion; not available for "predicted".

    References
    ----------
    Cameron & Trivedi, "Regression Analysis of Count Data", 2nd ed., 2013, sec. 3.3
    (NB2).
    Lopez et al., "Deep generative modeling for single-cell transcriptomics", Nature
    Methods 15, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae import VAE
    >>> X = np.random.default_rng(0).negative_binomial(2, 0.1, size=(64, 4))
    >>> vae = VAE(2, likelihood="negative_binomial", max_epochs=2).fit(X)
    >>> vae.likelihood_.dispersion_.shape
    (4,)
    """

    _RATE = 0.02

    def __init__(self, dispersion: str | float = "feature") -> None:
        super().__init__()
        self.dispersion = dispersion

    @property
    def outputs_per_feature(self) -> int:
        """Number of raw decoder outputs for every feature of X."""
        return 2 if self._is("predicted") else 1

    @property
    def dispersion_(self) -> float | np.ndarray:
        """Variance beyond that of the Poisson distribution, over the squared mean."""
        log_dispersion = self._bounded(self.log_dispersion.detach())
        dispersion = log_dispersion.exp().cpu().double().numpy()
        return dispersion if dispersion.ndim else float(dispersion)

    def build(self, summary: DataSummary) -> Likelihood:
        """Check parameters, create learned state from statistics of X; return self."""
        self.check_parameters()
        super().build(summary)
        mean = np.maximum(summary.mean, _LEAST_MEAN)
        lowest = _LEAST_SHARE / (1 + mean)
        of_data = np.maximum((summary.std**2 - mean) / mean**2, lowest)
        self.register_buffer("lowest", float32(np.log(lowest)))
        highest = _MOST_TIMES * np.maximum(of_data, 1)
        self.register_buffer("highest", float32(np.log(highest)))
        start = float32(np.log(np.maximum(_INITIAL_SHARE * of_data, lowest)))
        if self._is("feature"):
            self.log_dispersion = nn.Parameter(start)
        elif self._is("predicted"):
            self.register_buffer("initial_log_dispersion", start)
        else:
            self.register_buffer("log_dispersion", float32(np.log(self.dispersion)))
        return self

    def forward(self, h: Tensor) -> NegativeBinomial:
        """Return the negative binomial distribution; see `Likelihood.forward`."""
        if not self._is("predicted"):
            log_dispersion = self._bounded(self.log_dispersion)
            return NegativeBinomial(self.log_mean(h), log_dispersion)
        h, r = h.chunk(2, -1)
        log_dispersion = self._bounded(self.initial_log_dispersion + r)
        return NegativeBinomial(self.log_mean(h), log_dispersion)

    def optimizers(self) -> list[Any]:
        """Return Adam with a rate of its own for a learned dispersion."""
        return [Adam([self.log_dispersion], self._RATE)] if self._is("feature") else []

    def monitor(self) -> dict[str, float]:
        """Return the mean dispersion, if it is learned."""
        if not self._is("feature"):
            return {}
        return {"dispersion": float(np.mean(self.dispersion_))}

    def check_parameters(self) -> None:
        """Raise TypeError or ValueError for parameters that are not valid."""
        if not isinstance(self.dispersion, str):
            check_real(type(self).__name__, "dispersion", self.dispersion)
        elif self.dispersion not in ("feature", "predicted"):
            raise ValueError(
                f"The 'dispersion' parameter of {type(self).__name__} must be "
                f"'feature', 'predicted' or a float > 0. Got {self.dispersion!r} "
                "instead."
            )

    def _bounded(self, log_dispersion: Tensor) -> Tensor:
        """Return a log dispersion between bounds, which it nears without an end.

        One that is fixed stays as it is.
        """
        if isinstance(self.dispersion, Real):
            return log_dispersion
        raised = torch.logaddexp(log_dispersion, self.lowest)
        return -torch.logaddexp(-raised, -self.highest)

    def _is(self, dispersion: str) -> bool:
        return isinstance(self.dispersion, str) and self.dispersion == dispersion
