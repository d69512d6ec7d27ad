"""Variational autoencoders as scikit-learn estimators."""

from skvae._version import __version__
from skvae.estimators import IWAE, RAE, VAE, WAE, BaseAutoencoder, TwoStageVAE
from skvae.evaluation import evaluate
from skvae.pipeline import sample_pipeline
from skvae.scorers import make_sample_scorer

__all__ = [
    "IWAE",
    "RAE",
    "VAE",
    "WAE",
    "BaseAutoencoder",
    "TwoStageVAE",
    "__version__",
    "evaluate",
    "make_sample_scorer",
    "sample_pipeline",
]
