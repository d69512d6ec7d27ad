"""Callbacks for the fits of skvae, in the form of scikit-learn's."""

from skvae.callbacks.checkpoint import Checkpoint

__all__ = ["Checkpoint"]
