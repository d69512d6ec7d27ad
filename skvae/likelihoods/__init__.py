"""Observation models p(x|z): what the decoder's raw output says about a row."""

from typing import Any

from skvae._utils.validation import resolve_named
from skvae.likelihoods.base import Likelihood
from skvae.likelihoods.bounded import (
    BernoulliLikelihood,
    ContinuousBernoulliLikelihood,
    DiscretizedLogisticLikelihood,
    UnitIntervalLikelihood,
)
from skvae.likelihoods.scaled import (
    GaussianLikelihood,
    LaplaceLikelihood,
    ScaledLikelihood,
)

__all__ = [
    "BernoulliLikelihood",
    "ContinuousBernoulliLikelihood",
    "DiscretizedLogisticLikelihood",
    "GaussianLikelihood",
    "LaplaceLikelihood",
    "Likelihood",
    "ScaledLikelihood",
    "UnitIntervalLikelihood",
]

_NAMES = {
    "gaussian": GaussianLikelihood,
    "laplace": LaplaceLikelihood,
    "bernoulli": BernoulliLikelihood,
    "continuous_bernoulli": ContinuousBernoulliLikelihood,
    "discretized_logistic": DiscretizedLogisticLikelihood,
}


def resolve_likelihood(likelihood: Any) -> Any:
    """Return a likelihood from its name, or the given one itself."""
    return resolve_named("likelihood", likelihood, Likelihood, _NAMES)
