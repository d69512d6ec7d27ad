"""Rows in a file, read by blocks: what is read, how long it takes, and what it costs.

    python benchmarks/block_shuffle.py read --gigabytes 4    bytes, memory and seconds
    python benchmarks/block_shuffle.py shuffle               held-out scores

The first writes a memory-mapped file of normal rows, fits one epoch to it with a cold
cache, and deletes it. The second compares held-out lower bounds of fits to rows in a
random order and sorted by class, with buffers of several sizes, with those of fits
in which all rows are mixed.
"""

import argparse
import mmap
import os
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import make_blobs

from skvae import VAE
from skvae._training import block_batches
from skvae._utils import sources
from skvae.datasets import load_mnist
from skvae.networks import MLP

N_FEATURES = 1024
SEEDS = range(3)
# Blocks in the file, of which 16 are mixed at a time.
BLOCKS = [32, 128, 1000]


def bytes_read():
    """Return the number of bytes that this process has had from the disk."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("read_bytes")).split()[1])


def memory():
    """Return the bytes of memory of this process that are no pages of files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if "RssAnon" in line).split()[1])


class Peak(threading.Thread):
    """The largest memory of this process, looked at twenty times a second."""

    def __init__(self):
        super().__init__(daemon=True)
        self.first, self.most, self.is_over = memory(), 0, False

    def run(self):
        while not self.is_over:
            self.most = max(self.most, memory() - self.first)
            time.sleep(0.05)


class Stages:
    """A callback that notes bytes and seconds where epochs begin and end.

    All begin with a cold cache.
    """

    def __init__(self, X, path):
        self.X, self.path, self.stages = X, path, []
        self.begin()

    def begin(self):
        self.X._mmap.madvise(mmap.MADV_DONTNEED)  # pages that are mapped stay
        forget(self.path)
        self.start = time.perf_counter(), bytes_read()

    def end(self):
        now = time.perf_counter(), bytes_read()
        seconds, n_bytes = np.subtract(now, self.start)
        self.stages.append((seconds, n_bytes / self.X.nbytes))

    def setup(self, estimator, context):
        """Nothing to do; scikit-learn asks for it."""

    teardown = setup

    def on_fit_task_begin(self, estimator, context):
        if context.task_name == "epoch":
            self.end()
            self.begin()

    on_fit_task_end = on_fit_task_begin


def write(path, n_rows):
    """Write normal rows around a plane."""
    X = np.lib.format.open_memmap(path, "w+", np.float32, (n_rows, N_FEATURES))
    rng = np.random.default_rng(0)
    plane = rng.standard_normal((8, N_FEATURES), dtype=np.float32)
    for start in range(0, n_rows, 8192):
        rows = X[start : start + 8192]
        rows[:] = rng.standard_normal((len(rows), 8), dtype=np.float32) @ plane
        rows += rng.standard_normal(rows.shape, dtype=np.float32)
    X.flush()


def forget(path):
    """Take a file that nobody has mapped out of the cache."""
    file = os.open(path, os.O_RDONLY)
    os.fsync(file)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)


def measure_reading(gigabytes, folder):
    n_rows = int(gigabytes * 2**30) // (4 * N_FEATURES)
    with tempfile.TemporaryDirectory(dir=folder) as held:
        path = os.path.join(held, "X.npy")
        write(path, n_rows)
        model = VAE(8, network=MLP((32,)), max_epochs=1, random_state=0)
        rows = np.random.default_rng(0).standard_normal((500, N_FEATURES))
        model.fit(rows).transform(rows)  # loads what torch loads when it is first used
        measure(model, "fit", path, ["before the first epoch", "the epoch", "after it"])
        measure(model, "transform", path, ["transform"])


def measure(model, method, path, names):
    X = np.load(path, mmap_mode="r")
    stages, peak = Stages(X, path), Peak()
    peak.start()
    getattr(model.set_callbacks(stages), method)(X)
    peak.is_over = True
    stages.end()
    for name, (seconds, share) in zip(names, stages.stages, strict=True):
        print(f"{name}: {share:.3f} bytes read for each byte of X, {seconds:.1f} s")
    print(f"memory added by {method}: {peak.most / 2**20:.0f} MB", flush=True)


class InMemory(sources.StoredRows):
    """An array that pretends to lie elsewhere."""

    def __init__(self, X):
        super().__init__(X.shape, X.dtype)
        self.array = X

    def _read(self, start, stop):
        return self.array[start:stop].copy()


def data_sets():
    """Yield names, rows to train on, their classes, and rows held out."""
    X, y = load_mnist(return_X_y=True)
    some = np.random.default_rng(0).permutation(60_000)[:10_000]
    X_test, _ = load_mnist(subset="test", return_X_y=True)
    yield "MNIST, 10,000 rows", X[some], y[some], X_test[:2_000]
    X, y = make_blobs(12_000, 20, centers=50, center_box=(-3, 3), random_state=0)
    X = X.astype(np.float32)
    yield "50 clusters in 20 features", X[:10_000], y[:10_000], X[10_000:]


def held_out_score(X, X_test, seed, max_epochs):
    options = {"max_epochs": max_epochs, "early_stopping": False}
    model = VAE(8, network=MLP((64,)), random_state=seed, **options).fit(X)
    return model.score_samples(X_test, n_importance_samples=1).mean()


def measure_shuffling(max_epochs):
    warnings.simplefilter("ignore")
    for name, X, y, X_test in data_sets():
        orders = {"in random order": np.arange(len(X)), "sorted": np.argsort(y)}
        exact = scores_of_blocks(X, 1, X_test, max_epochs)
        print(f"{name}, all rows mixed: {shown(exact)}", flush=True)
        for order, rows in orders.items():
            for n_blocks in BLOCKS:
                scores = scores_of_blocks(X[rows], n_blocks, X_test, max_epochs)
                share = block_batches.MIXED_BLOCKS / n_blocks
                differences = np.subtract(scores, exact)
                print(
                    f"  {order}, {n_blocks} blocks, buffer {share:.1%} of the rows: "
                    f"less those of all rows mixed {shown(differences)}",
                    flush=True,
                )


def scores_of_blocks(X, n_blocks, X_test, max_epochs):
    """Return held-out scores of fits to rows in so many blocks, for all seeds."""
    scores = []
    for seed in SEEDS:
        stored = InMemory(X)
        stored._edges = np.linspace(0, len(X), n_blocks + 1).astype(int)
        scores.append(held_out_score(stored, X_test, seed, max_epochs))
    return scores


def shown(values):
    return f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["read", "shuffle"])
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument("--folder", default=None, help="where the file is written")
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()
    if arguments.what == "read":
        measure_reading(arguments.gigabytes, arguments.folder)
    else:
        sources.IN_MEMORY = 0
        measure_shuffling(arguments.epochs)


if __name__ == "__main__":
    main()
