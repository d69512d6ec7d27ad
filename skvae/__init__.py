"""Variational autoencoders as scikit-learn estimators."""

from skvae import estimators
from skvae._version import __version__
from skvae.estimators import *  # noqa: F403 -- its `__all__` is part of the one below
from skvae.estimators._persistence import load
from skvae.evaluation import evaluate
from skvae.pipeline import sample_pipeline
from skvae.scorers import make_sample_scorer

__all__ = ["__version__"]
__all__ += estimators.__all__
__all__ += ["evaluate", "load", "make_sample_scorer", "sample_pipeline"]
