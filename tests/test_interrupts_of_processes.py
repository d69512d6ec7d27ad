"""An interrupt of one of several processes ends all of them at the same step."""

import pytest
from fits_of_processes import (  # noqa: F401
    CALLS,
    MODELS,
    X,
    assert_all_same,
    fit,
    fit_with_density,
    group_size,
    is_fitted,
    kinds,
    last_outputs,
    new,
    next_fit_works,
    press,
    rank,
    with_another_density,
)
from sklearn.mixture import GaussianMixture
from torch.optim.lr_scheduler import LambdaLR

from skvae import VAE, TwoStageVAE
from skvae.networks import MLP

pytestmark = pytest.mark.slow


class Interrupted(VAE):
    """Is interrupted on the last process, in a batch of the third epoch."""

    def loss(self, module, x, generator, annealing):
        if module.training:
            CALLS.append(1)
            if len(CALLS) == 17 and rank() == group_size() - 1:
                press()
        return super().loss(module, x, generator, annealing)


class InterruptedTwice(VAE):
    """Is interrupted as by torchrun, which passes on what the terminal has sent."""

    def loss(self, module, x, generator, annealing):
        if module.training:
            CALLS.append(1)
            if len(CALLS) in (17, 18):
                press()
                press()
        return super().loss(module, x, generator, annealing)


def fit_interrupted(cls=Interrupted, **params):
    CALLS.clear()
    fit(new(cls, **params), X)


def assert_all_interrupted(group, outcomes, n_epochs):
    assert kinds(outcomes) == [KeyboardInterrupt] * group.size
    found, told = zip(*group(last_outputs), strict=True)
    assert_all_same(found)
    assert found[0]["n"] == n_epochs
    assert not any(told[1:])
    return told[0]


def test_an_interrupt_of_one_process_ends_all_at_the_same_step(group):
    told = assert_all_interrupted(group, group.outcomes(fit_interrupted), 2)
    assert "The fit was interrupted; the model is that of epoch" in told[-1]


def test_the_two_signals_of_torchrun_are_one_interrupt(group):
    outcomes = group.outcomes(fit_interrupted, InterruptedTwice)
    assert_all_interrupted(group, outcomes, 2)


def pressing_on_the_last(optimizer):
    def rate(epoch):
        if epoch == 4 and rank() == group_size() - 1:
            press()
        return 1.0

    return LambdaLR(optimizer, rate)


def fit_pressed_between_epochs():
    fit(new(lr_schedule=pressing_on_the_last), X)


def test_an_interrupt_between_epochs_keeps_the_one_before(group):
    assert_all_interrupted(group, group.outcomes(fit_pressed_between_epochs), 4)


class Pressing(GaussianMixture):
    def fit(self, Z, y=None):
        press()
        return super().fit(Z)


def test_an_interrupt_of_the_latent_density_keeps_the_networks(group):
    outcomes = group.outcomes(fit_with_density, Pressing(2))
    assert kinds(outcomes) == [KeyboardInterrupt] * group.size
    assert all(group(is_fitted))
    found, told = zip(*group(with_another_density), strict=True)
    assert_all_same(found)
    assert "will be fitted when it is needed" in told[0][-1]


class PressingAgain(VAE):
    """Hears of an interrupt late, when all have already been told by another."""

    def loss(self, module, x, generator, annealing):
        press()
        return super().loss(module, x, generator, annealing)


def fit_two_stages_interrupted(cls):
    second = cls(2, network=MLP((8,)), batch_size=16, max_epochs=2)
    model = new(TwoStageVAE, lr_schedule=pressing_on_the_last, second_stage=second)
    fit(model, X)


def second_stage_history():
    return MODELS["last"].latent_density_.history_["loss"]


@pytest.mark.parametrize("second", [VAE, PressingAgain])
def test_the_second_stage_is_trained_after_an_interrupt_of_the_first(group, second):
    outcomes = group.outcomes(fit_two_stages_interrupted, second)
    told = assert_all_interrupted(group, outcomes, 4)
    assert len(group(second_stage_history)[0]) == 2
    assert "The second stage is being trained" in told[0]
