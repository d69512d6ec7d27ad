"""Measures of a generative model, as functions of two sets of rows."""

from skvae.metrics.frechet import (
    FrechetExtrapolation,
    FrechetStatistics,
    frechet_distance,
    frechet_distance_infinity,
)

__all__ = [
    "FrechetExtrapolation",
    "FrechetStatistics",
    "frechet_distance",
    "frechet_distance_infinity",
]
