"""Fits that are killed by the system go on, in a new process, to the same bits."""

import os
import pickle
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import make_data
from sklearn.base import clone
from test_checkpoints import MODELS, Killer, assert_same_fit, fit_again, fit_killed

from skvae._training.epochs import Epochs
from skvae.callbacks import Checkpoint

TESTS = os.path.dirname(__file__)
X = make_data(600, 20)

RUN = """
import os, pickle, signal, sys
sys.path[:0] = [{tests!r}, {root!r}]
import numpy as np
from conftest import small
from skvae import TwoStageVAE
from skvae.callbacks import Checkpoint, _file
from test_checkpoints import MODELS, all_of
from test_killed_fits import X

kind, path, result, at = sys.argv[1:]
n_calls = []

def die(function, moment):
    def dying(*args, **kwargs):
        n_calls.append(1)
        if moment == "before" and len(n_calls) == int(at.split()[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        value = function(*args, **kwargs)
        if moment == "after" and len(n_calls) == int(at.split()[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return value
    return dying

if at:
    where, moment, _ = at.split()
    owner, name = {{"flush": (_file, "_flush"), "replace": (os, "replace"),
                    "delete": (_file, "delete")}}[where]
    setattr(owner, name, die(getattr(owner, name), moment))
model = MODELS[kind].set_params(max_epochs=12)
if path:
    model.set_callbacks(Checkpoint(path))
model.fit(X)
with open(result, "wb") as file:
    pickle.dump(all_of(model, X), file)
"""


def start(kind, path, result, at=""):
    code = RUN.format(tests=TESTS, root=str(Path(TESTS).parent))
    command = [sys.executable, "-W", "ignore", "-c", code, kind, str(path), str(result)]
    return subprocess.Popen([*command, at], stderr=subprocess.PIPE, text=True)


def finish(process):
    _, errors = process.communicate(timeout=120)
    assert process.returncode in (0, -signal.SIGKILL), errors
    return process.returncode == 0


def result_of(path):
    with open(path, "rb") as file:
        return pickle.load(file)


def assert_equal(one, two):
    assert one.keys() == two.keys()
    for name, values in two.items():
        np.testing.assert_array_equal(one[name], values, err_msg=name)


@pytest.fixture
def whole(tmp_path, kind):
    assert finish(start(kind, "", tmp_path / "whole"))
    return result_of(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["two stages, stopping"])
def test_a_fit_that_is_killed_at_any_time_goes_on(kind, whole, tmp_path):
    path, result, rng = tmp_path / "run.ckpt", tmp_path / "result", random.Random(0)
    for _ in range(6):
        process = start(kind, path, result)
        while not path.exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.2))
        process.kill()
        finish(process)
        result.unlink(missing_ok=True)
    assert finish(start(kind, path, result))
    assert_equal(result_of(result), whole)
    assert not path.exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plateau"])
def test_a_fit_that_is_killed_as_it_writes_goes_on(kind, whole, tmp_path):
    path, result = tmp_path / "run.ckpt", tmp_path / "result"
    moments = ["flush before 1", "flush before 5", "flush after 5", "replace before 2"]
    moments += ["replace after 3"]
    for at in moments:
        assert not finish(start(kind, path, result, at))
        assert not result.exists()
    assert len(list(tmp_path.glob("run.ckpt.*.tmp"))) > 0
    assert finish(start(kind, path, result))
    assert_equal(result_of(result), whole)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["result", "whole"]


class Pressing(Killer):
    """Presses Ctrl-C after some epochs."""

    def on_fit_task_end(self, estimator, context):
        self.n_epochs -= context.task_name == "epoch"
        if self.n_epochs == 0:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("n_epochs", [1, 5, 8, 9, 12])
@pytest.mark.parametrize("first", [True, False])
def test_a_stage_that_was_interrupted_is_trained_to_its_end(n_epochs, first, tmp_path):
    model, path = MODELS["two stages"], tmp_path / "run.ckpt"
    callbacks = [Checkpoint(path), Pressing(n_epochs)][:: 1 if first else -1]
    interrupted = clone(model).set_callbacks(*callbacks)
    with pytest.raises(KeyboardInterrupt), pytest.warns(RuntimeWarning):
        interrupted.fit(X)
    assert path.exists()
    assert_same_fit(fit_again(model, path, X), clone(model).fit(X), X)


def test_an_interrupt_while_a_first_stage_is_taken_up_again(tmp_path, monkeypatch):
    model, path = MODELS["two stages, stopping"], tmp_path / "run.ckpt"
    whole = clone(model).fit(X)
    assert np.argmin(whole.history_["validation_loss"]) < whole.n_epochs_ - 1
    assert fit_killed(model, path, whole.n_epochs_ + 2, X)
    again = clone(model).set_callbacks(Checkpoint(path))
    start, told = Epochs.run, []

    def interrupted(self):
        if not told:
            told.append(1)
            raise KeyboardInterrupt
        start(self)

    monkeypatch.setattr(Epochs, "run", interrupted)
    with pytest.raises(KeyboardInterrupt), pytest.warns(RuntimeWarning):
        again.fit(X)
    np.testing.assert_array_equal(again.transform(X), whole.transform(X))
    assert_same_fit(fit_again(model, path, X), whole, X)
