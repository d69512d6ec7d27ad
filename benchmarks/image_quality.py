"""Convolutional models of real images: which samples are better, over three seeds.

Two parts, run in turn for every seed:

``densities``
    AE, RAE, RAE-L2, RAE-GP, WAE, CV-VAE and VAE on MNIST, 16 latent variables: Fréchet
    distance of samples from a mixture of ten normals, over that of samples from one
    normal, both fitted to the codes of the training images (at most 0.6).
``stages``
    ``TwoStageVAE`` on MNIST and Fashion-MNIST, 64 latent variables, learned scale:
    distance of its samples over that of its first stage's (at most 0.6). The scale
    must not lag behind the error, and must reconstruct better than a scale of 1.

Distances are in the features of a small classifier of the same images, to the 10,000
test images. They are no FIDs and compare with nothing but each other.

    python benchmarks/image_quality.py --data FOLDER [--seeds 3] [--parts densities ...]

FOLDER holds the files of MNIST and Fashion-MNIST (see `skvae.datasets.load_mnist`).
"""

import argparse

import numpy as np
from quality_floors import (
    N_SAMPLES,
    fit,
    load_classifier,
    load_images,
    make_second_stage,
    run,
)
from sklearn.mixture import GaussianMixture

from skvae import RAE, VAE, WAE, TwoStageVAE
from skvae.diagnostics import posterior_draws
from skvae.likelihoods import GaussianLikelihood
from skvae.metrics import frechet_distance
from skvae.networks import ConvNet

SHAPE = (28, 28)
MODELS = {
    "AE": RAE(latent_penalty=0, regularizer=None),
    "RAE": RAE(regularizer=None),
    "RAE-L2": RAE(regularizer="l2"),
    "RAE-GP": RAE(regularizer="gradient_penalty"),
    "WAE": WAE(),
    "CV-VAE": VAE(posterior="constant"),
    "VAE": VAE(),
}


class Judge:
    """Fréchet distance to the test images of one data set."""

    def __init__(self, options, name):
        self.network, self.reference = load_classifier(options.data, name)

    def __call__(self, X):
        return frechet_distance(self.reference, self.network.transform(X))


def measure_densities(seed, options):
    train, test = load_images(options.data, "mnist", options.rows)
    distance = Judge(options, "mnist")
    for label, prototype in MODELS.items():
        model = type(prototype)(**prototype.get_params())
        model.set_params(
            network=ConvNet(image_shape=SHAPE),
            latent_density=None,
            max_epochs=options.epochs,
            random_state=seed,
        )
        model, remark = fit(model, train)
        yield f"{label}, reconstructions", distance(model.reconstruct(test)), remark
        Z = posterior_draws(model, train, random_state=seed)
        normal, mixture = (
            distance(model.inverse_transform(density.sample(N_SAMPLES)[0]))
            for density in (
                GaussianMixture(n, random_state=seed).fit(Z) for n in (1, 10)
            )
        )
        yield f"{label}, one normal", normal, ""
        yield f"{label}, mixture", mixture, ""
        yield f"{label}, mixture / one normal (<= 0.6)", mixture / normal, ""


def measure_stages(seed, options):
    for name in ("mnist", "fashion-mnist"):
        train, test = load_images(options.data, name, options.rows)
        distance = Judge(options, name)

        def make(cls, name=name, **parameters):
            return cls(
                64,
                network=ConvNet(image_shape=SHAPE),
                max_epochs=2 * options.epochs,
                random_state=seed,
                **parameters,
            )

        second = make_second_stage(64, 512, 6 * options.epochs)
        model, remark = fit(make(TwoStageVAE, second_stage=second), train)
        noise = np.random.default_rng(seed).normal(size=(N_SAMPLES, 64))
        first = distance(model.inverse_transform(noise))
        both = distance(model.sample(N_SAMPLES, random_state=seed))
        yield f"{name}, first stage", first, remark
        yield f"{name}, both stages", both, ""
        yield f"{name}, both / first (<= 0.6)", both / first, ""
        learned = np.square(test - model.reconstruct(test)).mean()
        draws = posterior_draws(model, train, random_state=seed)
        error = np.sqrt(np.square(train - model.inverse_transform(draws)).mean())
        scale = float(np.asarray(model.likelihood_.scale_).mean())
        yield f"{name}, learned scale / rms error of draws", scale / error, ""
        fixed, remark = fit(make(VAE, likelihood=GaussianLikelihood(scale=1.0)), train)
        one = np.square(test - fixed.reconstruct(test)).mean()
        yield f"{name}, squared error, scale 1", one, remark
        yield f"{name}, squared error, learned / scale 1 (< 1)", learned / one, ""


PARTS = {"densities": measure_densities, "stages": measure_stages}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=PARTS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=20_000, help="training images")
    parser.add_argument("--epochs", type=int, default=5, help="twice that for stages")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    run(PARTS, options)


if __name__ == "__main__":
    main()
