"""The observation model of columns with any margins."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skvae._distributions.normal_scores import NormalScores, ScoreMap
from skvae._utils.adam import Adam
from skvae._utils.float32 import Frame
from skvae._utils.rows import DataSummary
from skvae._utils.validation import check_choice
from skvae.likelihoods._margins import knots_of
from skvae.likelihoods._noise import (
    LARGEST_ROW,
    Errors,
    FixedNoise,
    noise_by_feature,
)
from skvae.likelihoods.base import Likelihood

_MOST_ROWS = 100_000  # of which margins are taken
_START, _LEAST, _LARGEST = -1.0, np.log(0.01), np.log(3.0)  # logarithms of scales


class NormalScoresLikelihood(Likelihood):
    """Columns of any shape: normal scores y of x are normal, y ~ N(f(z), scale^2).

    The score of a value is the standard normal quantile of its rank among the training
    rows, so that skewed, heavy-tailed, multimodal and bounded columns all look normal
    to the networks, and come back as they were. A value that is repeated often, such as
    the zeros of a column of amounts, is an interval of scores and has a probability; in
    a column of few values, such as ratings or numbers of rooms, all do.

    Parameters
    ----------
    scale : "feature" or "predicted", default="feature"
        Standard deviation of the scores, of which all together have 1. "feature" learns
        one for each feature; "predicted" lets the decoder predict it for every sample
        and feature.

    Attributes
    ----------
    scale_ : ndarray of shape (n_features,)
        The standard deviation of the scores; not available for "predicted".

    Notes
    -----
    The map between values and scores is piecewise linear. With n values, pieces have
    about the root of n, and gaps in the data are pieces of their own. A value is an
    atom if it is repeated, in more than one of 128 values. ``log_prob`` is the
    logarithm of its probability, for all other values that of a density in the units of
    X. Draws stay between the least and the greatest training value; values beyond have
    a density, too: there scores go on as the logarithm of the distance from the end.

    References
    ----------
    Hoff, "Extending the rank likelihood for semiparametric copula estimation", Annals
    of Applied Statistics, 2007 (scores of mixed margins).
    Liu, Lafferty & Wasserman, "The Nonparanormal", JMLR 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae import VAE
    >>> X = np.random.default_rng(0).lognormal(size=(200, 3))
    >>> vae = VAE(2, likelihood="normal_scores", max_epochs=2, random_state=0).fit(X)
    >>> S = vae.sample(100, mean=False, random_state=0)
    >>> bool(S.min() >= X.min() and S.max() <= X.max())
    True
    """

    def __init__(self, scale: str = "feature") -> None:
        super().__init__()
        self.scale = scale

    @property
    def outputs_per_feature(self) -> int:
        """Number of raw decoder outputs for every feature of X."""
        return 2 if self.scale == "predicted" else 1

    @property
    def scale_(self) -> np.ndarray:
        """Standard deviation of the scores of every feature."""
        return self._log_scale().detach().exp().cpu().double().numpy()

    def look(self, X: np.ndarray, columns: Any = None) -> None:
        """Take the margins of the training rows; see `Likelihood.look`."""
        rows = X[:: -(-len(X) // _MOST_ROWS)].astype(np.float64)
        self.knots = [knots_of(column[~np.isnan(column)]) for column in rows.T]

    def frame(self, summary: DataSummary) -> Frame:
        """Return the origin of the values; see `Likelihood.frame`."""
        frame = summary.scaled_frame(summary.feature_scale)
        return Frame(frame.origin, 0, frame.dtype)

    def build(self, summary: DataSummary) -> Likelihood:
        """Check parameters, create learned state from statistics of X; return self."""
        self.check_parameters()
        knots = self.__dict__.pop("knots")
        origin = np.broadcast_to(summary.frame.origin, len(knots))
        self.map = ScoreMap(
            [(x - o, y) for (x, y), o in zip(knots, origin, strict=True)]
        )
        self.noise: FixedNoise | None = None
        if self.scale == "feature":
            start = torch.full((summary.n_features,), _START)
            self.log_scale = nn.Parameter(start)
        return self

    def repeated_values(self) -> list[list[float]]:
        """Return the values that have a probability, by feature, in the units of x."""
        return self.map.atoms()

    def forward(self, h: Tensor) -> NormalScores:
        """Return p(x|z); see `Likelihood.forward`."""
        if self.scale == "feature":
            return NormalScores(h, self._log_scale(), self.map)
        h, r = h.chunk(2, -1)
        return NormalScores(h, self._bounded(_START + r), self.map)

    def inputs(self, x: Tensor) -> Tensor:
        """Return the scores of values; see `Likelihood.inputs`."""
        return self.map.scores(x)

    def start_outputs(self, loadings: np.ndarray) -> np.ndarray:
        """Return locations of scores; see `Likelihood.start_outputs`."""
        rest = (self.outputs_per_feature - 1) * len(loadings)
        return np.pad(loadings, ((0, rest), (0, 0)))

    def start(self, errors: np.ndarray) -> None:
        """Begin with the noise that leaves these errors; see `Likelihood.start`."""
        if self.scale == "feature":
            start = torch.from_numpy(np.log(np.maximum(errors, 1e-12)) / 2)
            with torch.no_grad():
                self.log_scale.copy_(self._bounded(start))

    def calibrates(self, *, held_out: bool) -> bool:
        """Tell whether learned scales are set anew on rows held out."""
        return self.scale == "feature" and held_out

    def new_errors(self, *, held_out: bool) -> Errors:
        """Return sums of errors for `calibrate`, of no rows as yet."""
        return Errors(None, len(self.log_scale))

    def add_errors(self, errors: Errors, p: Any, x: Tensor, weight: Tensor) -> None:
        """Add expected squared errors of scores; see `ScaledLikelihood.add_errors`."""
        error = p.squared_errors(x)
        largest = LARGEST_ROW * (2 * self._bounded(self.log_scale.detach())).exp()
        errors.add(p.loc, error.minimum(largest), weight)

    def calibrate(self, errors: Errors) -> None:
        """Set the scales to the optimum for sums of errors."""
        lowest = torch.full_like(self.log_scale, _LEAST, device="cpu")
        noise = noise_by_feature(errors, 2, lowest)
        self.noise = noise.to(self.log_scale.device)

    def forget_calibration(self) -> None:
        """Go back to the scales that have been learned."""
        self.noise = None

    def optimizers(self) -> list[Any]:
        """Return Adam with a rate of its own for learned scales."""
        return [Adam([self.log_scale], 0.02)] if self.scale == "feature" else []

    def monitor(self) -> dict[str, float]:
        """Return the root mean square of learned scales."""
        if self.scale != "feature":
            return {}
        return {"scale": float(np.sqrt(np.mean(np.square(self.scale_))))}

    def _log_scale(self) -> Tensor:
        calibrated = self.noise is not None
        return self.noise.level if calibrated else self._bounded(self.log_scale)

    def _bounded(self, log_scale: Tensor) -> Tensor:
        return log_scale.clamp(_LEAST, _LARGEST)

    def check_parameters(self) -> None:
        """Raise ValueError for parameters that are not valid."""
        check_choice(type(self).__name__, "scale", self.scale, ("feature", "predicted"))
