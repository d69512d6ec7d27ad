"""How held-out rows are reconstructed, and how likely they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata
from sklearn.covariance import LedoitWolf

from skvae._utils import intervals
from skvae._utils.arrays import FloatArray, as_rows
from skvae.evaluation._importance import sample_size_row, standard_error
from skvae.evaluation._reading import is_numeric
from skvae.evaluation._rows import EvaluationRow, Sets, make_row
from skvae.evaluation._tables import IN_UNITS_OF_TABLES, error_of_usual_values
from skvae.metrics import TableFeatures
from skvae.pipeline._abilities import (
    can_reconstruct,
    can_score,
    is_discrete,
    last_step,
    log_likelihoods,
    only_rescales,
    to_last_step,
)
from skvae.pipeline._scores import infinite_scores
from skvae.scorers._reconstructions import reconstruction_errors

LogDensity = Callable[[FloatArray], FloatArray]
# A full covariance of more is too large to invert in passing.
_MOST_FEATURES = 1000


class Reconstruction(NamedTuple):
    """The error of reconstructions."""

    error: EvaluationRow
    error_of_mean: float
    """Root mean squared error of the mean training row in their place."""


class GaussianComparison(NamedTuple):
    """The log-likelihood against that of a Gaussian fitted to the training rows."""

    name: str
    train: float
    """Mean log density of training rows."""
    test: float
    """Mean log density of held-out rows."""
    p_value: float
    """Of held-out rows that follow the model being as much likelier under it.

    It is corrected for the number of Gaussians.
    """


class Likelihood(NamedTuple):
    """The likelihood, and how well it tells training from held-out rows."""

    score: EvaluationRow
    train_more_likely: EvaluationRow
    gaussians: tuple[GaussianComparison, ...]
    """Comparisons with Gaussians; none for discrete data and tables."""
    effective_sample_size: EvaluationRow | None
    """Of importance samples; None for an exact density."""
    excluded: str
    """Which held-out rows are impossible under the model; "" if none is."""
    unknown: str
    """Which rows have a score that is no number, or inf; "" if none has."""


def measure_reconstruction(
    estimator: Any,
    sets: Sets,
    table: TableFeatures | None,
    rng: np.random.RandomState,
) -> Reconstruction | None:
    """Measure the error of reconstructions; None if there are none."""
    if not (can_reconstruct(estimator) and (table or is_numeric(sets.test))):
        return None

    def squared_errors(X: Any) -> FloatArray:
        return reconstruction_errors(estimator, X, table, "X")

    test = squared_errors(sets.test)
    low, high = intervals.of_mean(test, rng)
    row = make_row(
        "reconstruction_error",
        np.sqrt(test.mean()),
        (np.sqrt(max(low, 0)), np.sqrt(high)),
        np.sqrt(squared_errors(sets.train_part).mean()),
        "lower",
        f"root mean squared error, {IN_UNITS_OF_TABLES if table else 'in units of X'}",
    )
    return Reconstruction(row, _error_of_mean(sets, table))


def _error_of_mean(sets: Sets, table: TableFeatures | None) -> float:
    """Root mean squared error of the mean row, or of usual values in its place."""
    if table is None:
        mean = as_rows(sets.train, "X_train").mean(axis=0)
        return root_mean_square(as_rows(sets.test, "X_test") - mean)
    return error_of_usual_values(table, sets.train, sets.test)


def measure_likelihood(
    estimator: Any,
    sets: Sets,
    table: TableFeatures | None,
    rng: np.random.RandomState,
) -> Likelihood | None:
    """Measure the likelihood; None if there is none."""
    if not can_score(estimator):
        return None
    units, rows = "in units of X", (sets.train_part, sets.test, sets.train)
    if not (only_rescales(estimator) or is_discrete(estimator)):
        rows = tuple(to_last_step(estimator, X) for X in rows)
        estimator, units = last_step(estimator), "in the last step's units"
    of_train, of_test = (log_likelihoods(estimator, X) for X in rows[:2])
    train, test = of_train.values, of_test.values
    sizes = sample_size_row(of_test, standard_error(test))
    score = make_row(
        "log_likelihood",
        _mean(test),
        intervals.of_mean(test, rng),
        _mean(train),
        "higher",
        f"mean over held-out rows, nats, {units}",
    )
    model = type(last_step(estimator)).__name__
    said = infinite_scores(model, test, "X_test", sets.test_index)
    unknown = said if _are_unknown(test) else ""
    if not unknown and np.isnan(train).any():
        unknown = f"score_samples of {model} gives NaN for training rows"
    skipped = is_discrete(estimator) or bool(unknown) or table is not None
    gaussians = () if skipped else _compare_gaussians(*rows, test)
    likely = _train_more_likely(train, test)
    return Likelihood(
        score, likely, gaussians, sizes, "" if _are_unknown(test) else said, unknown
    )


def _are_unknown(scores: FloatArray) -> bool:
    """Tell whether scores are more than finite, and -inf of impossible rows."""
    return bool(np.isnan(scores).any() or np.isposinf(scores).any())


def _mean(scores: FloatArray) -> float:
    return float(np.nan if _are_unknown(scores) else scores.mean())


def root_mean_square(X: FloatArray) -> float:
    """Return the root of the mean square of all entries."""
    return float(np.sqrt(np.mean(np.square(X, dtype=np.float64))))


def _train_more_likely(train: FloatArray, test: FloatArray) -> EvaluationRow:
    """Share of pairs with the training row above the held-out one, ties counting half.

    Its variance is that of DeLong et al. 1988, Biometrics 44.
    """
    n, m = len(train), len(test)
    ranks = rankdata(np.concatenate([train, test]))
    below = (ranks[:n] - rankdata(train)) / m  # of the held-out, for a training row
    above = 1 - (ranks[n:] - rankdata(test)) / n
    variance = np.var(below, ddof=1) / n + np.var(above, ddof=1) / m
    fewer = min(n, m)
    rows = intervals.independent_rows(below.mean(), variance, fewer, 2 * fewer)
    return make_row(
        "train_more_likely",
        below.mean(),
        intervals.of_share(below.mean(), rows),
        0.5,
        "0.5",
        "pairs of a training and a held-out row, the first more likely",
    )


def _compare_gaussians(
    train_part: Any, test: Any, train: Any, scores: FloatArray
) -> tuple[GaussianComparison, ...]:
    """Compare the scores of held-out rows with those of Gaussians of training rows.

    Under the model, the ratio of another density's likelihood to its own is above 1 / p
    with a probability of at most p (Markov's inequality), whatever the number of rows.
    """
    part, test = as_rows(train_part, "X_train"), as_rows(test, "X_test")
    gaussians = dict(_gaussians(as_rows(train, "X_train")))
    found = []
    for name, gaussian in gaussians.items():
        of_test = gaussian(test)
        ratio = np.sum(of_test - scores) - np.log(len(gaussians))
        p_value = float(np.exp(-max(ratio, 0.0)))
        means = float(gaussian(part).mean()), float(of_test.mean())
        found.append(GaussianComparison(name, *means, p_value))
    return tuple(found)


def _gaussians(train: FloatArray) -> Iterator[tuple[str, LogDensity]]:
    """Yield Gaussians of the training rows: one variance, and a full covariance.

    The latter is shrunk as by Ledoit and Wolf 2004, J. Multivariate Analysis 88.
    """
    mean, variance = train.mean(axis=0), train.var(axis=0).mean()
    if variance <= 0:
        return
    yield (
        "one Gaussian with one variance",
        partial(_log_density, mean, np.full(len(mean), np.sqrt(variance))),
    )
    if not 1 < len(mean) <= _MOST_FEATURES:
        return
    covariance = LedoitWolf().fit(train).covariance_
    variances, axes = np.linalg.eigh(covariance)
    if variances[0] > 0:
        yield (
            "one Gaussian with a full covariance",
            lambda X: _log_density(mean @ axes, np.sqrt(variances), X @ axes),
        )


def _log_density(mean: FloatArray, scale: FloatArray, X: FloatArray) -> FloatArray:
    """Log density of independent normal columns, row by row."""
    squared = np.square((X - mean) / scale)
    return -0.5 * (squared + np.log(2 * np.pi)).sum(axis=1) - np.log(scale).sum()
