"""New digits from three minutes of one core: a VAE of MNIST and a mixture of its codes.

A perceptron is trained on 60,000 images of 28 x 28 bytes, all else that concerns the
model is a default: its mean stays between black and white, and it starts at principal
components. A mixture of 100 normals is then fitted to the codes, in seconds; samples
are decoder means of draws from it. N(0, I) in its place shows what the mixture is for.
Prints one table and writes mnist_samples.png.

MNIST if its files are at hand (see `skvae.datasets.load_mnist`), else the digits of
8 x 8 pixels that ship with scikit-learn. What to look for: strokes as sharp as those of
reconstructions, an empty background, all ten digits, and samples that are not nearer to
training images than to others, as copies would be.
"""

import os
import time

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split

from skvae import VAE
from skvae.datasets import load_mnist
from skvae.metrics import frechet_distance, nearest_neighbour_distances
from skvae.networks import MLP
from skvae.plotting import SampleGridDisplay

torch.set_num_threads(1)
SMALL = os.environ.get("SKVAE_EXAMPLE_SIZE") == "small"

# 1. Images, as bytes.
try:
    X_train, X_test = (
        load_mnist(subset=subset, download_if_missing=False).images
        for subset in ("train", "test")
    )
    X_test = X_test[::2]  # the first half is easier than the second
    name, n_epochs, n_normals = "MNIST", 20, 100
except FileNotFoundError:
    X_train, X_test = train_test_split(
        load_digits().images.astype(np.uint8), random_state=0
    )
    name, n_epochs, n_normals = "scikit-learn's digits", 100, 10
if SMALL:
    X_train, n_epochs, n_normals = X_train[:1000], 3, 10
print(f"{name}: {len(X_train)} images to train on, {len(X_test)} held out")

# 2. The model, and the density of its codes.
vae = VAE(
    n_components=24,
    network=MLP((512, 512)),
    lr_schedule="cosine",
    max_epochs=n_epochs,
    random_state=0,
)
start = time.process_time()
vae.fit(X_train)
samples = {"z ~ N(0, I)": vae.sample(len(X_test), random_state=0)}
middle = time.process_time()
vae.set_params(latent_density=GaussianMixture(n_normals, random_state=0))
vae.fit_latent_density(X_train)
samples["z ~ mixture"] = vae.sample(len(X_test), random_state=0)
end = time.process_time()
seconds = f"{middle - start:.0f} s for the networks, {end - middle:.0f} s"
print(f"{seconds} for the mixture and samples\n")


# 3. The table, of pixels as shares of the grey levels' range.
def rows(X):
    return X.reshape(len(X), -1) / np.float64(X_train.max())


print(f"{'':18}{'Frechet distance':>18}{'nearer to train':>18}")
for label, X in samples.items():
    distance = frechet_distance(rows(X_test), rows(X))
    near = nearest_neighbour_distances(
        rows(X_train[: len(X_test)]), rows(X_test), rows(X), random_state=0
    )
    print(f"{label:18}{distance:18.2f}{near.closer_to_train:18.0%}")
floor = frechet_distance(rows(X_test), rows(X_train[: len(X_test)]))
print(f"{'training images':18}{floor:18.2f}")

# 4. The picture, of sixteen images a row.
shown = {
    "held-out images": X_test[:16],
    "reconstructions": vae.reconstruct(X_test[:16]),
    "samples": samples["z ~ mixture"][:16],
    "more samples": samples["z ~ mixture"][16:32],
    "and more": samples["z ~ mixture"][32:48],
}
display = SampleGridDisplay.from_predictions(
    np.concatenate(list(shown.values())),
    row_names=list(shown),
    n_columns=16,
    value_range=(0, X_train.max()),
    im_kw={"cmap": "gray_r"},
)
display.figure_.savefig("mnist_samples.png", dpi=110, bbox_inches="tight")
print("\nThe picture is in mnist_samples.png.")
