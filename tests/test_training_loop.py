"""The training loop alone: minimising, interrupts, validation, schedules."""

import math

import pytest
import torch
from regression import TRUE_WEIGHT, Regression, equal
from torch.optim.lr_scheduler import ReduceLROnPlateau

from skvae._training.checkpoint import Checkpoint
from skvae._training.loop import Step, minimize


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


def test_batches_are_made_for_every_epoch():
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


def test_interrupt_in_end_epoch_keeps_that_epoch():
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
    """A scheduler that records the values it is given."""

    def __init__(self, optimizer):
        self.given = []
        super().__init__(optimizer)

    def step(self, metrics, epoch=None):
        self.given.append(metrics)


def test_plateaus_are_seen_in_the_loss_that_counts():
    problem = Regression()
    scheduler = Recording(problem.optimizer)
    records = problem.run(3, schedulers=[scheduler])
    assert scheduler.given == [r["loss"] for r in records]
    problem = Regression()
    scheduler = Recording(problem.optimizer)
    losses = iter([3.0, 2.0, 1.0])
    problem.run(3, schedulers=[scheduler], validation_loss=lambda: next(losses))
    assert scheduler.given == [3.0, 2.0, 1.0]
