"""Sets of rows after a feature map, and what is computed of one set alone."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any

import numpy as np
from scipy.sparse import issparse
from torch import Tensor

from skvae import metrics
from skvae._utils.arrays import FloatArray, as_rows
from skvae._utils.cache import ContentCache
from skvae.metrics._gaussian import Gaussian, gaussian_of_rows


class Reference:
    """One set of rows after the feature map.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...)
    features : FeatureMap or None
    name : str, default="X"
        For error messages.
    """

    def __init__(
        self, X: np.ndarray, features: metrics.FeatureMap | None, name: str = "X"
    ) -> None:
        self.rows = feature_rows(X, features, name)

    @cached_property
    def origin(self) -> FloatArray:
        """Mean row."""
        return self.rows.mean(axis=0)

    @cached_property
    def gaussian(self) -> Gaussian:
        """Moments about the mean row, for the Fréchet distance."""
        return gaussian_of_rows(self.rows, self.origin)

    @cached_property
    def bandwidth(self) -> float:
        """Bandwidth of the discrepancy's kernel, fixed on these rows alone."""
        return metrics.median_bandwidth(self.rows)


class ReferenceCache:
    """The most recently used references, keyed by the content of their rows.

    Parameters
    ----------
    features : FeatureMap or None
    max_cached : int
    """

    def __init__(self, features: metrics.FeatureMap | None, max_cached: int) -> None:
        self.features = features
        self._references = ContentCache(max_cached)

    def __len__(self) -> int:
        return len(self._references)

    def get(self, X: np.ndarray, name: str) -> Reference:
        """Return the reference of these rows, computed unless it is cached."""
        make = partial(Reference, X, self.features, name)
        return self._references.get(X, None, make)


def feature_rows(
    X: np.ndarray, features: metrics.FeatureMap | None, name: str
) -> FloatArray:
    """Map rows to features, finite float64 of shape (n, any); a map gets an array."""
    if features is None:
        return as_rows(X, name)
    X = to_array(X)
    as_rows(X, name)
    return features(X)


def resolve_features(features: Any) -> metrics.FeatureMap | None:
    """Check a feature map; None stays None, the rows themselves."""
    return None if features is None else metrics.resolve_features(features)


def to_array(X: Any) -> np.ndarray:
    """Read dense rows as an array, in the shape they have."""
    if issparse(X):
        raise TypeError(f"X must be dense, got {type(X)}. Use X.toarray().")
    X = X.detach().cpu().numpy() if isinstance(X, Tensor) else np.asarray(X)
    return X.astype(np.float64) if X.dtype == object else X
