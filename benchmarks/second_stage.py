"""Forms of the second stage of ``TwoStageVAE``: activation and linear path.

5,000 images, 16 components, 20 epochs of the first stage and 80 of a second one of
three layers of 256, with a warm-up of the KL divergence:

``silu``
    The default's form.
``relu``
    The same with the activation of the authors' code.
``relu, path``
    That of the authors' code, with the linear path that it has.

    python benchmarks/second_stage.py --data FOLDER [--parts mnist ...] [--seeds 5]

FOLDER holds the files of MNIST or Fashion-MNIST (see `skvae.datasets.load_mnist`).
"""

import argparse
import functools

import numpy as np
from quality_floors import N_CODES, N_SAMPLES, fit, load_classifier, load_images, run

from skvae import VAE, TwoStageVAE
from skvae.diagnostics import posterior_draws
from skvae.metrics import aggregated_posterior_mmd, frechet_distance
from skvae.networks import MLP

FORMS = {"silu": ("silu", False), "relu": ("relu", False), "relu, path": ("relu", True)}


def measure(name, seed, options):
    train, test = load_images(options.data, name, 5000)
    network, reference = load_classifier(options.data, name)
    for label in options.forms:
        layers = MLP((256, 256, 256), *FORMS[label])
        second = VAE(16, network=layers, kl_warmup=0.15, max_epochs=80)
        model = TwoStageVAE(second_stage=second, max_epochs=20, random_state=seed)
        model, remark = fit(model, train)
        second = model.second_stage_
        samples = network.transform(model.sample(N_SAMPLES, random_state=seed))
        yield f"{label}: distance", frechet_distance(reference, samples), remark
        noisy = model.sample(N_SAMPLES, mean=False, random_state=seed)
        yield f"{label}: variance", noisy.var(0).mean() / test.var(0).mean(), ""
        rows = np.random.default_rng(seed).permutation(train)[:N_CODES]
        Z = posterior_draws(model, rows, random_state=seed)
        U = posterior_draws(second, Z, random_state=seed + 1)
        discrepancy = aggregated_posterior_mmd(U, random_state=seed).value
        yield f"{label}: discrepancy of codes", discrepancy, ""
        Z = posterior_draws(model, test[:N_CODES], random_state=seed)[:2000]
        yield f"{label}: log-likelihood of held-out codes", second.score(Z), ""
        yield f"{label}: active components", len(second.active_components_), ""


PARTS = {name: functools.partial(measure, name) for name in ("mnist", "fashion-mnist")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=PARTS)
    parser.add_argument("--forms", nargs="*", default=list(FORMS), choices=FORMS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    run(PARTS, options)


if __name__ == "__main__":
    main()
