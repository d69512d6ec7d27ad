"""Observation models with a location and a scale, which may be learned."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skvae._utils.float32 import Frame
from skvae._utils.rows import DataSummary
from skvae.likelihoods._closed_form import ClosedFormScale
from skvae.likelihoods._locations import (
    bounds_for,
    check_bounds,
    check_within,
    float32,
    make_location,
)
from skvae.likelihoods._noise import (
    LARGEST_ROW,
    Errors,
    FixedNoise,
    NoiseByLocation,
    noise_by_feature,
    noise_by_location,
    one_noise,
)
from skvae.likelihoods.base import Likelihood

# The decoder's scale starts at exp(-1) of the data's own: at the data's scale the
# collapsed posterior is already a stationary point.
_INITIAL_LOG_SCALE = -1.0
# The lowest scales, as shares of the data's own. One for all features may fall far; one
# for a single feature would take a feature that is nearly constant in training for an
# exact law, and new rows that break it for impossible ones.
_LOWEST_OF_ALL, _LOWEST_OF_MANY = 1e-4, 1e-2
# The highest scales lie so far above that of the start, in logarithms.
_HIGHEST_LOG_SHARE = 5.0

# Fixed scales and the spread of X are within 12 orders of magnitude.
_LARGEST_LOG_RATIO = 12 * np.log(10)
# With "auto", noise by feature stays above this share of the mean spread while networks
# are trained: features that are nearly constant would outweigh all others.
_LEAST_SHARE = 0.1
_SMALLEST_ERROR = 1e-30  # whose logarithm is finite


class ScaledLikelihood(Likelihood):
    """Base class of observation models with a location and a scale of their noise.

    A subclass has the parameters `scale` and, if the scale can be learned in closed
    form, `update`, and defines `distribution`; see `GaussianLikelihood`. With a
    parameter `bounds`, the location stays between them. If it has parameters of its
    own, it extends `check_parameters`, which `build` calls.

    Attributes
    ----------
    update : {"closed_form", "gradient"}
        How a scale is learned; "gradient" unless a subclass says otherwise.
    power : int
        The p for which the negative log density of a feature is
        ``error / (p * scale**p) + log(scale)``: 2 for a squared error, 1 for an
        absolute one. Only closed forms use it. With 2, these are also right for a
        mixture of normal distributions with different scales, such as Student's t,
        for which they are steps of the EM algorithm.
    """

    update = "gradient"
    power = 2
    bounds: Any = None
    bounds_: tuple[float, float] | None = None

    @property
    def outputs_per_feature(self) -> int:
        """Number of raw decoder outputs for every feature of X."""
        return 2 if self._is("predicted") else 1

    @property
    def scale_(self) -> float | np.ndarray:
        """Scale of the observation noise, in the units of X."""
        log_scale = self._bounded(self.log_scale.detach())
        if self.noise is not None:
            log_scale = self.noise.level
        scale = log_scale.exp().cpu().double().numpy() * self.unit
        return scale if scale.ndim else float(scale)

    def frame(self, summary: DataSummary) -> Frame:
        """Return a frame around the data; see `Likelihood.frame`."""
        self.check_parameters()
        return summary.scaled_frame(self._spread(summary, self._kind_for(summary)))

    def build(self, summary: DataSummary) -> ScaledLikelihood:
        """Check parameters, create learned state from statistics of X; return self."""
        self.check_parameters()
        self.unit, self.n_features = summary.frame.unit, summary.n_features
        self.kind = self._kind_for(summary)
        spread = self._spread(summary, self.kind)
        self.register_buffer("spread", float32(spread))
        self.bounds_ = bounds_for(self.bounds, summary)
        self.location = make_location(self.bounds, summary, self.spread)
        start = np.log(self._start(summary))
        lowest, final = map(np.log, self._lowest(summary))
        self.register_buffer("lowest", float32(lowest))
        self.register_buffer("lowest_calibrated", float32(final))
        start = float32(start)
        self.register_buffer("highest", start + _HIGHEST_LOG_SHARE)
        self.noise: FixedNoise | NoiseByLocation | None = None
        if self._is_learned:
            self.log_scale = nn.Parameter(start)
        elif self._is("predicted"):
            self.register_buffer("initial_log_scale", start)
        else:
            scale = np.log(self.scale) - np.log(self.unit)
            self._check_fixed(scale - np.log(spread))
            self.register_buffer("log_scale", float32(scale))
        return self

    def restandardise(self, summary: DataSummary) -> tuple[np.ndarray, np.ndarray]:
        """Take the location and the limits of scales from other statistics.

        Limits stay beyond the scales that have been learned, which do not change.
        """
        spread = float32(self._spread(summary, self.kind)).to(self.spread)
        gain, offset = self.location.restandardise(summary, spread)
        self.spread = spread
        start = float32(np.log(self._start(summary))).to(spread)
        least, most = self.lowest, self.highest
        if self._is_learned:
            with torch.no_grad():
                self.log_scale.copy_(self._bounded(self.log_scale))
            least = most = self.log_scale.detach()
        elif self._is("predicted"):
            before, self.initial_log_scale = self.initial_log_scale, start
            gain = np.concatenate([gain, np.ones_like(gain)])
            rest = np.broadcast_to((before - start).cpu().double(), offset.shape)
            offset = np.concatenate([offset, rest])
        lowest, final = (float32(np.log(v)).to(start) for v in self._lowest(summary))
        self.lowest, self.lowest_calibrated = torch.minimum(lowest, least), final
        self.highest = torch.maximum(start + _HIGHEST_LOG_SHARE, most)
        return gain, offset

    def forward(self, h: Tensor) -> Any:
        """Return p(x|z); see `Likelihood.forward`."""
        if self.noise is not None:
            loc = self.location(h)
            return self.distribution(loc, self.noise(loc))
        if not self._is("predicted"):
            return self.distribution(self.location(h), self._log_scale_by_row(h))
        h, r = h.chunk(2, -1)
        log_scale = self._bounded(self.initial_log_scale + r)
        return self.distribution(self.location(h), log_scale)

    def optimizers(self) -> list[Any]:
        """Return the closed-form update of a learned scale, if it is asked for."""
        if not self._is_learned or self.update == "gradient":
            return []
        count = self.n_features if self.log_scale.ndim == 0 else 1
        return [ClosedFormScale(self.log_scale, count, self.lowest, self.power)]

    def check_support(self, X: np.ndarray) -> None:
        """Raise ValueError if X leaves the bounds that were given."""
        check_bounds(type(self).__name__, self.bounds)
        check_within(type(self).__name__, self.bounds, X)

    def start(self, errors: np.ndarray) -> None:
        """Begin with the noise that leaves these errors; see `Likelihood.start`."""
        if not self._is_learned:
            return
        errors = errors if self.log_scale.ndim else errors.mean()
        with torch.no_grad():
            start = float32(np.log(np.maximum(errors, _SMALLEST_ERROR)) / 2)
            self.log_scale.copy_(start.clamp(self.lowest, self.highest))

    def calibrates(self, *, held_out: bool) -> bool:
        """Tell whether `calibrate` sets the noise; see `Likelihood.calibrates`."""
        has_closed_form = "update" in self.get_params()
        is_due = held_out or self._is("auto")
        return has_closed_form and self._is_learned and is_due

    @property
    def has_one_scale(self) -> bool:
        """Whether all rows and features have the same noise, also after calibration."""
        return self._is("global")

    def add_errors(self, errors: Errors, p: Any, x: Tensor, weight: Tensor) -> None:
        """Add errors of p(x|z) to sums of them, those far out cut as in training.

        Parameters
        ----------
        errors : Errors
        p : distribution
            Of k draws of z for n rows.
        x : Tensor of shape (n, n_features)
        weight : Tensor of shape (k, n, 1)
        """
        largest = LARGEST_ROW * (self.power * self.log_scale.detach()).exp()
        error = (x - p.mean).abs().pow(self.power).minimum(largest)
        errors.add(p.mean, error, weight)

    def forget_calibration(self) -> None:
        """Go back to the noise that has been learned."""
        if self.calibrates(held_out=True):
            self.noise = None

    def new_errors(self, *, held_out: bool) -> Errors:
        """Return sums of errors for `calibrate`, of no rows as yet."""
        by_location = self.kind == "location"
        return Errors(self.location if by_location else None, self.n_features)

    def calibrate(self, errors: Errors) -> None:
        """Set the noise to the optimum for sums of `errors`."""
        noise = noise_by_feature if errors.location is None else noise_by_location
        noise = one_noise if self.has_one_scale else noise
        device = self.lowest.device
        lowest = self.lowest_calibrated.cpu()
        self.noise = noise(errors, self.power, lowest).to(device)

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
        lowest = -LARGEST_ROW * count / (h.shape[-2] if h.ndim > 1 else 1)
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
    def _is_learned(self) -> bool:
        """Whether there is a scale that is learned and the same for all rows."""
        return any(map(self._is, ("auto", "global", "feature")))

    def _kind_for(self, summary: DataSummary) -> str | float:
        """Return the parameter `scale`, "location" or "floored" where it is "auto"."""
        if not self._is("auto"):
            return self.scale
        return "floored" if bounds_for(self.bounds, summary) is None else "location"

    @staticmethod
    def _spread(summary: DataSummary, kind: str | float) -> float | np.ndarray:
        is_by_feature = kind in ("feature", "predicted")
        return summary.feature_scale if is_by_feature else summary.total_scale

    def _start(self, summary: DataSummary) -> float | np.ndarray:
        """Return the scale before training."""
        start = np.exp(_INITIAL_LOG_SCALE) * self._spread(summary, self.kind)
        return np.full(summary.n_features, start) if self.kind == "floored" else start

    def _lowest(self, summary: DataSummary) -> tuple[Any, Any]:
        """Return the lowest scales in training and after calibration."""
        spread = self._spread(summary, self.kind)
        if self.kind == "floored":
            lowest = np.full(summary.n_features, _LEAST_SHARE * spread)
            return lowest, _LOWEST_OF_MANY * summary.feature_scale
        lowest = (_LOWEST_OF_MANY if np.ndim(spread) else _LOWEST_OF_ALL) * spread
        return lowest, lowest if self._is("global") else _LOWEST_OF_MANY * spread

    def _is(self, scale: str) -> bool:
        return isinstance(self.scale, str) and self.scale == scale

    def check_parameters(self) -> None:
        """Raise TypeError or ValueError for parameters that are not valid."""
        check_bounds(type(self).__name__, self.bounds)
        names = ("auto", "global", "feature", "predicted")
        number = isinstance(self.scale, Real) and not isinstance(self.scale, bool)
        if not (number and 0 < self.scale < np.inf) and self.scale not in names:
            raise ValueError(
                f"The 'scale' parameter of {type(self).__name__} must be 'auto', "
                "'global', 'feature', 'predicted' or a float > 0. "
                f"Got {self.scale!r} instead."
            )
        if self.update not in ("closed_form", "gradient"):
            raise ValueError(
                f"The 'update' parameter of {type(self).__name__} must be "
                f"'closed_form' or 'gradient'. Got {self.update!r} instead."
            )
