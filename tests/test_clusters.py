"""Searches on workers of dask, and in processes that start anew."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import joblib
import numpy as np
import pytest
import torch
from conftest import make_data, small
from sklearn.callback import ProgressBar
from sklearn.model_selection import GridSearchCV

from skvae.networks import MLP

distributed = pytest.importorskip("distributed")


def search():
    # Wide enough that some last bits depend on the number of threads.
    model = small(network=MLP((64,)), batch_size=128, max_epochs=2)
    return GridSearchCV(model, {"n_components": [1, 2]}, cv=2)


@pytest.fixture(scope="module")
def wide():
    return make_data(256, 400)


@pytest.fixture
def in_one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def cluster(request):
    options = {"n_workers": 1, "dashboard_address": None, "silence_logs": 50}
    with (
        distributed.LocalCluster(**options | request.param) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def in_processes(n_workers, threads):
    options = {"n_workers": n_workers, "threads_per_worker": threads}
    options |= {"processes": True, "host": "127.0.0.1"}
    return pytest.param(options, id=f"{n_workers}x{threads}")


THREADS = pytest.param({"threads_per_worker": 2, "processes": False}, id="threads")


@pytest.mark.slow
@pytest.mark.parametrize("cluster", [in_processes(2, 1), THREADS], indirect=True)
def test_a_search_on_dask_has_the_same_scores(cluster, wide, in_one_thread):
    expected = search().fit(wide)
    with joblib.parallel_config(backend="dask"):
        found = search().fit(wide)
    for name in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(
            found.cv_results_[name], expected.cv_results_[name]
        )
    np.testing.assert_array_equal(found.transform(wide), expected.transform(wide))


def number_in_a_fit(X):
    seen = []

    class Watched(MLP):
        uses_global_rng = False

        def make_encoder(self, *args):
            module = super().make_encoder(*args)
            module.register_forward_hook(
                lambda *_: seen.append(torch.get_num_threads())
            )
            return module

    torch.set_num_threads(4)
    small(network=Watched((8,)), max_epochs=1).fit(X)
    return max(seen), torch.get_num_threads()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cluster", "inside"),
    [(in_processes(1, 1).values[0], 4), (in_processes(1, 2).values[0], 2)],
    indirect=["cluster"],
)
def test_threads_of_a_worker_share_what_is_set(cluster, inside, X):
    assert cluster.submit(number_in_a_fit, X).result() == (inside, 4)


def fit(model, X):
    return model.fit(X)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_that_start_anew_fit_and_give_back(method, X):
    expected = small().fit(X).transform(X)
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        model = pool.submit(fit, small().set_callbacks(ProgressBar()), X).result()
        np.testing.assert_array_equal(model.transform(X), expected)
        again = pool.submit(fit, model, X).result()  # also of one that is fitted
        np.testing.assert_array_equal(again.transform(X), expected)
