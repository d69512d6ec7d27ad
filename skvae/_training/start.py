"""How a fit begins: with a new module, or with that of an earlier fit."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from skvae._training.drift import begins_anew
from skvae._training.held_out import rows_to_train
from skvae._training.linear_start import most_rows, start_at_pca
from skvae._training.parts import check_same_parts, describe_parts, new_module
from skvae._training.restandardise import restandardise
from skvae._training.stream import RowSample
from skvae._utils.random import Stream, make_generator, numpy_seed
from skvae.module import AutoencoderModule


def sample_and_start(fit: Any) -> tuple[RowSample, Any]:
    """Return the sample of all rows, and the estimator that a `Fit` goes on from.

    It begins anew if what was before says too little of X.
    """
    sample, previous = RowSample(), fit.previous
    if previous:
        check_same_parts(describe_parts(fit.estimator, fit.network), previous._parts)
        sample = previous._sample.recalled(previous) if fit.stream else sample
    extended = sample.extended(fit.X, fit.seed, fit.labels)
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
    module.likelihood.check_support(fit.X)
    module.likelihood.forget_calibration()
    if fit.stream and fit.sample.statistics is not fit.previous._sample.statistics:
        restandardise(module, fit.sample.statistics.summary())
    return module
