"""The base class of observation models."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from skvae._utils.float32 import Frame
from skvae._utils.optimizers import HasOptimizers
from skvae._utils.rows import DataSummary


class Likelihood(BaseEstimator, HasOptimizers, nn.Module):
    """Base class of observation models.

    A likelihood is a parameter of an estimator, cloned in ``fit``; the clone is then
    built for the training data and becomes ``likelihood_``. To write one, set
    `outputs_per_feature`, and define `build` and `forward`.

    Attributes
    ----------
    outputs_per_feature : int
        Number of raw decoder outputs for every feature of X.
    discrete : bool
        Whether ``log_prob`` is the logarithm of a probability, which no rescaling of X
        changes, rather than of a density. False unless a subclass says otherwise.
    optimal_average : {"mean", "median"} or None
        Which weighted average of rows x_i, by feature, is the `mean` of that p(x|z)
        which maximises ``sum_i w_i log p(x_i|z)``, whatever the weights are: "mean" for
        exponential families with the sufficient statistic x. None, unless a subclass
        says otherwise, is neither; `skvae.diagnostics.optimal_decoder` then refuses.
    is_nominal : bool
        Whether values of X are names of categories, which have no mean: `mean` of
        p(x|z) is then the likeliest. False unless a subclass says otherwise.
    has_one_scale : bool
        Whether all rows and features have the same noise, also after calibration. False
        unless a subclass says otherwise.
    support : ndarray of shape (n_values,) or None
        The values that a feature can have, rising, in the units of X, if they are few
        and p(x|z) has ``probabilities()``: those of all values, a tensor of shape
        (..., n_features, n_values). `skvae.compression` then codes X. None unless a
        subclass says otherwise.
    """

    outputs_per_feature = 1
    discrete = False
    optimal_average: str | None = None
    is_nominal = False
    has_one_scale = False
    support: np.ndarray | None = None

    def __init__(self) -> None:
        nn.Module.__init__(self)

    def look(self, X: np.ndarray, columns: Any = None) -> None:
        """See the rows to train on before `frame` and `build`; nothing by default.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            NaN where a value is missing.
        columns : ColumnsOfRows or None
            Names and kinds of the columns of a table; None for an array.
        """

    def build(self, summary: DataSummary) -> Likelihood:
        """Check parameters, create learned state from statistics of X; return self."""
        raise NotImplementedError

    def forward(self, h: Tensor) -> Any:
        """Return p(x|z) from raw decoder outputs.

        Parameters
        ----------
        h : Tensor of shape (..., n_outputs)

        Returns
        -------
        p : distribution with ``mean``, ``log_prob(x)`` and ``sample(generator)``
        """
        raise NotImplementedError

    def n_outputs(self, n_features: int) -> int:
        """Return the number of raw decoder outputs, by default of equal parts.

        Parameters
        ----------
        n_features : int
        """
        return self.outputs_per_feature * n_features

    def n_inputs(self, n_features: int) -> int:
        """Return the number of encoder inputs, `n_features` by default.

        Parameters
        ----------
        n_features : int
        """
        return n_features

    def inputs(self, x: Tensor) -> Tensor:
        """Return what the encoder sees of rows, if not centred and scaled values.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)

        Returns
        -------
        inputs : Tensor of shape (n, n_inputs)
            About standard normal; NaN where a value is missing.
        """
        raise NotImplementedError

    @property
    def has_inputs(self) -> bool:
        """Whether a subclass has `inputs` of its own."""
        return type(self).inputs is not Likelihood.inputs

    def start_outputs(self, loadings: np.ndarray) -> np.ndarray | None:
        """Return decoder outputs that begin at a linear model of the encoder's inputs.

        Parameters
        ----------
        loadings : ndarray of shape (n_inputs, n_components)
            Inputs are loadings @ z, and noise.

        Returns
        -------
        rows : ndarray of shape (n_outputs, n_components) or None
            Outputs are rows @ z to first order. None where the outputs are those of the
            mean of p(x|z), for which they are found by differences.
        """
        return None

    def start(self, errors: np.ndarray) -> None:
        """Begin with the noise that a first guess at X leaves; nothing by default.

        Parameters
        ----------
        errors : ndarray of shape (n_features,) or (n_inputs,)
            Mean squared errors of the guess, in the units of `build`, or those of
            `inputs` where there are any.
        """

    def restandardise(
        self, summary: DataSummary
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Standardise outputs by the statistics of more rows, where that is affine.

        Parameters
        ----------
        summary : DataSummary
            In the frame of `build`.

        Returns
        -------
        gain, offset : ndarray of shape (n_outputs,), or None
            Raw outputs ``gain * h + offset`` now mean what h meant before. None, by
            default, where all stays as it was.
        """
        return None

    def calibrates(self, *, held_out: bool) -> bool:
        """Tell whether the noise is set in closed form after training; False here.

        Parameters
        ----------
        held_out : bool
            Whether there are rows that the networks were not fitted to.
        """
        return False

    def forget_calibration(self) -> None:
        """Go back to the noise that has been learned; nothing by default."""

    def check_support(self, X: np.ndarray) -> None:
        """Raise ValueError if X leaves the support."""

    def frame(self, summary: DataSummary) -> Frame:
        """Return the origin and the units in which the module sees X.

        Those of X, unless a subclass has a density that may be moved and scaled:
        `summary.scaled_frame` then keeps what float32 would lose. `build` receives the
        statistics in this frame.

        Parameters
        ----------
        summary : DataSummary
            In the units of X.
        """
        return summary.plain_frame()

    def encoder_scale(self, summary: DataSummary) -> float | np.ndarray:
        """Return the scale that the encoder's input is divided by.

        Parameters
        ----------
        summary : DataSummary

        Returns
        -------
        scale : float or ndarray of shape (n_features,)
            In the units of X; the root mean variance of all features by default.
        """
        return summary.total_scale

    def monitor(self) -> dict[str, float]:
        """Return quantities to record in ``history_`` after each epoch."""
        return {}
