"""One regularised autoencoder, four latent densities, one table.

A RAE has no prior: after training, any density fitted to its codes makes it a
generative model. Here the network is trained once, and `fit_latent_density` gives it
one density after the other: a standard normal, as if the codes followed it; one normal
density with a full covariance; a mixture of ten; and a kernel density, whose bandwidth
is chosen by the log-likelihood of left-out codes. Prints one table and writes
four_latent_densities.png.

The digits of MNIST if their files are at hand (see `skvae.datasets.load_mnist`), else
those of 8 x 8 pixels that ship with scikit-learn. Distances are between grey levels,
which suffices to compare samples of one decoder. What to look for: reconstructions of
held-out digits show what the decoder can do, and what samples are worse by is the
density's doing. The last column shows who pays with copies: half of the samples would
be nearer to a training row than to a held-out one if training rows had no pull.
"""

import os

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KernelDensity

from skvae import RAE
from skvae.datasets import load_mnist
from skvae.densities import StandardNormal
from skvae.metrics import (
    density_coverage,
    frechet_distance,
    nearest_neighbour_distances,
)
from skvae.networks import MLP

torch.set_num_threads(1)
SMALL = os.environ.get("SKVAE_EXAMPLE_SIZE") == "small"

# 1. Data: rows of pixels, from 0 for white to 1 for black.
try:
    train, test = (
        load_mnist(subset=subset, download_if_missing=False).data
        for subset in ("train", "test")
    )
    n_train, n_test = (2000, 500) if SMALL else (20_000, 5000)
    X_train, X_test = train[:n_train] / 255, test[:n_test] / 255
    network, max_epochs, batch_size = MLP((512, 512), activation="silu"), 30, 128
    name = "MNIST"
except FileNotFoundError:
    X_train, X_test = train_test_split(load_digits().data / 16, random_state=0)
    network, max_epochs, batch_size = MLP((128,), activation="silu"), 200, 64
    name = "scikit-learn's digits"
side = round(X_train.shape[1] ** 0.5)

# 2. The network, once.
rae = RAE(
    n_components=16,
    network=network,
    batch_size=batch_size,
    max_epochs=3 if SMALL else max_epochs,
    random_state=0,
).fit(X_train)

# 3. Four densities.
codes = rae.transform(X_train)[:2000]
search = GridSearchCV(
    KernelDensity(), {"bandwidth": codes.std() * np.geomspace(0.1, 1, 10)}
)
bandwidth = search.fit(codes).best_params_["bandwidth"]
densities = {
    "standard normal": StandardNormal(),
    "one normal density": GaussianMixture(1),
    "mixture of ten": GaussianMixture(10),
    "kernel density": KernelDensity(bandwidth=bandwidth),
}
samples = {}
for title, density in densities.items():
    rae.set_params(latent_density=density).fit_latent_density(X_train)
    samples[title] = [rae.sample(len(X_test), random_state=i) for i in range(3)]

# 4. One table, with the mean and the spread over three draws of samples.
near_train = X_train[: len(X_test)]


def figures(X):
    few = X[:1000]
    return (
        frechet_distance(X_test, X),
        density_coverage(X_test[:1000], few).coverage,
        nearest_neighbour_distances(
            near_train, X_test, few, random_state=0
        ).closer_to_train,
    )


draws = {
    "other real digits": [X_train[-len(X_test) :]],
    "reconstructions": [rae.reconstruct(X_test)],
    **samples,
}
print(f"{name}: {len(X_train)} rows to train on, {len(X_test)} to compare with\n")
print(f"{'':20}{'Frechet distance':>20}{'coverage':>18}{'nearer to train':>18}")
for title, sets in draws.items():
    table = np.array([figures(X) for X in sets])
    cells = [
        f"{mean:.2f}" + (f" +- {std:.2f}" if len(sets) > 1 else "")
        for mean, std in zip(table.mean(0), table.std(0), strict=True)
    ]
    if title == "reconstructions":
        cells[2] = ""  # of held-out rows, which they are near to by design
    print(f"{title:20}{cells[0]:>20}{cells[1]:>18}{cells[2]:>18}")

# 5. One picture, of sixteen digits a row.
rows = {
    "held-out digits": X_test[:16],
    "reconstructions": rae.reconstruct(X_test[:16]),
    **{title: sets[0][:16] for title, sets in samples.items()},
}
figure = Figure(figsize=(9, 3.8), layout="constrained")
for ax, (title, X) in zip(figure.subplots(len(rows), 1), rows.items(), strict=True):
    digits = np.pad(X.reshape(16, side, side), [(0, 0), (1, 1), (1, 1)])
    ax.imshow(np.hstack(list(digits)), cmap="gray_r", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
    ax.set_ylabel(title, rotation=0, ha="right", va="center")
figure.savefig("four_latent_densities.png", dpi=110)
print("\nThe picture is in four_latent_densities.png.")
