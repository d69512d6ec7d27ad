"""Sets of rows after a feature map, and what is computed of one set alone."""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
from scipy.sparse import issparse
from torch import Tensor

from skvae import metrics
from skvae._utils.arrays import FloatArray, as_rows
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
    """The last few references, found by the content of their rows.

    Parameters
    ----------
    features : FeatureMap or None
    max_cached : int
    """

    def __init__(self, features: metrics.FeatureMap | None, max_cached: int) -> None:
        self.features, self.max_cached = features, max_cached
        self._lock = threading.Lock()
        self._references: OrderedDict[Any, Reference] = OrderedDict()

    def __len__(self) -> int:
        return len(self._references)

    def get(self, X: np.ndarray, name: str) -> Reference:
        """Return the reference of these rows, computed unless it is kept."""
        key = (X.shape, X.dtype.str, _digest(X))
        with self._lock:
            if key in self._references:
                self._references.move_to_end(key)
                return self._references[key]
        reference = Reference(X, self.features, name)
        with self._lock:
            self._references[key] = reference
            while len(self._references) > self.max_cached:
                self._references.popitem(last=False)
        return reference


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


def _digest(X: np.ndarray) -> bytes:
    # Flattened before the view, which empty and zero-dimensional arrays refuse.
    flat = np.ascontiguousarray(X).reshape(-1).view(np.uint8)
    return blake2b(flat, digest_size=16).digest()
