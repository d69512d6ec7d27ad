"""A fitted model survives the disk, another process and another machine."""

import copy
import io
import multiprocessing
import os
import pickle
import subprocess
import sys
import warnings

import cloudpickle
import joblib
import numpy as np
import pytest
import torch
from conftest import (
    ESTIMATORS,
    NETWORKS,
    assert_same,
    describe,
    dropout_network,
    make_data,
    outputs,
    small,
    small_variants,
)
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.mixture import GaussianMixture
from supports import taken_by

import skvae
from skvae.networks import MLP, ConvNet, CustomNetwork

TESTS = os.path.dirname(__file__)


def through_torch(model, path):
    torch.save(model, path)
    return torch.load(path, weights_only=False)


def through_joblib(model, path, **options):
    joblib.dump(model, path)
    return joblib.load(path, **options)


WAYS = ["pickle", "protocol 2", "cloudpickle", "joblib", "mmap", "torch", "deep copy"]


@pytest.fixture(params=WAYS)
def reload(request, tmp_path):
    path = tmp_path / "model.joblib"
    return {
        "pickle": lambda model: pickle.loads(pickle.dumps(model)),
        "protocol 2": lambda model: pickle.loads(pickle.dumps(model, protocol=2)),
        "cloudpickle": lambda model: pickle.loads(cloudpickle.dumps(model)),
        "joblib": lambda model: through_joblib(model, path),
        "mmap": lambda model: through_joblib(model, path, mmap_mode="r"),
        "torch": lambda model: through_torch(model, path),
        "deep copy": copy.deepcopy,
    }[request.param]


@pytest.mark.parametrize("variant", small_variants(), ids=describe)
def test_unpickled_model_says_the_same(variant, X):
    X = taken_by(variant, X)
    check_reloading(variant.fit(X), lambda model: pickle.loads(pickle.dumps(model)), X)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_reloaded_model_says_the_same(cls, reload, X):
    check_reloading(small(cls, network=dropout_network()).fit(X), reload, X)


def check_reloading(model, reload, X):
    before = outputs(model, X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = reload(model)
        assert_same(outputs(loaded, X), before)
    assert_same(outputs(model, X), before)


def test_reloaded_model_keeps_its_fitted_attributes(reload, X):
    model = small(latent_density=GaussianMixture(2)).fit(X)
    loaded = reload(model)
    assert loaded.n_epochs_ == model.n_epochs_
    assert loaded.n_features_in_ == model.n_features_in_
    assert loaded.history_.keys() == model.history_.keys()
    np.testing.assert_array_equal(loaded.kl_per_component_, model.kl_per_component_)
    assert repr(loaded) == repr(model)


def test_reloaded_model_can_be_trained_on(reload, X):
    loaded = reload(small().fit(X))
    before = loaded.transform(X)
    loaded.partial_fit(X)
    assert loaded.n_epochs_ == 4
    assert not np.array_equal(loaded.transform(X), before)
    assert_same(outputs(loaded.fit(X), X), outputs(small().fit(X), X))


def test_unfitted_model_stays_unfitted(reload, X):
    loaded = reload(small())
    assert not hasattr(loaded, "module_")
    assert_same(outputs(loaded.fit(X), X), outputs(small().fit(X), X))


FRESH = """
import pickle, sys
sys.path.insert(0, {tests!r})
from conftest import make_data, outputs
model = pickle.load(open({model!r}, "rb"))
pickle.dump(outputs(model, make_data()), open({result!r}, "wb"))
"""


def run_python(code, *arguments):
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return run


@pytest.mark.slow
def test_fresh_process_says_the_same(tmp_path, X):
    model = small(latent_density=GaussianMixture(2)).fit(X)
    path, result = str(tmp_path / "model.pkl"), str(tmp_path / "result.pkl")
    with open(path, "wb") as file:
        pickle.dump(model, file)
    run_python(FRESH.format(tests=TESTS, model=path, result=result))
    with open(result, "rb") as file:
        assert_same(pickle.load(file), outputs(model, X))


IN_MAIN = """
import pickle, sys
import cloudpickle, numpy as np, torch
from torch import nn
from skvae import VAE
from skvae.networks import CustomNetwork

class Encoder(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.layer = nn.Linear(n_in, n_out)
    def forward(self, x):
        return self.layer(torch.tanh(x))

def decoder(n_in, n_out):
    return nn.Sequential(nn.Linear(n_in, 7), nn.ReLU(), nn.Linear(7, n_out))

X = np.random.default_rng(0).random((50, 4), dtype=np.float32)
network = CustomNetwork(encoder=Encoder, decoder=decoder)
model = VAE(2, network=network, max_epochs=2, random_state=0, device="cpu").fit(X)
with open(sys.argv[1], "wb") as file:
    cloudpickle.dump((model, X, model.transform(X), model.score_samples(X)), file)
"""


@pytest.mark.slow
def test_cloudpickle_carries_networks_defined_in_main(tmp_path):
    path = str(tmp_path / "model.pkl")
    run_python(IN_MAIN, path)
    with open(path, "rb") as file:
        model, X, Z, scores = pickle.load(file)
    np.testing.assert_array_equal(model.transform(X), Z)
    np.testing.assert_array_equal(model.score_samples(X), scores)
    assert clone(model).fit(X).sample(2).shape == (2, 4)


def test_cloudpickle_carries_lambdas(X):
    network = CustomNetwork(
        encoder=lambda i, o: torch.nn.Linear(i, o),
        decoder=lambda i, o: torch.nn.Linear(i, o),
    )
    model = small(network=network).fit(X)
    loaded = pickle.loads(cloudpickle.dumps(model))
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))


