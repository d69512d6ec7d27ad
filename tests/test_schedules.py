"""Learning rates and weights that change in the course of a training."""

import math

import numpy as np
import pytest
import torch
from conftest import SMALL_SECOND_STAGE, make_data, small
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.optim import lr_scheduler as torch_schedulers
from torch.optim.swa_utils import SWALR

from skvae import VAE, TwoStageVAE, losses
from skvae._training.loop import Step
from skvae._training.schedules import Annealing
from skvae.estimators import vae
from skvae.likelihoods import GaussianLikelihood

LIMITS = (300, 1_000, 3_000, 10_000)


# ------------------------------------------------------------------------ recovery

SCHEDULERS = {
    "LambdaLR": {"lr_lambda": lambda epoch: 1 / (1 + epoch)},
    "MultiplicativeLR": {"lr_lambda": lambda epoch: 0.9},
    "StepLR": {"step_size": 2},
    "MultiStepLR": {"milestones": [2, 3]},
    "ConstantLR": {"factor": 0.5, "total_iters": 3},
    "LinearLR": {"total_iters": 4},
    "ExponentialLR": {"gamma": 0.8},
    "PolynomialLR": {"total_iters": 8},
    "CosineAnnealingLR": {"T_max": 8},
    "CosineAnnealingWarmRestarts": {"T_0": 3, "eta_min": 1e-4},
    "CyclicLR": {"base_lr": 1e-4, "max_lr": 1e-2, "step_size_up": 2},
    "OneCycleLR": {"max_lr": 1e-2, "total_steps": 8},
    "ReduceLROnPlateau": {"patience": 0, "threshold": 1e9, "threshold_mode": "abs"},
}


def _several(cls, **options):
    def make(optimizer):
        first = torch_schedulers.ConstantLR(optimizer, 0.3, 2)
        return cls(
            *((optimizer,) if cls is torch_schedulers.SequentialLR else ()),
            schedulers=[first, torch_schedulers.ExponentialLR(optimizer, 0.8)],
            **options,
        )

    return make


SCHEDULES = {
    **{
        name: lambda o, name=name, kw=kw: getattr(torch_schedulers, name)(o, **kw)
        for name, kw in SCHEDULERS.items()
    },
    "SequentialLR": _several(torch_schedulers.SequentialLR, milestones=[3]),
    "ChainedScheduler": _several(torch_schedulers.ChainedScheduler),
    "SWALR": lambda o: SWALR(o, swa_lr=1e-4, anneal_epochs=4),
    "constant": "constant",
    "cosine": "cosine",
    "plateau": "plateau",
}


def test_every_scheduler_of_torch_is_tried():
    assert set(torch_schedulers.__all__) - {"LRScheduler"} <= set(SCHEDULES)


def rates_of(schedule, spoiled_steps=(), learning_rate=4e-3):
    """Return the rates of 8 epochs of 5 steps, some of which are spoiled."""
    n_calls, rates = [], []

    def spoiled(*args, **kwargs):
        terms = losses.vae_loss(*args, **kwargs)
        n_calls.append(1)
        if len(n_calls) - 1 in spoiled_steps:
            terms["kl"] = terms["kl"] * math.nan
        return terms

    call = Step.__call__

    def step(self, x):
        if len(n_calls) % 5 == 0:
            rates.append(self.groups[0]["lr"])
        return call(self, x)

    options = {"lr_schedule": schedule, "learning_rate": learning_rate}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vae, "vae_loss", spoiled)
        patch.setattr(Step, "__call__", step)
        model = small(max_epochs=8, kl_warmup=0.0, **options).fit(make_data())
    return model.history_["learning_rate"], np.array(rates)


@pytest.mark.filterwarnings("ignore:In epoch:RuntimeWarning")
@pytest.mark.parametrize("name", SCHEDULES)
def test_every_recovery_halves_all_rates_that_follow(name):
    plain, _ = rates_of(SCHEDULES[name])
    halved, _ = rates_of(SCHEDULES[name], spoiled_steps=[2 * 5 + 1])
    np.testing.assert_array_equal(halved[:2], plain[:2])
    np.testing.assert_array_equal(halved[2:], plain[2:] / 2)
    twice, _ = rates_of(SCHEDULES[name], spoiled_steps=[1, 5 + 5 * 5 + 1])
    np.testing.assert_array_equal(twice[:5], plain[:5] / 2)
    np.testing.assert_array_equal(twice[5:], plain[5:] / 4)


@pytest.mark.filterwarnings("ignore:In epoch:RuntimeWarning")
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_loss_that_stays_broken_is_told_of_under_every_schedule(name):
    with pytest.raises(FloatingPointError, match="Training diverged"):
        rates_of(SCHEDULES[name], spoiled_steps=range(100))


