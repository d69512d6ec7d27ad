"""How held-out rows are reconstructed, and how likely they are."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata

from skvae._utils import intervals
from skvae._utils.arrays import FloatArray, as_rows
from skvae.evaluation._importance import sample_size_row, standard_error
from skvae.evaluation._reading import is_numeric
from skvae.evaluation._rows import EvaluationRow, Sets, make_row
from skvae.pipeline._abilities import (
    can_reconstruct,
    can_score,
    is_discrete,
    last_step,
    log_likelihoods,
    only_rescales,
    reconstruct,
    to_last_step,
)


class Reconstruction(NamedTuple):
    """The error of reconstructions."""

    error: EvaluationRow
    error_of_mean: float
    """Root mean squared error of the mean training row in their place."""


class Likelihood(NamedTuple):
    """The likelihood, and how well it tells training from held-out rows."""

    score: EvaluationRow
    train_more_likely: EvaluationRow
    gaussian_score: float
    """Mean log density under a Gaussian with one variance; nan for discrete data."""
    gaussian_p_value: float
    """Of held-out rows that follow the model being as much likelier under it."""
    effective_sample_size: EvaluationRow | None
    """Of importance samples; None for an exact density."""


def measure_reconstruction(
    estimator: Any, sets: Sets, rng: np.random.RandomState
) -> Reconstruction | None:
    """Measure the error of reconstructions; None if there are none."""
    if not (can_reconstruct(estimator) and is_numeric(sets.test)):
        return None

    def squared_errors(X: Any) -> FloatArray:
        difference = as_rows(X, "X") - as_rows(reconstruct(estimator, X), "X")
        return np.mean(difference**2, axis=1)

    test = squared_errors(sets.test)
    mean = as_rows(sets.train, "X_train").mean(axis=0)
    low, high = intervals.of_mean(test, rng)
    row = make_row(
        "reconstruction_error",
        np.sqrt(test.mean()),
        (np.sqrt(max(low, 0)), np.sqrt(high)),
        np.sqrt(squared_errors(sets.train_part).mean()),
        "lower",
        "root mean squared error, in units of X",
    )
    return Reconstruction(row, root_mean_square(as_rows(sets.test, "X_test") - mean))


def measure_likelihood(
    estimator: Any, sets: Sets, rng: np.random.RandomState
) -> Likelihood | None:
    """Measure the likelihood; None if there is none."""
    if not can_score(estimator):
        return None
    units, rows = "in units of X", (sets.train_part, sets.test)
    if not (only_rescales(estimator) or is_discrete(estimator)):
        rows = tuple(to_last_step(estimator, X) for X in rows)
        estimator, units = last_step(estimator), "in the last step's units"
    of_train, of_test = (log_likelihoods(estimator, X) for X in rows)
    train, test = of_train.values, of_test.values
    sizes = sample_size_row(of_test, standard_error(test))
    score = make_row(
        "log_likelihood",
        test.mean(),
        intervals.of_mean(test, rng),
        train.mean(),
        "higher",
        f"mean over held-out rows, nats, {units}",
    )
    if is_discrete(estimator):
        return Likelihood(score, _train_more_likely(train, test), np.nan, np.nan, sizes)
    gaussian = _gaussian_log_density(*rows)
    # Under the model, a likelihood ratio above 1 / p has a probability of at most p.
    p_value = np.exp(min(0.0, np.sum(test - gaussian)))
    more_likely = _train_more_likely(train, test)
    return Likelihood(score, more_likely, gaussian.mean(), float(p_value), sizes)


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


def _gaussian_log_density(train: Any, test: Any) -> FloatArray:
    """Log density of `test` under the one-variance Gaussian of `train`, row by row."""
    train, test = as_rows(train, "X_train"), as_rows(test, "X_test")
    variance = train.var(axis=0).mean()
    if variance <= 0:
        return np.full(len(test), np.nan)
    squared = np.square(test - train.mean(axis=0)) / variance
    return -0.5 * (squared + np.log(2 * np.pi * variance)).sum(axis=1)
