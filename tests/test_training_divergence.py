"""The training loop undoes epochs whose loss diverges."""

import math

import pytest
import torch
from regression import Regression, equal
from torch.optim.lr_scheduler import LambdaLR

from skvae._training.loop import minimize


def in_epoch(*epochs, value=math.nan):
    """Return a hook that spoils the third batch of the given attempts at an epoch."""
    return lambda n, loss: loss * value if n in [4 * e + 2 for e in epochs] else loss


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
