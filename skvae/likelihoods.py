"""Observation models p(x|z): what the decoder's raw output says about a row."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import assert_all_finite
from torch import Tensor, nn

from skvae._data import DataSummary, extremes, row_blocks
from skvae._distributions import Bernoulli, DiagonalNormal, IsotropicNormal
from skvae._observations import ContinuousBernoulli, DiscretizedLogistic, Laplace
from skvae._validation import check_integer, check_real

__all__ = [
    "BernoulliLikelihood",
    "ContinuousBernoulliLikelihood",
    "DiscretizedLogisticLikelihood",
    "GaussianLikelihood",
    "LaplaceLikelihood",
    "Likelihood",
    "ScaledLikelihood",
]

# The decoder's scale starts at exp(-1) of the data's own: at the data's scale the
# collapsed posterior is already a stationary point.
_INITIAL_LOG_SCALE = -1.0
# The lowest scales, as shares of the data's own. One for all features may fall far; one
# for a single feature would take a feature that is nearly constant in training for an
# exact law, and new rows that break it for impossible ones.
_LOWEST_LOG_SCALE, _LOWEST_FEATURE_LOG_SCALE = np.log([1e-4, 1e-2])


class Likelihood(BaseEstimator, nn.Module):
    """Base class of observation models.

    A likelihood is a parameter of an estimator, cloned in ``fit``; the clone is then
    built for the training data and becomes ``likelihood_``. To write one, set
    `outputs_per_feature`, and define `build` and `forward`.

    Attributes
    ----------
    outputs_per_feature : int
        Number of raw decoder outputs for every feature of X.
    """

    outputs_per_feature = 1

    def __init__(self) -> None:
        nn.Module.__init__(self)

    def build(self, summary: DataSummary) -> Likelihood:
        """Check parameters, create learned state from statistics of X; return self."""
        raise NotImplementedError

    def forward(self, h: Tensor) -> Any:
        """Return p(x|z) from raw decoder outputs.

        Parameters
        ----------
        h : Tensor of shape (..., outputs_per_feature * n_features)

        Returns
        -------
        p : distribution with ``mean``, ``log_prob(x)`` and ``sample(generator)``
        """
        raise NotImplementedError

    def check_support(self, X: np.ndarray) -> None:
        """Raise ValueError if X leaves the support."""

    def optimizers(self) -> list[Any]:
        """Return optimizers for the parameters that gradient descent must not touch."""
        return []

    def monitor(self) -> dict[str, float]:
        """Return figures worth a line in ``history_``."""
        return {}


class ScaledLikelihood(Likelihood):
    """Base class of observation models with a location and a scale of their noise.

    A subclass has the parameters `scale` and `update`, defines `_distribution`, and the
    `_power` p for which its negative log density is error / (p scale^p) + log scale.
    """

    update = "gradient"
    _power = 2

    @property
    def outputs_per_feature(self) -> int:
        """Number of raw decoder outputs for every feature of X."""
        return 2 if self._is("predicted") else 1

    @property
    def scale_(self) -> float | np.ndarray:
        """Scale of the observation noise, in the units of X."""
        scale = self.log_scale.detach().exp().cpu().double().numpy()
        return scale if scale.ndim else float(scale)

    def build(self, summary: DataSummary) -> ScaledLikelihood:
        """Check parameters, create learned state from statistics of X; return self."""
        self._check_parameters()
        by_feature = self._is("feature") or self._is("predicted")
        spread = summary.feature_scale if by_feature else summary.total_scale
        self.register_buffer("location", _float32(summary.mean))
        self.register_buffer("spread", _float32(spread))
        lowest = _LOWEST_FEATURE_LOG_SCALE if by_feature else _LOWEST_LOG_SCALE
        self.register_buffer("lowest", self.spread.log() + float(lowest))
        start = self.spread.log() + _INITIAL_LOG_SCALE
        if self._is("global") or self._is("feature"):
            self.log_scale = nn.Parameter(start)
        elif self._is("predicted"):
            self.register_buffer("initial_log_scale", start)
        else:
            self.register_buffer("log_scale", _float32(np.log(self.scale)))
        return self

    def forward(self, h: Tensor) -> Any:
        """Return p(x|z); see `Likelihood.forward`."""
        if not self._is("predicted"):
            return self._distribution(self._location(h), self.log_scale)
        h, r = h.chunk(2, -1)
        log_scale = torch.maximum(self.initial_log_scale + r, self.lowest)
        return self._distribution(self._location(h), log_scale)

    def optimizers(self) -> list[Any]:
        """Return the closed-form update of a learned scale, if it is asked for."""
        learned = self._is("global") or self._is("feature")
        if not learned or self.update == "gradient":
            return []
        n_features = len(self.location)
        count = n_features if self.log_scale.ndim == 0 else 1
        return [ClosedFormScale(self.log_scale, count, self.lowest, self._power)]

    def monitor(self) -> dict[str, float]:
        """Return the scale (for one by feature: its root mean square)."""
        if not isinstance(getattr(self, "log_scale", None), nn.Parameter):
            return {}
        return {"scale": float((2 * self.log_scale.detach()).exp().mean().sqrt())}

    def _distribution(self, loc: Tensor, log_scale: Tensor) -> Any:
        raise NotImplementedError

    def _location(self, h: Tensor) -> Tensor:
        return torch.addcmul(self.location, self.spread, h)

    def _is(self, scale: str) -> bool:
        return isinstance(self.scale, str) and self.scale == scale

    def _check_parameters(self) -> None:
        names = ("global", "feature", "predicted")
        number = isinstance(self.scale, Real) and not isinstance(self.scale, bool)
        if not (number and 0 < self.scale < np.inf) and self.scale not in names:
            raise ValueError(
                f"The 'scale' parameter of {type(self).__name__} must be 'global', "
                f"'feature', 'predicted' or a float > 0. Got {self.scale!r} instead."
            )
        if self.update not in ("closed_form", "gradient"):
            raise ValueError(
                f"The 'update' parameter of {type(self).__name__} must be "
                f"'closed_form' or 'gradient'. Got {self.update!r} instead."
            )


class GaussianLikelihood(ScaledLikelihood):
    r"""Normal observation model, p(x|z) = N(x; f(z), diag(scale^2)).

    Parameters
    ----------
    scale : {"global", "feature", "predicted"} or float, default="global"
        Standard deviation of the observation noise, in the units of X. "global" learns
        one for all features (Dai & Wipf's gamma, a standard deviation here), "feature"
        one for each feature, "predicted" lets the decoder predict it for every sample
        and feature, and a float fixes it. A scale that is learned stays above 1e-4 of
        the data's own, one by feature above 1e-2 of the feature's.
    update : {"closed_form", "gradient"}, default="closed_form"
        How "global" and "feature" scales are learned. "closed_form" moves the variance
        in every step a tenth of the way to the optimum for the current batch, the mean
        squared error; "gradient" leaves it to the networks' optimizer, as in the
        authors' code, where its logarithm moves by at most the learning rate in a step
        and lags for tens of thousands of steps.

    Attributes
    ----------
    scale_ : float or ndarray of shape (n_features,)
        The standard deviation; not available for "predicted".

    References
    ----------
    Dai & Wipf, "Diagnosing and Enhancing VAE Models", ICLR 2019, section 3.
    Yu, "A Tutorial on VAEs", arXiv 2006.10273, eq. 43 (the closed form).

    Examples
    --------
    >>> from skvae import VAE
    >>> from skvae.likelihoods import GaussianLikelihood
    >>> VAE(likelihood=GaussianLikelihood(scale=0.1)).get_params()["likelihood__scale"]
    0.1
    """

    def __init__(
        self, scale: str | float = "global", update: str = "closed_form"
    ) -> None:
        super().__init__()
        self.scale = scale
        self.update = update

    def _distribution(self, loc: Tensor, log_scale: Tensor) -> DiagonalNormal:
        one_for_all = log_scale.ndim == 0
        return (IsotropicNormal if one_for_all else DiagonalNormal)(loc, log_scale)


class LaplaceLikelihood(ScaledLikelihood):
    r"""Laplace observation model, p(x|z) = prod exp(-|x - f(z)| / scale) / (2 scale).

    Less sensitive to outliers than the Gaussian one; `inverse_transform` then gives
    conditional medians.

    Parameters
    ----------
    scale : {"global", "feature", "predicted"} or float, default="global"
        Mean absolute deviation of the observation noise, in the units of X; see
        `GaussianLikelihood`.
    update : {"closed_form", "gradient"}, default="closed_form"
        How "global" and "feature" scales are learned; the optimum for a batch is its
        mean absolute error.

    Attributes
    ----------
    scale_ : float or ndarray of shape (n_features,)
        The mean absolute deviation; not available for "predicted".

    Examples
    --------
    >>> import numpy as np
    >>> from skvae import VAE
    >>> X = np.random.default_rng(0).normal(size=(64, 3))
    >>> VAE(2, likelihood="laplace", max_epochs=2).fit(X).likelihood_.scale_ > 0
    True
    """

    _power = 1

    def __init__(
        self, scale: str | float = "global", update: str = "closed_form"
    ) -> None:
        super().__init__()
        self.scale = scale
        self.update = update

    def _distribution(self, loc: Tensor, log_scale: Tensor) -> Laplace:
        return Laplace(loc, log_scale)


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

    def check_support(self, X: np.ndarray) -> None:
        """Raise ValueError if a value is not a level."""
        self._check_parameters()
        step = (self.high - self.low) / (self.n_levels - 1)
        for rows in row_blocks(X):
            level = (rows.astype(np.float64) - self.low) / step
            nearest = np.clip(level.round(), 0, self.n_levels - 1)
            off = np.abs(level - nearest) > 0.01
            if off.any():
                self._refuse(rows, np.argwhere(off)[0])

    def optimizers(self) -> list[Any]:
        """Return Adam with a rate of its own for a learned scale."""
        scale = getattr(self, "log_scale", None)
        learned = isinstance(scale, nn.Parameter)
        return [torch.optim.Adam([scale], self._RATE, fused=True)] if learned else []

    def _distribution(self, loc: Tensor, log_scale: Tensor) -> DiscretizedLogistic:
        return DiscretizedLogistic(
            loc, log_scale, float(self.low), float(self.high), self.n_levels
        )

    def _refuse(self, rows: np.ndarray, index: np.ndarray) -> None:
        row, feature = index
        assert_all_finite(rows, input_name="X")
        raise ValueError(
            f"DiscretizedLogisticLikelihood needs X on {self.n_levels} even levels of "
            f"[{self.low:g}, {self.high:g}], but feature {feature} has the value "
            f"{rows[row, feature]:.6g}. Round X to the levels, set n_levels, low and "
            "high to those of X, or use likelihood='gaussian'."
        )

    def _check_parameters(self) -> None:
        super()._check_parameters()
        name = type(self).__name__
        check_integer(name, "n_levels", self.n_levels, 2)
        check_real(name, "low", self.low, -np.inf)
        check_real(name, "high", self.high, self.low)


class BernoulliLikelihood(Likelihood):
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

    def build(self, summary: DataSummary) -> BernoulliLikelihood:
        """Create the constant part of the logits from the mean of X; return self."""
        mean = np.clip(summary.mean, 1e-3, 1 - 1e-3)
        self.register_buffer("offset", _float32(np.log(mean) - np.log1p(-mean)))
        return self

    def forward(self, h: Tensor) -> Bernoulli:
        """Return Bernoulli(sigmoid(offset + h)); see `Likelihood.forward`."""
        return Bernoulli(self.offset + h)

    def check_support(self, X: np.ndarray) -> None:
        """Raise ValueError if a feature leaves [0, 1] by more than rounding."""
        check_unit_interval(type(self).__name__, X)


class ContinuousBernoulliLikelihood(Likelihood):
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

    def build(self, summary: DataSummary) -> ContinuousBernoulliLikelihood:
        """Create the constant part of the logits from the mean of X; return self."""
        mean = np.clip(summary.mean, 1e-3, 1 - 1e-3)
        self.register_buffer("offset", _float32(np.log(mean) - np.log1p(-mean)))
        return self

    def forward(self, h: Tensor) -> ContinuousBernoulli:
        """Return the density with logits offset + h; see `Likelihood.forward`."""
        return ContinuousBernoulli(self.offset + h)

    def check_support(self, X: np.ndarray) -> None:
        """Raise ValueError if a feature leaves [0, 1] by more than rounding."""
        check_unit_interval(type(self).__name__, X)


def check_unit_interval(owner: str, X: np.ndarray) -> None:
    """Raise ValueError if a feature leaves [0, 1] by more than rounding."""
    minimum, maximum = extremes(X)
    excess = np.maximum(-minimum, maximum - 1)
    feature = int(np.argmax(excess))
    if excess[feature] <= 1e-6:
        return
    assert_all_finite(X, input_name="X")
    low = -minimum[feature] >= maximum[feature] - 1
    value = minimum[feature] if low else maximum[feature]
    raise ValueError(
        f"{owner} needs X in [0, 1], but feature {feature} has the "
        f"value {value:.6g}. Scale X with MinMaxScaler(clip=True), images of bytes by "
        "X / np.float32(255), or use likelihood='gaussian'."
    )


class ClosedFormScale:
    """Move a log scale to its optimum for the current batch, smoothed.

    The gradient of the loss with respect to log s, where the loss is the mean of
    error / (p s^p) + count * log s, is g = count - error / s^p; p is 2 for a normal
    density and its squared error, 1 for a Laplace one and its absolute error. The
    optimum is therefore s^p (1 - g / count), whatever weights the loss has given to its
    rows, and the step goes a fraction `lr` of the way from s^p to it.
    """

    def __init__(
        self,
        log_scale: nn.Parameter,
        count: int,
        lowest: Tensor,
        power: int = 2,
        lr: float = 0.1,
    ) -> None:
        self.param_groups = [{"params": [log_scale], "lr": lr}]
        self.state: dict[Any, Any] = {}
        self.count = count
        self.lowest = lowest
        self.power = power

    @torch.no_grad()
    def step(self) -> None:
        """Update the log scale from its gradient."""
        group = self.param_groups[0]
        (log_scale,) = group["params"]
        shift = torch.log1p(log_scale.grad * (-group["lr"] / self.count))
        log_scale.add_(shift, alpha=1 / self.power).clamp_(min=self.lowest)


_NAMES = {
    "gaussian": GaussianLikelihood,
    "laplace": LaplaceLikelihood,
    "bernoulli": BernoulliLikelihood,
    "continuous_bernoulli": ContinuousBernoulliLikelihood,
    "discretized_logistic": DiscretizedLogisticLikelihood,
}


def resolve_likelihood(likelihood: Any) -> Any:
    """Return a likelihood from its name, or the given one itself."""
    if isinstance(likelihood, Likelihood):
        return likelihood
    if isinstance(likelihood, str) and likelihood in _NAMES:
        return _NAMES[likelihood]()
    names = ", ".join(map(repr, _NAMES))
    raise ValueError(
        f"The 'likelihood' parameter must be one of {names} or a Likelihood. "
        f"Got {likelihood!r} instead."
    )


def _float32(values: Any) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float32))
