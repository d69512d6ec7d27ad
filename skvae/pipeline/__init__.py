"""Generative models at the end of a Pipeline, in the units of its input."""

from skvae.pipeline.sampling import sample_pipeline

__all__ = ["sample_pipeline"]
