"""The engine alone, then what an estimator makes of it."""

import io
import math
import warnings
from contextlib import redirect_stdout

import numpy as np
import pytest
import torch
from conftest import ESTIMATORS, accepted, assert_same, make_data, outputs, small
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.optim.lr_scheduler import (
    LambdaLR,
    ReduceLROnPlateau,
    StepLR,
)

from skvae import losses
from skvae._training.checkpoint import Checkpoint
from skvae._training.loop import Step, minimize
from skvae.estimators import vae
from skvae.likelihoods import GaussianLikelihood
from skvae.networks import CustomNetwork

TRUE_WEIGHT = torch.tensor([[1.0, -2.0, 0.5]])


class Regression:
    """A least-squares problem with a hook into every evaluation of its terms."""

    def __init__(self, hook=lambda n, loss: loss, lr=0.05, optimizer=torch.optim.Adam):
        generator = torch.Generator().manual_seed(0)
        x = torch.randn((40, 3), generator=generator)
        self.data = torch.cat([x, x @ TRUE_WEIGHT.T + 1.5], 1)
        self.module = nn.Linear(3, 1)
        nn.init.zeros_(self.module.weight)
        nn.init.zeros_(self.module.bias)
        self.optimizer = optimizer(self.module.parameters(), lr=lr)
        self.hook, self.n_calls = hook, 0
        self.step = Step(self.terms, [self.optimizer])

    def terms(self, batch):
        error = (self.module(batch[:, :3]) - batch[:, 3:]).squeeze(-1)
        penalty = 1e-4 * self.module.weight.square().sum()
        loss = self.hook(self.n_calls, error.square())
        self.n_calls += 1
        return {"squared error": loss, "penalty": penalty}

    def batches(self, epoch):
        yield from self.data.split(10)

    def run(self, n_epochs, **options):
        return minimize(
            self.step, self.module, range(n_epochs), self.batches, **options
        )

    def state(self):
        state = [p.detach().clone() for p in self.module.parameters()]
        for values in self.optimizer.state.values():
            state += [v.clone() for v in values.values() if torch.is_tensor(v)]
        return state

    @property
    def lr(self):
        return float(self.optimizer.param_groups[0]["lr"])


def in_epoch(*epochs, value=math.nan):
    """Return a hook that spoils the third batch of the given attempts at an epoch."""
    return lambda n, loss: loss * value if n in [4 * e + 2 for e in epochs] else loss


def equal(states, others):
    return len(states) == len(others) and all(
        torch.equal(a, b) for a, b in zip(states, others, strict=True)
    )


# -------------------------------------------------------------------------- minimising


def test_regression_is_solved():
    problem = Regression()
    records = problem.run(200)
    torch.testing.assert_close(problem.module.weight, TRUE_WEIGHT, atol=0.01, rtol=0)
    assert problem.module.bias.item() == pytest.approx(1.5, abs=0.01)
    assert records[-1]["loss"] < 1e-3 < records[0]["loss"]


def test_plain_gradient_steps_are_the_textbooks():
    problem = Regression(optimizer=torch.optim.SGD, lr=0.1)
    minimize(problem.step, problem.module, range(1), lambda e: iter([problem.data]))
    x, y = problem.data[:, :3], problem.data[:, 3:]
    torch.testing.assert_close(problem.module.weight, 0.1 * 2 * (y * x).mean(0)[None])
    torch.testing.assert_close(problem.module.bias, 0.1 * 2 * y.mean(0))


def test_record_is_the_mean_over_rows_of_batches_of_any_size():
    problem = Regression(optimizer=torch.optim.SGD, lr=1e-30)
    batches = [problem.data[:7], problem.data[7:8], problem.data[8:]]
    (record,) = minimize(
        problem.step, problem.module, range(1), lambda epoch: iter(batches)
    )
    expected = problem.data[:, 3].square().mean().item()
    assert record["squared error"] == pytest.approx(expected, rel=1e-6)
    assert record["penalty"] == 0
    assert record["loss"] == pytest.approx(record["squared error"])


def test_batches_are_told_the_epochs():
    problem, asked = Regression(), []

    def batches(epoch):
        asked.append(epoch)
        return iter([problem.data])

    minimize(problem.step, problem.module, range(3, 6), batches)
    assert asked == [3, 4, 5]


def test_end_epoch_sees_every_record_and_can_stop():
    problem, seen = Regression(), []

    def stop_after_three(record):
        seen.append(record)
        return len(seen) == 3

    assert problem.run(10, end_epoch=stop_after_three) == seen
    assert len(seen) == 3


