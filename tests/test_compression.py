"""Messages are read back exactly, whatever the rows and the model."""

import copy
import io
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from coded_models import LEVELS, RECIPES, model_and_rows, of_levels
from conftest import small
from hypothesis import given, settings
from hypothesis import strategies as st

from skvae.compression import compress, decompress
from skvae.likelihoods import DiscretizedLogisticLikelihood

pytest.importorskip("constriction")


def assert_recovered(model, X, reader=None):
    message = compress(model, X)
    found = decompress(reader or model, message)
    np.testing.assert_array_equal(found, X, strict=True)
    return message


@pytest.mark.parametrize("name", RECIPES)
def test_rows_come_back(name):
    model, X = model_and_rows(name)
    assert_recovered(model, X[:300])


@pytest.mark.parametrize("name", ["bits", "bits, two stages", "bits, full"])
def test_any_number_of_rows_comes_back(name):
    model, X = model_and_rows(name)
    for n in range(71):
        assert_recovered(model, X[:n])


@pytest.mark.slow
def test_thousands_of_rows_come_back():
    for name in ("bits", "levels, two stages"):
        model, X = model_and_rows(name)
        assert_recovered(model, np.concatenate([X, X[::-1]])[:2000])


@pytest.mark.parametrize("name", ["bits", "levels"])
@pytest.mark.parametrize("value", [0, 1])
def test_constant_rows_come_back_in_few_bytes(name, value):
    model, _ = model_and_rows(name)
    X = np.full((500, 64), value, dtype=np.uint8)
    one = len(assert_recovered(model, X[:1]))
    assert len(assert_recovered(model, X)) < 500 * one


def test_rows_come_back_in_their_order():
    model, X = model_and_rows("bits")
    order = np.random.default_rng(0).permutation(200)
    assert_recovered(model, X[:200][order])
    assert_recovered(model, X[:200][::-1])


TYPES = ["?", "u1", "i1", "<u2", ">i2", "<i4", ">i8", "u8", "<f2", ">f4", "f4", "f8"]


