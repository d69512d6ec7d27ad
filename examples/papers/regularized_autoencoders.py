"""Ghosh et al., "From Variational to Deterministic Autoencoders": eight models.

Tables 1 and 2 on MNIST: reconstructions of test images, samples from N(0, I), from one
normal and from a mixture of ten normals fitted to the codes of the training images, and
midpoints of spherical interpolations; precision and recall of samples. Figure 3:
interpolations between the same test images by all models. Figure 1: draws
z ~ q(z|x) per row and step. Figure 2: weight of the KL divergence. Appendix E: training
images nearest to samples. RAE-SN, which learns slowly, also after a quarter and half of
its epochs.

Column N of table 1 is N(0, I) for VAE and WAE, and one normal density for all others.
Means are bounded by 0 and 1, as in the authors' decoders. Distances are in the features
of a small classifier of the same images: they are no FIDs, and only their order and
ratios are compared with the paper's.

    python examples/papers/regularized_autoencoders.py --data FOLDER [--jobs 2]
                                                       [--images CIFAR-10]

FOLDER holds the files of MNIST or, with ``--images CIFAR-10``, those of CIFAR-10 (see
`skvae.datasets.load_mnist` and `load_cifar10`); of CIFAR-10, tables and appendix E.
"""

import argparse
import sys

import numpy as np
from _images import FEATURES, SHAPES, judge_of, load_images, save_rows
from _interpolations import figure_of_paths, save_neighbours, save_paths
from _regularized import DRAWS, LENGTHS, WEIGHTS, claims_of, column_n
from _runner import Experiment, main
from sklearn.mixture import GaussianMixture

from skvae import RAE, VAE, WAE
from skvae.diagnostics import decoding_scores, posterior_draws
from skvae.likelihoods import GaussianLikelihood
from skvae.metrics import nearest_neighbour_distances, precision_recall_distribution
from skvae.networks import MLP, RAENet

MODELS = {
    "VAE": (VAE, {}),
    "CV-VAE": (VAE, {"posterior": "constant"}),
    "WAE": (WAE, {}),
    "RAE-GP": (RAE, {"regularizer": "gradient_penalty"}),
    "RAE-L2": (RAE, {"regularizer": "l2"}),
    "RAE-SN": (RAE, {"regularizer": "spectral_norm"}),
    "RAE": (RAE, {"regularizer": None}),
    "AE": (RAE, {"latent_penalty": 0.0, "regularizer": None}),
}
N_COMPONENTS = {"MNIST": 16, "CIFAR-10": 128}
N_IMAGES = {"MNIST": "50,000 of 32 x 32", "CIFAR-10": "40,000"}
SCALES = {
    "smoke": {"n_train": 300, "n_samples": 200, "epochs": 2, "layer": 16},
    "cpu": {"n_train": 5000, "n_samples": 10_000, "epochs": 60, "layer": 256},
    "full": {"n_train": 50_000, "n_samples": 10_000, "epochs": 100, "layer": None},
}


def cells_of(data, sizes):
    shared = {"data": data, **sizes}
    models = {name: {"model": name, **shared} for name in MODELS}
    if sizes["layer"]:  # small networks need more steps under spectral normalisation
        models["RAE-SN"] |= {"epochs": 4 * sizes["epochs"]}
    return models | (sweeps_of(models, shared) if data == "MNIST" else {})


def sweeps_of(models, shared):
    weights = {
        f"KL weight {w:g}": {"model": "VAE", "beta": w, **shared} for w in WEIGHTS
    }
    draws = {
        f"draws per row {n}": {"model": "VAE", "n_samples_a_step": n, **shared}
        for n in DRAWS
    }
    epochs = models["RAE-SN"]["epochs"]
    lengths = {
        f"RAE-SN, {share:g} of the epochs": models["RAE-SN"]
        | {"epochs": max(1, round(share * epochs)), "only_distances": True}
        for share in LENGTHS
    }
    return weights | draws | lengths


def make_model(settings, seed):
    cls, parameters = MODELS[settings["model"]]
    layer, data = settings["layer"], settings["data"]
    if "beta" in settings:  # weight of the KL beside the sum of squares, as in fig. 2
        likelihood = GaussianLikelihood(0.5**0.5, bounds=(0, 1))
        parameters = {"beta": settings["beta"], "likelihood": likelihood}
    if "n_samples_a_step" in settings:
        parameters = {"n_samples": settings["n_samples_a_step"]}
    bounded = {"likelihood": GaussianLikelihood(bounds=(0, 1))}
    return cls(
        N_COMPONENTS[data],
        network=MLP((layer,)) if layer else RAENet(image_shape=SHAPES[data]),
        max_epochs=settings["epochs"],
        early_stopping=False,
        random_state=seed,
        **(bounded | parameters),
    )


