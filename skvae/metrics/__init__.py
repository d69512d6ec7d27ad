"""Measures of a generative model, as functions of two sets of rows."""

from skvae.metrics.frechet import (
    FrechetExtrapolation,
    FrechetStatistics,
    frechet_distance,
    frechet_distance_infinity,
)
from skvae.metrics.kernel_distance import KernelDistance, kernel_distance
from skvae.metrics.mmd import (
    MaximumMeanDiscrepancy,
    maximum_mean_discrepancy,
    median_bandwidth,
)

__all__ = [
    "FrechetExtrapolation",
    "FrechetStatistics",
    "KernelDistance",
    "MaximumMeanDiscrepancy",
    "frechet_distance",
    "frechet_distance_infinity",
    "kernel_distance",
    "maximum_mean_discrepancy",
    "median_bandwidth",
]
