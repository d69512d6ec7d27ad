"""Errors of simple models of tables, beside which those of a model are judged."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from skvae._utils.arrays import FloatArray
from skvae.metrics import TableFeatures
from skvae.pipeline._tables import errors_of_features, mean_of_columns

IN_UNITS_OF_TABLES = "in standard deviations, 1 for another category, without gaps"


def error_of_usual_values(table: TableFeatures, train: Any, test: Any) -> float:
    """Root mean squared error of the mean of numbers and the most frequent category."""
    usual = _rows_like(table, table.transform(train).mean(axis=0, keepdims=True))
    return _error(table, table.transform(test), usual)


def error_of_pca(table: TableFeatures, train: Any, test: Any, n: int) -> float:
    """Root mean squared error of a PCA with n components of the features."""
    train, test = table.transform(train), table.transform(test)
    pca = PCA(min(n, *train.shape), random_state=0).fit(train)
    found = pca.inverse_transform(pca.transform(test))
    return _error(table, test, _rows_like(table, found))


def _error(table: TableFeatures, X: FloatArray, Y: FloatArray) -> float:
    errors = errors_of_features(table, X, Y)
    return float(np.sqrt(mean_of_columns(errors).mean()))


def _rows_like(table: TableFeatures, X: FloatArray) -> FloatArray:
    """Return features of rows with values in all columns, the nearest categories."""
    found = np.zeros_like(X)
    rows = np.arange(len(X))
    for column, part in table.slices_.items():
        if table.kinds_[column] != "category":
            found[:, part.start] = X[:, part.start]
        elif n_levels := len(table.levels_[column]):
            best = X[:, part][:, :n_levels].argmax(axis=1)
            found[rows, part.start + best] = table.level
    return found
