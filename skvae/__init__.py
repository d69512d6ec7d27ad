"""Variational autoencoders as scikit-learn estimators."""

__version__ = "0.1.0.dev0"

from skvae.base import BaseAutoencoder
from skvae.evaluation import evaluate
from skvae.iwae import IWAE
from skvae.pipeline import sample_pipeline
from skvae.rae import RAE
from skvae.scorers import make_sample_scorer
from skvae.two_stage_vae import TwoStageVAE
from skvae.vae import VAE
from skvae.wae import WAE

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
