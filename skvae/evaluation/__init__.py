"""Reports on fitted models: on one, and on the differences of two."""

from skvae.evaluation._aggregate import Estimate
from skvae.evaluation._rows import EvaluationRow
from skvae.evaluation.comparison import Comparison, ComparisonRow, compare
from skvae.evaluation.likelihood import LikelihoodEvaluation, evaluate_likelihood
from skvae.evaluation.rate import RateDecomposition, rate_decomposition
from skvae.evaluation.report import Evaluation, evaluate

__all__ = [
    "Comparison",
    "ComparisonRow",
    "Estimate",
    "Evaluation",
    "EvaluationRow",
    "LikelihoodEvaluation",
    "RateDecomposition",
    "compare",
    "evaluate",
    "evaluate_likelihood",
    "rate_decomposition",
]
