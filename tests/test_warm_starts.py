"""A fit that goes on after another one is the longer fit, where that has a meaning."""

import copy
import math
import pickle

import numpy as np
import pytest
import torch
from conftest import assert_same, make_data, outputs, small
from sklearn.base import clone
from sklearn.mixture import GaussianMixture
from test_checkpoints import (
    Counting,
    all_of,
    assert_same_fit,
    falling,
    halving,
    one_cycle,
)
from torch import nn
from torch.optim import SGD, Adam

from skvae import RAE, WAE, TwoStageVAE
from skvae._training.loop import Step
from skvae.likelihoods import GaussianLikelihood
from skvae.posteriors import DiagonalPosterior

X, OTHER = make_data(120, 5), make_data(120, 5, seed=1)
STOPS = {"early_stopping": True, "learning_rate": 0.05, "n_iter_no_change": 4}

ALL_ROWS = {"early_stopping": False}  # else 120 rows are enough to hold some out


def in_parts(model, *lengths, X=X):
    model = clone(model).set_params(warm_start=True)
    for n_epochs in lengths:
        model.set_params(max_epochs=n_epochs).fit(X)
    return model


def at_once(model, n_epochs, X=X):
    return clone(model).set_params(max_epochs=n_epochs).fit(X)


def name_of(schedule):
    """Return a name that is the same in every process."""
    return getattr(schedule, "__name__", schedule)


@pytest.mark.parametrize("cls", [None, RAE, WAE])
@pytest.mark.parametrize(
    "schedule", ["constant", "plateau", halving, falling, one_cycle], ids=name_of
)
@pytest.mark.parametrize("lengths", [(5, 3), (1, 2, 5)])
def test_fits_that_go_on_are_one_long_fit(cls, schedule, lengths):
    options = {"lr_schedule": schedule, "learning_rate": 0.05}
    model = small(**options, kl_warmup=0.0) if cls is None else small(cls, **options)
    assert_same_fit(in_parts(model, *lengths), at_once(model, 8))


def test_a_plateau_is_waited_for_across_fits():
    options = {"lr_schedule": "plateau", "learning_rate": 1e-7, "kl_warmup": 0.0}
    model = small(**options, likelihood=GaussianLikelihood(scale=1.0))
    whole = at_once(model, 30)
    assert len(set(whole.history_["learning_rate"])) > 2
    assert_same_fit(in_parts(model, *[3] * 10), whole)


@pytest.mark.parametrize("lengths", [(5, 25), (2, 3, 25), (1,) * 30])
def test_early_stopping_goes_on_with_its_best_epoch_and_its_patience(lengths):
    model = small(**STOPS, kl_warmup=0.0)
    whole = at_once(model, 30)
    n_epochs, best = whole.n_epochs_, np.argmin(whole.history_["validation_loss"])
    assert best < n_epochs - 1 < 29
    parts = in_parts(model, *lengths[:-1]) if len(lengths) < 30 else None
    if parts is None:
        assert_same_fit(in_parts(model, *[1] * n_epochs), whole)
    else:
        assert_same_fit(parts.set_params(max_epochs=lengths[-1]).fit(X), whole)


def test_the_best_epoch_of_an_earlier_fit_is_not_lost():
    model = small(**STOPS | {"n_iter_no_change": 99}, kl_warmup=0.0)
    first = in_parts(model, 40)
    losses = first.history_["validation_loss"]
    before = first.transform(X)
    first.set_params(max_epochs=2).fit(X)
    assert first.history_["validation_loss"][40:].min() > losses.min()
    np.testing.assert_array_equal(first.transform(X), before)


def test_patience_that_has_run_out_begins_anew():
    model = in_parts(small(**STOPS, kl_warmup=0.0), 60)
    n_epochs = model.n_epochs_
    losses = model.history_["validation_loss"]
    assert n_epochs < 60
    model.fit(X)
    added = model.history_["validation_loss"][n_epochs:]
    assert added.min() < losses.min() or len(added) == STOPS["n_iter_no_change"]
    model.fit(X)
    assert model.n_epochs_ > n_epochs + len(added)


