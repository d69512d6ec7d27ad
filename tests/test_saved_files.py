"""What a saved file holds, and that reading it runs no code."""

import builtins
import importlib
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import safetensors
import torch
from conftest import (
    assert_same,
    make_data,
    outputs,
    small,
)
from mixed_frames import make_frame
from saved_models import changed, through_file
from sklearn.callback import ProgressBar
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

import skvae
from skvae._persistence import states
from skvae.networks import MLP, CustomNetwork

TESTS = os.path.dirname(__file__)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skvae"


def test_same_model_gives_the_same_bytes(X, path):
    model = small(latent_density=KernelDensity()).fit(X)
    loaded = through_file(model, path)
    first = path.read_bytes()
    model.save(path)
    assert path.read_bytes() == first
    loaded.save(path)
    assert path.read_bytes() == first
    small(latent_density=KernelDensity()).fit(X).save(path)
    assert path.read_bytes() == first


def test_saving_leaves_the_model_as_it_was(X, path):
    model, twin = small().partial_fit(X), small().partial_fit(X)
    model.save(path)
    assert_same(outputs(model.partial_fit(X), X), outputs(twin.partial_fit(X), X))


def test_callbacks_are_left_out(X, path):
    model = small().fit(X).set_callbacks(ProgressBar())
    assert not hasattr(through_file(model, path), "_skl_callbacks")


def test_output_of_transform_is_kept(X, path):
    model = small().fit(X).set_output(transform="pandas")
    assert hasattr(through_file(model, path).transform(X), "columns")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_parameters_keep_their_type(dtype, X, path):
    model = small().fit(X)
    model.module_.to(dtype)
    state = through_file(model, path).module_.state_dict()
    for name, tensor in model.module_.state_dict().items():
        assert state[name].dtype == dtype
        assert torch.equal(state[name], tensor)


def test_parameters_stay_trainable_parameters(fitted, path):
    loaded = through_file(fitted, path)
    for (name, p), (other, q) in zip(
        fitted.module_.named_parameters(),
        loaded.module_.named_parameters(),
        strict=True,
    ):
        assert name == other
        assert type(q) is torch.nn.Parameter
        assert q.requires_grad == p.requires_grad
    assert loaded.module_.training == fitted.module_.training


def test_parameter_that_is_frozen_stays_frozen(X, path):
    model = small().fit(X)
    next(model.module_.parameters()).requires_grad_(False)
    loaded = through_file(model, path).module_.parameters()
    assert [p.requires_grad for p in loaded] == [
        p.requires_grad for p in model.module_.parameters()
    ]


def test_layer_in_two_places_stays_one(X, path):
    layer = torch.nn.Linear(5, 5)
    modules = [layer, torch.nn.Tanh(), layer]
    encoder = torch.nn.Sequential(*modules, torch.nn.Linear(5, 4))
    network = CustomNetwork(encoder=encoder, decoder=torch.nn.Linear(2, 5))
    model = small(network=network).fit(X)
    model.save(path)
    loaded = skvae.load(path)
    assert_same(outputs(loaded, X), outputs(model, X))
    assert loaded.module_.encoder[0] is loaded.module_.encoder[2]
    assert loaded.network.encoder[0] is loaded.network.encoder[2]


def test_buffer_that_is_not_saved_by_torch_is_kept(X, path):
    model = small().fit(X)
    model.module_.encoder.register_buffer("extra", torch.arange(3), persistent=False)
    loaded = through_file(model, path).module_.encoder
    assert torch.equal(loaded.extra, torch.arange(3))
    assert "extra" not in loaded.state_dict()


def test_file_is_hardly_larger_than_the_parameters(path):
    X = make_data(2000, 200)
    model = small(network=MLP((300, 300)), max_epochs=2, warm_start=True).fit(X)
    through_file(model, path)
    n_bytes = sum(p.nbytes for p in model.module_.parameters())
    assert n_bytes < path.stat().st_size <= 1.1 * n_bytes + 100_000


def test_file_is_one_of_safetensors(fitted, path):
    fitted.save(path)
    with safetensors.safe_open(path, framework="pt") as file:
        assert list(file.metadata()) == ["skvae"]
        tensors = *fitted.module_.named_parameters(), *fitted.module_.named_buffers()
        for name, tensor in tensors:
            assert torch.equal(file.get_tensor(f"module_.{name}"), tensor)


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu"), "auto"])
def test_device_of_a_loaded_model_can_be_chosen(device, X, path):
    model = small().fit(X)
    model.save(path)
    loaded = skvae.load(path, device=device)
    assert "device" not in vars(loaded.module_)
    expected = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    assert loaded.module_.device.type in ("cpu", expected.type)
    assert loaded.device == model.device


