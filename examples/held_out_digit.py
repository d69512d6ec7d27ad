"""Can a VAE reconstruct a digit that it has never seen? Shallow and deep networks.

Bozkurt et al. ("Can VAEs generate novel examples?", 2018) leave one digit out of the
training data. For any encoder, the best decoder that the training rows allow returns an
average of them, with the weights q(z|x_i) / sum_j q(z|x_j): a decoder that matches it
has memorised its data, and answers an unseen nine with a four. A decoder that returns
the nine has learned something better. The finding: decoders of one hidden layer
reconstruct the unseen digit; deeper ones are drawn to the average.

Four models, with one and with three hidden layers, fitted to data without nines and to
as many rows with nines; all are judged on nines of the test data. The perplexity of the
weights is the number of training rows in the average. Errors are squared, by pixel,
since cross-entropy has another minimum for every target. Prints a table and writes
held_out_digit.png.

The digits of MNIST if their files are at hand (see `skvae.datasets.load_mnist`), as in
the paper but for 20,000 images to train on; else those of 8 x 8 pixels that ship with
scikit-learn.
"""

import os
import warnings

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skvae import VAE
from skvae.datasets import held_out_class_split, load_mnist
from skvae.diagnostics import optimal_decoder, reconstruction_matching
from skvae.networks import MLP

torch.set_num_threads(1)
warnings.filterwarnings("ignore", message="Posterior collapse")
SMALL = os.environ.get("SKVAE_EXAMPLE_SIZE") == "small"

# 1. Data, without nines and with them.
try:
    (X_train, y_train), (X_test, y_test) = (
        load_mnist(subset=subset, download_if_missing=False, return_X_y=True)
        for subset in ("train", "test")
    )
    name, X_train, X_test = "MNIST", X_train / 255, X_test / 255
    n_train, n_components, hidden, max_epochs = 20_000, 50, (400, 200, 100), 30
    likelihood = "bernoulli"
except FileNotFoundError:
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)
    name = "scikit-learn's digits"
    n_train, n_components, hidden, max_epochs = len(X), 16, (128, 64, 32), 200
    likelihood = "gaussian"  # on these, Bernoulli's leaves wide posteriors
n_train = min(n_train, 1000) if SMALL else n_train
split = held_out_class_split(
    X_train[:n_train], X_test, y_train[:n_train], y_test, held_out=9, random_state=0
)
nines = split.X_held_out

# 2. Four models. On MNIST, likelihood, layers and latent dimension are the paper's.
networks = {
    "1 layer": MLP(hidden[:1], skip=False),
    "3 layers": MLP(hidden, skip=False),
}
data = {"no nines": split.X_without, "with nines": split.X_with}
models, results = {}, {}
for depth, network in networks.items():
    for seen, X in data.items():
        vae = VAE(
            n_components,
            network=network,
            likelihood=likelihood,
            max_epochs=3 if SMALL else max_epochs,
            early_stopping=False,  # whether it memorises is the question
            random_state=0,
        ).fit(X)
        models[depth, seen] = vae
        results[depth, seen] = reconstruction_matching(vae, nines, X)

# 3. The table.
print(f"{name}: {len(split.X_without)} rows to train on, {len(nines)} unseen nines\n")
columns = ("nearer to nine", "error to nine", "to average", "perplexity", "below 1.5")
print(f"{'':22}" + "".join(f"{column:>16}" for column in columns))
for (depth, seen), result in results.items():
    cells = (
        f"{result.closer_to_input:.2f}",
        f"{result.error_to_input.mean():.4f}",
        f"{result.error_to_average.mean():.4f}",
        f"{np.median(result.perplexity):.2f}",
        f"{np.mean(result.perplexity < 1.5):.2f}",
    )
    print(f"{depth + ', ' + seen:22}" + "".join(f"{cell:>16}" for cell in cells))
print("\nnearer to nine: share of nines whose reconstruction is nearer to them than to")
print("the average; perplexity: median, and the share of nines where it is below 1.5")

# 4. The picture: digits on the left, errors and perplexities of all nines on the right.
figure = Figure(figsize=(11, 3.8), layout="constrained")
left, middle, right = figure.subfigures(1, 3, width_ratios=(5, 3, 3))
side, n_shown = round(nines.shape[1] ** 0.5), 12
rows = {"unseen nines": nines[:n_shown]}
for depth in networks:
    vae = models[depth, "no nines"]
    rows[f"{depth}:\nreconstructions"] = vae.reconstruct(nines[:n_shown])
    best = optimal_decoder(vae, nines[:n_shown], split.X_without)
    rows[f"{depth}:\nbest averages"] = best.averages
for ax, (title, X) in zip(left.subplots(len(rows), 1), rows.items(), strict=True):
    digits = np.pad(X.reshape(-1, side, side), [(0, 0), (1, 1), (1, 1)])
    ax.imshow(np.hstack(list(digits)), cmap="gray_r", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
    ax.set_ylabel(title, rotation=0, ha="right", va="center")
left.suptitle("trained without nines")

ax = middle.subplots()
errors = {depth: results[depth, "no nines"] for depth in networks}
for depth, result in errors.items():
    ax.scatter(
        result.error_to_average, result.error_to_input, s=8, alpha=0.5, label=depth
    )
limit = max(np.max(r[1:3]) for r in errors.values())
ax.plot([0, limit], [0, limit], color="0.5", lw=1)
ax.set(xlabel="error to the average", ylabel="error to the nine")
ax.set_title("below the line: nearer to the nine", fontsize=10)
ax.legend()

ax = right.subplots()
bins = np.linspace(1, 6, 26)
for depth, result in errors.items():
    ax.hist(np.minimum(result.perplexity, 6), bins, histtype="step", label=depth)
ax.set(xlabel="perplexity (last bin: and more)", ylabel="nines")
ax.set_title("training rows in the average", fontsize=10)
ax.legend()
figure.savefig("held_out_digit.png", dpi=110)
print("\nThe picture is in held_out_digit.png.")
