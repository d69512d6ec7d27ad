"""Sets of rows after a feature map, and what is computed of one set alone."""

from __future__ import annotations

import copy
from functools import cached_property, partial
from typing import Any

import numpy as np
from scipy.sparse import issparse
from torch import Tensor, nn

from skvae import metrics
from skvae._utils.arrays import FloatArray, as_rows
from skvae._utils.cache import ContentCache
from skvae.metrics._gaussian import Gaussian, gaussian_of_rows
from skvae.pipeline._abilities import as_fitted
from skvae.scorers._units import warn_of_units

_N_TRIED = 16
_ROUNDING = 1e-5  # of networks in float32, for batches of other sizes


class Reference:
    """One set of rows after the feature map.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...)
    features : FeatureMap or None
    name : str, default="X"
        For error messages.
    columns : list of str or None, default=None
        Names of the columns, where X was a data frame.
    """

    def __init__(
        self,
        X: np.ndarray,
        features: metrics.FeatureMap | None,
        name: str = "X",
        columns: list[str] | None = None,
    ) -> None:
        # A copy: it is kept, and whoever owns X may change it.
        self.rows = np.array(feature_rows(X, features, name, columns))
        if features is None and X.ndim == 2:
            warn_of_units(self.rows, columns, name)

    def holds(
        self,
        X: np.ndarray,
        features: metrics.FeatureMap | None,
        name: str,
        columns: list[str] | None,
    ) -> bool:
        """Tell whether the map still gives some of the rows the features kept here.

        A function may read what has changed since, as no copy of it can prevent. One
        whose output depends on all rows together never holds, nor one of noise.
        """
        if features is None:
            return True
        some = np.unique(np.linspace(0, len(X) - 1, _N_TRIED).astype(int))
        try:
            again = feature_rows(X[some], features, name, columns)
        except Exception:  # of few rows, or for good: mapping all of them will tell
            return False
        if again.shape[1:] != self.rows.shape[1:]:
            return False
        error = np.abs(again - self.rows[some])
        return bool(np.all(error <= _ROUNDING * np.abs(self.rows).max(axis=0)))

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

    Rows are mapped again if the map has changed.

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

    def get(
        self, X: np.ndarray, name: str, columns: list[str] | None = None
    ) -> Reference:
        """Return the reference of these rows, computed unless it is cached."""
        arguments = X, self.features, name, columns
        return self._references.get(
            X,
            tuple(columns or ()),
            partial(Reference, *arguments),
            lambda reference: reference.holds(*arguments),
        )


def feature_rows(
    X: Any,
    features: metrics.FeatureMap | None,
    name: str,
    columns: list[str] | None = None,
) -> FloatArray:
    """Map rows to features, finite float64 of shape (n, any).

    A map gets an array, or, if it was fitted on a data frame and `columns` are known,
    such a frame. Rows that hold more than numbers need a map.
    """
    X = to_array(X)
    is_table = X.dtype == object
    if features is None and is_table:
        raise TypeError(
            f"{name} must hold real numbers, got dtype object. Pass features, a fitted "
            "encoder that turns its rows into numbers, or convert it."
        )
    if not is_table:
        rows = as_rows(X, name)
    if features is None:
        return rows
    return features(X if columns is None else _named(X, features, columns, name))


def _named(
    X: np.ndarray, features: metrics.FeatureMap, columns: list[str], name: str
) -> Any:
    """Return a data frame for a transformer that knows names of columns, else X."""
    transformer = getattr(features.function, "__self__", None)
    if X.ndim != 2 or not hasattr(transformer, "feature_names_in_"):
        return X
    import pandas

    frame = pandas.DataFrame(X, columns=columns).infer_objects()
    return as_fitted(transformer, frame, name)


def resolve_features(features: Any) -> metrics.FeatureMap | None:
    """Check a feature map; None stays None, the rows themselves."""
    return None if features is None else metrics.resolve_features(features)


def frozen(features: Any) -> Any:
    """Copy what can be fitted or trained again; what is kept was mapped before."""
    fitted = hasattr(features, "transform") or isinstance(features, nn.Module)
    return copy.deepcopy(features) if fitted else features


def to_array(X: Any) -> np.ndarray:
    """Read dense rows as an array, in the shape they have; of objects if need be."""
    if issparse(X):
        raise TypeError(f"X must be dense, got {type(X)}. Use X.toarray().")
    X = X.detach().cpu().numpy() if isinstance(X, Tensor) else np.asarray(X)
    if X.dtype != object:
        return X
    try:
        return X.astype(np.float64)
    except (TypeError, ValueError):
        return X