@settings(max_examples=60)
@given(
    name=st.sampled_from(
        ["bits", "bits, full", "levels", "images", "levels, predicted"]
    ),
    n=st.integers(0, 40),
    dtype=st.sampled_from(TYPES),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**20),
)
def test_any_rows_of_any_type_come_back(name, n, dtype, share, seed):
    model, X = model_and_rows(name)
    rng = np.random.default_rng(seed)
    rows = rng.choice(model.likelihood_.support, (n, *X.shape[1:]))
    real = rng.random(n) < share
    rows[real] = X[: real.sum()]
    if dtype == "?":
        rows = rows.clip(0, 1)
    assert_recovered(model, rows.astype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_levels_between_0_and_1_come_back_to_the_last_bit(dtype):
    X = np.random.default_rng(0).integers(0, 256, (150, 6)).astype(dtype) / dtype(255)
    assert X.dtype == dtype
    model = small(likelihood="discretized_logistic").fit(X)
    assert_recovered(model, X)


@pytest.mark.parametrize("low", [-3.0, 0.1])
def test_levels_of_any_range_come_back(low):
    likelihood = DiscretizedLogisticLikelihood(n_levels=12, low=low, high=7.7)
    support = likelihood.support
    assert support[0] == low
    assert np.isclose(support[-1], 7.7)
    np.testing.assert_allclose(np.diff(support), (7.7 - low) / 11)
    X = np.random.default_rng(0).choice(support, (150, 6))
    assert_recovered(small(likelihood=likelihood).fit(X), X)


def test_containers_come_back_as_arrays():
    pd = pytest.importorskip("pandas")
    model, X = model_and_rows("bits")
    X = X[:20]
    containers = [X.tolist(), torch.from_numpy(X), pd.DataFrame(X), X[:, ::-1][:, ::-1]]
    for container in containers:
        found = decompress(model, compress(model, container))
        np.testing.assert_array_equal(found, X)
    assert found.flags.writeable


def test_shape_of_images_is_that_of_x_not_of_the_fit():
    model, X = model_and_rows("pictures")
    for shape in ((8, 8), (1, 8, 8), (64,)):
        assert_recovered(model, X[:9].reshape(9, *shape))
        assert_recovered(model, X[:0].reshape(0, *shape))


def test_x_is_left_as_it_is():
    model, X = model_and_rows("levels")
    before = X[:50].copy()
    before.setflags(write=False)
    compress(model, before)
    np.testing.assert_array_equal(before, X[:50])


def test_rows_far_from_the_training_data_come_back():
    X = np.zeros((200, 5))
    X[:, 0] = np.arange(200) % 2
    likelihood = DiscretizedLogisticLikelihood(n_levels=2**15, high=2**15 - 1)
    model = small(likelihood=likelihood).fit(X)
    far = np.random.default_rng(0).integers(0, 2**15, (30, 5))
    assert_recovered(model, far)


# ------------------------------------------------------------ other places and times


@pytest.mark.parametrize("name", ["bits", "bits, two stages", "images"])
def test_a_pickled_model_reads_the_message(name):
    model, X = model_and_rows(name)
    assert_recovered(model, X[:100], pickle.loads(pickle.dumps(model)))
    assert_recovered(copy.deepcopy(model), X[:100], model)


READER = """
import pickle, sys
from skvae.compression import decompress
model, message = pickle.load(sys.stdin.buffer)
pickle.dump(decompress(model, message), sys.stdout.buffer)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bits, two stages", "images"])
def test_another_process_reads_the_message(name):
    model, X = model_and_rows(name)
    sent = pickle.dumps((model, compress(model, X[:200])))
    run = subprocess.run(
        [sys.executable, "-c", READER], input=sent, capture_output=True
    )
    np.testing.assert_array_equal(pickle.load(io.BytesIO(run.stdout)), X[:200])


@pytest.fixture
def wide():
    """Return a model and rows in which two threads share the work."""
    X = (np.random.default_rng(0).random((300, 3000)) < 0.3).astype(np.uint8)
    return small(likelihood="bernoulli", max_epochs=1).fit(X), X


def test_messages_do_not_depend_on_the_number_of_threads(wide):
    model, X = wide
    before = torch.get_num_threads()
    try:
        messages = []
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            messages.append(compress(model, X))
            assert torch.get_num_threads() == n_threads
        for n_threads in (2, 1):
            torch.set_num_threads(n_threads)
            for message in messages:
                np.testing.assert_array_equal(decompress(model, message), X)
    finally:
        torch.set_num_threads(before)
    assert messages[0] == messages[1]


def test_networks_run_in_one_thread(wide, monkeypatch):
    model, X = wide
    seen, encode = [], type(model.module_).encode

    def watched(self, x):
        seen.append(torch.get_num_threads())
        return encode(self, x)

    monkeypatch.setattr(type(model.module_), "encode", watched)
    torch.set_num_threads(2)
    compress(model, X)
    assert set(seen[1:]) == {1}  # the first looks at the type of q(z|x)


def test_messages_are_a_function_of_model_and_rows():
    model, X = model_and_rows("bits")
    torch.manual_seed(0)
    one = compress(model, X[:50])
    torch.manual_seed(1)
    assert compress(model, X[:50]) == one
    assert compress(model, X[:50].astype(float))[-80:] == one[-80:]  # the stack


@pytest.mark.gpu
def test_a_model_on_a_gpu_writes_what_its_copy_on_the_cpu_reads():
    model = small(likelihood=of_levels(), device="cuda").fit(LEVELS[:400])
    twin = copy.deepcopy(model)
    twin.module_.cpu()
    message = assert_recovered(model, LEVELS[400:600], twin)
    assert compress(twin, LEVELS[400:600]) == message
    assert model.module_.device.type == "cuda"
