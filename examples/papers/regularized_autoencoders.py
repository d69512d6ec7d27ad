"""Ghosh et al., "From Variational to Deterministic Autoencoders": eight models.

Tables 1 and 2 on MNIST: reconstructions of test images, samples from N(0, I), from one
normal and from a mixture of ten normals fitted to the codes of the training images, and
midpoints of spherical interpolations; precision and recall of samples. Figure 3:
interpolations between the same test images by all models. Figure 1: draws
z ~ q(z|x) per row and step. Figure 2: weight of the KL divergence. Appendix E: training
images nearest to samples.

Column N of table 1 is N(0, I) for VAE and WAE, and one normal density for all others.
Means are bounded by 0 and 1, as in the authors' decoders. Distances are in the features
of a small classifier of the same images: they are no FIDs, and only their order and
ratios are compared with the paper's.

    python examples/papers/regularized_autoencoders.py --data FOLDER [--jobs 2]

FOLDER holds the files of MNIST (see `skvae.datasets.load_mnist`).
"""

from itertools import pairwise

import numpy as np
from _images import FEATURES, judge_of, load_images, save_rows
from _interpolations import figure_of_paths, save_neighbours, save_paths
from _runner import Claim, Experiment, main
from sklearn.mixture import GaussianMixture

from skvae import RAE, VAE, WAE
from skvae.diagnostics import decoding_scores, posterior_draws
from skvae.likelihoods import GaussianLikelihood
from skvae.metrics import nearest_neighbour_distances, precision_recall_distribution
from skvae.networks import MLP, RAENet

# Table 1, MNIST, FID: reconstructions, N, mixture, interpolations.
PUBLISHED = {
    "VAE": (18.26, 19.21, 17.66, 18.21),
    "CV-VAE": (15.15, 33.79, 17.87, 25.12),
    "WAE": (10.03, 20.42, 9.39, 14.34),
    "RAE-GP": (14.04, 22.21, 11.54, 15.32),
    "RAE-L2": (10.53, 22.22, 8.69, 14.54),
    "RAE-SN": (15.65, 19.67, 11.74, 15.15),
    "RAE": (11.67, 23.92, 9.81, 14.67),
    "AE": (12.95, 58.73, 10.66, 17.12),
}
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
WEIGHTS, DRAWS = (0.03, 0.3, 3.0), (1, 4, 16)
SCALES = {
    "smoke": {"n_train": 300, "n_samples": 200, "epochs": 2, "layer": 16},
    "cpu": {"n_train": 5000, "n_samples": 10_000, "epochs": 60, "layer": 256},
    "full": {"n_train": 50_000, "n_samples": 10_000, "epochs": 100, "layer": None},
}
N_COMPONENTS, SHAPE = 16, (28, 28)


def cells(sizes):
    models = {name: {"model": name, **sizes} for name in MODELS}
    if sizes["layer"]:  # small networks need more steps under spectral normalisation
        models["RAE-SN"] |= {"epochs": 4 * sizes["epochs"]}
    weights = {
        f"KL weight {w:g}": {"model": "VAE", "beta": w, **sizes} for w in WEIGHTS
    }
    draws = {
        f"draws per row {n}": {"model": "VAE", "n_samples_a_step": n, **sizes}
        for n in DRAWS
    }
    return models | weights | draws


def make_model(settings, seed):
    cls, parameters = MODELS[settings["model"]]
    layer = settings["layer"]
    if "beta" in settings:  # weight of the KL beside the sum of squares, as in fig. 2
        likelihood = GaussianLikelihood(0.5**0.5, bounds=(0, 1))
        parameters = {"beta": settings["beta"], "likelihood": likelihood}
    if "n_samples_a_step" in settings:
        parameters = {"n_samples": settings["n_samples_a_step"]}
    bounded = {"likelihood": GaussianLikelihood(bounds=(0, 1))}
    return cls(
        N_COMPONENTS,
        network=MLP((layer,)) if layer else RAENet(image_shape=SHAPE),
        max_epochs=settings["epochs"],
        early_stopping=False,
        random_state=seed,
        **(bounded | parameters),
    )


def compute(cell, job):
    settings, seed = cell.settings, cell.seed
    n = settings["n_samples"]
    images = load_images("MNIST", job).first(settings["n_train"], n)
    judge = judge_of("MNIST", job)
    model = make_model(settings, seed).fit(images.train)

    def distance(_, X):
        return judge(X)

    scores = decoding_scores(
        model, images.test, judge.test, distance=distance, random_state=seed
    )
    codes = posterior_draws(model, images.train, random_state=seed)
    decoded = {"N(0, I)": np.random.default_rng(seed).normal(size=(n, N_COMPONENTS))}
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
    if "beta" in settings or "n_samples_a_step" in settings:
        return figures
    shown = {"test images": images.test, "reconstructions": reconstructed, **samples}
    save_rows(job, f"samples of {cell}", shown)
    save_neighbours(job, cell, samples["mixture"], images)
    figures |= figures_of_samples(judge, samples, images, seed)
    return figures | save_paths(job, cell, model, images.test)


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


# ------------------------------------------------------------------------------ claims


def column_n(figures, name):
    """Return the distance for column N of table 1."""
    return figures[name]["N(0, I)" if name in ("VAE", "WAE") else "one normal"]


def mixture_over_n(figures):
    return max(figures[name]["mixture"] / column_n(figures, name) for name in MODELS)