def test_several_optimizers_share_one_backward_pass():
    problem = Regression()
    weight, bias = problem.module.weight, problem.module.bias
    optimizers = [torch.optim.SGD([weight], 0.1), torch.optim.SGD([bias], 0.2)]
    step = Step(problem.terms, optimizers)
    minimize(step, problem.module, range(1), lambda epoch: iter([problem.data]))
    x, y = problem.data[:, :3], problem.data[:, 3:]
    torch.testing.assert_close(weight, 0.1 * 2 * (y * x).mean(0)[None])
    torch.testing.assert_close(bias, 0.2 * 2 * y.mean(0))


# ----------------------------------------------------------------- losses that diverge


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_bad_epoch_is_undone_bit_for_bit(value, optimizer):
    reference = Regression(optimizer=optimizer)
    reference.run(2)
    for group in reference.optimizer.param_groups:
        group["lr"] /= 2
    minimize(reference.step, reference.module, range(2, 5), reference.batches)

    problem = Regression(in_epoch(2, value=value), optimizer=optimizer)
    with pytest.warns(RuntimeWarning, match="epoch 3, the term 'squared error'"):
        records = problem.run(5)
    assert len(records) == 5
    assert equal(problem.state(), reference.state())


def test_bad_first_epoch_starts_again_from_the_beginning():
    reference = Regression(lr=0.025)
    reference.run(3)
    problem = Regression(in_epoch(0), lr=0.05)
    with pytest.warns(RuntimeWarning, match="epoch 1"):
        problem.run(3)
    assert equal(problem.state(), reference.state())


def test_warning_states_the_halved_rate():
    problem = Regression(in_epoch(1), lr=0.08)
    with pytest.warns(RuntimeWarning, match=r"halved to 0\.04"):
        problem.run(3)
    assert problem.lr == pytest.approx(0.04)


def test_records_of_undone_epochs_are_not_kept():
    problem, seen = Regression(in_epoch(1, 2)), []
    with pytest.warns(RuntimeWarning):
        records = problem.run(4, end_epoch=lambda record: seen.append(record) or False)
    assert records == seen
    assert len(records) == 4
    assert all(math.isfinite(v) for record in records for v in record.values())


def test_three_recoveries_are_granted():
    problem = Regression(in_epoch(1, 2, 3), lr=0.8)
    with pytest.warns(RuntimeWarning):
        assert len(problem.run(3)) == 3
    assert problem.lr == pytest.approx(0.1)


def test_fourth_failure_names_epoch_term_and_remedy():
    problem = Regression(in_epoch(*range(1, 30)))
    message = r"epoch 2.*'squared error'.*not finite.*Lower learning_rate"
    with (
        pytest.warns(RuntimeWarning),
        pytest.raises(FloatingPointError, match=message),
    ):
        problem.run(5)
    assert all(torch.isfinite(p).all() for p in problem.module.parameters())


def test_absurd_learning_rate_is_an_error_not_a_nan():
    problem = Regression(optimizer=torch.optim.SGD, lr=1e30)
    with pytest.warns(RuntimeWarning), pytest.raises(FloatingPointError):
        problem.run(20)
    assert all(torch.isfinite(p).all() for p in problem.module.parameters())


def test_halved_rate_survives_a_scheduler_with_a_memory_of_the_first():
    problem = Regression(in_epoch(1), lr=0.08)
    scheduler = LambdaLR(problem.optimizer, lambda epoch: 1.0)
    with pytest.warns(RuntimeWarning, match=r"halved to 0\.04"):
        problem.run(4, schedulers=[scheduler])
    assert problem.lr == pytest.approx(0.04)


def test_parameters_that_overflow_in_the_last_step_are_noticed():
    problem = Regression(optimizer=torch.optim.SGD, lr=0.01)
    original = problem.optimizer.step
    n_steps = []

    def step():
        original()
        n_steps.append(1)
        if len(n_steps) == 8:  # the last of the second epoch
            with torch.no_grad():
                problem.module.weight[0, 0] = math.inf

    problem.optimizer.step = step
    with pytest.warns(RuntimeWarning, match="epoch 2, a parameter"):
        problem.run(3)
    assert torch.isfinite(problem.module.weight).all()


# -------------------------------------------------------------------------- interrupts


def interrupt_at(call):
    def hook(n, loss):
        if n == call:
            raise KeyboardInterrupt
        return loss

    return hook


def test_interrupt_keeps_the_last_complete_epoch_and_is_passed_on():
    reference = Regression()
    reference.run(2)
    problem = Regression(interrupt_at(2 * 4 + 2))
    checkpoint = Checkpoint(problem.module, [problem.optimizer])
    with pytest.raises(KeyboardInterrupt):
        problem.run(10, checkpoint=checkpoint)
    assert len(checkpoint.records) == 2
    assert equal(problem.state(), reference.state())


def test_interrupt_in_the_first_epoch_is_passed_on_after_undoing_it():
    problem = Regression(interrupt_at(2))
    with pytest.raises(KeyboardInterrupt):
        problem.run(10)
    assert all((p == 0).all() for p in problem.module.parameters())


