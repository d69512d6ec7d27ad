"""Groups of processes of torch.distributed, which call functions for tests."""

import contextlib
import datetime
import multiprocessing
import os
import tempfile
import traceback
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

_SECONDS = 60  # after which an exchange has failed
_LONGEST = 120  # seconds of a call


class Outcome:
    """What a process returned, or the type and the text of what it raised."""

    def __init__(self, value=None, error=None):
        self.value = value
        self.error = error and type(error)
        self.text = str(error)
        self.trace = "".join(traceback.format_exception(error)) if error else ""


class ProcessGroup:
    """Processes that wait for functions to call, all with the same arguments."""

    def __init__(self, size):
        self.size = size
        folder = tempfile.mkdtemp()
        context = multiprocessing.get_context("spawn")
        pipes = [context.Pipe() for _ in range(size)]
        self.pipes = [ours for ours, _ in pipes]
        self.processes = [
            context.Process(
                target=_serve, args=(theirs, rank, size, folder), daemon=True
            )
            for rank, (_, theirs) in enumerate(pipes)
        ]
        for process in self.processes:
            process.start()

    def outcomes(self, function, *args):
        """Return the outcomes of a call of a function on all processes."""
        for pipe in self.pipes:
            pipe.send((function, args))
        return [self._received(rank) for rank in range(self.size)]

    def __call__(self, function, *args):
        """Return what a function returns on all processes, which do not fail."""
        outcomes = self.outcomes(function, *args)
        for rank, outcome in enumerate(outcomes):
            assert outcome.error is None, f"process {rank}: {outcome.trace}"
        return [outcome.value for outcome in outcomes]

    def _received(self, rank):
        assert self.pipes[rank].poll(_LONGEST), f"process {rank} hangs"
        try:
            return self.pipes[rank].recv()
        except EOFError:
            return Outcome(error=EOFError("the process has ended"))

    def close(self):
        for process in self.processes:
            process.kill()
            process.join()


def _serve(pipe, rank, size, folder):
    torch.set_num_threads(1)
    os.environ["LOCAL_RANK"] = str(rank)
    dist.init_process_group(
        "gloo",
        init_method=(Path(folder) / "store").as_uri(),
        rank=rank,
        world_size=size,
        timeout=datetime.timedelta(seconds=_SECONDS),
    )
    while True:
        function, args = pipe.recv()
        try:
            outcome = Outcome(function(*args))
        except BaseException as error:  # a KeyboardInterrupt, too
            outcome = Outcome(error=error)
        pipe.send(outcome)


@pytest.fixture(scope="session", params=[2, 3], ids="{} processes".format)
def group(request):
    """Return processes that call functions, all with the same arguments."""
    processes = ProcessGroup(request.param)
    yield processes
    processes.close()


@contextlib.contextmanager
def one_process():
    """Have a group of this process alone."""
    store = dist.HashStore()
    timeout = datetime.timedelta(seconds=20)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1, timeout=timeout)
    try:
        yield
    finally:
        dist.destroy_process_group()