def order_of_midpoints(figures):
    """Return for how many models midpoints are in between."""
    cells = [(figures[name], column_n(figures, name)) for name in MODELS]
    return sum(f["reconstructions"] < f["midpoints"] < n for f, n in cells)


def reconstructions_of_rae(figures):
    ours, theirs = ([figures[n]["reconstructions"] for n in names] for names in GROUPS)
    return max(ours) / min(theirs)


GROUPS = (("RAE", "AE"), ("VAE", "CV-VAE"))


def spread_of_raes(figures):
    values = [figures[name]["mixture"] for name in ("RAE", "RAE-L2", "RAE-GP")]
    return max(values) / min(values)


def ratio(a, b, figure):
    return lambda figures: figures[a][figure] / figures[b][figure]


def gain_by_mixture(figures):
    return min(
        figures[name][f"{f}, mixture"] - figures[name][f"{f}, one normal"]
        for name in ("AE", "RAE", "RAE-L2", "RAE-GP")
        for f in ("F_8", "F_1/8")
    )


def largest_share_of_copies(figures):
    return max(figures[name]["nearer to train"] for name in MODELS)


def order_of_weights(figures):
    """Return the largest ratio of reconstructions at a weight to the next larger."""
    values = [figures[f"KL weight {w:g}"]["reconstructions"] for w in WEIGHTS]
    return max(a / b for a, b in pairwise(values))


def loss_of_samples(figures):
    """Return the loss from reconstructions to samples of N(0, I), last over first."""
    cells = [figures[f"KL weight {w:g}"] for w in (WEIGHTS[0], WEIGHTS[-1])]
    first, last = (cell["N(0, I)"] - cell["reconstructions"] for cell in cells)
    return last / first


CLAIMS = [
    Claim(
        "table 1: the mixture is better than column N for every model; largest ratio",
        "FID ratio 0.92 (VAE; Inception features)",
        mixture_over_n,
        high=1,
        unit=FEATURES,
    ),
    Claim(
        "table 1: models with reconstructions < midpoints < column N",
        "6 of 8 (FID, Inception features)",
        order_of_midpoints,
        low=6,
        unit=FEATURES,
    ),
    Claim(
        "table 1: RAE and AE reconstruct better than VAE and CV-VAE; worst over best",
        "FID ratio 0.85 (Inception features)",
        reconstructions_of_rae,
        high=1,
        unit=FEATURES,
    ),
    Claim(
        "table 1: none of RAE, RAE-L2, RAE-GP stands out; mixture, worst over best",
        "FID ratio 1.33 (Inception features)",
        spread_of_raes,
        high=1.33,
        unit=FEATURES,
    ),
    Claim(
        "table 1: one normal density fails for AE, not for RAE; ratio",
        "FID ratio 2.46 (Inception features)",
        ratio("AE", "RAE", "one normal"),
        low=1.5,
        unit=FEATURES,
    ),
    Claim(
        "table 1: RAE-SN is about as good as AE; mixture, ratio",
        "FID ratio 1.10 (Inception features)",
        ratio("RAE-SN", "AE", "mixture"),
        high=1.2,
        unit=FEATURES,
    ),
    Claim(
        "table 2: the mixture raises F_8 and F_1/8 of AE, RAE, -L2, -GP; least gain",
        "0.04 (RAE-GP, F_1/8; Inception features)",
        gain_by_mixture,
        low=0,
        unit=FEATURES,
    ),
    Claim(
        "fig. 1: 16 draws per row reconstruct better than one; ratio",
        "a curve (FID, Inception features)",
        ratio("draws per row 16", "draws per row 1", "reconstructions"),
        high=1,
        unit=FEATURES,
    ),
    Claim(
        "fig. 2: reconstructions get worse with the KL weight; largest ratio of steps",
        "a curve (FID, Inception features)",
        order_of_weights,
        high=1,
        unit=FEATURES,
    ),
    Claim(
        "fig. 2: N(0, I) loses less with the KL weight; loss at 3 over loss at 0.03",
        "a curve (FID, Inception features)",
        loss_of_samples,
        high=0.5,
        unit=FEATURES,
    ),
    Claim(
        "appendix E: samples are no copies; largest share nearer to a training row",
        "pictures",
        largest_share_of_copies,
        high=0.75,  # half-way from chance to copies alone
    ),
    Claim(
        "table 1, MNIST: the FIDs themselves",
        "8.69 to 58.73 (Inception features)",
        unit="needs the Inception network of 2015",
    ),
    Claim(
        "tables 1 and 2: CIFAR-10 and CelebA",
        "27.61 to 127.85 (Inception features)",
        unit="needs the images and the Inception network of 2015",
    ),
]


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


EXPERIMENT = Experiment(
    name="regularized_autoencoders",
    paper='Ghosh et al., "From Variational to Deterministic Autoencoders"',
    scales=SCALES,
    cells=cells,
    compute=compute,
    claims=CLAIMS,
    sides={
        "training images": ("MNIST, 50,000 of 32 x 32", "{n_train:,} of 28 x 28"),
        "epochs": ("up to 100, batches of 100", "{epochs}, of 128; RAE-SN four times"),
        "network": (
            "4 convolutions, 128 to 1,024",
            "layer {layer} (None: the paper's)",
        ),
        "latent variables": ("16", "16"),
        "samples": ("10,000", "{n_samples:,}"),
        "distance": ("FID: Inception features", f"Fréchet, {FEATURES}: no FID"),
    },
    draw=draw,
)

if __name__ == "__main__":
    main(EXPERIMENT)
