"""Observation models p(x|z): what the decoder's raw output says about a row.

The parameter `likelihood` of an estimator takes an object, or a name for its defaults:

- ``"gaussian"``: real values, between bounds or not; the noise is set on rows held out
- ``"laplace"``: the same, less sensitive to outliers
- ``"bernoulli"``: values of 0 and 1; grey levels in [0, 1] as in the papers
- ``"continuous_bernoulli"``: a density for values in [0, 1]
- ``"discretized_logistic"``: evenly spaced levels, such as those of 8-bit images
- ``"poisson"``: counts whose variance is their mean
- ``"negative_binomial"``: counts that vary more, as most do
"""

from typing import Any

from skvae._utils.validation import resolve_named
from skvae.likelihoods.base import Likelihood
from skvae.likelihoods.bounded import (
    BernoulliLikelihood,
    ContinuousBernoulliLikelihood,
    DiscretizedLogisticLikelihood,
    UnitIntervalLikelihood,
)
from skvae.likelihoods.counts import (
    CountLikelihood,
    NegativeBinomialLikelihood,
    PoissonLikelihood,
)
from skvae.likelihoods.gaussian import GaussianLikelihood
from skvae.likelihoods.laplace import LaplaceLikelihood
from skvae.likelihoods.scaled import ScaledLikelihood

__all__ = [
    "BernoulliLikelihood",
    "ContinuousBernoulliLikelihood",
    "CountLikelihood",
    "DiscretizedLogisticLikelihood",
    "GaussianLikelihood",
    "LaplaceLikelihood",
    "Likelihood",
    "NegativeBinomialLikelihood",
    "PoissonLikelihood",
    "ScaledLikelihood",
    "UnitIntervalLikelihood",
]

NAMES = {
    "gaussian": GaussianLikelihood,
    "laplace": LaplaceLikelihood,
    "bernoulli": BernoulliLikelihood,
    "continuous_bernoulli": ContinuousBernoulliLikelihood,
    "discretized_logistic": DiscretizedLogisticLikelihood,
    "poisson": PoissonLikelihood,
    "negative_binomial": NegativeBinomialLikelihood,
}


def resolve_likelihood(likelihood: Any) -> Any:
    """Return a likelihood from its name, or the given one itself."""
    return resolve_named("likelihood", likelihood, Likelihood, NAMES)
