"""Measures of a generative model, as functions of two sets of rows."""

from skvae.metrics.classifier_test import (
    ClassifierTwoSampleTest,
    classifier_two_sample_test,
)
from skvae.metrics.closest_record import (
    DistanceToClosestRecord,
    distance_to_closest_record,
)
from skvae.metrics.column_similarity import (
    ColumnPairTrends,
    ColumnShapes,
    column_pair_trends,
    column_shapes,
)
from skvae.metrics.data_copying import DataCopying, data_copying_test
from skvae.metrics.efficientnet import EfficientNetLite0, load_efficientnet_lite0
from skvae.metrics.energy import EnergyDistance, energy_distance
from skvae.metrics.exact_copies import ExactCopies, exact_copies
from skvae.metrics.features import FeatureMap, ImageFeatures, resolve_features
from skvae.metrics.fid import fid_score
from skvae.metrics.frechet import (
    FrechetExtrapolation,
    frechet_distance,
    frechet_distance_infinity,
)
from skvae.metrics.frechet_statistics import FrechetStatistics
from skvae.metrics.inception import FIDInceptionV3, load_fid_inception
from skvae.metrics.kernel_distance import KernelDistance, kernel_distance
from skvae.metrics.latent import (
    ActiveComponents,
    LatentSpectrum,
    TypicalSetGap,
    active_components,
    aggregated_posterior_mmd,
    latent_spectrum,
    slerp,
    typical_set_gap,
)
from skvae.metrics.likelihood import (
    ImportanceSampledNLL,
    bits_per_dimension,
    importance_sampled_nll,
)
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
from skvae.metrics.optimal_decoder import (
    OptimalDecoderWeights,
    optimal_decoder_weights,
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
from skvae.metrics.sliced_wasserstein import (
    SlicedWassersteinDistance,
    sliced_wasserstein_distance,
)
from skvae.metrics.tables import TableFeatures
from skvae.metrics.utility import TrainOnSynthetic, train_on_synthetic_test_on_real

__all__ = [
    "ActiveComponents",
    "Authenticity",
    "ClassifierTwoSampleTest",
    "ColumnPairTrends",
    "ColumnShapes",
    "DataCopying",
    "DensityCoverage",
    "DistanceToClosestRecord",
    "EfficientNetLite0",
    "EnergyDistance",
    "ExactCopies",
    "FIDInceptionV3",
    "FeatureMap",
    "FrechetExtrapolation",
    "FrechetStatistics",
    "ImageFeatures",
    "ImportanceSampledNLL",
    "ImprovedPrecisionRecall",
    "KernelDistance",
    "LatentSpectrum",
    "MaximumMeanDiscrepancy",
    "NearestNeighbourAccuracy",
    "NeighbourDistances",
    "OptimalDecoderWeights",
    "PrecisionRecallDensityCoverage",
    "PrecisionRecallDistribution",
    "SlicedWassersteinDistance",
    "TableFeatures",
    "TrainOnSynthetic",
    "TypicalSetGap",
    "active_components",
    "aggregated_posterior_mmd",
    "authenticity",
    "bits_per_dimension",
    "classifier_two_sample_test",
    "column_pair_trends",
    "column_shapes",
    "data_copying_test",
    "density_coverage",
    "distance_to_closest_record",
    "energy_distance",
    "exact_copies",
    "fid_score",
    "frechet_distance",
    "frechet_distance_infinity",
    "importance_sampled_nll",
    "improved_precision_recall",
    "kernel_distance",
    "latent_spectrum",
    "load_efficientnet_lite0",
    "load_fid_inception",
    "maximum_mean_discrepancy",
    "median_bandwidth",
    "nearest_neighbour_distances",
    "one_nearest_neighbour_accuracy",
    "optimal_decoder_weights",
    "prd_from_histograms",
    "precision_recall_density_coverage",
    "precision_recall_distribution",
    "resolve_features",
    "slerp",
    "sliced_wasserstein_distance",
    "train_on_synthetic_test_on_real",
    "typical_set_gap",
]
