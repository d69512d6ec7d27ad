"""Handwritten digits: fit, score and sample a variational autoencoder.

The 1,797 digits of 8 x 8 pixels that ship with scikit-learn, grey levels 0 to 16. One
model with all its defaults is fitted twice, with the standard normal prior and with a
Gaussian mixture as the density of its latent variables. Beside it stand PCA and the
best Gaussian mixture of the pixels. Prints one table and writes quickstart.png.
"""

import os
import time

import numpy as np
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, train_test_split

from skvae import VAE
from skvae.metrics import frechet_distance, nearest_neighbour_distances
from skvae.plotting import SampleGridDisplay

torch.set_num_threads(1)  # networks as small as these gain nothing from more
SMALL = os.environ.get("SKVAE_EXAMPLE_SIZE") == "small"

# 1. Data. A quarter is held out; every figure below is about those rows.
X_train, X_test = train_test_split(load_digits().data, test_size=0.25, random_state=0)
print(f"{len(X_train)} digits to train on, {len(X_test)} held out")

# 2. Models. The VAE holds out a tenth of its rows by itself and stops when they get no
#    better. Kind and number of the mixture's normals are chosen by cross-validation.
#    Pixels that are nearly always 0 make any density large, so that the mixture gets
#    the VAE's own least noise, a hundredth of the spread.
vae = VAE(n_components=24, max_epochs=3 if SMALL else 100, random_state=0)
mixture = clone(vae).set_params(latent_density=GaussianMixture(10, random_state=0))
start = time.perf_counter()
for model in (vae, mixture):  # the same weights; they differ in the latent density
    model.fit(X_train)
seconds = time.perf_counter() - start
pca = PCA(n_components=24).fit(X_train)
least_noise = 0.01**2 * X_train.var(axis=0).mean()
search = GridSearchCV(
    GaussianMixture(reg_covar=least_noise, random_state=0),
    [
        {"covariance_type": ["full"], "n_components": [1, 3, 5, 10]},
        {"covariance_type": ["diag"], "n_components": [10, 20, 30, 50, 70]},
    ],
    cv=3,
).fit(X_train)
normals = search.best_estimator_
print(
    f"two VAEs fitted in {seconds:.1f} s; the best mixture of pixels has "
    f"{normals.n_components} normals, '{normals.covariance_type}'"
)

# 3. Samples: as many as training rows, since a Frechet distance depends on the number.
X_normal = vae.sample(len(X_train), random_state=0)
X_mixture = mixture.sample(len(X_train), random_state=0)
X_pixels = normals.sample(len(X_train))[0]


# 4. Figures. The training rows themselves are the floor of the Frechet distance: what
#    perfect samples would have. Without copying, samples are as often nearer to a
#    training row as to one of equally many held-out rows.
def likelihood(model):
    return f"{model.score(X_test):.1f}"


def error(model):
    errors = X_test - model.inverse_transform(model.transform(X_test))
    return f"{np.sqrt(np.mean(errors**2)):.2f}"


def distance_and_copies(X_generated):
    near = nearest_neighbour_distances(X_train, X_test, X_generated, random_state=0)
    distance = frechet_distance(X_test, X_generated)
    return f"{distance:.1f}", f"{near.closer_to_train:.0%}"


def line(name, *cells):
    print(f"{name:18}" + "".join(f"{cell:>16}" for cell in cells))


print()
line("", "log-likelihood", "reconstruction", "samples", "samples")
line("", "nats per row", "rms error", "Frechet dist.", "nearer to train")
line("PCA, 24 components", likelihood(pca), error(pca))
line("best mixture", likelihood(normals), "", *distance_and_copies(X_pixels))
for label, model, X in (
    ("VAE, z ~ N(0, I)", vae, X_normal),
    ("VAE, z ~ mixture", mixture, X_mixture),
):
    line(label, likelihood(model), error(model), *distance_and_copies(X))
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
