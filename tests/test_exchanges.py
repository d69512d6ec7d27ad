"""What several processes exchange, and what a failure or an interrupt does to it."""

import contextlib
import copy
import datetime
import os
import signal

import pytest
import torch
import torch.distributed as dist
from conftest import make_data, small
from process_groups import ProcessGroup, one_process
from torch import nn

from skvae import VAE
from skvae._training.processes.joined import (
    _all_processes,
    _interrupts_taken_by,
    _timeout,
)
from skvae._training.processes.several import Processes
from skvae._utils.device import resolve_device
from skvae.networks._normalisation import BatchNorm


@pytest.fixture
def processes():
    with one_process():
        yield Processes(dist.group.WORLD)


def test_an_interrupt_waits_for_the_next_exchange_and_comes_once(processes):
    processes.press()
    with pytest.raises(KeyboardInterrupt):
        processes.agree("next")
    processes.agree("next")


@pytest.fixture
def seconds(monkeypatch):
    """Presses that follow each other slowly."""
    monkeypatch.setattr("skvae._training.processes.several._ONE_PRESS", 0.0)


def test_interrupts_of_one_second_are_one(processes):
    processes.press()
    processes.press()
    with pytest.raises(KeyboardInterrupt):
        processes.agree("next")
    processes.press()
    processes.agree("next")


def test_after_an_interrupt_at_once_nothing_is_exchanged(processes, seconds):
    processes.press()
    with pytest.raises(KeyboardInterrupt):
        processes.press()
    for exchange in (processes.agree, lambda what: processes.led(pytest.fail)):
        with pytest.raises(KeyboardInterrupt):
            exchange("next")


def test_an_interrupt_on_the_way_out_leaves_no_process_alone(processes, monkeypatch):
    @contextlib.contextmanager
    def interrupted():
        processes.is_alone = True
        yield
        processes.press()

    monkeypatch.setattr(processes, "_alone", interrupted)
    with pytest.raises(KeyboardInterrupt):
        processes.led(lambda: 7)
    assert not processes.is_alone


def test_a_second_interrupt_comes_at_once_but_not_within_an_exchange(
    processes, seconds
):
    processes.press()
    with processes._exchanging():
        processes.press()
    with pytest.raises(KeyboardInterrupt):
        processes.press()


def test_an_interrupt_of_what_one_does_for_all_comes_at_once(processes):
    def interrupted():
        processes.press()
        raise AssertionError("it did not come at once")

    with pytest.raises(KeyboardInterrupt):
        processes.led(interrupted)
    assert processes.led(lambda: processes.led(lambda: 7)) == 7


def test_an_interrupt_after_the_last_exchange_is_not_lost(processes):
    def interrupted():
        with _interrupts_taken_by(processes):
            signal.raise_signal(signal.SIGINT)
            assert processes.is_pressed

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_interrupts_that_are_ignored_stay_so(processes):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with _interrupts_taken_by(processes):
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_exchanges_have_the_timeout_of_the_group(processes, monkeypatch):
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    control = _all_processes().control
    assert control is not dist.group.WORLD
    assert _timeout(control) == datetime.timedelta(seconds=20)


def test_nothing_is_exchanged_after_a_failure(processes):
    processes.fail(OSError("full"))
    with pytest.raises(RuntimeError, match="has ended"):
        processes.agree("next")
    with pytest.raises(RuntimeError, match="has ended"):
        processes.led(lambda: 7)


class Speechless(Exception):
    def __str__(self):
        raise AttributeError("no text")


def test_an_error_without_a_text_is_told_by_its_type(processes):
    processes.fail(Speechless())
    assert processes.has_ended


def test_an_error_of_torch_says_what_it_means(processes, monkeypatch):
    def all_reduce(*args, **kwargs):
        raise dist.DistBackendError("Connection closed by peer")

    monkeypatch.setattr(dist, "all_reduce", all_reduce)
    with pytest.raises(RuntimeError, match="was lost") as caught:
        processes.sum(torch.zeros(3))
    assert "closed by peer" in str(caught.value.__cause__)


def test_copies_of_layers_belong_to_no_processes(processes):
    layer = BatchNorm(3)
    with processes.over(nn.Sequential(layer)):
        assert layer.processes is processes
        assert copy.deepcopy(layer).processes is None
    assert layer.processes is None


@pytest.mark.parametrize("n_rows", [0, 1, 2, 3, 7, 60])
def test_shares_are_all_rows_once(processes, n_rows):
    x = torch.arange(n_rows)
    processes.size, shares = 3, []
    for processes.rank in range(3):
        shares.append(processes.share(x).tolist())
    whole = x.tolist()
    if n_rows < 3:
        assert shares == [whole] * 3
    else:
        assert [i for share in shares for i in share] == whole
        sizes = list(map(len, shares))
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("rank", "device"), [(0, 0), (1, 1), (2, 0), (None, None)])
def test_every_process_has_a_device_of_its_own(monkeypatch, rank, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto", rank) == torch.device("cuda", device)
    assert resolve_device("cpu", rank) == torch.device("cpu")


CALLS = []


class Killed(VAE):
    """Ends one of its processes in the middle of an epoch."""

    def loss(self, module, x, generator, annealing):
        CALLS.append(1)
        if dist.get_rank() == 1 and len(CALLS) == 12:
            os._exit(1)
        return super().loss(module, x, generator, annealing)


def fit_killed():
    fit = small(Killed, distributed=True, max_epochs=9)
    try:
        fit.fit(make_data())
    except RuntimeError as error:
        return str(error), hasattr(fit, "module_")


@pytest.mark.slow
def test_a_process_that_ends_ends_all():
    group = ProcessGroup(2)
    try:
        text, is_fitted = group.outcomes(fit_killed)[0].value
    finally:
        group.close()
    assert "Another process of the fit was lost" in text
    assert not is_fitted
