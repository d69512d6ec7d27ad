"""A convolutional VAE of images: fit it, look at it, and ask whether it copies.

Fashion-MNIST if its files are at hand (see `skvae.datasets.load_fashion_mnist`), else
the digits of 8 x 8 pixels that ship with scikit-learn. Images go in as bytes, in the
shape they have, and come out in it. The first three lines of part 2 are the model; each
picture is one line more. Prints one table and writes convolutional_vae_*.png.

What to look for: the reconstructions say what 16 numbers can hold of an image; samples
from a mixture are closer to real images than samples from the prior; and a sample that
is the exact image of its nearest training image would be a copy.
"""

import os
import time

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split

from skvae import VAE
from skvae.datasets import load_fashion_mnist
from skvae.metrics import frechet_distance, nearest_neighbour_distances
from skvae.networks import ConvNet
from skvae.plotting import (
    LatentSpaceDisplay,
    NearestNeighbourDisplay,
    ReconstructionDisplay,
    SampleGridDisplay,
)

torch.set_num_threads(1)
SMALL = os.environ.get("SKVAE_EXAMPLE_SIZE") == "small"

# 1. Images, (n, height, width), and what they show.
try:
    train, test = (
        load_fashion_mnist(subset=subset, download_if_missing=False)
        for subset in ("train", "test")
    )
    name, names, n_train, n_epochs = "Fashion-MNIST", train.target_names, 20_000, 15
    X_train, y_test = train.images, np.asarray(names)[test.target]
    X_test = test.images
except FileNotFoundError:
    digits = load_digits()
    X_train, X_test, _, y_test = train_test_split(
        digits.images.astype(np.uint8), digits.target, random_state=0
    )
    name, n_train, n_epochs = "scikit-learn's digits", len(X_train), 150
if SMALL:
    n_train, n_epochs = 500, 2
X_train, X_test, y_test = X_train[:n_train], X_test[:2000], y_test[:2000]
print(f"{name}: {len(X_train)} images to train on, {len(X_test)} held out")

# 2. The model. Batch normalisation makes short trainings go further.
vae = VAE(
    n_components=16,
    network=ConvNet(normalization="batch"),
    max_epochs=n_epochs,
    random_state=0,
)
start = time.perf_counter()
vae.fit(X_train)
print(
    f"fitted in {time.perf_counter() - start:.0f} s; samples are {vae.sample().shape}"
)

# 3. Samples from two latent densities; the network is trained once.
samples = {"z ~ N(0, I)": vae.sample(len(X_test), random_state=0)}
vae.set_params(latent_density=GaussianMixture(10, random_state=0))
vae.fit_latent_density(X_train)
samples["z ~ mixture"] = vae.sample(len(X_test), random_state=0)


# 4. The table. Distances are between pixels, in shares of the range of grey levels.
def rows(X):
    return X.reshape(len(X), -1) / X_train.max()


print(f"\n{'':24}{'Frechet dist.':>16}{'nearer to train':>18}")
others = {"reconstructions": vae.reconstruct(X_test), **samples}
for label, X in others.items():
    near = nearest_neighbour_distances(
        rows(X_train), rows(X_test), rows(X), random_state=0
    )
    distance = frechet_distance(rows(X_test), rows(X))
    print(f"{label:24}{distance:16.2f}{near.closer_to_train:18.0%}")
floor = frechet_distance(rows(X_test), rows(X_train[: len(X_test)]))
print(f"{'training images':24}{floor:16.2f}")

# 5. Pictures.
displays = {
    "reconstructions": ReconstructionDisplay.from_estimator(vae, X_test),
    "samples": SampleGridDisplay.from_estimator(vae, X_test, random_state=0),
    "neighbours": NearestNeighbourDisplay.from_estimator(
        vae, X_train, X_test=X_test, random_state=0
    ),
    "latent_space": LatentSpaceDisplay.from_estimator(
        vae, X_test, y_test, random_state=0
    ),
}
print()
for label, display in displays.items():
    path = f"convolutional_vae_{label}.png"
    display.figure_.savefig(path, dpi=110, bbox_inches="tight")
    print(f"wrote {path}")
