"""Importance-sampled NLL of VAE and IWAE on three densities in the plane.

Prints bits by density, model and seed, beside the published figures (Yu, "A Tutorial on
VAEs", arXiv 2006.10273, tables 1 and 2) and the entropy, the least that is possible.
The NLL is the entropy plus the mean of log p(x) - log p_model(x) over fresh draws, with
250 importance samples a row; its standard error stands in brackets.

    python benchmarks/toy_densities.py --seeds 5 --steps 12000
"""

import argparse
import time
import warnings

import numpy as np

from skvae import IWAE, VAE
from skvae.datasets import Checkerboard, EightGaussians, TwoSpirals
from skvae.likelihoods import GaussianLikelihood
from skvae.networks import MLP

DENSITIES = {
    "8 gaussians": (EightGaussians(), -1.87, -1.91),
    "checkerboard": (Checkerboard(), -0.81, -0.87),
    "2 spirals": (TwoSpirals(), -2.15, -2.29),
}
BATCH_SIZE = 200


def make_models(n_epochs, width, vae_epochs):
    common = {
        "network": MLP(hidden_layer_sizes=(width,) * 3),
        "likelihood": GaussianLikelihood(scale="predicted"),
        "learning_rate": 1e-3,
        "lr_schedule": "cosine",
        "batch_size": BATCH_SIZE,
        "device": "cpu",
    }
    yield "IWAE", IWAE(2, n_importance_samples=10, max_epochs=n_epochs, **common)
    yield "VAE", VAE(2, kl_warmup=0.5, max_epochs=vae_epochs, **common)
    yield (
        "VAE, free bits 0.05",
        VAE(2, kl_warmup=0, free_bits=0.05, max_epochs=vae_epochs, **common),
    )


def bits(density, model, n_test):
    X = density.sample(n_test, random_state=12345)
    log_p = model.score_samples(X, n_importance_samples=250)
    excess = density.score_samples(X) - log_p
    error = excess.std() / len(X) ** 0.5
    return (density.entropy() + excess.mean()) / np.log(2), error / np.log(2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--n-test", type=int, default=4000)
    parser.add_argument("--densities", nargs="*", default=list(DENSITIES))
    parser.add_argument("--models", nargs="*", default=None)
    options = parser.parse_args()
    n_rows = 40_000
    n_epochs = max(1, options.steps * BATCH_SIZE // n_rows)
    for name in options.densities:
        density, vae, iwae = DENSITIES[name]
        print(
            f"{name}: entropy {density.entropy() / np.log(2):.3f}, published VAE "
            f"{vae}, IWAE {iwae}",
            flush=True,
        )
        for seed in range(options.seeds):
            X = density.sample(n_rows, random_state=seed)
            for label, model in make_models(n_epochs, options.width, 2 * n_epochs):
                if options.models and label not in options.models:
                    continue
                start = time.perf_counter()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    model.set_params(random_state=seed).fit(X)
                seconds = time.perf_counter() - start
                value, error = bits(density, model, options.n_test)
                print(
                    f"  seed {seed}  {label:20s} {value:7.3f} ({error:.3f}) bits  "
                    f"{seconds:4.0f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
