"""Pictures of models, in the form of scikit-learn's Display classes."""

from skvae.plotting.columns import ColumnsDisplay
from skvae.plotting.comparison import ModelComparisonDisplay
from skvae.plotting.interpolations import InterpolationDisplay
from skvae.plotting.latent_space import LatentSpaceDisplay
from skvae.plotting.neighbours import NearestNeighbourDisplay
from skvae.plotting.optimal_decoder import OptimalDecoderDisplay
from skvae.plotting.perplexity import PerplexityDisplay
from skvae.plotting.plane_density import PlaneDensityDisplay
from skvae.plotting.precision_recall import PrecisionRecallDistributionDisplay
from skvae.plotting.reconstructions import ReconstructionDisplay
from skvae.plotting.samples import SampleGridDisplay
from skvae.plotting.spectrum import LatentSpectrumDisplay
from skvae.plotting.training import TrainingCurveDisplay
from skvae.plotting.traversals import LatentTraversalDisplay

__all__ = [
    "ColumnsDisplay",
    "InterpolationDisplay",
    "LatentSpaceDisplay",
    "LatentSpectrumDisplay",
    "LatentTraversalDisplay",
    "ModelComparisonDisplay",
    "NearestNeighbourDisplay",
    "OptimalDecoderDisplay",
    "PerplexityDisplay",
    "PlaneDensityDisplay",
    "PrecisionRecallDistributionDisplay",
    "ReconstructionDisplay",
    "SampleGridDisplay",
    "TrainingCurveDisplay",
]
