"""Methods against the bare networks, and memory on a memory-mapped array.

    python benchmarks/inference.py [--rows 60000] [--turns 25] [--skip-memory]

The first table gives, for the default network and each method, the time of one row, of
512 and of 10,000 rows over that of the bare networks on as many rows (medians). The
second gives, for each network, the time of ``transform`` over that of a bare float32
pass in the best of several chunk sizes (median and middle half of the turns). The third
gives the peak of anonymous memory (Linux only) that ``fit`` and ``transform`` of a
memory-mapped float32 array add, for arrays of growing length, and that
``optimal_decoder`` with 60,000 training rows adds.
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
import warnings
from functools import partial

import numpy as np
import torch

from skvae import VAE
from skvae._distributions.normal import standard_normal_log_prob
from skvae.diagnostics import optimal_decoder
from skvae.networks import MLP

CHUNKS = (128, 256, 512, 1024, 4096, 60_000)


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def bare_methods(module):
    """Return what the networks alone do for each method, by its name."""

    def score(x):
        q = module.encode(x)
        z = q.rsample(torch.randn(64, len(x), module.n_components))
        log_w = module.decode(z).log_prob(x) - q.log_prob(z)
        return (log_w + standard_normal_log_prob(z)).logsumexp(0)

    return {
        "transform": lambda x: module.encode(x).mean,
        "inverse_transform": lambda z: module.decode(z).mean,
        "reconstruct": lambda x: module.decode(module.encode(x).mean).mean,
        "score_samples": score,
    }


def in_chunks(function, x, chunk):
    with torch.inference_mode():
        return torch.cat([function(rows) for rows in x.split(chunk)]).numpy()


def compare_methods(n_features, turns):
    X = np.random.default_rng(0).random((10_000, n_features), dtype=np.float32)
    model = VAE(max_epochs=1, random_state=0).fit(X[:2000])
    inputs = {"inverse_transform": model.transform(X)}
    for name, bare in bare_methods(model.module_).items():
        method, rows = getattr(model, name), inputs.get(name, X)
        chunk = 16 if name == "score_samples" else 512
        figures = []
        for n_rows, n_turns in ((1, 10 * turns), (512, turns), (10_000, 3)):
            part = rows[:n_rows].copy()
            own, others = in_turns(
                partial(method, part),
                partial(in_chunks, bare, torch.from_numpy(part), chunk),
                n_turns,
            )
            figures.append(f"{n_rows}: {own / others:.2f} x ({1e3 * own:.2f} ms)")
        print(f"{n_features} features, {name}: {', '.join(figures)}", flush=True)


def in_turns(first, second, n_turns):
    """Return the medians of the times of two functions that run in turns."""
    times = [(seconds(first), seconds(second)) for _ in range(n_turns)]
    return map(statistics.median, zip(*times, strict=True))


def compare_transform(X, sizes, d, turns):
    model = VAE(d, network=MLP(sizes, skip=False), max_epochs=1, random_state=0).fit(
        X[:2000]
    )
    module, x = model.module_, torch.from_numpy(X)
    bare = bare_methods(module)["transform"]
    best = min(CHUNKS, key=lambda c: seconds(lambda: in_chunks(bare, x, c)))
    ratios = [
        seconds(lambda: model.transform(X)) / seconds(lambda: in_chunks(bare, x, best))
        for _ in range(turns)
    ]
    low, median, high = statistics.quantiles(ratios, n=4)
    print(
        f"784-{'-'.join(map(str, sizes))}-{d}: transform {median:.2f} x a bare pass in "
        f"chunks of {best} ({low:.2f} to {high:.2f})"
    )


def anonymous_memory():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


class PeakMemory:
    """Peak of anonymous memory in MB over that at entry, sampled every 2 ms."""

    def __enter__(self):
        self.start = self.peak = anonymous_memory()
        self.running = True
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.running = False
        self.thread.join()
        self.added = self.peak - self.start

    def _watch(self):
        while self.running:
            self.peak = max(self.peak, anonymous_memory())
            time.sleep(0.002)


def measure_memory():
    model = VAE(16, network=MLP((64,)), max_epochs=1, random_state=0)
    model.fit(np.random.default_rng(0).random((500, 784), dtype=np.float32))
    for dtype in ("float32", "float64", "uint8"):
        for n_rows in (20_000, 100_000):
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "X.npy")
                X = np.lib.format.open_memmap(path, "w+", dtype, (n_rows, 784))
                for start in range(0, n_rows, 10_000):
                    rng = np.random.default_rng(start)
                    X[start : start + 10_000] = rng.integers(0, 255, (10_000, 784))
                X = np.load(path, mmap_mode="r")
                with PeakMemory() as fit:
                    model.fit(X)
                with PeakMemory() as transform:
                    model.transform(X)
            print(
                f"memory-mapped {dtype}, {n_rows} rows ({X.nbytes / 2**20:.0f} MB): "
                f"fit adds {fit.added:.0f} MB, transform {transform.added:.0f} MB"
            )


def measure_optimal_decoder():
    rng = np.random.default_rng(0)
    for dtype in ("float32", "uint8"):
        X = rng.integers(0, 255, (60_000, 784)).astype(dtype)
        model = VAE(16, network=MLP((64,)), max_epochs=1, random_state=0)
        model.fit(X[:500])
        optimal_decoder(model, X[:1], X[:1000])
        with PeakMemory() as peak:
            optimal_decoder(model, X[:200], X)
        print(
            f"optimal_decoder, 60,000 {dtype} rows ({X.nbytes / 2**20:.0f} MB): adds "
            f"{peak.added:.0f} MB"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--turns", type=int, default=25)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count()))
    parser.add_argument("--skip-memory", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    for n_features in (64, 768):
        compare_methods(n_features, options.turns)
    X = np.random.default_rng(0).random((options.rows, 784), dtype=np.float32)
    for sizes, d in [((400,), 20), ((32,), 8), ((512, 512), 16)]:
        compare_transform(X, sizes, d, options.turns)
    del X
    if not options.skip_memory:
        measure_memory()
        measure_optimal_decoder()


if __name__ == "__main__":
    main()
