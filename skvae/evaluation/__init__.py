"""A report on one fitted model: a table, and in words what is wrong."""

from skvae.evaluation._rows import EvaluationRow
from skvae.evaluation.likelihood import LikelihoodEvaluation, evaluate_likelihood
from skvae.evaluation.report import Evaluation, evaluate

__all__ = [
    "Evaluation",
    "EvaluationRow",
    "LikelihoodEvaluation",
    "evaluate",
    "evaluate_likelihood",
]
