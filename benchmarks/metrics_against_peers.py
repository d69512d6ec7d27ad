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
import multiprocessing
import os
import threading
import time
import warnings

import numpy as np
from metric_tasks import TASKS, make_sets

SHORT = 0.3  # seconds; shorter calls are repeated for about as long


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
