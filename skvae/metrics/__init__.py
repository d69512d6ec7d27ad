"""Measures of a generative model, as functions of two sets of rows."""

from skvae.metrics.data_copying import DataCopying, data_copying_test
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
from skvae.metrics.neighbours import (
    Authenticity,
    NearestNeighbourAccuracy,
    NeighbourDistances,
    authenticity,
    nearest_neighbour_distances,
    one_nearest_neighbour_accuracy,
)

__all__ = [
    "Authenticity",
    "DataCopying",
    "FrechetExtrapolation",
    "FrechetStatistics",
    "KernelDistance",
    "MaximumMeanDiscrepancy",
    "NearestNeighbourAccuracy",
    "NeighbourDistances",
    "authenticity",
    "data_copying_test",
    "frechet_distance",
    "frechet_distance_infinity",
    "kernel_distance",
    "maximum_mean_discrepancy",
    "median_bandwidth",
    "nearest_neighbour_distances",
    "one_nearest_neighbour_accuracy",
]
