"""A search on a dask cluster: the very scores of the search on one processor.

The 1,797 digits of 8 x 8 pixels that ship with scikit-learn. A grid search over a VAE
runs in this process, and on a local cluster of two dask workers, processes with one
thread each. A cluster of many machines differs by the address of its scheduler only.
Prints both tables of scores and the times.
"""

import os
import time

import joblib
import numpy as np
import torch
from distributed import Client, LocalCluster
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skvae import VAE
from skvae.networks import MLP

SMALL = os.environ.get("SKVAE_EXAMPLE_SIZE") == "small"


def make_search():
    vae = VAE(network=MLP((64,)), max_epochs=3 if SMALL else 60, random_state=0)
    return GridSearchCV(vae, {"n_components": [2, 4, 8, 16]}, cv=2 if SMALL else 3)


def timed(search, X):
    start = time.perf_counter()
    search.fit(X)
    return search, time.perf_counter() - start


# Workers are processes of their own, which import this file: what starts them belongs
# under this line.
if __name__ == "__main__":
    torch.set_num_threads(1)  # as in the workers: with others, last digits differ
    X = load_digits().data[: 300 if SMALL else None]
    here, seconds_here = timed(make_search(), X)
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with cluster, Client(cluster), joblib.parallel_config(backend="dask"):
        there, seconds_there = timed(make_search(), X)

    print("components   here      dask   (mean log-likelihood in nats)")
    scores = [s.cv_results_["mean_test_score"] for s in (here, there)]
    for n, a, b in zip([2, 4, 8, 16], *scores, strict=True):
        print(f"{n:10d} {a:8.3f} {b:8.3f}")
    print(f"{seconds_here:.1f} s here, {seconds_there:.1f} s on the cluster")
    assert np.array_equal(*scores)
    assert np.array_equal(here.transform(X), there.transform(X))
    print("the scores and the refitted model are the same to the last bit")
