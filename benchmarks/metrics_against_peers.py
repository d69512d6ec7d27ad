"""Metrics against other packages: values, times and peak memory, in one run.

    python benchmarks/metrics_against_peers.py [--turns 3] [--only kernel] [--quick]

A package that is not installed is left out. Each call runs in a process of its own,
which measures the CPU time of the call on one thread (of a short one the mean time of
many) and the peak of resident memory over that at its start (Linux only). Of several
turns, taken in alternation, the medians count. The inputs are float64 (float32 for a
package that asks for it), 10,000 rows of 64 and 5,000 of 2,048 features, skewed and
correlated as those of a network. A ratio above 1 says that skvae is faster, or needs
less memory.
"""

import argparse
import contextlib
import importlib.util
import io
import multiprocessing
import os
import threading
import time
import warnings

import numpy as np

K_PRECISION, K_DENSITY, N_SUBSETS = 3, 5, 100
SHORT = 0.3  # seconds; shorter calls are repeated for about as long


def make_sets(n, d):
    """Two sets of rows like features of a network: correlated, skewed, one shifted."""
    rng = np.random.default_rng(d)
    mixing = rng.normal(size=(min(d, 64), d)) / 8
    sets = []
    for shift in (0.0, 0.15):
        Z = rng.normal(size=(n, len(mixing))) + shift
        sets.append(np.maximum(Z @ mixing + 0.3 * rng.normal(size=(n, d)), 0) ** 1.2)
    return sets


def moments(X):
    return X.mean(axis=0), np.cov(X, rowvar=False)


# ------------------------------------------------------------------------------ calls


def skvae_frechet_statistics(sets):
    from skvae.metrics import FrechetStatistics, frechet_distance

    statistics = [FrechetStatistics(*moments(X), len(X)) for X in sets]
    return lambda: [frechet_distance(*statistics)]


def scipy_sqrtm(sets):
    from scipy.linalg import sqrtm

    (m1, s1), (m2, s2) = (moments(X) for X in sets)

    def call():
        root = sqrtm(s1 @ s2)
        trace = np.trace(s1) + np.trace(s2) - 2 * np.trace(root).real
        return [(m1 - m2) @ (m1 - m2) + trace]

    return call


def pytorch_fid_statistics(sets):
    from pytorch_fid.fid_score import calculate_frechet_distance

    (m1, s1), (m2, s2) = (moments(X) for X in sets)
    return lambda: [calculate_frechet_distance(m1, s1, m2, s2)]


def torch_fidelity_statistics(sets):
    from torch_fidelity.metric_fid import fid_statistics_to_metric

    pairs = [dict(zip(("mu", "sigma"), moments(X), strict=True)) for X in sets]
    key = "frechet_inception_distance"
    return lambda: [fid_statistics_to_metric(*pairs, verbose=False)[key]]


def torchmetrics_statistics(sets):
    import torch
    from torchmetrics.image.fid import _compute_fid

    arguments = [torch.from_numpy(A) for X in sets for A in moments(X)]
    return lambda: [float(_compute_fid(*arguments))]


def skvae_frechet_data(sets):
    from skvae.metrics import frechet_distance

    return lambda: [frechet_distance(*sets)]


def torch_fidelity_data(sets):
    import torch
    from torch_fidelity.metric_fid import (
        fid_features_to_statistics,
        fid_statistics_to_metric,
    )

    tensors = [torch.from_numpy(X) for X in sets]

    def call():
        statistics = [fid_features_to_statistics(x) for x in tensors]
        result = fid_statistics_to_metric(*statistics, verbose=False)
        return [result["frechet_inception_distance"]]

    return call


def skvae_kernel_distance(sets):
    from skvae.metrics import kernel_distance

    return lambda: [kernel_distance(*sets, n_subsets=N_SUBSETS, random_state=0).value]


def torch_fidelity_kid(sets):
    import torch
    from torch_fidelity.metric_kid import kid_features_to_metric

    tensors = [torch.from_numpy(X) for X in sets]
    size = min(1000, len(sets[0]))
    options = {"kid_subsets": N_SUBSETS, "kid_subset_size": size, "verbose": False}
    key = "kernel_inception_distance_mean"
    return lambda: [kid_features_to_metric(*tensors, **options)[key]]


def skvae_balls(sets):
    from skvae.metrics import precision_recall_density_coverage

    return lambda: precision_recall_density_coverage(*sets)[:4]


def prdc_balls(sets):
    import prdc

    def call():
        with contextlib.redirect_stdout(io.StringIO()):
            first = prdc.compute_prdc(*sets, nearest_k=K_DENSITY)
        return [np.nan, np.nan, first["density"], first["coverage"]]

    return call


def torch_fidelity_balls(sets):
    import torch
    from torch_fidelity.metric_prc import prc_features_to_metric

    X, Y = (torch.from_numpy(A.astype(np.float32)) for A in sets)
    options = {"prc_neighborhood": K_PRECISION, "prc_batch_size": 10000}

    def call():
        result = prc_features_to_metric(Y, X, verbose=False, **options)
        return [result["precision"], result["recall"], np.nan, np.nan]

    return call


