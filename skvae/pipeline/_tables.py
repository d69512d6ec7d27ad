"""Tables, whose rows have categories or gaps: the features they are compared by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from skvae._utils.arrays import FloatArray
from skvae._utils.columns import is_frame, names_of
from skvae._utils.validation import named
from skvae.metrics import FeatureMap, TableFeatures, resolve_features
from skvae.metrics._sets import is_table
from skvae.pipeline._abilities import last_step
from skvae.pipeline.sampling import chosen_model


def features_for(
    models: Iterable[Any], features: FeatureMap | None, **sets: Any
) -> FeatureMap | None:
    """Return features for rows: `TableFeatures` of the first set, if they are tables.

    Tables are frames with categories or gaps, and rows of which a model knows columns
    as such. For rows of numbers there are none, and others are returned as they are.

    Parameters
    ----------
    models : iterable of estimators
    features : FeatureMap or None
    **sets : array or data frame
        Rows as models take them, by the names that users know them by; those that
        features are fitted to, first.

    Returns
    -------
    features : FeatureMap or None
    """
    if features is not None:
        return features
    name, first = next(iter(sets.items()))
    told = [column for model in models for column in _told(model, first)]
    has_gaps = is_frame(first) and any(map(_had_gaps, models))
    if not (told or has_gaps or any(is_table(X, name) for name, X in sets.items())):
        return None
    table = TableFeatures(list(dict.fromkeys(told)) or "from_dtype")
    with named(name):
        return resolve_features(table.fit(first))


def table_of(features: FeatureMap | None) -> TableFeatures | None:
    """Return the `TableFeatures` behind a feature map, if it has any."""
    transformer = getattr(getattr(features, "function", None), "__self__", None)
    return transformer if isinstance(transformer, TableFeatures) else None


def with_gaps_of(
    reference: FloatArray, samples: FloatArray, features: Any, seed: int
) -> FloatArray:
    """Return features of samples with the gaps of reference rows, each at random.

    Models of complete rows have no gaps, by which they could be told from data. Columns
    in which samples have gaps of their own stay as they are.

    Parameters
    ----------
    reference, samples : ndarray of shape (n, n_features), (m, n_features)
        Features of rows.
    features : FeatureMap or None
        Those; all but `TableFeatures` leave samples as they are.
    seed : int
    """
    table = table_of(features)
    if table is None:
        return samples
    donors = np.random.RandomState(seed).randint(len(reference), size=len(samples))
    samples = samples.copy()
    for column, part in table.slices_.items():
        gap = table.features_of_gap(column)
        is_gap = [(X[:, part] == gap).all(axis=1) for X in (reference, samples)]
        if is_gap[0].any() and not is_gap[1].any():
            samples[is_gap[0][donors], part] = gap
    return samples


def squared_errors(table: TableFeatures, X: Any, Y: Any) -> FloatArray:
    """Squared distances of rows in each column, shape (n, n_columns); nan in gaps of X.

    In the units of `TableFeatures`: squared standard deviations of numbers, and 1 for
    another category.
    """
    return errors_of_features(table, table.transform(X), table.transform(Y))


def errors_of_features(
    table: TableFeatures, X: FloatArray, Y: FloatArray
) -> FloatArray:
    """Squared distances as of `squared_errors`, of rows that are features already."""
    squared = np.square(X - Y)
    errors = np.empty((len(X), len(table.slices_)))
    for j, (column, part) in enumerate(table.slices_.items()):
        is_gap = (X[:, part] == table.features_of_gap(column)).all(axis=1)
        errors[:, j] = np.where(is_gap, np.nan, squared[:, part].sum(axis=1))
    return errors


def mean_of_columns(errors: FloatArray) -> FloatArray:
    """Means over the values that rows have, shape (n,); without rows that have none."""
    kept = errors[~np.isnan(errors).all(axis=1)]
    return np.nanmean(kept, axis=1)


def _told(model: Any, X: Any) -> list[Any]:
    """Return the columns of X in which a model sees categories, whatever they are."""
    columns = getattr(last_step(model), "columns_of_rows", None)
    names = names_of(X)
    if columns is None or (names is None and columns.head is not None):
        return []
    if names is None:
        is_same = last_step(model) is chosen_model(model)
        names = columns.names if is_same else []
    pairs = zip(columns.names, columns.kinds, strict=True)
    return [name for name, kind in pairs if kind == "category" and name in names]


def _had_gaps(model: Any) -> bool:
    """Tell whether the rows of a model's fit have had gaps."""
    module = getattr(last_step(model), "module_", None)
    return bool(module is not None and module.frame.has_missing)
