"""A model fitted on one device is loaded on a machine that has others."""

import os
import pickle
import subprocess
import sys

import pytest
import torch
from conftest import assert_same, outputs, small

TESTS = os.path.dirname(__file__)


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:7"])
def test_model_of_another_machine_loads_without_its_device(device, X, monkeypatch):
    model = small(device="auto").fit(X)
    module_class = type(model.module_)
    get_state = module_class.__getstate__
    monkeypatch.setattr(
        module_class, "__getstate__", lambda self: {**get_state(self), "device": device}
    )
    dumped = pickle.dumps(model)
    monkeypatch.undo()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert device.encode() in dumped
    loaded = pickle.loads(dumped)
    assert loaded.module_.device.type == "cpu"
    assert_same(outputs(loaded, X), outputs(model.fit(X), X))


def test_module_on_another_device_is_pickled_as_a_copy_on_the_cpu(fitted, monkeypatch):
    module, moved = fitted.module_, []
    monkeypatch.setattr(type(module), "device", torch.device("cuda:3"))
    monkeypatch.setattr(type(module), "cpu", lambda self: moved.append(self) or self)
    state = module.__getstate__()
    assert state["device"] == "cuda:3"
    assert len(moved) == 1
    assert moved[0] is not module
    stored = {id(p) for p in moved[0].parameters()}
    assert stored.isdisjoint(map(id, module.parameters()))


ON_CPU = """
import pickle, sys
sys.path.insert(0, {tests!r})
from conftest import make_data
model = pickle.load(open({path!r}, "rb"))
X = make_data()
print(model.module_.device, model.score(X), model.sample(2).shape)
"""


@pytest.mark.gpu
def test_model_fitted_on_cuda_predicts_without_cuda(tmp_path, X):
    model = small(device="cuda").fit(X)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(model))
    code = ON_CPU.format(tests=TESTS, path=str(path))
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert run.returncode == 0, run.stderr
    device, score, *_ = run.stdout.split()
    assert device == "cpu"
    assert float(score) == pytest.approx(model.score(X), rel=1e-4)


@pytest.mark.gpu
def test_model_fitted_on_cuda_says_the_same_after_reloading(X):
    model = small(device="cuda").fit(X)
    loaded = pickle.loads(pickle.dumps(model))
    assert loaded.module_.device.type == "cuda"
    assert_same(outputs(loaded, X), outputs(model, X))
