"""Imputation of missing values by autoencoders, in the manner of scikit-learn."""

from skvae.impute.imputer import AutoencoderImputer

__all__ = ["AutoencoderImputer"]
