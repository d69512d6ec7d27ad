"""How a fit begins: with a new module, or with that of an earlier fit."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np

from skvae._training.drift import begins_anew
from skvae._training.held_out import HELD_OUT, rows_to_train, stored_rows_held_out
from skvae._training.linear_start import most_rows, start_at_pca
from skvae._training.outliers import draws_in, without_outliers
from skvae._training.parts import (
    check_rows,
    check_same_parts,
    describe_parts,
    new_module,
)
from skvae._training.progress import Progress
from skvae._training.restandardise import restandardise
from skvae._training.stream import RowSample
from skvae._training.survey import survey
from skvae._utils.random import Stream, make_generator, numpy_seed
from skvae._utils.rows import spacing
from skvae._utils.sources import is_stored
from skvae._utils.validation import named
from skvae.module import AutoencoderModule

_SAMPLE, EVENLY_SPACED = "sample", "evenly spaced"


def sample_before(fit: Any) -> RowSample:
    """Return the sample of the rows that a `Fit` goes on from."""
    if fit.previous:
        check_same_parts(
            describe_parts(fit.estimator, fit.network), fit.previous._parts
        )
    if fit.previous and fit.stream:
        return fit.previous._sample.recalled(fit.previous)
    return RowSample()


def rows_of_fit(fit: Any, sample: RowSample) -> Any:
    """Return the rows of X with outliers drawn in; stored rows are read once for all.

    Parameters
    ----------
    fit : Fit
        Of rows of data, not of draws.
    sample : RowSample
        Of the rows before.
    """
    estimator, X = fit.estimator, fit.X
    likelihood = estimator.make_likelihood()
    if is_stored(X):
        of_sample = np.unique(sample.origins(*X.shape, fit.seed))
        kept = {
            EVENLY_SPACED: np.arange(0, len(X), spacing(X)),
            HELD_OUT: stored_rows_held_out(fit, X),
            _SAMPLE: of_sample[of_sample >= 0],
        }
        if fit.previous:
            likelihood = fit.previous.module_.likelihood
        # The bounds of values that are drawn in are checked when they are.
        check = None if draws_in(likelihood) else likelihood.check_support
        progress = Progress(estimator, "look at X", len(X), level=1)
        survey(X, kept, check, progress)
        progress(len(X), is_end=True)
    if is_stored(fit.X_val):
        with named("X_val"):
            survey(fit.X_val, {})
    return without_outliers(X, estimator.make_likelihood(), estimator.columns_of_rows)


def sample_and_start(fit: Any, sample: RowSample) -> tuple[RowSample, Any]:
    """Return the sample of all rows, and the estimator that a `Fit` goes on from.

    It begins anew if what was before, of which `sample` is, says too little of X.
    """
    previous = fit.previous
    extended = sample.extended(fit.X, fit.seed, fit.labels)
    if is_stored(fit.X):
        fit.X.forget(_SAMPLE)
    if not previous or begins_anew(previous, sample, extended):
        return replace(extended, start=extended.statistics, n_passes=0.0), None
    if not fit.stream:  # rows in the place of those before
        start, n_passes = previous._sample.start, previous._sample.n_passes
        extended = replace(extended, start=start, n_passes=n_passes)
    return extended, previous


def starting_module(fit: Any) -> AutoencoderModule:
    """Return the module with which the training of a `Fit` begins, on the CPU."""
    module = _resumed_module(fit) if fit.resumed else _new_module(fit)
    return module if fit.X_val is None else module.reading(fit.X_val)


def _new_module(fit: Any) -> AutoencoderModule:
    generator = make_generator(fit.seed, Stream.INIT)
    rows = fit.sample.rows if fit.previous else fit.X
    parts = fit.estimator, fit.network, rows, generator, fit.sample.start.summary()
    module = new_module(*parts, is_float32=fit.draws is not None)
    if fit.draws is None:
        rows = rows_to_train(fit, rows, most_rows(rows.shape[1]))
        start_at_pca(module, rows, numpy_seed(fit.seed, Stream.INIT))
    return module.reading(fit.X) if fit.previous else module


def _resumed_module(fit: Any) -> AutoencoderModule:
    module = copy.deepcopy(fit.previous.module_).reading(fit.X)
    check_rows(module.likelihood, fit.X)
    module.likelihood.forget_calibration()
    if fit.stream and fit.sample.statistics is not fit.previous._sample.statistics:
        restandardise(module, fit.sample.statistics.summary())
    return module
