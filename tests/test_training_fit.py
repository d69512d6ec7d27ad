"""What estimators make of the training loop."""

import math

import numpy as np
import pytest
import torch
from conftest import ESTIMATORS, accepted, assert_same, make_data, outputs, small
from torch import nn
from torch.optim.lr_scheduler import StepLR

from skvae import losses
from skvae._training.loop import Step
from skvae.estimators import vae
from skvae.likelihoods import GaussianLikelihood
from skvae.networks import MLP, CustomNetwork


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_interrupted_estimator_is_the_one_of_the_last_complete_epoch(cls, X):
    options = accepted(cls, kl_warmup=0.0)
    expected = small(cls, max_epochs=2, **options).fit(X)
    model = small(cls, max_epochs=50, **options)
    call, n_calls = Step.__call__, []

    def step(self, x):
        n_calls.append(1)
        if len(n_calls) == 2 * 5 + 3:
            raise KeyboardInterrupt
        return call(self, x)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Step, "__call__", step)
        told = pytest.warns(RuntimeWarning, match="epoch 2, the last complete one")
        with told, pytest.raises(KeyboardInterrupt):
            model.fit(X)
    assert model.n_epochs_ == 2
    assert {len(v) for v in model.history_.values()} == {2}
    assert_same(outputs(model, X), outputs(expected, X))


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_early_stopping_keeps_the_best_model_of_the_history(cls):
    X = make_data(60, 4)
    options = {"early_stopping": True, "learning_rate": 0.1}
    options |= accepted(cls, kl_warmup=0.0)
    model = small(cls, max_epochs=200, n_iter_no_change=3, **options).fit(X)
    losses = model.history_["validation_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 3 < 200
    until_best = small(cls, max_epochs=best + 1, **options).fit(X)
    assert_same(outputs(model, X), outputs(until_best, X))


def test_early_stopping_holds_rows_out():
    X = make_data(100, 4)
    seen = []

    class Spy(nn.Module):
        def __init__(self, n_in, n_out):
            super().__init__()
            self.layer = nn.Linear(n_in, n_out)

        def forward(self, x):
            if self.training:
                seen.append(len(x))
            return self.layer(x)

    network = CustomNetwork(encoder=Spy, decoder=nn.Linear)
    options = {"network": network, "max_epochs": 1, "batch_size": 1000}
    small(early_stopping=True, validation_fraction=0.3, **options).fit(X)
    assert 70 in seen
    assert 100 not in seen


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_cosine_schedule_anneals_the_rate_to_nothing(cls, X):
    model = small(cls, lr_schedule="cosine", max_epochs=10, learning_rate=0.01).fit(X)
    rates = model.history_["learning_rate"]
    k = np.arange(10)
    np.testing.assert_allclose(rates, 0.005 * (1 + np.cos(np.pi * k / 10)), atol=1e-8)


def test_plateau_schedule_halves_the_rate_when_the_loss_stalls(X):
    options = {"lr_schedule": "plateau", "max_epochs": 40, "learning_rate": 0.5}
    rates = small(**options).fit(X).history_["learning_rate"]
    ratios = rates[1:] / rates[:-1]
    assert set(np.round(ratios, 12)) == {0.5, 1.0}


def test_callable_schedule_is_used(X):
    def halve(optimizer):
        return StepLR(optimizer, step_size=1, gamma=0.5)

    model = small(lr_schedule=halve, max_epochs=4, learning_rate=0.08).fit(X)
    np.testing.assert_allclose(
        model.history_["learning_rate"], [0.08, 0.04, 0.02, 0.01]
    )


def test_closed_form_finds_the_scale_whatever_the_rate_of_the_networks():
    X = make_data(200, 6)
    options = {"batch_size": 200, "max_epochs": 100, "early_stopping": False}
    likelihood = GaussianLikelihood("global")
    model = small(learning_rate=1e-12, likelihood=likelihood, **options).fit(X)
    q = model.module_.encode(torch.tensor(X))
    noise = np.random.default_rng(0).standard_normal((50, *q.mean.shape))
    Z = q.mean.detach().numpy() + q.variance.detach().sqrt().numpy() * noise
    decoded = model.inverse_transform(Z.reshape(-1, 2)).reshape(50, *X.shape)
    error = ((X - decoded) ** 2).mean()  # of the networks, which have not moved
    assert model.likelihood_.scale_**2 == pytest.approx(error, rel=0.05)


@pytest.mark.parametrize("scale", ["global", "feature"])
def test_adam_takes_the_scale_only_when_asked(scale, X):
    likelihood = GaussianLikelihood(scale=scale, update="gradient")
    model = small(likelihood=likelihood, learning_rate=1e-9).fit(X)
    start = small(likelihood=likelihood, learning_rate=1e-9, max_epochs=1).fit(X)
    np.testing.assert_allclose(
        model.likelihood_.scale_, start.likelihood_.scale_, rtol=1e-5
    )


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_training_lowers_the_loss(cls):
    X = make_data(200, 6)
    options = {"batch_size": 50, "learning_rate": 1e-2, **accepted(cls, kl_warmup=0.0)}
    options["network"] = MLP((32,), skip=False)  # which starts from nothing
    model = small(cls, max_epochs=20, **options).fit(X)
    losses = model.history_["loss"]
    assert losses[-5:].mean() < losses[:2].mean() - 1


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_bfloat16_training_comes_close(cls):
    X, options = make_data(200, 6), {"max_epochs": 30, "batch_size": 50}
    full, mixed = (
        small(cls, learning_rate=1e-2, precision=p, **options).fit(X)
        for p in ("float32", "bfloat16")
    )
    assert mixed.transform(X).dtype == np.float32
    assert mixed.score(X) == pytest.approx(full.score(X), abs=1.0)
    assert not np.array_equal(mixed.transform(X), full.transform(X))


@pytest.mark.filterwarnings("ignore:In epoch:RuntimeWarning")
def test_estimator_that_diverges_says_what_to_do(X):
    message = r"epoch \d+, the term '\w+' was not finite.*Lower learning_rate"
    with pytest.raises(FloatingPointError, match=message):
        small(learning_rate=1e25, max_epochs=20).fit(X)


def test_estimator_recovers_from_one_bad_epoch(X):
    calls = []

    def spoiled(*args, **kwargs):
        terms = losses.vae_loss(*args, **kwargs)
        calls.append(1)
        if len(calls) == 8:
            terms["kl"] = terms["kl"] * math.nan
        return terms

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vae, "vae_loss", spoiled)
        with pytest.warns(RuntimeWarning, match="epoch 2, the term 'kl'"):
            model = small(max_epochs=4).fit(X)
    assert model.n_epochs_ == 4
    np.testing.assert_allclose(model.history_["learning_rate"], [1e-3] + 3 * [5e-4])
    assert np.isfinite(model.score(X))


def test_fit_does_not_change_the_number_of_threads(X):
    before = torch.get_num_threads(), torch.get_num_interop_threads()
    small().fit(X).score(X)
    assert (torch.get_num_threads(), torch.get_num_interop_threads()) == before


@pytest.mark.gpu
def test_fit_on_cuda_agrees_with_the_cpu():
    X = make_data(200, 6)
    cpu, cuda = (
        small(device=d, max_epochs=30, learning_rate=1e-2).fit(X)
        for d in ("cpu", "cuda")
    )
    assert cuda.module_.device.type == "cuda"
    assert cuda.score(X) == pytest.approx(cpu.score(X), abs=0.5)


@pytest.mark.gpu
def test_fit_on_cuda_is_reproducible_and_leaves_its_generator_alone(X):
    torch.cuda.manual_seed(3)
    before = torch.cuda.get_rng_state().numpy().tobytes()
    one, two = (outputs(small(device="cuda").fit(X), X) for _ in range(2))
    assert_same(one, two)
    assert torch.cuda.get_rng_state().numpy().tobytes() == before
