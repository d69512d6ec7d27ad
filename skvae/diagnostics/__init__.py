"""What a fitted estimator has learned: its latent space, its decoder and their size."""

from skvae.diagnostics.capacity import ParameterCounts, parameter_counts
from skvae.diagnostics.codes import (
    LatentDiagnostics,
    latent_diagnostics,
    posterior_draws,
    posterior_moments,
)
from skvae.diagnostics.decoding import (
    DecodingScores,
    ReconstructionMatching,
    decoding_scores,
    optimal_decoder,
    reconstruction_matching,
)
from skvae.diagnostics.influence import ComponentInfluence, component_influence

__all__ = [
    "ComponentInfluence",
    "DecodingScores",
    "LatentDiagnostics",
    "ParameterCounts",
    "ReconstructionMatching",
    "component_influence",
    "decoding_scores",
    "latent_diagnostics",
    "optimal_decoder",
    "parameter_counts",
    "posterior_draws",
    "posterior_moments",
    "reconstruction_matching",
]
