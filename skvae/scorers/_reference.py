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
from skvae._utils.columns import (
    as_array,
    is_frame,
    names_of,
    numbers_or_objects,
    take_rows,
)
from skvae._utils.validation import named
from skvae.metrics._gaussian import Gaussian, gaussian_of_rows
from skvae.pipeline._abilities import as_fitted
from skvae.pipeline._tables import table_of
from skvae.scorers._units import warn_of_units

_N_TRIED = 16
_ROUNDING = 1e-5  # of networks in float32, for batches of other sizes


class Reference:
    """One set of rows after the feature map.

    Parameters
    ----------
    X : array or data frame of shape (n_samples, ...)
    features : FeatureMap or None
    name : str, default="X"
        For error messages.
    """

    def __init__(
        self, X: Any, features: metrics.FeatureMap | None, name: str = "X"
    ) -> None:
        # A copy: it is kept, and whoever owns X may change it.
        self.rows = np.array(feature_rows(X, features, name))
        if features is None and len(X.shape) == 2:
            warn_of_units(self.rows, names_of(X), name)

    def holds(self, X: Any, features: metrics.FeatureMap | None, name: str) -> bool:
        """Tell whether the map still gives some of the rows the features kept here.

        A function may read what has changed since, as no copy of it can prevent. One
        whose output depends on all rows together never holds, nor one of noise.
        """
        if features is None:
            return True
        some = np.unique(np.linspace(0, len(X) - 1, _N_TRIED).astype(int))
        try:
            again = feature_rows(take_rows(X, some), features, name)
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
    max_cached : int
    """

    def __init__(self, max_cached: int) -> None:
        self._references = ContentCache(max_cached)

    def __len__(self) -> int:
        return len(self._references)

    def get(self, X: Any, features: metrics.FeatureMap | None, name: str) -> Reference:
        """Return the reference of these rows, computed unless it is cached."""
        arguments = X, features, name
        return self._references.get(
            to_array(X),
            (tuple(names_of(X) or ()), features is None),
            partial(Reference, *arguments),
            lambda reference: reference.holds(*arguments),
        )


def feature_rows(
    X: Any,
    features: metrics.FeatureMap | None,
    name: str,
    columns: list[Any] | None = None,
) -> FloatArray:
    """Map rows to features, finite float64 of shape (n, any).

    A map gets an array, or, if it was fitted on a data frame and X is one, or `columns`
    are known, a frame. Rows that hold more than numbers need a map.
    """
    columns = columns or names_of(X)
    transformer = getattr(getattr(features, "function", None), "__self__", None)
    if columns is not None and hasattr(transformer, "feature_names_in_"):
        frame = X if is_frame(X) else framed(to_array(X), columns)
        if is_frame(frame):
            with named(name):
                return features(as_fitted(transformer, frame, name))
    if table_of(features) is not None:
        with named(name):
            return features(X)
    X = to_array(X)
    is_numbers = X.dtype != object
    if features is None and not is_numbers:
        raise TypeError(
            f"{name} must hold real numbers, got dtype object. Pass features, a fitted "
            "encoder that turns its rows into numbers, or convert it."
        )
    rows = as_rows(X, name) if is_numbers else X
    return rows if features is None else features(X)


def framed(X: np.ndarray, columns: list[Any]) -> Any:
    """Return a frame of rows; images stay an array."""
    if X.ndim != 2:
        return X
    try:
        import pandas
    except ImportError:
        import polars

        values = {name: X[:, j].tolist() for j, name in enumerate(columns)}
        return polars.DataFrame(values, strict=False)
    return pandas.DataFrame(X, columns=columns).infer_objects()


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
    if is_frame(X):
        return as_array(X)
    X = X.detach().cpu().numpy() if isinstance(X, Tensor) else np.asarray(X)
    return numbers_or_objects(X) if X.dtype == object else X
