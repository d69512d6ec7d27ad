"""Autoencoders as scikit-learn estimators: arrays in, arrays out."""

from skvae.estimators.base import BaseAutoencoder
from skvae.estimators.iwae import IWAE
from skvae.estimators.rae import RAE
from skvae.estimators.two_stage_vae import TwoStageVAE
from skvae.estimators.vae import VAE
from skvae.estimators.wae import WAE

__all__ = ["IWAE", "RAE", "VAE", "WAE", "BaseAutoencoder", "TwoStageVAE"]
