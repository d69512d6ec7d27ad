"""Figures of two models on the same held-out rows, and their differences."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from skvae import metrics
from skvae._utils import intervals
from skvae._utils.arrays import FloatArray, at_most
from skvae._utils.columns import is_frame, names_of
from skvae.evaluation._differences import (
    Difference,
    Error,
    difference_of,
    error_of_mean,
    errors_of_fits,
)
from skvae.evaluation._fits import Fits
from skvae.evaluation._reading import is_numeric
from skvae.evaluation._rows import check_spread
from skvae.evaluation._samples import Measure
from skvae.evaluation._tables import IN_UNITS_OF_TABLES
from skvae.metrics import TableFeatures
from skvae.pipeline._abilities import (
    as_fitted,
    can_reconstruct,
    can_score,
    draws_means,
    is_discrete,
    last_step,
    log_likelihood,
    only_rescales,
    probable_values,
)
from skvae.pipeline._scores import infinite_scores
from skvae.pipeline._tables import with_gaps_of
from skvae.scorers._metric import Metric
from skvae.scorers._reconstructions import reconstruction_errors
from skvae.scorers._reference import feature_rows, to_array
from skvae.scorers._samples import draw_samples
from skvae.scorers._table import METRICS
from skvae.scorers._units import warn_of_units

_MIN_ROWS = 20  # of a set that is cut into halves
_SHARE = (0.0, 1.0)
_ROUNDING = 1e-9


class Compared(NamedTuple):
    """One figure of both models."""

    name: str
    better: str
    """"higher" or "lower"."""
    meaning: str
    unit: str
    values: tuple[float, float]
    difference: Difference


class NotCompared(NamedTuple):
    """A figure that is left out, and why."""

    name: str
    reason: str


def compare_likelihoods(fits: Fits, X: Any) -> Compared | NotCompared:
    """Compare the log-likelihoods of held-out rows, in the units of X."""
    name = "log_likelihood"
    if reason := _incomparable_likelihoods(fits.all):
        return NotCompared(name, reason)
    rows = [log_likelihood(fit, _own(fit, X)) for fit in fits.all]
    for fit, values in zip(fits.all, rows, strict=True):
        if reason := infinite_scores(_class(fit), values, "X_test"):
            return NotCompared(name, reason)
    meaning = "mean over held-out rows, nats, in units of X"
    return _compare_rows(fits, rows, (name, "higher", meaning, "nats"))


def compare_reconstructions(
    fits: Fits, X: Any, table: TableFeatures | None
) -> Compared | NotCompared:
    """Compare the root mean squared errors of reconstructions."""
    name = "reconstruction_error"
    unable = [fit for fit in fits.all if not can_reconstruct(fit)]
    if unable:
        return NotCompared(name, f"{_class(unable[0])} has no reconstructions")
    if table is None and not is_numeric(X):
        return NotCompared(name, "X_test has more than numbers")
    rows = [_root_mean_square_rows(fit, _own(fit, X), table) for fit in fits.all]
    units = IN_UNITS_OF_TABLES if table else "in units of X"
    meaning = f"root mean squared error, {units}"
    return _compare_rows(fits, rows, (name, "lower", meaning, ""))


def compare_samples(
    fits: Fits,
    X: Any,
    features: metrics.FeatureMap | None,
    n: int,
    mean: bool | None,
    n_resamples: int,
    rng: np.random.RandomState,
) -> Iterator[Compared]:
    """Compare samples with held-out rows, both models with the same ones.

    Parameters
    ----------
    fits : Fits
    X : array-like or data frame
        Held-out rows, of which n at most are used.
    features : FeatureMap or None
    n : int
        Samples of each fit.
    mean : bool or None
        Decoder means, or draws with observation noise; None is what ``sample`` does.
    n_resamples : int
        Number of halves behind the errors.
    rng : RandomState
    """
    shown = _metrics()
    sets = _draw(fits, X, features, n, mean, rng)
    bandwidth = metrics.median_bandwidth(sets[0])
    measure = Measure(shown, bandwidth, int(rng.randint(2**31 - 1)))

    def figures_of(real: FloatArray, *generated: FloatArray) -> FloatArray:
        return np.array([measure(real, rows) for rows in generated])

    def differences(figures: FloatArray) -> FloatArray:
        first, second = fits.split(figures)
        return np.mean(first, axis=0) - np.mean(second, axis=0)

    def resampled(*sets: FloatArray) -> FloatArray:
        return differences(figures_of(*sets))

    figures = figures_of(*sets)
    n_rows, variances = min(map(len, sets)), np.full(len(shown), np.nan)
    if n_resamples and n_rows >= _MIN_ROWS:
        with warnings.catch_warnings():  # of few rows: once is enough
            warnings.simplefilter("ignore", UserWarning)
            variances = intervals.variances_by_parts(resampled, sets, n_resamples, rng)
    df = (n_resamples + 1) // 2  # two halves make a cut
    columns = zip(shown, figures.T, differences(figures), variances, strict=True)
    for metric, own, value, variance in columns:
        if metric.row.bounds == _SHARE:
            # No share is known better than to one row of n.
            variance = np.maximum(variance, 2 / n_rows**2)
        better = "lower" if metric.sign < 0 else "higher"
        words = metric.row.name, better, metric.meaning, ""
        yield _compare(fits, own, value, Error(variance, df), words)


def _draw(
    fits: Fits,
    X: Any,
    features: metrics.FeatureMap | None,
    n: int,
    mean: bool | None,
    rng: np.random.RandomState,
) -> list[FloatArray]:
    """Return held-out rows, then samples of every fit, after the feature map."""
    X = _own(fits.first[0], X)
    columns = names_of(X)
    real = feature_rows(X, features, "X_test")
    check_spread(real, features)
    if features is None and to_array(X).ndim == 2:
        warn_of_units(real, columns, "X_test")
    sets = [at_most(real, n, rng)]
    for fit in fits.all:
        seed = int(rng.randint(2**31 - 1))
        samples = _sample(fit, X, n, draws_means(fit, mean), seed)
        rows = feature_rows(samples, features, "the samples", columns)
        sets.append(with_gaps_of(real, rows, features, seed))
    return sets


def _metrics() -> list[Metric]:
    """Return the metrics of reports, each with one direction that is better.

    Samples from the middle of the data have a density above 1, which is no merit.
    """
    shown = [metric for metric in METRICS.values() if metric.row]
    return [_from_one(m) if m.row.name == "density" else m for m in shown]


def _from_one(density: Metric) -> Metric:
    return density._replace(
        value=lambda result: abs(result.density - 1),
        meaning="distance of the density from 1, which sets that are alike have",
        sign=-1,
    )


def _compare_rows(
    fits: Fits, rows: Sequence[FloatArray], words: tuple[str, ...]
) -> Compared:
    """Compare means over the same rows: what is hard for both models cancels."""
    first, second = (np.mean(own, axis=0) for own in fits.split(rows))
    paired = first - second
    # Models that are the same but for rounding do not differ.
    paired[np.abs(paired) <= _ROUNDING * (np.abs(first) + np.abs(second))] = 0
    figures, error = np.mean(rows, axis=1), error_of_mean(paired)
    return _compare(fits, figures, float(paired.mean()), error, words)


def _compare(
    fits: Fits,
    figures: FloatArray,
    difference: float,
    error: Error,
    words: tuple[str, ...],
) -> Compared:
    own = fits.split(figures)
    first, second = (float(np.mean(values)) for values in own)
    judged = difference_of(difference, [error, *errors_of_fits(own)])
    return Compared(*words, (first, second), judged)


def _incomparable_likelihoods(fits: Sequence[Any]) -> str:
    """Say why likelihoods cannot be compared; "" if they can."""
    for fit in fits:
        if not can_score(fit):
            return f"{_class(fit)} has no score_samples"
        if not (only_rescales(fit) or is_discrete(fit)):
            return f"that of {_class(fit)} is in the units of its last step, not of X"
    if len({is_discrete(fit) for fit in fits}) > 1:
        return "one is a probability of discrete data, the other a density"
    values = [probable_values(fit) for fit in fits]
    if any(other != values[0] for other in values):
        return (
            "some values have a probability under one model and a density under the "
            "other"
        )
    return ""


def _root_mean_square_rows(fit: Any, X: Any, table: TableFeatures | None) -> FloatArray:
    """Return values by row whose mean is the root mean squared error.

    They spread as it does: its linear approximation about the squared errors.
    """
    squared = reconstruction_errors(fit, X, table, "X_test")
    error = np.sqrt(squared.mean())
    return squared if error == 0 else (error + squared / error) / 2


def _sample(fit: Any, X: Any, n: int, mean: bool, seed: int) -> Any:
    """Sample, with columns in the order of X."""
    rows = _own(fit, X)
    own, wanted = names_of(rows), names_of(X)
    samples = draw_samples(rows, fit, n, mean, seed)
    if own == wanted or is_frame(samples):
        return samples
    return samples[:, [own.index(name) for name in wanted]]


def _own(fit: Any, X: Any) -> Any:
    return as_fitted(fit, X, "X_test")


def _class(fit: Any) -> str:
    return type(last_step(fit)).__name__
