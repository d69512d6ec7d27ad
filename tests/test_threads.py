"""How many threads torch uses, and that whoever set them finds them again."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
from conftest import assert_same, fit_outputs, small
from joblib import Parallel, delayed

from skvae import VAE
from skvae._utils import threads
from skvae._utils.threads import limited_threads, using_threads

OUTSIDE = 3  # more than the cores of any small machine: never a default


@pytest.fixture(autouse=True)
def _three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(OUTSIDE)
    yield
    torch.set_num_threads(before)


def numbers():
    """Return how many threads are used outside, inside, and outside again."""
    outside = torch.get_num_threads()
    with limited_threads():
        inside = torch.get_num_threads()
    return outside, inside, torch.get_num_threads()


def in_new_thread(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def test_the_main_thread_uses_what_is_set():
    assert numbers() == (OUTSIDE, OUTSIDE, OUTSIDE)


def test_any_other_thread_uses_one():
    assert in_new_thread(numbers) == (OUTSIDE, 1, OUTSIDE)


def test_workers_of_joblib_use_one():
    found = Parallel(2, backend="threading")(delayed(numbers)() for _ in range(4))
    assert set(found) == {(OUTSIDE, 1, OUTSIDE)}


def test_what_joblib_runs_in_the_main_thread_uses_what_is_set():
    found = Parallel(1)(delayed(numbers)() for _ in range(2))
    assert set(found) == {(OUTSIDE, OUTSIDE, OUTSIDE)}


class DaskWorker:
    """What is asked of a worker of dask."""

    _instances: ClassVar[list] = []

    def __init__(self, nthreads, status="running"):
        self.state, self.status = SimpleNamespace(nthreads=nthreads), status


@pytest.mark.parametrize(
    ("workers", "inside"),
    [
        ([DaskWorker(1)], 3),
        ([DaskWorker(2)], 1),
        ([DaskWorker(3)], 1),
        ([DaskWorker(8)], 1),
        ([DaskWorker(1), DaskWorker(1)], 1),
        ([DaskWorker(1), DaskWorker(1, "closed")], 3),
    ],
)
def test_workers_of_dask_share_what_is_set(monkeypatch, workers, inside):
    distributed = type(sys)("distributed")
    distributed.get_worker, distributed.Worker = lambda: workers[0], DaskWorker
    monkeypatch.setattr(DaskWorker, "_instances", workers)
    monkeypatch.setitem(sys.modules, "distributed", distributed)
    assert in_new_thread(numbers) == (OUTSIDE, inside, OUTSIDE)
    assert numbers() == (OUTSIDE, OUTSIDE, OUTSIDE)


def test_a_thread_beside_dask_is_no_worker_of_it(monkeypatch):
    distributed = type(sys)("distributed")

    def get_worker():
        raise ValueError("No worker found")

    distributed.get_worker = get_worker
    monkeypatch.setitem(sys.modules, "distributed", distributed)
    assert in_new_thread(numbers) == (OUTSIDE, 1, OUTSIDE)


def test_a_limit_inside_another_does_nothing(monkeypatch):
    def nested():
        with limited_threads(), monkeypatch.context() as patch:
            patch.setattr(threads, "_in_new_thread", None)
            return numbers()

    assert in_new_thread(nested) == (1, 1, 1)


@pytest.mark.parametrize("first_out", [0, 1])
def test_threads_that_end_in_any_order_find_their_number(first_out):
    inside, out = threading.Barrier(3), [threading.Event(), threading.Event()]

    def work(i):
        with limited_threads():
            inside.wait(10)
            out[i].wait(10)
            in_the_end = torch.get_num_threads()
        return in_the_end, torch.get_num_threads()

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(work, i) for i in range(2)]
        inside.wait(10)
        assert numbers() == (OUTSIDE, OUTSIDE, OUTSIDE)
        assert in_new_thread(torch.get_num_threads) == OUTSIDE
        for i in (first_out, 1 - first_out):
            out[i].set()
            assert futures[i].result() == (1, OUTSIDE)
    assert torch.get_num_threads() == OUTSIDE
    assert in_new_thread(torch.get_num_threads) == OUTSIDE


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_errors_leave_the_number_as_it_was(error):
    def fail():
        with limited_threads():
            raise error

    def failed():
        with pytest.raises(error):
            fail()
        return torch.get_num_threads()

    assert failed() == OUTSIDE
    assert in_new_thread(failed) == OUTSIDE
    with pytest.raises(error), using_threads(1):
        raise error
    assert torch.get_num_threads() == OUTSIDE
    assert in_new_thread(torch.get_num_threads) == OUTSIDE


def test_what_the_user_sets_meanwhile_stays():
    with using_threads(1):
        torch.set_num_threads(2)  # also for threads to come
    assert torch.get_num_threads() == OUTSIDE
    assert in_new_thread(torch.get_num_threads) == 2


def test_many_threads_at_once_leave_the_number_of_new_ones():
    def work():
        with limited_threads():
            inside = torch.get_num_threads()
        return inside, torch.get_num_threads()

    with ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(work) for _ in range(200)]
    assert {future.result() for future in futures} == {(1, OUTSIDE)}
    assert in_new_thread(torch.get_num_threads) == OUTSIDE


def test_a_fit_in_a_thread_uses_one_and_one_in_the_main_thread_all(X, monkeypatch):
    seen, loss = [], VAE.loss

    def watched(self, *args):
        seen.append(torch.get_num_threads())
        return loss(self, *args)

    monkeypatch.setattr(VAE, "loss", watched)
    small().fit(X)
    assert set(seen) == {OUTSIDE}
    seen.clear()
    in_new_thread(lambda: small().fit(X))
    assert set(seen) == {1}


def wide_outputs(**params):
    """Return outputs of a fit of which some bits depend on the number of threads."""
    X = np.random.default_rng(0).standard_normal((256, 400)).astype(np.float32)
    return fit_outputs(X, batch_size=128, max_epochs=2, **params)


@pytest.mark.slow
def test_what_runs_beside_a_fit_changes_no_bit_of_it():
    alone = in_new_thread(wide_outputs)
    in_main = wide_outputs()
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(wide_outputs) for _ in range(3)]
        beside = wide_outputs()
    for future in futures:
        assert_same(future.result(), alone)
    assert_same(beside, in_main)


def test_the_main_thread_waits_for_no_other():
    closed, done = threading.Event(), threading.Event()

    def hold():
        with threads._LOCK:
            closed.set()
            done.wait(10)

    other = threading.Thread(target=hold)
    other.start()
    assert closed.wait(10)
    found = numbers()
    is_waiting = other.is_alive()
    done.set()
    other.join()
    assert found == (OUTSIDE, OUTSIDE, OUTSIDE)
    assert is_waiting
