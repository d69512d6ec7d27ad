"""The Laplace observation model."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from skvae._distributions.observations import Laplace
from skvae.likelihoods.scaled import ScaledLikelihood


class LaplaceLikelihood(ScaledLikelihood):
    r"""Laplace observation model, p(x|z) = prod exp(-|x - f(z)| / scale) / (2 scale).

    Less sensitive to outliers than the Gaussian one; `inverse_transform` then gives
    conditional medians.

    Parameters
    ----------
    scale : {"auto", "global", "feature", "predicted"} or float, default="auto"
        Mean absolute deviation of the observation noise, in the units of X; see
        `GaussianLikelihood`. Between bounds, "auto" makes it the root of
        ``v0 + v1 * m * (1 - m)``.
    update : {"closed_form", "gradient"}, default="closed_form"
        How a scale is learned in training; the optimum for a batch is its mean absolute
        error.
    bounds : "auto", None or tuple (low, high), default="auto"
        What the median f(z) stays between; see `GaussianLikelihood`.

    Attributes
    ----------
    bounds_ : tuple (low, high) or None
        What the median stays between.
    scale_ : float or ndarray of shape (n_features,)
        The mean absolute deviation, its mean where it depends on the median; not
        available for "predicted".

    Examples
    --------
    >>> import numpy as np
    >>> from skvae import VAE
    >>> X = np.random.default_rng(0).normal(size=(64, 3))
    >>> VAE(2, likelihood="laplace", max_epochs=2).fit(X).likelihood_.scale_.shape
    (3,)
    """

    power = 1
    optimal_average = "median"

    def __init__(
        self,
        scale: str | float = "auto",
        update: str = "closed_form",
        bounds: Any = "auto",
    ) -> None:
        super().__init__()
        self.scale = scale
        self.update = update
        self.bounds = bounds

    def distribution(self, loc: Tensor, log_scale: Tensor) -> Laplace:
        """Return the Laplace distribution; see `ScaledLikelihood.distribution`."""
        return Laplace(loc, log_scale)
