"""Observation models p(x|z): what the decoder's raw output says about a row.

The parameter `likelihood` of an estimator takes an object, or a name for its defaults:

- ``"auto"``: ``"gaussian"`` for arrays, ``"columns"`` for data frames and wherever
  `categorical_features` are given
- ``"gaussian"``: real values, between bounds or not; the noise is set on rows held out
- ``"laplace"``: the same, less sensitive to outliers
- ``"bernoulli"``: values of 0 and 1; grey levels in [0, 1] as in the papers
- ``"continuous_bernoulli"``: a density for values in [0, 1]
- ``"discretized_logistic"``: evenly spaced levels, such as those of 8-bit images
- ``"normal_scores"``: columns of any shape, each in its own unit: skewed, heavy-tailed,
  multimodal, bounded, or with values that are repeated
- ``"categorical"``: categories, whatever numbers stand for them
- ``"columns"``: tables, with a likelihood for every column by its kind
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
from skvae.likelihoods.categorical import CategoricalLikelihood
from skvae.likelihoods.columns import ColumnLikelihood
from skvae.likelihoods.counts import (
    CountLikelihood,
    NegativeBinomialLikelihood,
    PoissonLikelihood,
)
from skvae.likelihoods.gaussian import GaussianLikelihood
from skvae.likelihoods.laplace import LaplaceLikelihood
from skvae.likelihoods.normal_scores import NormalScoresLikelihood
from skvae.likelihoods.scaled import ScaledLikelihood

__all__ = [
    "BernoulliLikelihood",
    "CategoricalLikelihood",
    "ColumnLikelihood",
    "ContinuousBernoulliLikelihood",
    "CountLikelihood",
    "DiscretizedLogisticLikelihood",
    "GaussianLikelihood",
    "LaplaceLikelihood",
    "Likelihood",
    "NegativeBinomialLikelihood",
    "NormalScoresLikelihood",
    "PoissonLikelihood",
    "ScaledLikelihood",
    "UnitIntervalLikelihood",
]

NAMES = {
    "auto": GaussianLikelihood,
    "gaussian": GaussianLikelihood,
    "laplace": LaplaceLikelihood,
    "bernoulli": BernoulliLikelihood,
    "continuous_bernoulli": ContinuousBernoulliLikelihood,
    "discretized_logistic": DiscretizedLogisticLikelihood,
    "normal_scores": NormalScoresLikelihood,
    "categorical": CategoricalLikelihood,
    "columns": ColumnLikelihood,
    "poisson": PoissonLikelihood,
    "negative_binomial": NegativeBinomialLikelihood,
}


def resolve_likelihood(likelihood: Any, *, is_table: bool = False) -> Any:
    """Return a likelihood from its name, or the given one itself.

    Parameters
    ----------
    likelihood : str or Likelihood
    is_table : bool, default=False
        Whether "auto" is for columns of different kinds.
    """
    if is_table and isinstance(likelihood, str) and likelihood == "auto":
        return ColumnLikelihood()
    return resolve_named("likelihood", likelihood, Likelihood, NAMES)
