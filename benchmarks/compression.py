"""Lossless compression of images: models against the compressors of everyone.

    python benchmarks/compression.py --data FOLDER [--rows 20000] [--epochs 12]
        [--figure docs/compression.png]

FOLDER holds the files of MNIST and Fashion-MNIST (see `skvae.datasets.load_mnist`).
For binarised MNIST, MNIST and Fashion-MNIST, a table has bits per pixel of the first
2,000 test images: by gzip, bz2 and lzma of their bytes (packed to bits where binarised)
at the highest levels, by PNG of one picture of them all, and by skvae with models of
`--rows` training images, which are not counted.

"bound" is the negative evidence lower bound of one draw, "net" the message without its
header and the bits by which the first code is drawn, "initial" these bits in bytes.
Times are of the processor, in seconds, and speeds in images per second.
"""

import argparse
import bz2
import io
import lzma
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from skvae import VAE, TwoStageVAE
from skvae.compression import compress, decompress
from skvae.compression._format import read
from skvae.datasets import load_fashion_mnist, load_mnist
from skvae.evaluation import evaluate_likelihood
from skvae.likelihoods import DiscretizedLogisticLikelihood
from skvae.networks import MLP

N_TEST = 2000
LOADERS = {
    "binarised MNIST": load_mnist,
    "MNIST": load_mnist,
    "Fashion-MNIST": load_fashion_mnist,
}
# The better one on images held out: where most pixels are exactly black, a predicted
# scale is too sure of them.
SCALES = {"MNIST": "global", "Fashion-MNIST": "predicted"}


def load_images(name, options):
    """Return images to train on and to compress, binarised at random if asked for."""
    load, sets = LOADERS[name], []
    for seed, subset in enumerate(("train", "test")):
        X = load(subset=subset, data_home=options.data, download_if_missing=False).data
        X = X[: N_TEST if seed else options.rows].reshape(-1, 784)
        if name.startswith("binarised"):
            X = (np.random.default_rng(seed).random(X.shape) < X / 255).astype(np.uint8)
        sets.append(X)
    return sets


def png(X):
    """Return the bytes of one picture of all images, one below the other."""
    picture = Image.fromarray(X.reshape(-1, 28) * (255 if X.max() == 1 else 1))
    file = io.BytesIO()
    if X.max() == 1:
        picture = picture.convert("1")
    picture.save(file, "png", optimize=True)
    return file.getvalue()


def by_others(X):
    content = np.packbits(X) if X.max() == 1 else X
    content = content.tobytes()
    messages = {
        "gzip": zlib.compress(content, 9),
        "bz2": bz2.compress(content, 9),
        "lzma": lzma.compress(content, preset=9 | lzma.PRESET_EXTREME),
        "PNG": png(X),
    }
    return {name: 8 * len(m) / X.size for name, m in messages.items()}


def make_models(name, options):
    """Return models that are not fitted, by what a table calls them."""
    shared = {"max_epochs": options.epochs, "random_state": 0}
    if name.startswith("binarised"):
        shared |= {"likelihood": "bernoulli", "network": MLP((256,), skip=False)}
        second = VAE(32, network=MLP((256, 256), skip=False), kl_warmup=0.15)
        second.set_params(max_epochs=options.epochs, random_state=0)
        return {
            "VAE": VAE(32, **shared),
            "TwoStageVAE": TwoStageVAE(32, second_stage=second, **shared),
        }
    likelihood = DiscretizedLogisticLikelihood(high=255, scale=SCALES[name])
    return {"VAE": VAE(32, likelihood=likelihood, network=MLP((256, 256)), **shared)}


def measure(model, X):
    """Return the figures of a fitted model, by name; assert that X comes back."""
    start = time.process_time()
    message = compress(model, X)
    middle = time.process_time()
    assert np.array_equal(decompress(model, message), X)
    end = time.process_time()
    header, words = read(message)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of one draw, which is what is asked for
        found = evaluate_likelihood(model, X, n_importance_samples=1)
    return {
        "bits": 8 * len(message) / X.size,
        "net": 32 * (len(words) - header.n_known) / X.size,
        "bound": found.bits_per_dimension,
        "initial": 4 * header.n_known,
        "header": len(message) - 4 * len(words),
        "images/s": (len(X) / (middle - start), len(X) / (end - middle)),
    }


def run(name, options):
    """Print a line for every compressor; return bits per pixel by compressor."""
    train, test = load_images(name, options)
    bits = by_others(test)
    for label, value in bits.items():
        print(f"| {name} | {label} | {value:.4f} |", flush=True)
    for label, model in make_models(name, options).items():
        start = time.process_time()
        model.fit(train)
        seconds = time.process_time() - start
        found = measure(model, test)
        bits[label] = found["bits"]
        print(
            f"| {name} | {label} | {found['bits']:.4f} | net {found['net']:.4f} "
            f"({found['net'] / found['bound'] - 1:+.2%}) | bound {found['bound']:.4f} "
            f"| initial {found['initial']} B, header {found['header']} B "
            f"| {found['images/s'][0]:.0f}, {found['images/s'][1]:.0f} images/s "
            f"| {model.n_epochs_} epochs, {seconds:.0f} s",
            flush=True,
        )
    return bits


def draw(tables, path):
    """Save bars of bits per pixel, one panel for each data set."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(tables), figsize=(9, 2.8), layout="constrained")
    for ax, (name, bits) in zip(axes, tables.items(), strict=True):
        labels = sorted(bits, key=bits.get, reverse=True)
        is_own = [label.endswith("VAE") for label in labels]
        colours = ["tab:blue" if own else "lightgrey" for own in is_own]
        bars = ax.barh(labels, [bits[label] for label in labels], color=colours)
        ax.bar_label(bars, fmt="%.3f", padding=2)
        ax.set(title=name, xlabel="bits per pixel", xlim=(0, 1.2 * max(bits.values())))
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    tables = {name: run(name, options) for name in LOADERS}
    if options.figure:
        draw(tables, options.figure)
