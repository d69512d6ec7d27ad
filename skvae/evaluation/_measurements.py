"""All that is measured of one fitted model."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from skvae._utils.columns import names_of
from skvae.evaluation._columns import Columns, measure_columns
from skvae.evaluation._copying import Copying, measure_copying
from skvae.evaluation._correlations import Correlations, measure_correlations
from skvae.evaluation._held_out import (
    Likelihood,
    Reconstruction,
    measure_likelihood,
    measure_reconstruction,
)
from skvae.evaluation._latents import Latents, measure_latents
from skvae.evaluation._modes import Modes, measure_modes
from skvae.evaluation._real import compared_rows
from skvae.evaluation._rows import EvaluationRow, Sets, map_sets
from skvae.evaluation._samples import measure_samples
from skvae.evaluation._words import Words
from skvae.metrics import (
    FeatureMap,
    PrecisionRecallDensityCoverage,
    one_nearest_neighbour_accuracy,
    precision_recall_density_coverage,
)
from skvae.pipeline._tables import table_of


class Measurements(NamedTuple):
    """What was measured; None is what the model has not."""

    reconstruction: Reconstruction | None
    likelihood: Likelihood | None
    samples: dict[str, EvaluationRow]
    copying: Copying
    latents: Latents | None
    of_draws: PrecisionRecallDensityCoverage | None
    """Of samples with observation noise; None if the samples have it."""
    accuracy_of_draws: float
    """Nearest-neighbour accuracy of samples with observation noise."""
    modes: Modes
    columns: Columns
    correlations: Correlations
    words: Words
    """For columns."""
    n_test: int
    n_test_given: int
    """Held-out rows before those beyond the number of samples were left out."""

    @property
    def rows(self) -> tuple[EvaluationRow, ...]:
        """The table."""
        rows: list[EvaluationRow] = []
        if self.reconstruction:
            rows.append(self.reconstruction.error)
        if self.likelihood:
            score, likely, _, sizes, *_ = self.likelihood
            rows += (score, sizes, likely) if sizes else (score, likely)
        rows += *self.samples.values(), self.modes.left_out, self.columns.distance
        if self.correlations.loss:
            rows.append(self.correlations.loss)
        rows += self.copying.rows
        if self.latents:
            rows.append(self.latents.active_components)
            if self.latents.mismatch:
                rows.append(self.latents.mismatch.discrepancy)
            rows.append(self.latents.frechet_distance_of_codes)
        return tuple(rows)


def measure(
    estimator: Any,
    sets: Sets,
    features: FeatureMap | None,
    mean: bool,
    n_bootstrap: int,
    rng: np.random.RandomState,
    seed: int,
) -> Measurements:
    """Measure everything, in an order that fixes who draws what from `rng`."""
    mapped = map_sets(sets, features, seed)  # first, since it checks the rows
    table = table_of(features)
    reconstruction = measure_reconstruction(estimator, sets, table, rng)
    likelihood = measure_likelihood(estimator, sets, table, rng)
    samples = measure_samples(mapped, n_bootstrap, rng, seed)
    copying = measure_copying(sets, mapped, rng)
    floor = samples["frechet_distance"].floor
    latents = measure_latents(
        estimator, sets, features, mapped.test, floor, mean, n_bootstrap, rng
    )
    of_draws, accuracy = None, samples["nearest_neighbour_accuracy"].value
    if sets.draws is not sets.samples:
        of_draws = precision_recall_density_coverage(mapped.test, mapped.draws)
        accuracy = one_nearest_neighbour_accuracy(
            mapped.test, mapped.draws, random_state=rng
        ).value
    rows = compared_rows(mapped, rng)
    return Measurements(
        reconstruction,
        likelihood,
        samples,
        copying,
        latents,
        of_draws,
        accuracy,
        measure_modes(rows, sets.test_index, rng),
        measure_columns(rows, table),
        measure_correlations(rows, table),
        Words(names_of(sets.train) if features is None else None, table),
        len(mapped.test),
        sets.n_test_given,
    )
