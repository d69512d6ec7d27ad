"""How a fit begins: with a new module, or with that of an earlier fit."""

from __future__ import annotations

import copy
from typing import Any

from skvae._training.held_out import rows_to_train
from skvae._training.linear_start import most_rows, start_at_pca
from skvae._training.parts import check_same_parts, describe_parts, new_module
from skvae._training.stream import RowSample
from skvae._utils.random import Stream, make_generator, numpy_seed
from skvae.module import AutoencoderModule


def sample_and_start(fit: Any) -> tuple[RowSample, Any]:
    """Return the sample of all rows, and the estimator that a `Fit` goes on from.

    It begins anew if what was before says too little of X.
    """
    sample, resumed = RowSample(), fit.previous
    if fit.previous:
        check_same_parts(
            describe_parts(fit.estimator, fit.network), fit.previous._parts
        )
    if fit.previous and fit.stream:
        sample = fit.previous._sample.recalled(fit.previous)
    extended = sample.extended(fit.X, fit.seed, fit.labels)
    if sample.n_seen and sample.is_small and extended is not sample:
        resumed = None
    return extended, resumed


def starting_module(fit: Any) -> AutoencoderModule:
    """Return the module with which the training of a `Fit` begins, on the CPU."""
    module = _resumed_module(fit) if fit.resumed else _new_module(fit)
    return module if fit.X_val is None else module.reading(fit.X_val)


def _new_module(fit: Any) -> AutoencoderModule:
    generator = make_generator(fit.seed, Stream.INIT)
    rows = fit.sample.rows if fit.previous else fit.X
    parts = fit.estimator, fit.network, rows, generator
    module = new_module(*parts, is_float32=fit.draws is not None)
    if fit.draws is None:
        rows = rows_to_train(fit, rows, most_rows(rows.shape[1]))
        start_at_pca(module, rows, numpy_seed(fit.seed, Stream.INIT))
    return module.reading(fit.X) if fit.previous else module


def _resumed_module(fit: Any) -> AutoencoderModule:
    module = copy.deepcopy(fit.previous.module_).reading(fit.X)
    module.likelihood.check_support(fit.X)
    module.likelihood.forget_calibration()
    return module