def skvae_mmd(sets):
    from skvae.metrics import maximum_mean_discrepancy

    options = {"bandwidth": 10.0, "estimator": "biased"}
    return lambda: [maximum_mean_discrepancy(*sets, **options).value]


def cmmd_whole_kernels(sets):
    """The published CMMD's computation: three whole kernel matrices, float64."""

    def kernel(A, B):
        squared = (A**2).sum(1)[:, None] + (B**2).sum(1) - 2 * A @ B.T
        return np.exp(squared / -200.0).mean()

    X, Y = sets
    return lambda: [kernel(X, X) + kernel(Y, Y) - 2 * kernel(X, Y)]


def skvae_authenticity(sets):
    from skvae.metrics import authenticity

    return lambda: [authenticity(*sets).value]


def dgm_authenticity(sets):
    """dgm-eval's computation: two whole matrices of distances, float32."""
    import torch

    X, Y = (torch.from_numpy(A.astype(np.float32)) for A in sets)

    def call():
        own = torch.cdist(X, X)
        own.fill_diagonal_(float("inf"))
        distance, source = torch.cdist(X, Y).min(dim=0)
        return [(distance > own.min(dim=1).values[source]).double().mean()]

    return call


def skvae_data_copying(sets):
    from skvae.metrics import data_copying_test

    X, Y = sets
    half = len(X) // 2
    return lambda: [data_copying_test(X[:half], X[half:], Y, n_cells=1).value]


def meehan_data_copying(sets):
    """Meehan et al.'s computation in one cell: neighbours by scikit-learn, a U test."""
    from scipy.stats import mannwhitneyu
    from sklearn.neighbors import NearestNeighbors

    X, Y = sets
    half = len(X) // 2
    n, m = len(X) - half, len(Y)

    def call():
        index = NearestNeighbors(n_neighbors=1).fit(X[:half])
        d_test, d_generated = (index.kneighbors(A)[0][:, 0] for A in (X[half:], Y))
        u = mannwhitneyu(d_generated, d_test).statistic
        return [(u - n * m / 2) / np.sqrt(n * m * (n + m + 1) / 12)]

    return call


def skvae_prd(sets):
    from skvae.metrics import precision_recall_distribution

    def call():
        result = precision_recall_distribution(*sets, random_state=0)
        return [result.f_8, result.f_1_8]

    return call


def reference_prd(sets):
    """Sajjadi et al.'s computation: ten clusterings, one curve each, averaged."""
    from sklearn.cluster import MiniBatchKMeans

    def call():
        curves, pooled = [], np.vstack(sets)
        angles = np.linspace(1e-10, np.pi / 2 - 1e-10, 1001)
        slopes = np.tan(angles)
        rng = np.random.RandomState(0)  # of skvae: the clusters are the same
        for _ in range(10):
            seed = rng.randint(np.iinfo(np.int32).max)
            kmeans = MiniBatchKMeans(20, n_init=10, random_state=seed).fit(pooled)
            r, g = (
                np.bincount(part, minlength=20) / len(part)
                for part in np.split(kmeans.labels_, 2)
            )
            precision = np.minimum(slopes[:, None] * r, g).sum(axis=1)
            curves.append((precision, precision / slopes))
        p, r = np.clip(np.mean(curves, axis=0), 0, 1)
        return [np.max((1 + b**2) * p * r / (b**2 * p + r + 1e-10)) for b in (8, 1 / 8)]

    return call


# title: (what the values may differ by, in words and as a number, our call, peers); a
# peer is (name of its package, call).
TASKS = {
    "Frechet distance from statistics": (
        "relative 6e-7 of scale",
        6e-7,
        skvae_frechet_statistics,
        [
            ("scipy", scipy_sqrtm),
            ("pytorch_fid", pytorch_fid_statistics),
            ("torch_fidelity", torch_fidelity_statistics),
            ("torchmetrics", torchmetrics_statistics),
        ],
    ),
    "Frechet distance from rows": (
        "relative 6e-7 of scale",
        6e-7,
        skvae_frechet_data,
        [("torch_fidelity", torch_fidelity_data)],
    ),
    "kernel distance": (
        "absolute, five errors of a mean over subsets",
        1e-3,
        skvae_kernel_distance,
        [("torch_fidelity", torch_fidelity_kid)],
    ),
    "precision, recall, density, coverage": (
        "1.5 / rows",
        None,
        skvae_balls,
        [("prdc", prdc_balls), ("torch_fidelity", torch_fidelity_balls)],
    ),
    "maximum mean discrepancy, RBF": (
        "1e-11",
        1e-11,
        skvae_mmd,
        [("numpy", cmmd_whole_kernels)],
    ),
    "authenticity": (
        "1.5 / rows",
        None,
        skvae_authenticity,
        [("torch", dgm_authenticity)],
    ),
    "data copying": (
        "0.02",
        0.02,
        skvae_data_copying,
        [("sklearn", meehan_data_copying)],
    ),
    "PRD": ("1e-9", 1e-9, skvae_prd, [("sklearn", reference_prd)]),
}


