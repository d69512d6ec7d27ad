"""Autoencoders and what keeps their decoders smooth, trained for long.

AE, RAE-L2, RAE-GP and RAE-SN with small perceptrons on images of MNIST, 16 latent
variables: squared error of held-out images after a quarter, half and all of the epochs,
the learned scale, and the Fréchet distance of reconstructions and of samples from a
mixture of ten normals to the 10,000 test images (in the features of the classifier of
``quality_floors.py``; these distances compare with nothing but each other).

    python benchmarks/regularizers.py --data FOLDER [--seeds 3] [--epochs 240]

FOLDER holds the files of MNIST (see `skvae.datasets.load_mnist`).
"""

import argparse

import numpy as np
from quality_floors import N_SAMPLES, fit, load_classifier, load_images, run
from sklearn.base import clone
from sklearn.mixture import GaussianMixture

from skvae import RAE
from skvae.metrics import frechet_distance
from skvae.networks import MLP

MODELS = {
    "AE": RAE(latent_penalty=0, regularizer=None),
    "RAE-L2": RAE(regularizer="l2"),
    "RAE-GP": RAE(regularizer="gradient_penalty"),
    "RAE-SN": RAE(regularizer="spectral_norm"),
}


def measure(seed, options):
    train, test = load_images(options.data, "mnist", options.rows)
    network, reference = load_classifier(options.data)

    def distance(X):
        return frechet_distance(reference, network.transform(X))

    for label, prototype in MODELS.items():
        model = clone(prototype).set_params(
            network=MLP((128,)), warm_start=True, random_state=seed
        )
        for epochs, n_more in ((0.25, 0.25), (0.5, 0.25), (1, 0.5)):
            model.set_params(max_epochs=round(n_more * options.epochs))
            model, remark = fit(model, train)
            error = np.square(test - model.reconstruct(test)).mean()
            n_done = round(epochs * options.epochs)
            yield f"{label}, squared error after {n_done} epochs", error, remark
        yield f"{label}, scale", model.likelihood_.scale_, ""
        Z = model.transform(train)
        norm = (Z**2).sum(1).mean() ** 0.5
        yield f"{label}, root mean squared norm of codes", norm, ""
        reconstructed = model.reconstruct(test)
        yield f"{label}, distance of reconstructions", distance(reconstructed), ""
        density = GaussianMixture(10, random_state=seed).fit(Z.astype(np.float64))
        samples = model.inverse_transform(density.sample(N_SAMPLES)[0])
        yield f"{label}, distance of samples", distance(samples), ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=5000, help="training images")
    parser.add_argument("--epochs", type=int, default=240)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    options.parts = ["regularizers"]
    run({"regularizers": measure}, options)


if __name__ == "__main__":
    main()
