"""A full disk, a closed pipe or a closed file behind the output does not end a fit."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from conftest import make_data, small

from skvae._utils.warn import warn

TESTS = os.path.dirname(__file__)

# Prints lines, draws a progress bar, and warns of a value and of a collapse.
RUN = """
import logging, sys
sys.path[:0] = [{tests!r}, {root!r}]
from conftest import make_data, small
from sklearn.callback import ProgressBar
from skvae.networks import MLP
from skvae.callbacks import Checkpoint

for how in sys.argv[2:]:
    if how == "logging":
        logging.basicConfig()
        logging.captureWarnings(True)
    else:
        getattr(sys, how).close()
X = make_data(64, 4).copy()
X[0, 0] = 1e9
model = small(max_epochs=4, verbose=1, beta=1e4, kl_warmup=0.0, learning_rate=1e-2)
model.set_params(network=MLP((32,), skip=False), random_state=None)
model.set_callbacks(ProgressBar(), Checkpoint(sys.argv[1] + ".ckpt")).fit(X)
with open(sys.argv[1], "w") as file:
    file.write(str(model.n_epochs_))
"""

WAYS = {
    "full stdout": ("> /dev/full", []),
    "full stderr": ("2> /dev/full", []),
    "full both": ("> /dev/full 2>&1", []),
    "pipe that is closed": ("2>&1 | head -1", []),
    "no descriptors": (">&- 2>&-", []),
    "closed stdout": ("", ["stdout"]),
    "closed stderr": ("", ["stderr"]),
    "closed both": ("", ["stdout", "stderr"]),
    "logging to a full disk": ("2> /dev/full", ["logging"]),
    "logging to a closed file": ("", ["logging", "stderr"]),
}


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("way", WAYS)
def test_a_fit_comes_to_its_end(way, tmp_path):
    redirection, hows = WAYS[way]
    code, result = tmp_path / "run.py", tmp_path / "result"
    code.write_text(RUN.format(tests=TESTS, root=str(Path(TESTS).parent)))
    command = " ".join([sys.executable, str(code), str(result), *hows, redirection])
    subprocess.run(command, shell=True, capture_output=True, timeout=120)
    assert result.read_text() == "4"
    assert not Path(f"{result}.ckpt").exists()


@pytest.mark.parametrize("error", [OSError("full"), ValueError("closed file")])
def test_a_warning_that_cannot_be_shown_is_none(error, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(warnings, "warn", fail)
    warn("something")


@pytest.mark.parametrize("category", [UserWarning, RuntimeWarning])
def test_a_warning_that_is_to_be_an_error_is_one(category):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(category, match="something"):
            warn("something", category)


def test_a_callback_that_prints_is_not_silenced():
    class Printing:
        def setup(self, estimator, context):
            raise BrokenPipeError("its own")

        teardown = on_fit_task_begin = on_fit_task_end = lambda *_, **__: None

    model = small().set_callbacks(Printing())
    with pytest.raises(BrokenPipeError, match="its own"):
        model.fit(make_data())
