import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from skvae.metrics import (
    FIDInceptionV3,
    fid_score,
    frechet_distance,
    inception,
    load_fid_inception,
)
from skvae.metrics import _inception_blocks as blocks
from skvae.metrics._pretrained import FrozenBatchNorm


def random_state_dict(seed=0):
    """Return weights under which the maps of all layers are of order one."""
    generator = torch.Generator().manual_seed(seed)
    state = FIDInceptionV3().state_dict()
    for name, value in state.items():
        draw = torch.randn(value.shape, generator=generator)
        if name.endswith("running_var"):
            draw = 0.5 + torch.rand(value.shape, generator=generator)
        elif name.endswith("bn.weight"):
            draw = 1 + 0.1 * draw
        elif value.ndim > 1:
            draw *= (2 / value[0].numel()) ** 0.5
        else:
            draw *= 0.1
        state[name] = draw
    return state


@pytest.fixture(scope="module")
def state():
    return random_state_dict()


@pytest.fixture(scope="module")
def network(state):
    network = FIDInceptionV3()
    network.load_state_dict(state)
    return network.eval()


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 40, 48, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def weights(state, tmp_path, monkeypatch):
    """Write a file of random weights that the loader takes for the published one."""
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(inception, "SHA256", digest)
    return path


@pytest.fixture(autouse=True)
def no_weights_of_the_machine(tmp_path, monkeypatch):
    monkeypatch.delenv("SKVAE_FID_WEIGHTS", raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    yield
    shutil.rmtree(tmp_path)  # a file of weights has 95 MB


def test_state_dict_is_that_of_the_published_file():
    state = FIDInceptionV3().state_dict()
    spec = sorted(f"{name}:{tuple(value.shape)}" for name, value in state.items())
    assert len(spec) == 472
    assert all(value.dtype == torch.float32 for value in state.values())
    digest = hashlib.sha256("\n".join(spec).encode()).hexdigest()
    assert digest.startswith("954403df03f5a6d8")
    parameters = [v for k, v in state.items() if "running" not in k]
    assert sum(v.numel() for v in parameters) == 23_850_960


def test_building_draws_nothing_and_ignores_defaults():
    before = torch.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        network = FIDInceptionV3()
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(torch.get_rng_state(), before)
    assert {v.dtype for v in network.state_dict().values()} == {torch.float32}
    assert not any(p.requires_grad for p in network.parameters())


def test_features_are_means_of_the_maps(network, images):
    with torch.inference_mode():
        maps = network.maps(images)
        shapes = [tuple(m.shape) for m in maps.values()]
        assert shapes == [
            (2, 64, 73, 73),
            (2, 192, 35, 35),
            (2, 768, 17, 17),
            (2, 2048, 8, 8),
        ]
        assert torch.equal(network(images), maps[2048].mean((2, 3)))
        assert network(images, tap=64).shape == (2, 64)
    with pytest.raises(ValueError, match=r"tap.* must be one of .* Got 100"):
        network(images, tap=100)


def test_training_mode_changes_nothing(network, images):
    with torch.inference_mode():
        expected = network(images[:1], tap=192)
        assert torch.equal(network.train()(images[:1], tap=192), expected)
    network.eval()


def test_normalisation_by_hand():
    norm = FrozenBatchNorm(1)
    values = {"weight": 2.0, "bias": 1.0, "running_mean": 3.0, "running_var": 0.999}
    norm.load_state_dict({k: torch.tensor([v]) for k, v in values.items()})
    x = torch.tensor([3.0, 5.0]).reshape(1, 1, 1, 2)
    torch.testing.assert_close(norm(x).flatten(), torch.tensor([1.0, 5.0]))


def test_average_pool_does_not_count_the_padding():
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    pooled = blocks.average_pool(x)[0, 0]
    assert pooled[0, 0] == (0 + 1 + 3 + 4) / 4
    assert pooled[0, 1] == (0 + 1 + 2 + 3 + 4 + 5) / 6
    assert pooled[1, 1] == 4
    assert torch.equal(
        blocks.average_pool(torch.ones(1, 1, 5, 5)), torch.ones(1, 1, 5, 5)
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Mixed_7b", [2.0, 1.0]), ("Mixed_7c", [3.0, 3.0])],
)
def test_pool_branch_by_hand(name, expected):
    # A pool branch that hands on its first input channel, and nothing else.
    block = getattr(FIDInceptionV3(), name)
    branch = block.branch_pool
    branch.conv.weight[0, 0] = 1
    branch.bn.weight.fill_(1)
    branch.bn.running_var.fill_(1 - branch.bn.eps)
    x = torch.zeros(1, branch.conv.in_channels, 2, 2)
    x[0, 0] = torch.tensor([[3.0, 1.0], [2.0, 2.0]])
    wide = torch.zeros(1, branch.conv.in_channels, 3, 3)
    wide[0, 0, 1] = 3
    with torch.inference_mode():
        assert block(x)[0, 2048 - 192, 0, 0] == expected[0]
        assert block(wide)[0, 2048 - 192, 1, 1] == expected[1]


def test_loader_finds_the_file(weights, state, tmp_path, monkeypatch):
    def found(*arguments):
        loaded = load_fid_inception(*arguments).state_dict()
        return torch.equal(loaded["fc.bias"], state["fc.bias"])

    assert found(weights)
    assert found(str(weights))
    for name in inception.FILE_NAMES:
        cached = tmp_path / "hub" / "checkpoints" / name
        cached.parent.mkdir(parents=True, exist_ok=True)
        os.link(weights, cached)
        assert found()
        cached.unlink()
    monkeypatch.setenv("SKVAE_FID_WEIGHTS", str(weights))
    assert found()


def test_batch_counters_are_dropped(state, tmp_path, monkeypatch):
    counters = {
        name.replace("running_var", "num_batches_tracked"): torch.tensor(7)
        for name in state
        if name.endswith("running_var")
    }
    assert len({**state, **counters}) == 566
    path = tmp_path / "566.pth"
    # In torch's older format, as files of that time are.
    torch.save({**state, **counters}, path, _use_new_zipfile_serialization=False)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(inception, "SHA256", digest)
    assert not load_fid_inception(path).training


def test_flipped_bit_is_refused(weights):
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ValueError, match=r"must have the sha256 .* but has .* damaged"):
        load_fid_inception(weights)