def test_interrupt_while_the_epoch_is_told_of_keeps_that_epoch():
    reference = Regression()
    reference.run(2)
    problem, seen = Regression(), []

    def end_epoch(record):
        seen.append(record)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return False

    checkpoint = Checkpoint(problem.module, [problem.optimizer])
    with pytest.raises(KeyboardInterrupt):
        problem.run(10, end_epoch=end_epoch, checkpoint=checkpoint)
    assert len(checkpoint.records) == 2
    assert equal(problem.state(), reference.state())


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


# --------------------------------------------------------------- validation, schedules


def test_best_epoch_is_restored_and_patience_ends_the_training():
    problem, weights = Regression(), []
    losses = iter([5.0, 3.0, 1.0, 2.0, 1.5, 1.2, 9.0, 9.0])

    def validation_loss():
        weights.append(problem.module.weight.detach().clone())
        return next(losses)

    records = problem.run(8, validation_loss=validation_loss, patience=3)
    assert [r["validation_loss"] for r in records] == [5.0, 3.0, 1.0, 2.0, 1.5, 1.2]
    assert torch.equal(problem.module.weight, weights[2])


def test_validation_loss_that_is_never_finite_does_not_lose_the_model():
    problem = Regression()
    problem.run(3, validation_loss=lambda: math.nan, patience=5)
    assert torch.isfinite(problem.module.weight).all()
    assert (problem.module.weight != 0).any()


def test_interrupt_restores_the_best_epoch_too():
    problem, weights = Regression(interrupt_at(4 * 4 + 1)), []
    losses = iter([5.0, 1.0, 2.0, 3.0])

    def validation_loss():
        weights.append(problem.module.weight.detach().clone())
        return next(losses)

    with pytest.raises(KeyboardInterrupt):
        problem.run(9, validation_loss=validation_loss, patience=5)
    assert torch.equal(problem.module.weight, weights[1])


class Recording(ReduceLROnPlateau):
    """A scheduler that remembers what it was told."""

    def __init__(self, optimizer):
        self.told = []
        super().__init__(optimizer)

    def step(self, metrics, epoch=None):
        self.told.append(metrics)


def test_plateaus_are_seen_in_the_loss_that_counts():
    problem = Regression()
    scheduler = Recording(problem.optimizer)
    records = problem.run(3, schedulers=[scheduler])
    assert scheduler.told == [r["loss"] for r in records]
    problem = Regression()
    scheduler = Recording(problem.optimizer)
    losses = iter([3.0, 2.0, 1.0])
    problem.run(3, schedulers=[scheduler], validation_loss=lambda: next(losses))
    assert scheduler.told == [3.0, 2.0, 1.0]


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
    options = {"batch_size": 200, "max_epochs": 100, "kl_warmup": 0.0}
    model = small(learning_rate=1e-12, **options).fit(X)
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


# ----------------------------------------------------------------- progress, callbacks


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_verbose_prints_one_line_an_epoch(cls, X):
    text = io.StringIO()
    with redirect_stdout(text):
        model = small(cls, max_epochs=4, verbose=1).fit(X)
    lines = text.getvalue().splitlines()
    assert len(lines) == 4
    for i, line in enumerate(lines):
        assert line.startswith(f"[{cls.__name__}]")
        assert f"epoch {i + 1}/4" in line
        assert f"loss {model.history_['loss'][i]:.4g}" in line


def test_quiet_fit_prints_nothing(X, capfd):
    small().fit(X)
    assert capfd.readouterr() == ("", "")


class Recorder:
    """Counts epochs; asks to stop after some."""

    def __init__(self, stop_after=math.inf):
        self.stop_after, self.scores, self.events = stop_after, [], []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X, fitted_estimator):
        self.events.append(f"end {context.task_name}")
        if context.task_name == "epoch":
            self.scores.append(fitted_estimator.score(X))
        return len(self.scores) >= self.stop_after


def test_callback_sees_every_epoch_and_a_usable_model(X):
    callback = Recorder()
    model = small(max_epochs=3).set_callbacks(callback).fit(X)
    epochs = 3 * ["begin epoch", "end epoch"]
    expected = ["setup", "begin fit", *epochs, "end fit", "teardown"]
    assert callback.events == expected
    assert callback.scores[-1] == model.score(X)
    assert len(set(callback.scores)) == 3


def test_callback_that_returns_true_stops(X):
    options = {"max_epochs": 30, "kl_warmup": 0.0}
    model = small(**options).set_callbacks(Recorder(stop_after=2)).fit(X)
    assert model.n_epochs_ == 2
    two = small(**{**options, "max_epochs": 2}).fit(X)
    assert_same(outputs(model, X), outputs(two, X))


def test_callbacks_do_not_change_the_model(X):
    model = small().set_callbacks(Recorder()).fit(X)
    assert_same(outputs(model, X), outputs(small().fit(X), X))


