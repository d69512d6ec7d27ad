"""Training that goes on with `partial_fit` or `warm_start`."""

import numpy as np
import pytest
import torch
from conftest import assert_same, describe, outputs, small, small_variants
from sklearn.base import clone
from supports import taken_by


def in_single_epochs(estimator, X):
    """Return a clone of the estimator, fitted to its last epoch by `partial_fit`."""
    parts = clone(estimator)
    for _ in range(parts.max_epochs):
        parts.partial_fit(X)
    return parts


WEIGHTED = small(beta=0.3, kl_warmup=0.7, n_samples=2, free_bits=0.1)


@pytest.mark.parametrize("variant", [*small_variants(), WEIGHTED], ids=describe)
def test_partial_fits_equal_one_fit(variant, X):
    X = taken_by(variant, X)
    whole = clone(variant).fit(X)
    parts = in_single_epochs(variant, X)
    assert parts.n_epochs_ == whole.n_epochs_ == 3
    for name, values in whole.history_.items():
        np.testing.assert_array_equal(parts.history_[name], values)
    one, many = outputs(whole, X), outputs(parts, X)
    if hasattr(whole, "second_stage_"):  # which single epochs train in between
        for name in ("sample", "noisy", "score"):
            del one[name], many[name]
    assert_same(many, one)


def test_partial_fits_hold_out_the_same_rows_as_one_fit(X):
    # One fit goes back to its best epoch; single epochs have nothing to go back to.
    model = small(early_stopping=True, n_iter_no_change=100)
    np.testing.assert_array_equal(
        in_single_epochs(model, X).history_["validation_loss"],
        clone(model).fit(X).history_["validation_loss"],
    )


def test_warm_start_goes_on_where_it_stopped(X):
    warm = small(warm_start=True, max_epochs=2, kl_warmup=0.0).fit(X)
    first = {name: values.copy() for name, values in warm.history_.items()}
    warm.set_params(max_epochs=3).fit(X)
    assert warm.n_epochs_ == 5
    for name, values in warm.history_.items():
        assert len(values) == 5
        np.testing.assert_array_equal(values[:2], first[name])
    # Adam's moments are kept, hence the bits of five epochs in one go.
    straight = small(max_epochs=5, kl_warmup=0.0).fit(X)
    assert_same(outputs(warm, X), outputs(straight, X))


def test_without_warm_start_a_second_fit_starts_afresh(X):
    model = small().fit(X)
    first = outputs(model, X)
    model.fit(X)
    assert model.n_epochs_ == 3
    assert_same(outputs(model, X), first)


def test_continuing_does_not_change_an_earlier_copy(X):
    model = small(warm_start=True).fit(X)
    module, history = model.module_, model.history_
    weights = {k: v.clone() for k, v in module.state_dict().items()}
    lengths = {k: len(v) for k, v in history.items()}
    model.fit(X)
    assert all(torch.equal(v, weights[k]) for k, v in module.state_dict().items())
    assert {k: len(v) for k, v in history.items()} == lengths
