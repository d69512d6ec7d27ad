"""The rows of data behind an evaluation, and the rows of its table."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from skvae._utils.arrays import FloatArray, IntArray
from skvae._utils.columns import names_of
from skvae.metrics import FeatureMap
from skvae.pipeline._tables import table_of, with_gaps_of
from skvae.scorers._reference import feature_rows, to_array
from skvae.scorers._units import warn_of_units


class EvaluationRow(NamedTuple):
    """One line of an evaluation."""

    figure: str
    """Name."""
    value: float
    """Value of the model."""
    low: float
    """Lower end of a 95 % interval; nan where there is none."""
    high: float
    """Upper end."""
    floor: float
    """What real rows get in place of samples, or training for held-out rows."""
    better: str
    """"higher", "lower", or the value that is best."""
    meaning: str
    """In words."""


_MOST_DRAWS = 2000
NO_INTERVAL = (np.nan, np.nan)


def make_row(
    name: str,
    value: float,
    interval: tuple[float, float],
    floor: float,
    better: str,
    meaning: str,
) -> EvaluationRow:
    """Make a row of numbers of any type."""
    numbers = (float(value), *map(float, interval), float(floor))
    return EvaluationRow(name, *numbers, better, meaning)


class Sets(NamedTuple):
    """Rows of one evaluation, as the estimator takes them."""

    train: Any
    """Training rows."""
    test: Any
    """Held-out rows."""
    train_part: Any
    """As many training rows as samples, to stand in for samples."""
    samples: Any
    """Generated rows, at most as many as training rows."""
    draws: Any
    """Generated rows with observation noise, as held-out rows have it."""
    more_draws: Any
    """More of them, to find rare copies and those among rows that repeat."""
    test_index: IntArray
    """Numbers of the held-out rows among those that were given."""
    n_test_given: int
    """How many these were."""


class FeatureSets(NamedTuple):
    """The same rows after the feature map."""

    train: FloatArray
    test: FloatArray
    train_part: FloatArray
    samples: FloatArray
    draws: FloatArray
    more_draws: FloatArray
    """At most 2,000; no more than `draws` where mapping them may take long."""


def check_spread(test: FloatArray, features: FeatureMap | None) -> None:
    """Raise ValueError if all held-out rows are equal: nothing can be told of them."""
    if not (test != test[0]).any():
        mapped, remedy = "", "Hold out other rows."
        if features is not None:
            mapped, remedy = " after features", "Pass a map that tells rows apart."
        raise ValueError(
            f"X_test must have rows that differ, but all {len(test)} are "
            f"equal{mapped}. {remedy}"
        )


def map_sets(sets: Sets, features: FeatureMap | None, seed: int) -> FeatureSets:
    """Apply the feature map to all sets; samples of tables get gaps if they have none.

    See `with_gaps_of`.
    """
    names = ("X_train", "X_test", "X_train", "the samples")
    columns = names_of(sets.train)

    def of_samples(X: Any, place: int) -> FloatArray:
        rows = feature_rows(X, features, names[-1], columns)
        return with_gaps_of(mapped[0], rows, features, seed + place)

    mapped = [
        feature_rows(X, features, name, columns)
        for X, name in zip(sets[:3], names, strict=False)
    ]
    check_spread(mapped[1], features)
    if features is None and to_array(sets.train).ndim == 2:
        warn_of_units(mapped[0], columns, "X_train")
    samples = draws = of_samples(sets.samples, 0)
    if sets.draws is not sets.samples:
        draws = of_samples(sets.draws, 1)
    more = draws
    if features is None or table_of(features) is not None:
        more = of_samples(sets.more_draws[:_MOST_DRAWS], 2)
    return FeatureSets(*mapped, samples, draws, more)