@pytest.mark.filterwarnings("ignore:In epoch:RuntimeWarning")
def test_repeated_epoch_is_one_epoch_to_callbacks(X, monkeypatch):
    callback, n_calls = Recorder(), []

    def spoil_once(self, x):
        n_calls.append(1)
        return call(self, x) * (math.nan if len(n_calls) == 7 else 1)

    call = Step.__call__
    monkeypatch.setattr(Step, "__call__", spoil_once)
    small(max_epochs=3).set_callbacks(callback).fit(X)
    assert callback.events.count("begin epoch") == 3
    assert callback.events.count("end epoch") == 3


def test_callbacks_are_torn_down_when_the_fit_fails(X):
    callback = Recorder()
    with pytest.raises(ValueError, match="gpu9"):
        small(device="gpu9").set_callbacks(callback).fit(X)
    assert callback.events.count("setup") == callback.events.count("teardown")


def test_partial_fit_runs_callbacks_too(X):
    callback = Recorder()
    small().set_callbacks(callback).partial_fit(X)
    assert len(callback.scores) == 1


def default_score(estimator, X, y=None):
    return estimator.score(X)


def n_scores(monitor):
    return len([row for row in monitor.get_logs().data if "score" in row])


def test_scoring_monitor_follows_the_score(X):
    monitor = ScoringMonitor(scoring={"score": default_score})
    model = small(max_epochs=3).set_callbacks(monitor).fit(X, np.zeros(len(X)))
    data = monitor.get_logs().data
    scores = [row["score"] for row in data if row["task_name"] == "epoch"]
    assert len(scores) == 3
    assert scores[-1] == model.score(X)


def test_scoring_monitor_works_inside_a_pipeline(X):
    monitor = ScoringMonitor(scoring={"score": default_score})
    vae = small(max_epochs=3).set_callbacks(monitor)
    make_pipeline(StandardScaler(), vae).fit(X, np.zeros(len(X)))
    assert n_scores(monitor) >= 3


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_scoring_monitor_works_inside_a_grid_search(n_jobs, X):
    monitor = ScoringMonitor(scoring={"score": default_score})
    vae = small(max_epochs=3).set_callbacks(monitor)
    grid = {"n_components": [1, 2]}
    search = GridSearchCV(vae, grid, cv=2, n_jobs=n_jobs, error_score="raise")
    search.fit(X, np.zeros(len(X)))
    runs = monitor.get_logs(select="all")
    rows = [row for log in runs for row in log.data if row["task_name"] == "epoch"]
    assert len(rows) == 3 * (2 * 2 + 1)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_progress_bar_works_alone_and_nested(n_jobs, X, capfd):
    bar = ProgressBar(max_propagation_depth=None)
    small().set_callbacks(bar).fit(X)
    make_pipeline(StandardScaler(), small()).set_callbacks(bar).fit(X)
    pipe = make_pipeline(StandardScaler(), small())
    search = GridSearchCV(pipe, {"vae__n_components": [1, 2]}, cv=2, n_jobs=n_jobs)
    search.set_callbacks(bar).fit(X)
    assert np.isfinite(search.best_score_)
    assert "VAE" in capfd.readouterr().out


def test_callbacks_follow_a_clone(X):
    callback = Recorder()
    clone(small(max_epochs=2).set_callbacks(callback)).fit(X)
    assert len(callback.scores) == 2


# ---------------------------------------------------------------------------- collapse


def test_collapse_warns_and_names_the_active_components():
    X = make_data(200, 6)
    options = {"beta": 1e4, "kl_warmup": 0.0, "learning_rate": 1e-2}
    with pytest.warns(UserWarning, match=r"of 6 .* only 0 are active.*\[\].*beta"):
        model = small(n_components=6, max_epochs=60, **options).fit(X)
    assert list(model.active_components_) == []


def test_used_components_do_not_warn():
    X = make_data(300, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = small(max_epochs=60, learning_rate=2e-2, batch_size=50).fit(X)
    assert list(model.active_components_) == [0, 1]
    assert (model.kl_per_component_ > 0.5).all()


def test_diagnosis_agrees_with_the_codes():
    X = make_data(300, 6)
    model = small(n_components=4, max_epochs=20, learning_rate=1e-2).fit(X)
    active = np.flatnonzero(model.transform(X).var(0) > 0.01)
    np.testing.assert_array_equal(model.active_components_, active)
    q = model.module_.encode(torch.tensor(X))
    mean, variance = q.mean.detach().double(), q.variance.detach().double()
    kl = 0.5 * (mean**2 + variance - 1 - variance.log()).mean(0)
    np.testing.assert_allclose(model.kl_per_component_, kl, rtol=1e-5)


# ------------------------------------------------------------------------- environment


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
