"""Outlier detection by a density, with p-values from rows that were held out."""

from skvae.outliers.detector import DensityOutlierDetector

__all__ = ["DensityOutlierDetector"]
