"""Feature map of tables: numbers scaled, categories and gaps as distances."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skvae._utils.arrays import FloatArray
from skvae._utils.columns import (
    Column,
    codes_of,
    levels_of,
    read_columns,
)
from skvae._utils.selection import told_categories
from skvae.metrics._columns import as_reference

# Two rows of one-hot columns then are at distance 1.
_LEVEL = float(np.sqrt(0.5))


class TableFeatures(TransformerMixin, BaseEstimator):
    """Numbers for the rows of a table with categories and gaps.

    Fitted to the reference rows, it gives the distances between rows a meaning: two
    numbers are as far apart as they are in standard deviations of the reference rows,
    and two different categories are at distance 1, as if one standard deviation apart.

    Parameters
    ----------
    categorical_features : "from_dtype" or array-like, default="from_dtype"
        Which columns hold categories: names, positions or a mask of columns that do so
        whatever their type, as of `skvae.VAE`. An array then may have gaps.

    Attributes
    ----------
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns; 0, 1, ... for an array.
    n_features_in_ : int
        Number of columns.
    kinds_ : dict
        "number", "ordered" or "category", by column.
    levels_ : dict
        The categories in their order, by column that has any.
    slices_ : dict
        Where the features of a column are, by column.

    See Also
    --------
    resolve_features : What else metrics and scorers take as `features`.

    Notes
    -----
    Features of a column are

    - of numbers: the distance from the mean in standard deviations (in units of the
      column, where that is constant), 0 in a gap; and 1 in a gap, else 0;
    - of an ordered categorical of pandas: the same of its ranks 0, 1, ...; and 1 for
      a category that the reference does not declare;
    - of other categories (booleans, strings, objects, categoricals, Enum of polars):
      one for each that the reference has, one for gaps and one for all that it
      does not have, of which one is the root of 1/2 and all others are 0. Thus a gap,
      or a category that is not in the reference, is as far from all others as these
      are from each other.

    Whole numbers are numbers: to have them compared as categories, name them in
    `categorical_features`, or declare them by ``astype("category")``. Samples are
    scaled as the reference is, so that a column of theirs in another unit stands out.

    Columns are found by name, in whatever order, also where the other rows are a frame
    of another library. Columns that are missing or surplus are refused, and so is a
    column of text in the place of numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> from skvae.metrics import TableFeatures
    >>> real = pd.DataFrame({"age": [30.0, 50.0, None], "sex": ["f", "m", "f"]})
    >>> features = TableFeatures().fit(real)
    >>> list(features.get_feature_names_out())
    ['age', 'age_missing', 'sex_f', 'sex_m', 'sex_missing', 'sex_unseen']
    >>> features.transform(real).round(2)
    array([[-1.  ,  0.  ,  0.71,  0.  ,  0.  ,  0.  ],
           [ 1.  ,  0.  ,  0.  ,  0.71,  0.  ,  0.  ],
           [ 0.  ,  1.  ,  0.71,  0.  ,  0.  ,  0.  ]])
    """

    level = _LEVEL  # of the feature of the category that it is

    def __init__(self, categorical_features: Any = "from_dtype") -> None:
        self.categorical_features = categorical_features

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn columns, their scales and their categories from the reference rows.

        Parameters
        ----------
        X : data frame of pandas or polars, or array-like of shape (n, n_features)
            Reference rows. An array has numbers only, and no gaps, unless there are
            `categorical_features`.
        y : ignored

        Returns
        -------
        self : TableFeatures

        Raises
        ------
        TypeError
            If X has dates, or values that cannot be categories, such as lists.
        ValueError
            If X has no rows or no columns, repeated names or infinite values; or if it
            is an array with NaN.
        """
        self._told = told_categories(X, self.categorical_features) or None
        columns = read_columns(X, told=self._told)
        self.feature_names_in_ = _as_names(columns)
        self.n_features_in_ = len(columns)
        self.kinds_ = {column.name: column.kind for column in columns}
        self.levels_ = {c.name: levels_of(c) for c in columns if c.kind != "number"}
        self._scales = {
            column.name: _mean_and_scale(numbers)
            for column in columns
            if (numbers := self._as_numbers(column)) is not None
        }
        widths = [len(self._names_of(column.name)) for column in columns]
        ends = np.cumsum(widths).tolist()
        starts = [0, *ends[:-1]]
        self.slices_ = {
            column.name: slice(start, end)
            for column, start, end in zip(columns, starts, ends, strict=True)
        }
        self._reference = [Column(c.name, c.kind, c.values[:0]) for c in columns]
        return self

    def transform(self, X: ArrayLike | Tensor | Any) -> FloatArray:
        """Compute the features of rows.

        Parameters
        ----------
        X : data frame of pandas or polars, or array-like of shape (n, n_features)
            Rows with the columns of `fit`, in any order.

        Returns
        -------
        features : ndarray of shape (n, n_features_out), float64

        Raises
        ------
        TypeError
            If a column holds text or dates in the place of numbers.
        ValueError
            If columns are missing or surplus, or values are infinite.
        """
        check_is_fitted(self)
        columns = self._read(X)
        return np.hstack([self._features_of(column) for column in columns])

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Name the features: the column, and what they stand for.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        names : ndarray of str objects
        """
        check_is_fitted(self)
        names = [name for column in self.kinds_ for name in self._names_of(column)]
        return np.array(names, dtype=object)

    def _read(self, X: Any) -> list[Column]:
        """Return the columns of rows, in the order and of the kinds of `fit`."""
        columns = read_columns(X, told=self._told)
        return as_reference(columns, self._reference, "X")

    def mean_and_scale(self, column: Any) -> tuple[float, float]:
        """Return what a column's numbers, or ranks of categories, are scaled by.

        Parameters
        ----------
        column : hashable
            Its name.

        Returns
        -------
        mean, scale : float
        """
        return self._scales[column]

    def features_of_gap(self, column: Any) -> FloatArray:
        """Return the features of a column where there is no value.

        Parameters
        ----------
        column : hashable
            Its name.

        Returns
        -------
        features : ndarray of shape (n_features_of_column,)
        """
        names = self._names_of(column)
        values = np.zeros(len(names))
        is_category = self.kinds_[column] == "category"
        values[len(names) - 2 if is_category else 1] = _LEVEL if is_category else 1.0
        return values

    def _names_of(self, column: Any) -> list[str]:
        levels, kind = self.levels_.get(column, ()), self.kinds_[column]
        first = [f"{column}_{v}" for v in levels] if kind == "category" else [column]
        last = ["missing"] if kind == "number" else ["missing", "unseen"]
        return [*map(str, first), *(f"{column}_{word}" for word in last)]

    def _features_of(self, column: Column) -> FloatArray:
        gaps = column.gaps.astype(np.float64)
        numbers = self._as_numbers(column)
        if numbers is not None:
            mean, scale = self._scales[column.name]
            scaled = np.where(np.isnan(numbers), 0.0, (numbers - mean) / scale)
            features = [scaled, gaps]
            if column.kind == "ordered":
                features.append(np.isnan(numbers) & ~column.gaps)
            return np.column_stack(features)
        codes = codes_of(column, self.levels_[column.name])
        features = np.zeros((len(codes), len(self.levels_[column.name]) + 2))
        features[np.arange(len(codes)), codes] = _LEVEL
        return features

    def _as_numbers(self, column: Column) -> FloatArray | None:
        """Return numbers or ranks, nan where there is none; None for categories."""
        if column.kind == "category":
            return None
        if column.kind == "number":
            return column.values
        n_levels = len(self.levels_[column.name])
        codes = codes_of(column, self.levels_[column.name])
        return np.where(codes < n_levels, codes, np.nan)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


def _as_names(columns: list[Column]) -> NDArray[Any]:
    names = np.empty(len(columns), dtype=object)
    names[:] = [column.name for column in columns]
    return names


def _mean_and_scale(numbers: FloatArray) -> tuple[float, float]:
    present = numbers[~np.isnan(numbers)]
    if not len(present):
        return 0.0, 1.0
    is_constant = present.min() == present.max()
    scale = 1.0 if is_constant else float(present.std())
    return float(present[0] if is_constant else present.mean()), scale or 1.0
