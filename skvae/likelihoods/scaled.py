"""Observation models with a location and a scale, which may be learned."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skvae._distributions.normal import DiagonalNormal, IsotropicNormal
from skvae._distributions.observations import Laplace
from skvae._utils.float32 import Frame
from skvae._utils.rows import DataSummary
from skvae.likelihoods.base import Likelihood

# The decoder's scale starts at exp(-1) of the data's own: at the data's scale the
# collapsed posterior is already a stationary point.
_INITIAL_LOG_SCALE = -1.0
# The lowest scales, as shares of the data's own. One for all features may fall far; one
# for a single feature would take a feature that is nearly constant in training for an
# exact law, and new rows that break it for impossible ones.
_LOWEST_LOG_SCALE, _LOWEST_FEATURE_LOG_SCALE = np.log([1e-4, 1e-2])

# Fixed scales and the spread of X are within 12 orders of magnitude.
_LARGEST_LOG_RATIO = 12 * np.log(10)
# A row's error counts for the scale as no more than this many times the scale's own.
_LARGEST_ROW = 100.0


class ScaledLikelihood(Likelihood):
    """Base class of observation models with a location and a scale of their noise.

    A subclass has the parameters `scale` and, if the scale can be learned in closed
    form, `update`, and defines `distribution`; see `GaussianLikelihood`. If it has
    parameters of its own, it extends `check_parameters`, which `build` calls.

    Attributes
    ----------
    update : {"closed_form", "gradient"}
        How a scale is learned; "gradient" unless a subclass says otherwise.
    power : int
        The p for which the negative log density of a feature is
        ``error / (p * scale**p) + log(scale)``: 2 for a squared error, 1 for an
        absolute one. Only closed-form updates use it. With 2, these are also right for
        a mixture of normal distributions with different scales, such as Student's t,
        for which they are steps of the EM algorithm.
    """

    update = "gradient"
    power = 2

    @property
    def outputs_per_feature(self) -> int:
        """Number of raw decoder outputs for every feature of X."""
        return 2 if self._is("predicted") else 1

    @property
    def scale_(self) -> float | np.ndarray:
        """Scale of the observation noise, in the units of X."""
        scale = (
            self._bounded(self.log_scale.detach()).exp().cpu().double().numpy()
            * self.unit
        )
        return scale if scale.ndim else float(scale)

    def frame(self, summary: DataSummary) -> Frame:
        """Return a frame around the data; see `Likelihood.frame`."""
        self.check_parameters()
        return summary.scaled_frame(self._spread(summary))

    def build(self, summary: DataSummary) -> ScaledLikelihood:
        """Check parameters, create learned state from statistics of X; return self."""
        self.check_parameters()
        self.unit = summary.frame.unit
        self.register_buffer("location", _float32(summary.mean))
        self.register_buffer("spread", _float32(self._spread(summary)))
        lowest = _LOWEST_FEATURE_LOG_SCALE if self._by_feature else _LOWEST_LOG_SCALE
        self.register_buffer("lowest", self.spread.log() + float(lowest))
        start = self.spread.log() + _INITIAL_LOG_SCALE
        self.register_buffer("highest", start - float(lowest))
        if self._is("global") or self._is("feature"):
            self.log_scale = nn.Parameter(start)
        elif self._is("predicted"):
            self.register_buffer("initial_log_scale", start)
        else:
            scale = np.log(self.scale) - np.log(self.unit)
            self._check_fixed(scale - np.log(self._spread(summary)))
            self.register_buffer("log_scale", _float32(scale))
        return self

    def forward(self, h: Tensor) -> Any:
        """Return p(x|z); see `Likelihood.forward`."""
        if not self._is("predicted"):
            return self.distribution(self._location(h), self._log_scale_by_row(h))
        h, r = h.chunk(2, -1)
        log_scale = self._bounded(self.initial_log_scale + r)
        return self.distribution(self._location(h), log_scale)

    def optimizers(self) -> list[Any]:
        """Return the closed-form update of a learned scale, if it is asked for."""
        learned = self._is("global") or self._is("feature")
        if not learned or self.update == "gradient":
            return []
        n_features = len(self.location)
        count = n_features if self.log_scale.ndim == 0 else 1
        return [ClosedFormScale(self.log_scale, count, self.lowest, self.power)]

    def monitor(self) -> dict[str, float]:
        """Return the scale (for one by feature: its root mean square)."""
        if not isinstance(getattr(self, "log_scale", None), nn.Parameter):
            return {}
        return {"scale": float(np.sqrt(np.mean(np.square(self.scale_))))}

    def encoder_scale(self, summary: DataSummary) -> np.ndarray:
        """Return the scale of the data that the decoder's location has, too."""
        return self.spread.numpy()

    def distribution(self, loc: Tensor, log_scale: Tensor) -> Any:
        """Return the distribution with this location and this logarithm of its scale.

        Parameters
        ----------
        loc : Tensor of shape (..., n_features)
        log_scale : Tensor of shape (), (n_features,), (..., 1) or (..., n_features)

        Returns
        -------
        p : distribution with ``mean``, ``log_prob(x)`` and ``sample(generator)``
        """
        raise NotImplementedError

    def _location(self, h: Tensor) -> Tensor:
        return torch.addcmul(self.location, self.spread, h)

    def _check_fixed(self, log_ratio: float) -> None:
        """Raise ValueError if the squares of errors in units of the scale overflow."""
        if abs(log_ratio) > _LARGEST_LOG_RATIO:
            raise ValueError(
                f"The 'scale' parameter of {type(self).__name__} is {self.scale:g}, "
                f"{np.exp(log_ratio):.2g} times the spread of X. It is in the units of "
                "X: rescale it or X, or let it be learned with scale='global'."
            )

    def _log_scale_by_row(self, h: Tensor) -> Tensor:
        """Return the log scale, to whose gradient no row adds much more than another.

        A closed form takes mean errors, in which a row far out has no limit.
        """
        scale = self.log_scale
        if self.update == "gradient":
            return self._bounded(scale)
        count = h.shape[-1] if scale.ndim == 0 else 1
        lowest = -_LARGEST_ROW * count / (h.shape[-2] if h.ndim > 1 else 1)
        rows = scale.expand(*h.shape[:-1], scale.numel())
        if not rows.requires_grad:
            return scale
        # There is no gradient where none is asked for by the scale.
        rows.register_hook(lambda g: g if g is None else g.clamp(min=lowest))
        return rows

    def _bounded(self, log_scale: Tensor) -> Tensor:
        """Return a log scale within bounds; one that is fixed stays as it is."""
        if isinstance(self.scale, Real):
            return log_scale
        return log_scale.clamp(self.lowest, self.highest)

    @property
    def _by_feature(self) -> bool:
        return self._is("feature") or self._is("predicted")

    def _spread(self, summary: DataSummary) -> float | np.ndarray:
        return summary.feature_scale if self._by_feature else summary.total_scale

    def _is(self, scale: str) -> bool:
        return isinstance(self.scale, str) and self.scale == scale

    def check_parameters(self) -> None:
        """Raise TypeError or ValueError for parameters that are not valid."""
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

    optimal_average = "mean"

    def __init__(
        self, scale: str | float = "global", update: str = "closed_form"
    ) -> None:
        super().__init__()
        self.scale = scale
        self.update = update

    def distribution(self, loc: Tensor, log_scale: Tensor) -> DiagonalNormal:
        """Return the normal distribution; see `ScaledLikelihood.distribution`."""
        one_for_all = log_scale.shape[-1:] in ((), (1,))
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

    power = 1
    optimal_average = "median"

    def __init__(
        self, scale: str | float = "global", update: str = "closed_form"
    ) -> None:
        super().__init__()
        self.scale = scale
        self.update = update

    def distribution(self, loc: Tensor, log_scale: Tensor) -> Laplace:
        """Return the Laplace distribution; see `ScaledLikelihood.distribution`."""
        return Laplace(loc, log_scale)


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

    def state_dict(self) -> dict[str, Any]:
        """Return the state, of which there is none beside the log scale."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""


def _float32(values: Any) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float32))