def test_other_rows_have_a_best_epoch_of_their_own():
    model = in_parts(small(**STOPS, kl_warmup=0.0), 10)
    before = model.history_["validation_loss"].min()
    weights = {k: v.clone() for k, v in model.module_.state_dict().items()}
    far = 10 * OTHER - 3
    model.set_params(max_epochs=1, learning_rate=1e-12).fit(far)
    assert model.history_["validation_loss"][-1] > before
    # It has gone on from the model that the estimator was: that of its best epoch.
    for name, weight in model.module_.named_parameters():
        if "likelihood" not in name:
            np.testing.assert_allclose(weight.detach(), weights[name], atol=1e-6)


def test_other_rows_to_validate_on_are_other_rows():
    options = {**STOPS, "kl_warmup": 0.0, "warm_start": True, "max_epochs": 5}
    options["n_iter_no_change"] = 99
    model = small(**options).fit(X, X_val=OTHER[:40])
    same, other = copy.deepcopy(model), model
    same.fit(X, X_val=OTHER[:40].copy())
    assert_same_fit(
        same, clone(same).set_params(max_epochs=10).fit(X, X_val=OTHER[:40])
    )
    before, least = other.transform(X), other.history_["validation_loss"].min()
    other.set_params(max_epochs=1).fit(X, X_val=10 * OTHER[40:])
    assert other.history_["validation_loss"][-1] > least
    assert not np.array_equal(other.transform(X), before)


def test_without_early_stopping_the_last_epoch_is_gone_on_from_and_kept():
    model = in_parts(small(**STOPS, kl_warmup=0.0), 12)
    assert np.argmin(model.history_["validation_loss"]) < 11
    best = model.transform(X)
    model.set_params(early_stopping=False, max_epochs=1, learning_rate=1e-12).fit(X)
    assert not np.allclose(model.transform(X), best, atol=1e-4)


def test_cosine_begins_anew_in_every_fit():
    model = in_parts(small(lr_schedule="cosine"), 4, 4)
    rates = model.history_["learning_rate"]
    np.testing.assert_array_equal(rates[4:], rates[:4])
    np.testing.assert_allclose(rates[:4], 5e-4 * (1 + np.cos(np.pi * np.arange(4) / 4)))


def test_cosine_begins_anew_after_a_fit_that_was_stopped():
    model = small(lr_schedule="cosine", warm_start=True, max_epochs=4)
    model.set_callbacks(Counting(stop_at=2)).fit(X)
    rates = model.set_callbacks().fit(X).history_["learning_rate"]
    expected = at_once(small(lr_schedule="cosine"), 4).history_["learning_rate"]
    np.testing.assert_array_equal(rates, [*expected[:2], *expected])


@pytest.mark.parametrize("other", [{"learning_rate": 5e-3}, {"lr_schedule": falling}])
def test_another_rate_or_schedule_begins_anew(other):
    model = in_parts(small(lr_schedule=halving), 5).set_params(**other, max_epochs=3)
    rates = model.fit(X).history_["learning_rate"][5:]
    expected = at_once(clone(model).set_params(warm_start=False), 3)
    np.testing.assert_array_equal(rates, expected.history_["learning_rate"])


def spoiled(bad, monkeypatch):
    call, taken = Step.__call__, []

    def spoil(self, x):
        taken.append(1)
        return call(self, x) * (math.nan if len(taken) in bad else 1)

    monkeypatch.setattr(Step, "__call__", spoil)
    return taken


@pytest.mark.filterwarnings("ignore:In epoch:RuntimeWarning")
@pytest.mark.parametrize("way", ["fits", "calls"])
@pytest.mark.parametrize("schedule", ["constant", "plateau", halving], ids=name_of)
def test_halved_rates_and_their_number_are_remembered(way, schedule, monkeypatch):
    model = small(kl_warmup=0.0, lr_schedule=schedule, max_epochs=8, **ALL_ROWS)
    bad = (8 + 3, 8 * 3 + 16 + 2)
    taken = spoiled(bad, monkeypatch)
    whole = at_once(model, 8)
    assert whole.history_["learning_rate"][-1] <= 1e-3 / 4
    taken.clear()
    if way == "fits":
        assert_same_fit(in_parts(model, 1, 2, 5), whole)
        return
    parts = clone(model)
    for _ in range(8):
        parts.partial_fit(X)
    assert_same_fit(parts, whole)


@pytest.mark.filterwarnings("ignore:In epoch:RuntimeWarning")
def test_the_fourth_failure_ends_the_training_whatever_fit_it_is_in(monkeypatch):
    spoiled([2, 16 + 2, 32 + 2, 48 + 2], monkeypatch)
    model = small(kl_warmup=0.0, warm_start=True, max_epochs=1, **ALL_ROWS)
    for _ in range(3):
        model.fit(X)
    with pytest.raises(FloatingPointError):
        model.fit(X)
    assert model.set_params(learning_rate=1e-4).fit(X).n_epochs_ == 4
    assert model.history_["learning_rate"][-1] <= 1e-4