def test_device_that_is_asked_for_comes_before_that_of_the_fit(
    fitted, path, monkeypatch
):
    fitted.save(path)
    other = torch.device("meta")
    monkeypatch.setattr(states, "available_device", lambda name: other)
    assert skvae.load(path).module_.device == other
    assert skvae.load(path, device="cpu").module_.device.type == "cpu"


@pytest.mark.parametrize("device", ["cuda:70", "mps:3", "hpu"])
def test_model_of_another_machine_goes_to_a_device_that_is_there(device, X, path):
    model = small().fit(X)
    model.save(path)

    def change(document):
        for written in document["objects"]:
            if written.get("class") == "skvae.AutoencoderModule":
                written["state"]["device"] = device

    changed(path, change)
    loaded = skvae.load(path)
    if loaded.module_.device.type == "cpu":
        assert_same(outputs(loaded, X), outputs(model, X))


def test_device_that_is_not_there_is_refused(fitted, path):
    fitted.save(path)
    with pytest.raises(ValueError, match="'device' parameter must be"):
        skvae.load(path, device="cuda:99")


@pytest.mark.gpu
def test_model_goes_to_the_device_that_is_asked_for(X, path):
    model = small(device="cuda").fit(X)
    loaded = through_file(model, path)
    assert loaded.module_.device.type == "cuda"
    assert_same(outputs(loaded, X), outputs(model, X))
    assert skvae.load(path, device="cpu").module_.device.type == "cpu"


@pytest.mark.parametrize("library", ["skvae", "torch", "scikit-learn"])
def test_another_version_warns_with_both_versions(library, fitted, path, monkeypatch):
    fitted.save(path)
    versions = skvae._persistence.formats.versions
    saved = versions()[library]
    for room in (skvae._persistence.formats, skvae.estimators._persistence):
        monkeypatch.setattr(room, "versions", lambda: {**versions(), library: "99.0"})
    with pytest.warns(InconsistentVersionWarning) as record:
        skvae.load(path)
    (message,) = [str(w.message) for w in record]
    assert f"{saved} of {library}" in message
    assert "99.0" in message


FORBIDDEN = """
import builtins, importlib, pickle, sys
sys.path.insert(0, {tests!r})
from conftest import make_data, outputs
import numpy as np, torch, skvae, skvae.estimators._files
from mixed_frames import make_frame
make_frame()  # so that pandas has imported what it needs
def refuse(*args, **options):
    raise AssertionError(f"this must not be called: {{args}}")
known = importlib.import_module
for module, names in (
    (pickle, ["load", "loads", "Unpickler"]), (torch, ["load"]),
    (builtins, ["eval", "exec", "compile"]),
):
    for name in names:
        setattr(module, name, refuse)
importlib.import_module = refuse
loaded = skvae.load({model!r})
importlib.import_module = known
"""


def run_python(code, **environment):
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert run.returncode == 0, run.stderr
    return run


@pytest.mark.slow
def test_fresh_process_says_the_same_and_runs_no_code(path, tmp_path, X):
    model = small(skvae.TwoStageVAE).fit(X)
    model.save(path)
    result = str(tmp_path / "result.npz")
    code = FORBIDDEN.format(tests=TESTS, model=str(path))
    run_python(f"{code}\nnp.savez({result!r}, **outputs(loaded, make_data()))")
    with np.load(result) as file:
        assert_same(dict(file), outputs(model, X))


@pytest.mark.slow
def test_file_of_a_frame_runs_no_code(path):
    model = small().fit(make_frame())
    model.save(path)
    code = FORBIDDEN.format(tests=TESTS, model=str(path))
    run_python(f"{code}\nassert len(loaded.sample(3)) == 3")


def test_no_code_is_run(X, path, monkeypatch):
    model = small(latent_density=GaussianMixture(2)).fit(X)
    model.save(path)

    def refuse(*arguments, **options):
        raise AssertionError("this must not be called")

    with monkeypatch.context() as patched:
        for name in ("load", "loads", "Unpickler"):
            patched.setattr(pickle, name, refuse)
        patched.setattr(torch, "load", refuse)
        patched.setattr(importlib, "import_module", refuse)
        for name in ("eval", "exec"):
            patched.setattr(builtins, name, refuse)
        loaded = skvae.load(path)
    assert_same(outputs(loaded, X), outputs(model, X))


BYTES = """
import sys
sys.path.insert(0, {tests!r})
from conftest import make_data, small
small().fit(make_data()).save({path!r})
"""


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(tmp_path):
    paths = [tmp_path / f"{seed}.skvae" for seed in (1, 2)]
    for seed, path in enumerate(paths, 1):
        code = BYTES.format(tests=TESTS, path=str(path))
        run_python(code, PYTHONHASHSEED=str(seed))
    first, second = (path.read_bytes() for path in paths)
    assert first == second