def test_the_published_hash_is_pinned():
    assert inception.SHA256.startswith("6726825d0af5f729")
    assert len(inception.SHA256) == 64
    assert "6726825d" in inception.URL


def test_absent_file_says_where_to_put_it(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"no FID weights at nowhere\.pth"):
        load_fid_inception("nowhere.pth")
    with pytest.raises(FileNotFoundError, match="at nowhere"):
        load_fid_inception("nowhere.pth", download=True)
    with pytest.raises(FileNotFoundError, match=r"Fetch https://.*pth") as error:
        load_fid_inception()
    place = tmp_path / "hub" / "checkpoints" / inception.FILE_NAMES[0]
    assert f"save it as {place}" in str(error.value)
    monkeypatch.setenv("SKVAE_FID_WEIGHTS", "elsewhere.pth")
    with pytest.raises(FileNotFoundError, match=r"elsewhere\.pth, which the environ"):
        load_fid_inception()


def test_downloads_only_on_request(weights, tmp_path, monkeypatch):
    calls = []
    fetch = torch.hub.download_url_to_file
    monkeypatch.setattr(
        torch.hub,
        "download_url_to_file",
        lambda *a, **k: calls.append(a) or fetch(*a, **k),
    )
    monkeypatch.setattr(inception, "URL", weights.as_uri())
    with pytest.raises(FileNotFoundError):
        load_fid_inception()
    assert not calls
    load_fid_inception(download=True)
    load_fid_inception(download=True)
    assert len(calls) == 1
    assert (tmp_path / "hub" / "checkpoints" / inception.FILE_NAMES[0]).exists()


def test_damaged_download_leaves_no_file(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(inception, "URL", weights.as_uri())
    weights.write_bytes(b"an error page")
    with pytest.raises(RuntimeError, match="invalid hash value"):
        load_fid_inception(download=True)
    assert not list((tmp_path / "hub" / "checkpoints").iterdir())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fewer than its 2048 features")
def test_fid_score_by_weights_from_a_path(weights, network):
    X = np.random.RandomState(2).randint(256, size=(2, 4, 20, 20), dtype=np.uint8)
    x = torch.from_numpy(X).float().reshape(8, 1, 20, 20).expand(-1, 3, -1, -1) / 255
    with torch.inference_mode():
        h = network(x).double().numpy()
    expected = frechet_distance(h[:4], h[4:])
    assert fid_score(*X, weights=weights, device="cpu") == pytest.approx(
        expected, rel=1e-4
    )


PEER = """
import sys, torch
try:
    import torchvision
except RuntimeError:  # a build for another device: declare what its import looks for
    for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor a, Tensor b, float c) -> Tensor")
from pytorch_fid import inception
state, images = torch.load(sys.argv[1])
inception.load_state_dict_from_url = lambda *a, **k: state
network = inception.InceptionV3([0, 1, 2, 3]).eval()
with torch.inference_mode():
    torch.save(network(images), sys.argv[2])
"""


def test_equals_pytorch_fid_at_every_tap(network, state, images, tmp_path):
    if importlib.util.find_spec("pytorch_fid") is None:
        pytest.skip("needs pytorch-fid")
    # In a process of its own: its imports may need makeshift operators.
    torch.save((state, images), tmp_path / "in.pt")
    command = [sys.executable, "-c", PEER, tmp_path / "in.pt", tmp_path / "out.pt"]
    subprocess.run(command, check=True, timeout=120)
    peer = torch.load(tmp_path / "out.pt")
    with torch.inference_mode():
        maps = network.maps(images)
        own = [*list(maps.values())[:3], network(images)[:, :, None, None]]
    for ours, theirs in zip(own, peer, strict=True):
        assert ours.shape == theirs.shape
        assert theirs.std() > 1e-3
        assert (ours - theirs).abs().max() < 2e-5 * theirs.std()