@pytest.mark.parametrize("width", [8, 300])
@pytest.mark.parametrize("dump", [pickle.dump, joblib.dump], ids=["pickle", "joblib"])
def test_file_is_hardly_larger_than_the_parameters(dump, width):
    X = make_data(2000, 200)
    model = small(network=MLP((width, width)), max_epochs=2, warm_start=True)
    model.fit(X).partial_fit(X)
    file = io.BytesIO()
    dump(model, file)
    n_bytes = sum(p.nbytes for p in model.module_.parameters())
    assert n_bytes < file.tell() <= 1.1 * n_bytes + 100_000


@pytest.mark.parametrize("library", ["skvae", "torch"])
def test_another_version_warns_with_both_versions(library, fitted, monkeypatch):
    dumped = pickle.dumps(fitted)
    module = {"skvae": skvae._version, "torch": torch}[library]
    saved = module.__version__
    monkeypatch.setattr(module, "__version__", "99.0")
    with pytest.warns(InconsistentVersionWarning) as record:
        pickle.loads(dumped)
    messages = [str(w.message) for w in record if library in str(w.message)]
    assert any(str(saved) in m and "99.0" in m for m in messages)


def test_same_version_does_not_warn(fitted):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(pickle.dumps(fitted))


@pytest.mark.parametrize("network", NETWORKS, ids=describe)
def test_deep_copy_is_equal_and_independent(network, X):
    model = small(network=network).fit(X)
    before = outputs(model, X)
    twin = copy.deepcopy(model)
    assert_same(outputs(twin, X), before)
    with torch.no_grad():
        for parameter in twin.module_.parameters():
            parameter.zero_()
    assert_same(outputs(model, X), before)


def test_pickling_leaves_the_model_as_it_was(X):
    model = small().partial_fit(X)
    twin = small().partial_fit(X)
    pickle.dumps(model)
    assert_same(outputs(model.partial_fit(X), X), outputs(twin.partial_fit(X), X))


def test_parameters_stay_trainable_parameters(fitted):
    loaded = pickle.loads(pickle.dumps(fitted))
    names = [n for n, p in fitted.module_.named_parameters() if p.requires_grad]
    assert [n for n, p in loaded.module_.named_parameters() if p.requires_grad] == names
    assert all(p.is_leaf for p in loaded.module_.parameters())


def test_module_with_tied_weights_stays_tied(X):
    def tied(n_in, n_out):
        layer = torch.nn.Linear(n_in, n_in)
        return torch.nn.Sequential(
            layer, torch.nn.Tanh(), layer, torch.nn.Linear(n_in, n_out)
        )

    model = small(network=CustomNetwork(encoder=tied, decoder=tied)).fit(X)
    loaded = pickle.loads(cloudpickle.dumps(model))
    assert_same(outputs(loaded, X), outputs(model, X))
    assert loaded.module_.encoder[0].weight is loaded.module_.encoder[2].weight


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_parameters_keep_their_type(dtype, reload, X):
    model = small().fit(X)
    model.module_.to(dtype)
    loaded = reload(model).module_
    for name, tensor in model.module_.state_dict().items():
        assert loaded.state_dict()[name].dtype == dtype
        assert torch.equal(loaded.state_dict()[name], tensor)


def test_weights_keep_their_order_in_memory(reload):
    X = np.random.default_rng(0).random((20, 8, 8), dtype=np.float32)
    network = ConvNet(channels=(2, 3), hidden_layer_sizes=())
    model = small(network=network, max_epochs=1).fit(X)
    strides = [p.stride() for p in model.module_.parameters()]
    assert [p.stride() for p in reload(model).module_.parameters()] == strides


def test_deep_copy_of_a_module_is_no_pickle(fitted, monkeypatch):
    monkeypatch.delattr(type(fitted.module_), "__getstate__")
    monkeypatch.delattr(type(fitted.module_), "__setstate__")
    twin = copy.deepcopy(fitted.module_)
    assert_same(vars_of(twin), vars_of(fitted.module_))


def vars_of(module):
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


def set_to_zero(model):
    for parameter in model.module_.parameters():
        parameter.data.zero_()
    return np.abs(model.module_.factor).sum()


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_another_process_gets_a_copy(method, X):
    model = small().fit(X)
    before = outputs(model, X)
    with multiprocessing.get_context(method).Pool(1) as pool:
        pool.map(set_to_zero, [model])
    assert_same(outputs(model, X), before)