# -------------------------------------------------------------------------- measuring


def declare_torchvision_operators():
    """Let torchvision import beside a torch that has no build of its operators."""
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        with contextlib.suppress(RuntimeError):
            library.define(f"{name}(Tensor dets, Tensor scores, float t) -> Tensor")
    return library


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


class Peak:
    """Peak of resident memory in MB over that at entry, sampled every 2 ms."""

    def __enter__(self):
        self.start = self.top = resident()
        self.running = True
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.running = False
        self.thread.join()

    def _watch(self):
        while self.running:
            self.top = max(self.top, resident())
            time.sleep(0.002)


def worker(make_call, n, d, connection):
    warnings.simplefilter("ignore")
    try:
        import torch

        torch.set_num_threads(1)
        kept = declare_torchvision_operators()
        # Libraries load what they need on the first call, here a small one.
        make_call(make_sets(min(n, 1200), min(d, 64)))()
        call = make_call(make_sets(n, d))
        with Peak() as peak:
            start = time.process_time()
            values = list(map(float, call()))
            seconds = time.process_time() - start
        if seconds < SHORT:
            seconds = mean_seconds(call, 1 + int(SHORT / max(seconds, 1e-4)))
        connection.send((values, seconds, max(peak.top - peak.start, 1.0)))
        del kept
    except Exception as error:
        connection.send(f"{type(error).__name__}: {error}")


def mean_seconds(call, n_calls):
    start = time.process_time()
    for _ in range(n_calls):
        call()
    return (time.process_time() - start) / n_calls


def measure(make_call, n, d):
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(False)
    process = context.Process(target=worker, args=(make_call, n, d, sender))
    process.start()
    sender.close()
    try:
        result = receiver.recv()
    except EOFError:
        result = "the process ended (memory?)"
    process.join()
    return result


def installed(name):
    return bool(importlib.util.find_spec(name))


def in_turns(make_calls, n, d, turns):
    """Return {name: (values, seconds of every turn, median MB)} and {name: error}."""
    runs, errors = {name: [] for name in make_calls}, {}
    for _ in range(turns):
        for name, make_call in make_calls.items():
            result = None if name in errors else measure(make_call, n, d)
            if isinstance(result, str):
                errors[name] = result
            elif result is not None:
                runs[name].append(result)
    results = {}
    for name, done in runs.items():
        if done:
            values, seconds, memory = zip(*done, strict=True)
            results[name] = values[0], sorted(seconds), np.median(memory)
    return results, errors


def compare(title, n, d, turns):
    _, tolerance, own, peers = TASKS[title]
    calls = {"skvae": own} | {name: call for name, call in peers if installed(name)}
    results, errors = in_turns(calls, n, d, turns)
    print(f"\n{title}: {n} x {d}", flush=True)
    for name, error in errors.items():
        print(f"  {name:15} failed: {error[:90]}")
    if "skvae" not in results:
        return
    ours = results["skvae"]
    tolerance = 1.5 / n if tolerance is None else tolerance
    unit = tolerance_unit(title, n, d)
    for name, (values, seconds, memory) in results.items():
        line = f"  {name:15} {np.median(seconds):7.3g} s ({seconds[0]:.3g} to "
        line += f"{seconds[-1]:.3g}) {memory:6.0f} MB  "
        line += " ".join(f"{value:.6g}" for value in values)
        if name != "skvae":
            difference = np.nanmax(np.abs(np.subtract(values, ours[0]))) / unit
            verdict = "same" if difference <= tolerance else "DIFFERENT"
            line += f"  ({verdict}: {difference:.1e}, at most {tolerance:.1e}; "
            line += f"time x {np.median(seconds) / np.median(ours[1]):.2f}, "
            line += f"memory x {memory / ours[2]:.1f})"
        print(line, flush=True)


def tolerance_unit(title, n, d):
    """Scale of the metric, by which differences are divided."""
    if title.startswith("Frechet"):
        X, Y = make_sets(n, d)
        shift = X.mean(axis=0) - Y.mean(axis=0)
        return shift @ shift + X.var(axis=0).sum() + Y.var(axis=0).sum()
    return 1.0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, help="instead of those above")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--features", type=int, nargs="+", default=[64, 2048])
    parser.add_argument("--only", default="", help="part of a task's title")
    parser.add_argument("--quick", action="store_true", help="one turn of 1,200 x 64")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.turns, options.features = 1200, 1, [64]
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    start = time.perf_counter()
    for d in options.features:
        rows = options.rows or (10_000 if d < 1000 else 5000)
        for title in TASKS:
            if options.only in title:
                compare(title, rows, d, options.turns)
    print(f"\n{(time.perf_counter() - start) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
