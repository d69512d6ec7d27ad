"""Handwritten digits: fit, score and sample a variational autoencoder.

The 1,797 digits of 8 x 8 pixels that ship with scikit-learn, grey levels 0 to 16. One
model is fitted twice, with the standard normal prior and with a Gaussian mixture as the
density of its latent variables. Prints one table and writes quickstart.png.
"""

import os

import numpy as np
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import train_test_split

from skvae import VAE
from skvae.metrics import frechet_distance, nearest_neighbour_distances
from skvae.networks import MLP
from skvae.plotting import SampleGridDisplay

torch.set_num_threads(1)  # networks as small as these gain nothing from more
SMALL = os.environ.get("SKVAE_EXAMPLE_SIZE") == "small"

# 1. Data. A quarter is held out; every figure below is about those rows.
X_train, X_test = train_test_split(load_digits().data, test_size=0.25, random_state=0)
print(f"{len(X_train)} digits to train on, {len(X_test)} held out")

# 2. Models. A network soon knows a thousand rows by heart: a tenth of them is kept
#    aside, and training goes back to the epoch that predicted those best. The other
#    values were chosen by the log-likelihood of held-out digits in other splits.
vae = VAE(
    n_components=24,
    network=MLP(hidden_layer_sizes=(128,), activation="silu"),
    batch_size=64,
    max_epochs=5 if SMALL else 400,
    early_stopping=True,
    n_iter_no_change=30,
    random_state=0,
)
mixture = clone(vae).set_params(latent_density=GaussianMixture(10, random_state=0))
for model in (vae, mixture):  # the same weights; they differ in the latent density
    model.fit(X_train)
pca = PCA(n_components=24).fit(X_train)

# 3. Samples: as many as training rows, since a Frechet distance depends on the number.
X_normal = vae.sample(len(X_train), random_state=0)
X_mixture = mixture.sample(len(X_train), random_state=0)


# 4. Figures. The training rows themselves are the floor of the Frechet distance: what
#    perfect samples would have. Without copying, samples are as often nearer to a
#    training row as to one of equally many held-out rows.
def likelihood_and_error(model):
    error = X_test - model.inverse_transform(model.transform(X_test))
    return f"{model.score(X_test):.1f}", f"{np.sqrt(np.mean(error**2)):.2f}"


def distance_and_copies(X_generated):
    near = nearest_neighbour_distances(X_train, X_test, X_generated, random_state=0)
    distance = frechet_distance(X_test, X_generated)
    return f"{distance:.1f}", f"{near.closer_to_train:.0%}"


def line(name, *cells):
    print(f"{name:18}" + "".join(f"{cell:>16}" for cell in cells))


print()
line("", "log-likelihood", "reconstruction", "samples", "samples")
line("", "nats per row", "rms error", "Frechet dist.", "nearer to train")
line("PCA, 24 components", *likelihood_and_error(pca))
line("VAE, z ~ N(0, I)", *likelihood_and_error(vae), *distance_and_copies(X_normal))
line(
    "VAE, z ~ mixture", *likelihood_and_error(mixture), *distance_and_copies(X_mixture)
)
line("training rows", "", "", f"{frechet_distance(X_test, X_train):.1f}")

# 5. One picture, of sixteen digits a row.
rows = {
    "held-out digits": X_test[:16],
    "reconstructions": vae.reconstruct(X_test[:16]),
    "samples, z ~ N(0, I)": X_normal[:16],
    "samples, z ~ mixture": X_mixture[:16],
}
display = SampleGridDisplay.from_predictions(
    np.vstack(list(rows.values())),
    row_names=list(rows),
    n_columns=16,
    value_range=(0, 16),
    im_kw={"cmap": "gray_r"},
)
display.figure_.savefig("quickstart.png", dpi=110)
print("\nThe picture is in quickstart.png.")
