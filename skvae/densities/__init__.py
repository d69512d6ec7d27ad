"""Latent densities, and one way to fit and sample any of scikit-learn's or your own."""

from skvae.densities.class_conditional import ClassConditionalDensity
from skvae.densities.standard_normal import StandardNormal

__all__ = ["ClassConditionalDensity", "StandardNormal"]
