"""A model fitted on one device is loaded on a machine that has others."""

import os
import pickle
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from conftest import assert_same, outputs, small

from skvae._utils.device import available_device
from skvae.networks import CustomNetwork

TESTS = os.path.dirname(__file__)


@pytest.fixture
def without_accelerators(monkeypatch):
    for module in (torch.cuda, torch.mps, torch.xpu):
        monkeypatch.setattr(module, "device_count", lambda: 0)


def dumped_on(device, model, monkeypatch):
    """Return the pickle of a model as it would be if it were on a device."""
    module_class = type(model.module_)
    get_state = module_class.__getstate__
    monkeypatch.setattr(
        module_class, "__getstate__", lambda self: {**get_state(self), "device": device}
    )
    dumped = pickle.dumps(model)
    monkeypatch.setattr(module_class, "__getstate__", get_state)
    assert device.encode() in dumped
    return dumped


OTHERS = ["cuda", "cuda:0", "cuda:7", "mps", "mps:0", "xpu:1", "hpu", "npu:0"]


@pytest.mark.parametrize("device", OTHERS)
def test_model_of_another_machine_loads_without_its_device(
    device, X, monkeypatch, without_accelerators
):
    model = small(device="auto").fit(X)
    loaded = pickle.loads(dumped_on(device, model, monkeypatch))
    assert loaded.module_.device.type == "cpu"
    assert_same(outputs(loaded, X), outputs(model.fit(X), X))


@pytest.mark.parametrize("kind", ["cuda", "mps", "xpu"])
@pytest.mark.parametrize(
    ("n_devices", "asked", "expected"),
    [(1, ":1", ":0"), (2, ":1", ":1"), (1, ":0", ":0"), (3, "", ""), (0, ":1", None)],
)
def test_device_of_another_machine_has_one_in_its_place(
    kind, n_devices, asked, expected, monkeypatch
):
    monkeypatch.setattr(
        torch.get_device_module(kind), "device_count", lambda: n_devices
    )
    found = torch.device("cpu" if expected is None else kind + expected)
    assert available_device(kind + asked) == found


def test_unpickled_model_goes_to_the_device_in_the_place_of_its_own(
    X, monkeypatch, without_accelerators
):
    dumped = dumped_on("cuda:1", small().fit(X), monkeypatch)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    asked = []
    monkeypatch.setattr(
        torch.nn.Module, "to", lambda self, device: asked.append(device)
    )
    pickle.loads(dumped)
    assert asked == [torch.device("cuda:0")]


class Elsewhere(torch.nn.Linear):
    """A layer that says its weights are on a device, and counts its moves."""

    moved = 0

    def parameters(self, recurse=True):
        yield SimpleNamespace(device=torch.device("cuda:1"))

    def cpu(self):
        self.moved += 1
        return self


def test_pickle_of_a_network_has_copies_of_its_modules_on_the_cpu():
    network = CustomNetwork(encoder=Elsewhere(3, 4), decoder=torch.nn.Linear(2, 3))
    state = network.__getstate__()
    assert state["encoder"].moved == 1
    assert state["encoder"] is not network.encoder
    assert network.encoder.moved == 0
    assert state["decoder"] is network.decoder


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