@pytest.mark.parametrize("scale", [1e3, 1e18])
@pytest.mark.filterwarnings("ignore:In epoch:RuntimeWarning")
def test_the_plateau_schedule_recovers_or_says_that_training_diverged(scale):
    X = np.random.default_rng(0).normal(size=(64, 4)) * scale
    model = VAE(2, learning_rate=1e3, lr_schedule="plateau", max_epochs=3)
    try:
        model.fit(X)
    except FloatingPointError:
        assert not hasattr(model, "module_")
    else:
        assert model.history_["learning_rate"][-1] < 1e3


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_history_has_the_rates_that_were_used(name):
    told, used = rates_of(SCHEDULES[name])
    np.testing.assert_array_equal(told, used)


def test_the_printed_rate_is_the_one_that_was_used(capsys):
    def rising(optimizer):
        return torch_schedulers.LambdaLR(optimizer, lambda epoch: epoch)

    small(max_epochs=3, lr_schedule=rising, verbose=1).fit(make_data())
    lines = capsys.readouterr().out.splitlines()
    rates = [line.split("learning_rate ")[1].split()[0] for line in lines]
    assert rates == ["0", "0.001", "0.002"]


@pytest.mark.parametrize("schedule", [lambda o: None, lambda o: 0.1, lambda o: o])
def test_a_schedule_that_returns_no_scheduler_is_refused(schedule, monkeypatch):
    monkeypatch.setattr(Step, "__call__", lambda self, x: pytest.fail("trained"))
    with pytest.raises(TypeError, match="must return a scheduler"):
        small(lr_schedule=schedule).fit(make_data())


# ------------------------------------------------------------------------- warm-up


def test_progress_of_annealing_ends_at_one():
    annealing = Annealing(lambda p: min(1.0, 2 * p), 10, torch.device("cpu"))
    assert annealing.n_changing == 5
    for epoch, factor in [(0, 0.0), (2.5, 0.5), (5, 1.0), (10, 1.0), (37.5, 1.0)]:
        annealing.update(epoch)
        assert float(annealing.factor) == factor
    assert Annealing(lambda p: 1.0, 10, torch.device("cpu")).n_changing == 0
    assert Annealing(lambda p: p, 10, torch.device("cpu")).n_changing == 10


def test_a_plateau_is_not_found_while_the_weight_of_the_kl_rises():
    # At such a rate nothing improves, and the loss rises with the weight.
    options = {"max_epochs": 60, "learning_rate": 1e-7, "lr_schedule": "plateau"}
    rates = small(kl_warmup=0.5, **options).fit(make_data()).history_["learning_rate"]
    assert set(rates[:36]) == {1e-7}
    assert rates[-1] < 1e-7


def test_patience_is_counted_from_the_end_of_the_warm_up():
    # Nothing at all is learned: no epoch is better than the first one.
    options = {"learning_rate": 1e-30, "likelihood": GaussianLikelihood(scale=1.0)}
    options |= {"max_epochs": 60, "early_stopping": True, "n_iter_no_change": 5}
    assert small(kl_warmup=0.5, **options).fit(make_data()).n_epochs_ == 35
    assert small(kl_warmup=0.0, **options).fit(make_data()).n_epochs_ == 6


@pytest.mark.slow
def test_early_stopping_makes_the_limit_irrelevant():
    X, models = make_data(), []
    for limit in (150, *LIMITS):
        model = small(max_epochs=limit, early_stopping=True, learning_rate=0.03)
        models.append(model.fit(X))
    assert {m.n_epochs_ for m in models} == {models[0].n_epochs_}
    assert {m.score(X) for m in models} == {models[0].score(X)}


def test_without_early_stopping_the_warm_up_is_a_share_of_all_epochs():
    kl = {}
    for n in (100, 400):
        vae_n = small(max_epochs=n, kl_warmup=0.5, learning_rate=1e-9, batch_size=80)
        kl[n] = vae_n.fit(make_data()).history_["kl"]
    np.testing.assert_allclose(kl[400][100] / kl[400][-1], 0.5, atol=0.1)
    np.testing.assert_allclose(kl[100][25] / kl[100][-1], 0.5, atol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_digits_are_modelled_as_well_under_a_generous_limit(seed):
    train, test = train_test_split(load_digits().data, random_state=seed)
    model = VAE(16, early_stopping=True, max_epochs=10_000, random_state=seed)
    assert model.fit(train).score(test) > -144


@pytest.mark.slow
def test_both_stages_are_trained_as_well_under_a_generous_limit():
    X, scores = make_data(), []
    for limit in LIMITS:
        options = {"max_epochs": limit, "early_stopping": True, "learning_rate": 0.03}
        second = clone(SMALL_SECOND_STAGE).set_params(**options, kl_warmup=0.15)
        model = small(TwoStageVAE, second_stage=second, **options).fit(X)
        scores.append(model.score(X))
    assert len(set(scores)) == 1