# --------------------------------------------------------------- single epochs


def in_single_epochs(model, n_epochs, X=X):
    model = clone(model)
    for _ in range(n_epochs):
        model.partial_fit(X)
    return model


@pytest.mark.parametrize(
    "schedule",
    ["constant", "plateau", "cosine", halving, falling, one_cycle],
    ids=name_of,
)
def test_single_epochs_are_one_fit_under_any_schedule(schedule):
    model = small(lr_schedule=schedule, max_epochs=8, learning_rate=0.05, **ALL_ROWS)
    assert_same_fit(in_single_epochs(model, 8), at_once(model, 8))


def test_cosine_begins_anew_after_as_many_chunks_as_epochs():
    rates = in_single_epochs(small(lr_schedule="cosine"), 7).history_["learning_rate"]
    np.testing.assert_array_equal(rates[3:], [*rates[:3], rates[0]])


def test_forty_calls_are_one_fit():
    model = small(lr_schedule="plateau", max_epochs=40, learning_rate=0.1, **ALL_ROWS)
    whole = at_once(model, 40)
    assert len(set(whole.history_["learning_rate"])) > 1
    assert_same_fit(in_single_epochs(model, 40), whole)


# ---------------------------------------------------------------------- two stages


def test_two_stages_go_on_one_by_one():
    model = small(TwoStageVAE, kl_warmup=0.0, lr_schedule="plateau")
    model.set_params(second_stage__max_epochs=3)
    parts, whole = in_parts(model, 3, 3), at_once(model, 6)
    np.testing.assert_array_equal(parts.transform(X), whole.transform(X))
    assert parts.second_stage_.n_epochs_ == 6


# -------------------------------------------------------------------------- copies


@pytest.mark.parametrize("options", [{}, STOPS, {"lr_schedule": "plateau"}], ids=str)
def test_a_deep_copy_goes_on_as_the_original_does(options):
    model = in_parts(small(**options, latent_density=GaussianMixture(2)), 5)
    twin = copy.deepcopy(model)
    assert_same_fit(twin.fit(X), model.fit(X))
    stream = in_single_epochs(small(**options), 3)
    twin = copy.deepcopy(stream)
    assert_same(
        outputs(twin.partial_fit(OTHER), X), outputs(stream.partial_fit(OTHER), X)
    )


def test_a_copy_and_the_original_do_not_meet():
    model = in_parts(small(**STOPS), 5)
    before, twin = all_of(model, X), copy.deepcopy(model)
    twin.fit(X).fit(OTHER)
    assert_same(all_of(model, X), before)
    assert_same_fit(model.fit(X), in_parts(small(**STOPS), 5, 5))


def test_a_pickle_goes_on_from_the_weights_alone():
    model = in_parts(small(**STOPS), 5)
    assert len(pickle.dumps(model)) < 60_000
    loaded = pickle.loads(pickle.dumps(model))
    assert not hasattr(loaded, "_training_state") or loaded._training_state is None
    assert loaded.fit(X).n_epochs_ == 10


class Restless(DiagonalPosterior):
    """A posterior with an optimizer that makes its state in its first step."""

    def __init__(self, optimizer=Adam):
        super().__init__()
        self.optimizer = optimizer

    def build(self, n_components, generator):
        super().build(n_components, generator)
        self.extra = nn.Parameter(torch.full((n_components,), 0.1))

    def forward(self, h):
        return super().forward(h + nn.functional.pad(self.extra, (0, len(self.extra))))

    def optimizers(self):
        momentum = {"momentum": 0.9} if self.optimizer is SGD else {}
        return [self.optimizer([self.extra], lr=1e-2, **momentum)]


@pytest.mark.parametrize("optimizer", [Adam, SGD])
def test_state_that_an_optimizer_makes_in_its_first_step_is_kept(optimizer):
    model = small(posterior=Restless(optimizer), kl_warmup=0.0)
    whole = at_once(model, 6)
    parts = in_parts(model, 2, 4)
    assert not np.allclose(whole.module_.posterior.extra.detach(), 0.1)
    assert_same_fit(parts, whole)
