"""Decoder means between the bounds of the data or not, for every family, on images.

MNIST, Fashion-MNIST, CIFAR-10 and the Olivetti faces as in `defaults.py`, as bytes:
VAE, IWAE, WAE, RAE and `TwoStageVAE`, at their defaults but for the second stage, which
has 80 epochs of three layers of 256, each with `bounds="auto"`, which are 0 and 255,
and with `bounds=None`. On rows held out:

- root mean squared error of reconstructions, in grey levels;
- Fréchet distance of 2,000 decoder means, drawn from a mixture of ten (`TwoStageVAE`:
  from its second stage), in the features of a small classifier for MNIST and
  Fashion-MNIST, and in pixels for the others;
- percentage of their values beyond 0 or 255.

How bounds change the log-likelihood of the VAE, `defaults.py` measures.

    python benchmarks/bounded_means.py --data FOLDER [--seeds 5] [--sets MNIST ...]
                                       [--out results.jsonl]
    python benchmarks/bounded_means.py --table results.jsonl
"""

import argparse
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from defaults import IMAGES, N_SAMPLES, cell, error, load, record, rounded
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from skvae import IWAE, RAE, VAE, WAE, TwoStageVAE
from skvae.likelihoods import GaussianLikelihood
from skvae.metrics import frechet_distance
from skvae.networks import MLP

sys.path.append(str(Path(__file__).parents[1] / "examples" / "papers"))
from _images import judge_of
from _runner import Job

FAMILIES = {c.__name__: c for c in (VAE, IWAE, WAE, RAE, TwoStageVAE)}
BOUNDS = {"bounds": "auto", "no bounds": None}
COLUMNS = ("rms error", "distance of samples", "beyond, %", "seconds")


def features(name, folder):
    """Return a function from images to what distances are measured in."""
    if name not in ("MNIST", "Fashion-MNIST"):
        return np.float64
    judge = judge_of(name, Job("cpu", Path(), folder))
    return lambda X: judge.features(np.float32(X) / 255)


def make(family, d, bounds, seed):
    likelihood = GaussianLikelihood(bounds=bounds)
    model = FAMILIES[family](d, likelihood=likelihood, random_state=seed)
    if family == "TwoStageVAE":
        network = MLP((256, 256, 256), skip=False)
        second_stage = VAE(d, network=network, kl_warmup=0.15, max_epochs=80)
        return model.set_params(second_stage=second_stage)
    return model.set_params(latent_density=GaussianMixture(10, random_state=seed))


def measure(model, train, test, transform):
    start = time.process_time()
    model.fit(train)
    seconds = time.process_time() - start
    samples = model.sample(N_SAMPLES, random_state=0)
    distance = frechet_distance(transform(test), transform(samples))
    beyond = 100 * float(((samples < 0) | (samples > 255)).mean())
    rms = error(test, model.reconstruct(test))
    return dict(zip(COLUMNS, (rms, distance, beyond, seconds), strict=True))


def print_table(path):
    """Print both ways side by side, and how much the first is better, as Markdown."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    runs = {(r["set"], r["family"], r["bounds"], r["seed"]): r for r in found}
    columns = [f"{c}, {b}" for c in COLUMNS[:3] for b in BOUNDS]
    columns += ["error, ratio", "distance, ratio", "seeds"]
    print("| data | model | " + " | ".join(columns) + " |")
    print("|" + " --- |" * (len(columns) + 2))
    for name, family in dict.fromkeys((r["set"], r["family"]) for r in found):
        seeds = [
            s
            for s in sorted({r["seed"] for r in found})
            if all((name, family, b, s) in runs for b in BOUNDS)
        ]
        values = {
            (c, b): np.array([runs[name, family, b, s][c] for s in seeds])
            for c in COLUMNS
            for b in BOUNDS
        }
        cells = [cell(list(values[c, b])) for c in COLUMNS[:3] for b in BOUNDS]
        for c in COLUMNS[:2]:
            ratios = values[c, "bounds"] / values[c, "no bounds"]
            ends = (rounded(r, 3) for r in (ratios.min(), ratios.max()))
            cells.append(f"{rounded(ratios.mean(), 3)} ({' to '.join(ends)})")
        print("| " + " | ".join([name, family, *cells, str(len(seeds))]) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("."))
    parser.add_argument("--sets", nargs="*", default=IMAGES, choices=IMAGES)
    parser.add_argument("--families", nargs="*", default=FAMILIES, choices=FAMILIES)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="append results as lines of JSON")
    parser.add_argument("--table", type=Path, help="print what such a file holds")
    options = parser.parse_args()
    if options.table:
        print_table(options.table)
        return
    warnings.simplefilter("ignore")
    for seed in range(options.seeds):
        for name in options.sets:
            train, test, d = load(name, options.data, seed)
            transform = features(name, options.data)
            for family in options.families:
                for label, bounds in BOUNDS.items():
                    with threadpool_limits(1):
                        model = make(family, d, bounds, seed)
                        result = measure(model, train, test, transform)
                    where = {"set": name, "family": family, "bounds": label}
                    record({**where, "seed": seed, **result}, options.out)


if __name__ == "__main__":
    main()
