"""Squared errors of reconstructions, of numbers and of tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from skvae._utils.arrays import FloatArray, as_rows
from skvae._utils.columns import is_frame, names_of
from skvae.metrics import TableFeatures
from skvae.pipeline._abilities import reconstruct
from skvae.pipeline._tables import mean_of_columns, squared_errors
from skvae.scorers._reference import framed


def reconstruction_errors(
    estimator: Any, X: Any, table: TableFeatures | None, name: str
) -> FloatArray:
    """Mean squared errors of reconstructions, over the columns of each row.

    Parameters
    ----------
    estimator : object
    X : array-like or data frame
    table : TableFeatures or None
        For tables, whose errors are in its units and leave out gaps, and rows without
        any value; None for rows of numbers, with errors in the units of X.
    name : str
        Of X, for error messages.

    Returns
    -------
    errors : ndarray of shape (n_samples,)
    """
    rows = reconstruct(estimator, X)
    if table is None:
        difference = as_rows(X, name) - as_rows(rows, "the reconstructions")
        return np.mean(difference**2, axis=1)
    if is_frame(X) and not is_frame(rows):
        rows = framed(rows, names_of(X))
    return mean_of_columns(squared_errors(table, X, rows))