def compute(cell, job):
    settings, seed = cell.settings, cell.seed
    n, name = settings["n_samples"], settings["data"]
    images = load_images(name, job).first(settings["n_train"], n)
    judge = judge_of(name, job)
    model = make_model(settings, seed).fit(images.train)

    def distance(_, X):
        return judge(X)

    scores = decoding_scores(
        model, images.test, judge.test, distance=distance, random_state=seed
    )
    codes = posterior_draws(model, images.train, random_state=seed)
    noise = np.random.default_rng(seed).normal(size=(n, codes.shape[1]))
    decoded = {"N(0, I)": noise}
    for name, n_normals in (("one normal", 1), ("mixture", 10)):
        density = GaussianMixture(n_normals, max_iter=100, random_state=seed).fit(codes)
        decoded[name] = np.random.default_rng(seed).permutation(density.sample(n)[0])
    samples = {name: model.inverse_transform(Z) for name, Z in decoded.items()}
    reconstructed = model.reconstruct(images.test)
    figures = {
        "squared error": np.square(reconstructed - images.test).mean(),
        "reconstructions": scores.reconstruction,
        **{name: judge(X) for name, X in samples.items()},
        "midpoints": scores.interpolation,
    }
    if settings.keys() & {"beta", "n_samples_a_step", "only_distances"}:
        return figures
    shown = {"test images": images.test, "reconstructions": reconstructed, **samples}
    save_rows(job, f"samples of {cell}", shown, image_shape=images.shape)
    save_neighbours(job, cell, samples["mixture"], images)
    figures |= figures_of_samples(judge, samples, images, seed)
    return figures | save_paths(job, cell, model, images)


def figures_of_samples(judge, samples, images, seed):
    """Precision, recall, and whether samples of the mixture are near training rows."""
    n = min(len(judge.reference), len(samples["mixture"]))
    figures = {}
    for name in ("one normal", "mixture"):
        prd = precision_recall_distribution(
            judge.reference[:n], judge.features(samples[name][:n]), random_state=seed
        )
        figures |= {f"F_8, {name}": prd.f_8, f"F_1/8, {name}": prd.f_1_8}
    near = nearest_neighbour_distances(
        images.train, images.test, samples["mixture"][:1000], random_state=seed
    )
    return figures | {"nearer to train": near.closer_to_train}


# ----------------------------------------------------------------------------- pictures


def draw(results):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    ax = figure.subplots()
    for models in results.values():
        for name, f in models.items():
            if name in MODELS:
                ax.loglog(column_n(models, name), f["mixture"], "o", color="C0")
                ax.annotate(name, (column_n(models, name), f["mixture"]), fontsize=8)
    ax.set(xlabel="column N", ylabel=f"mixture of ten, distance {FEATURES}")
    yield "densities", figure
    for seed, models in results.items():
        if paths := {n: f for n, f in models.items() if "steps" in f}:
            yield f"interpolations, seed {seed}", figure_of_paths(paths)


def experiment_of(data):
    suffix = "" if data == "MNIST" else f"_{data.lower()}"
    return Experiment(
        name=f"regularized_autoencoders{suffix}",
        paper='Ghosh et al., "From Variational to Deterministic Autoencoders"',
        scales=SCALES,
        cells=lambda sizes: cells_of(data, sizes),
        compute=compute,
        claims=claims_of(data),
        sides={
            "training images": (f"{data}, {N_IMAGES[data]}", "{n_train:,}"),
            "pixels": ("32 x 32", "x".join(map(str, SHAPES[data]))),
            "epochs": (
                "up to 100, batches of 100",
                "{epochs}, of 128; RAE-SN four times",
            ),
            "network": (
                "4 convolutions, 128 to 1,024",
                "layer {layer} (None: the paper's)",
            ),
            "latent variables": (f"{N_COMPONENTS[data]}", f"{N_COMPONENTS[data]}"),
            "samples": ("10,000", "{n_samples:,}"),
            "distance": ("FID: Inception features", f"Fréchet, {FEATURES}: no FID"),
        },
        draw=draw,
    )


def run(arguments):
    """Run with the images of ``--images``."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--images", choices=tuple(N_COMPONENTS), default="MNIST")
    options, others = parser.parse_known_args(arguments)
    return main(experiment_of(options.images), others)


EXPERIMENT = experiment_of("MNIST")

if __name__ == "__main__":
    run(sys.argv[1:])
