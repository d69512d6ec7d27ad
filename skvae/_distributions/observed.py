"""Distributions of rows of which some values are missing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Observed:
    """p(x|z), with the log density of what is observed of x.

    Parameters
    ----------
    p : distribution over the features of x
        With ``log_prob_by_feature(x)`` of shape (..., n_features).
    fill : Tensor of shape (n_features,)
        What is looked at in the place of a missing value; it does not count.
    """

    def __init__(self, p: Any, fill: Tensor) -> None:
        self.p, self.fill = p, fill

    def __getattr__(self, name: str) -> Any:
        if name == "p":  # of an object that is being made
            raise AttributeError(name)
        return getattr(self.p, name)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density in nats of the values that are not NaN, shape (...,)."""
        if not hasattr(self.p, "log_prob_by_feature"):
            raise TypeError(
                "X has missing values, for which p(x|z) must factorise over features "
                f"and have log_prob_by_feature(x); {type(self.p).__name__} has none. "
                "Define it, or impute X."
            )
        missing = x.isnan()
        log_p = self.p.log_prob_by_feature(torch.where(missing, self.fill, x))
        return log_p.masked_fill(missing, 0.0).sum(-1)
