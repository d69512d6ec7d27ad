"""Threads and processes give the bits of one thread."""

import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from conftest import (
    assert_same,
    describe,
    dropout_network,
    fit_outputs,
    make_data,
    outputs,
    small,
)
from joblib import Parallel, delayed
from sklearn.mixture import GaussianMixture


def test_concurrent_fits_equal_sequential_ones(X):
    params = [
        {"random_state": 0},
        {"random_state": 1, "network": dropout_network()},
        {"random_state": 2, "latent_density": GaussianMixture(2)},
        {"random_state": 3, "network": dropout_network()},
    ]
    params = [{**p, "max_epochs": 10} for p in params]
    expected = [fit_outputs(X, **p) for p in params]
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(fit_outputs, X, **p) for p in params * 2]
    for future, want in zip(futures, expected * 2, strict=True):
        assert_same(future.result(), want)


@pytest.mark.parametrize("density", [None, GaussianMixture(2)], ids=describe)
def test_many_threads_read_one_model(density):
    X = make_data(600)
    model = small(latent_density=density).fit(X)
    expected = outputs(model, X)
    start = threading.Barrier(8)

    def read():
        start.wait()
        return [outputs(model, X) for _ in range(3)]

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(read) for _ in range(8)]
    for future in futures:
        for got in future.result():
            assert_same(got, expected)


FRESH = """
import pickle, sys
sys.path.insert(0, {tests!r})
import torch
torch.set_num_threads({threads})
from conftest import *
print("GLOBAL NOISE", torch.rand({noise}))
network, density = dropout_network(), GaussianMixture(2)
params = [{{}}, {{"network": network}}, {{"latent_density": density}}]
X = make_data()
result = [outputs(small(**p).fit(X), X) for p in params]
pickle.dump(result, open({path!r}, "wb"))
"""


@pytest.mark.slow
def test_another_process_gives_the_same_bits(tmp_path, X):
    path = str(tmp_path / "result.pkl")
    code = FRESH.format(
        tests=os.path.dirname(__file__),
        threads=torch.get_num_threads(),
        noise=7,
        path=path,
    )
    environment = {**os.environ, "PYTHONHASHSEED": "123"}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert run.returncode == 0, run.stderr
    with open(path, "rb") as file:
        result = pickle.load(file)
    params = [
        {},
        {"network": dropout_network()},
        {"latent_density": GaussianMixture(2)},
    ]
    for got, p in zip(result, params, strict=True):
        assert_same(got, fit_outputs(X, **p))


def _fit_with_threads(X, n_threads):
    torch.set_num_threads(n_threads)
    return fit_outputs(X)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_joblib_gives_the_same_bits(backend, X):
    expected = fit_outputs(X)
    n_threads = torch.get_num_threads()
    results = Parallel(n_jobs=2, backend=backend)(
        delayed(_fit_with_threads)(X, n_threads) for _ in range(4)
    )
    for got in results:
        assert_same(got, expected)


THREADS_IN_WORKERS = """
from joblib import Parallel, cpu_count, delayed

def count():
    import numpy as np
    import torch
    from skvae import VAE
    from skvae.networks import MLP
    VAE(1, network=MLP(()), max_epochs=1, device="cpu").fit(np.eye(4))
    return torch.get_num_threads()

if __name__ == "__main__":
    counts = Parallel(n_jobs=2, backend="loky")(delayed(count)() for _ in range(4))
    print(max(counts), max(1, cpu_count() // 2))
"""


@pytest.mark.slow
def test_workers_of_joblib_do_not_oversubscribe_the_cores(tmp_path):
    script = tmp_path / "workers.py"
    script.write_text(THREADS_IN_WORKERS)
    free = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    root = os.path.dirname(os.path.dirname(__file__))
    run = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        env={**free, "PYTHONPATH": root},
    )
    assert run.returncode == 0, run.stderr
    used, allowed = map(int, run.stdout.split())
    assert used <= allowed
