"""What columns are called in findings, and how their values are said."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from skvae._utils.arrays import FloatArray
from skvae.metrics import TableFeatures

Moments = tuple[float, float]


class Words(NamedTuple):
    """Words for features, by their place."""

    names: list[Any] | None
    """Of the features, where these are the columns of a data frame."""
    table: TableFeatures | None
    """What made the features of a table."""

    @property
    def remedy(self) -> str:
        """What to do about columns that are wrong."""
        if self.table is not None:
            return "use more components or a larger network"
        return "learn the scale of the noise by column (GaussianLikelihood('feature'))"

    def name(self, j: int) -> str:
        """Name the column that a feature stands for."""
        if self.table is not None:
            return f"column {column_of(self.table, j)!s}"
        return f"column {self.names[j] if self.names else j!r}"

    def difference(self, j: int, own: Moments, real: Moments) -> str:
        """Say mean and standard deviation in samples and in the data.

        Parameters
        ----------
        j : int
        own, real : (mean, standard deviation)
            Of the feature.
        """
        table = self.table
        if table is None:
            return _moments(self.name(j), own, real)
        column = column_of(table, j)
        place = j - table.slices_[column].start
        is_category = table.kinds_[column] == "category"
        if place == 0 and not is_category:
            mean, scale = table.mean_and_scale(column)
            own, real = ((mean + scale * m, scale * s) for m, s in (own, real))
            is_ordered = table.kinds_[column] == "ordered"
            of_places = " (as places in its order)" if is_ordered else ""
            return _moments(self.name(j) + of_places, own, real)
        unit = table.level if is_category else 1.0
        what = _value(table, column, place)
        return (
            f"{self.name(j)} is {what} in {own[0] / unit:.0%} of samples, "
            f"{real[0] / unit:.0%} of the data"
        )


def column_of(table: TableFeatures, j: int) -> Any:
    """Return the column that a feature stands for."""
    return next(c for c, part in table.slices_.items() if part.start <= j < part.stop)


def values_of(X: FloatArray, j: int, table: TableFeatures | None) -> FloatArray:
    """Return a feature of rows; that of numbers without gaps, unless all are gaps."""
    if table is None:
        return X[:, j]
    column = column_of(table, j)
    part = table.slices_[column]
    if table.kinds_[column] == "category" or j != part.start:
        return X[:, j]
    there = (X[:, part] != table.features_of_gap(column)).any(axis=1)
    return X[there, j] if there.any() else X[:, j]


def are_numbers(table: TableFeatures) -> np.ndarray:
    """Tell which features are numbers, or places in the order of categories."""
    found = np.zeros(max(part.stop for part in table.slices_.values()), dtype=bool)
    for column, part in table.slices_.items():
        found[part.start] = table.kinds_[column] != "category"
    return found


def _value(table: TableFeatures, column: Any, place: int) -> str:
    levels = table.levels_.get(column, ())
    if table.kinds_[column] != "category":
        return "missing" if place == 1 else "a category that X_train does not have"
    others = ("missing", "a category that X_train does not have")
    return repr(levels[place]) if place < len(levels) else others[place - len(levels)]


def _moments(name: str, own: Moments, real: Moments) -> str:
    return (
        f"{name} has mean {own[0]:.3g} and standard deviation {own[1]:.3g} in samples, "
        f"{real[0]:.3g} and {real[1]:.3g} in the data"
    )
