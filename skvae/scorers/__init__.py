"""Scorers of samples, for the searches and the cross-validation of scikit-learn."""

from skvae.scorers.sample_scorer import SCORERS as SCORERS
from skvae.scorers.sample_scorer import (
    SampleScorer,
    get_scorer,
    make_sample_scorer,
)

__all__ = ["SampleScorer", "get_scorer", "make_sample_scorer"]
