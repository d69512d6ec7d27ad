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
from skvae.metrics.prd import (
    PrecisionRecallDistribution,
    prd_from_histograms,
    precision_recall_distribution,
)
from skvae.metrics.precision_recall import (
    DensityCoverage,
    ImprovedPrecisionRecall,
    PrecisionRecallDensityCoverage,
    density_coverage,
    improved_precision_recall,
    precision_recall_density_coverage,
)

__all__ = [
    "Authenticity",
    "DataCopying",
    "DensityCoverage",
    "FrechetExtrapolation",
    "FrechetStatistics",
    "ImprovedPrecisionRecall",
    "KernelDistance",
    "MaximumMeanDiscrepancy",
    "NearestNeighbourAccuracy",
    "NeighbourDistances",
    "PrecisionRecallDensityCoverage",
    "PrecisionRecallDistribution",
    "authenticity",
    "data_copying_test",
    "density_coverage",
    "frechet_distance",
    "frechet_distance_infinity",
    "improved_precision_recall",
    "kernel_distance",
    "maximum_mean_discrepancy",
    "median_bandwidth",
    "nearest_neighbour_distances",
    "one_nearest_neighbour_accuracy",
    "prd_from_histograms",
    "precision_recall_density_coverage",
    "precision_recall_distribution",
]
