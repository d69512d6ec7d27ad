"""Dai & Wipf, "Diagnosing and Enhancing VAE Models": learned scale and two stages.

Figure 1: the learned scale falls, and with it the error of reconstructions; posterior
variances are near 0 or 1, and components near 1 leave decoded images as they are.
Table 1 on MNIST and Fashion-MNIST: cross-entropy, fixed and learned scale, flows,
WAE-MMD, and both stages; WAE-GAN from table 2. Table 3 and figure 2: discrepancy from
N(0, I) and singular values of the codes of both stages. A sweep of the latent
dimension, and footnote 5: an autoencoder as first stage. The authors' second stage, of
ReLUs with a linear path, beside that of SiLUs without.

Means are bounded by 0 and 1, as in the authors' decoders. Distances are in the features
of a small classifier of the same images: they are no FIDs, and only their order and
ratios are compared with the paper's. FOLDER holds the files of both data sets.

    python examples/papers/two_stage_vae.py --data FOLDER [--seeds 0 1 2] [--jobs 2]
"""

import numpy as np
from _components import claims_of_components, figures_of_components, variances_of
from _images import FEATURES, judge_of, load_images, save_rows
from _runner import Claim, Experiment, main
from _stages import AUTOENCODER, BASELINES, SECOND_STAGES, make_model

from skvae.diagnostics import posterior_draws
from skvae.metrics import aggregated_posterior_mmd, latent_spectrum

DATA = ("MNIST", "Fashion-MNIST")
SCALES = {
    "smoke": {
        "n_train": 300,
        "n_samples": 200,
        "layer": 16,
        "epochs": 3,
        "second_epochs": 3,
        "second_width": 16,
        "n_components": 8,
        "sweep": (4, 6),
    },
    "cpu": {
        "n_train": 5000,
        "n_samples": 10_000,
        "layer": 256,
        "epochs": 40,
        "second_epochs": 80,
        "second_width": 256,
        "n_components": 64,
        "sweep": (16, 32),
    },
    "full": {
        "n_train": 60_000,
        "n_samples": 10_000,
        "layer": None,
        "epochs": 400,
        "second_epochs": 800,
        "second_width": 1024,
        "n_components": 64,
        "sweep": (16, 32, 128),
    },
}


def cells(sizes):
    settings = {k: v for k, v in sizes.items() if k != "sweep"}
    found = {
        f"{data}, {name}": {"data": data, "model": name, **settings}
        for data in DATA
        for name in (*BASELINES, "two stages", *SECOND_STAGES, AUTOENCODER)
    }
    for k in sizes["sweep"]:
        cell = {"data": "MNIST", "model": "two stages", **settings, "n_components": k}
        found[f"MNIST, two stages of {k}"] = cell
    return found


def compute(cell, job):
    settings, seed = cell.settings, cell.seed
    n, name = settings["n_samples"], settings["data"]
    images = load_images(name, job).first(settings["n_train"], n)
    judge = judge_of(name, job)
    model = make_model(settings, seed).fit(images.train)
    noise = np.random.default_rng(seed).normal(size=(n, settings["n_components"]))
    first = model.inverse_transform(noise)
    reconstructed = model.reconstruct(images.test)
    figures = {
        "squared error": np.square(reconstructed - images.test).mean(),
        "reconstructions": judge(reconstructed),
        "N(0, I)": judge(first),
    }
    shown = {"test images": images.test, "reconstructions": reconstructed}
    shown |= {"N(0, I)": first}
    if settings["model"] not in BASELINES:
        shown["both stages"] = model.sample(n, random_state=seed)
        figures["both stages"] = judge(shown["both stages"])
    if settings["model"] in ("two stages", *SECOND_STAGES):
        figures |= figures_of_stages(model, images, seed)
        figures |= figures_of_components(model, images, f"{cell}", job)
    save_rows(job, str(cell), shown)
    return figures


def figures_of_stages(model, images, seed):
    """Scale, discrepancies and spectra."""
    Z = posterior_draws(model, images.test, random_state=seed)
    scale, second = model.history_["scale"], model.second_stage_
    U = posterior_draws(second, Z, random_state=seed + 1)
    noisy = model.sample(len(images.test), mean=False, random_state=seed)
    figures = {
        "scale": scale[-1],
        "scale over that of epoch 1": scale[-1] / scale[0],
        "variance of noisy samples": noisy.var(0).mean() / images.test.var(0).mean(),
        "log-likelihood of codes": second.score(Z[:2000]),
        "components of the second": len(second.active_components_),
    }
    for stage, codes in (("first", Z), ("second", U)):
        spectrum = latent_spectrum(codes).singular_values
        mmd = aggregated_posterior_mmd(codes, random_state=seed).value
        figures |= {
            f"MMD, {stage}": mmd,
            f"flatness, {stage}": spectrum[0] / spectrum[-1],
            f"spectrum, {stage}": spectrum,
        }
    return figures | {"scale by epoch": scale}


# ------------------------------------------------------------------------------ claims


def ratio(a, b, figure="N(0, I)", figure_b=None):
    """Return a function for the ratio of a figure of two cells."""
    return lambda figures: figures[a][figure] / figures[b][figure_b or figure]


def robustness(figures):
    """Return the largest distance of both stages over the least, over dimensions."""
    cells = [f for name, f in figures.items() if name.startswith("MNIST, two stages")]
    if len(cells) < 3:
        raise KeyError("a dimension was left out")
    values = [cell["both stages"] for cell in cells]
    return max(values) / min(values)


# FIDs of table 1 as ratios, MNIST and Fashion-MNIST.
PUBLISHED = {
    "both / first": (12.6 / 54.5, 29.3 / 60.0),
    "entropy / learned": (16.6 / 54.5, 43.6 / 60.0),
    "learned / fixed": (54.5 / 52.0, 60.0 / 84.6),
    "flow / learned": (54.8 / 54.5, 62.1 / 60.0),
    "both / WAE-MMD": (12.6 / 115.0, 29.3 / 101.7),
    "MMD": (0.43 / 2.85, 0.40 / 1.37),
}


def claims_of_table_1(i, data):
    """Yield what table 1 says of one data set, as ratios."""
    names = ("two stages", "cross-entropy", "fixed scale")
    both, entropy, fixed = (f"{data}, {name}" for name in names)
    alike = {"low": 0.8, "high": 1.25}
    for text, key, ours, rule in (
        (
            "both stages over the first",
            "both / first",
            ratio(both, both, "both stages", "N(0, I)"),
            {"high": 0.8},
        ),
        (
            "cross-entropy over learned scale, first stages",
            "entropy / learned",
            ratio(entropy, both),
            {"high": 0.9},
        ),
        (
            "learned over fixed scale, first stages",
            "learned / fixed",
            ratio(both, fixed),
            alike if data == "MNIST" else {"high": 0.9},
        ),
        (
            "flows do not help: flow over learned scale",
            "flow / learned",
            ratio(f"{data}, flow", both),
            {"low": 0.9},
        ),
        (
            "both stages over WAE-MMD",
            "both / WAE-MMD",
            ratio(both, f"{data}, WAE-MMD", "both stages", "N(0, I)"),
            {"high": 0.8},
        ),
    ):
        published = f"FID ratio {PUBLISHED[key][i]:.2f} (Inception features)"
        text = f"{data}: table 1, {text}"
        yield Claim(text, published, ours, unit=FEATURES, **rule)


def claims_of_stages(i, data):
    """Yield what figures 1a and 2, and table 3 say of one data set."""
    both = f"{data}, two stages"
    yield Claim(
        f"{data}: table 3, MMD of codes from N(0, I), second stage over first",
        f"{PUBLISHED['MMD'][i]:.2f} (kernel not stated)",
        ratio(both, both, "MMD, second", "MMD, first"),
        high=0.5,
        unit="(sum of seven kernels)",
    )
    for text, published, ours, high in (
        (
            "fig. 2, largest over least singular value, second stage over first",
            "flatter",
            ratio(both, both, "flatness, second", "flatness, first"),
            0.9,
        ),
        (
            "fig. 1a, squared error, learned over fixed scale",
            "below 1 (a curve)",
            ratio(both, f"{data}, fixed scale", "squared error"),
            0.8,
        ),
        (
            "fig. 1a, the learned scale falls: last over first epoch",
            "to 0 (a curve)",
            lambda figures: figures[both]["scale over that of epoch 1"],
            0.9,
        ),
    ):
        yield Claim(f"{data}: {text}", published, ours, high=high)


CLAIMS = [
    *(
        claim
        for i, data in enumerate(DATA)
        for claims in (claims_of_table_1, claims_of_stages, claims_of_components)
        for claim in claims(i, data)
    ),
    Claim(
        "MNIST: the latent dimension matters little: worst over best, both stages",
        "said, no figure",
        robustness,
        high=1.5,
        unit=FEATURES,
    ),
    Claim(
        "MNIST: footnote 5, an autoencoder as first stage is no better when d is large",
        "said, no figure",
        ratio(f"MNIST, {AUTOENCODER}", "MNIST, two stages", "both stages"),
        low=1,
        unit=FEATURES,
    ),
    *(
        Claim(
            f"{data}: the authors' second stage, ReLUs with a linear path, over ours",
            "not mentioned",
            ratio(
                f"{data}, {list(SECOND_STAGES)[1]}",
                f"{data}, two stages",
                "both stages",
            ),
            low=0.95,
            unit=FEATURES,
        )
        for data in DATA
    ),
    Claim(
        "table 1, MNIST and Fashion-MNIST: the FIDs themselves",
        "12.6 to 115.0 (Inception features)",
        unit="needs the Inception network of 2015",
    ),
    Claim(
        "tables 1 and 2: CIFAR-10 and CelebA",
        "34 to 160.5 (Inception features)",
        unit="needs the images and the Inception network of 2015",
    ),
]


def draw(results):
    from matplotlib.figure import Figure

    cells = [cell for of_seed in results.values() for cell in of_seed.items()]
    stages = [cell for cell in cells if "two stages" in cell[0]]
    names = list(dict.fromkeys(name for name, _ in stages))
    figure = Figure(figsize=(13, 3.4), layout="constrained")
    curve, bars, influence, spectra = figure.subplots(1, 4)
    for name, f in stages:
        color = f"C{names.index(name)}"
        curve.semilogy(f["scale by epoch"], color)
        bars.plot(sorted(f["posterior variances"]), color)
        influence.loglog(*variances_of(f), "o", ms=3, color=color)
        spectra.semilogy(f["spectrum, first"], ":", color=color)
        spectra.semilogy(f["spectrum, second"], color)
    for i, name in enumerate(names):
        curve.plot([], [], f"C{i}", label=name)
    curve.set(title="learned scale", xlabel="epoch")
    figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    bars.set(title="posterior variances, sorted", xlabel="component")
    influence.set(title="decoded variance", xlabel="posterior variance")
    spectra.set(title="singular values: first stage dotted", xlabel="component")
    yield "scale, variances, spectra", figure


EXPERIMENT = Experiment(
    name="two_stage_vae",
    paper='Dai & Wipf, "Diagnosing and Enhancing VAE Models"',
    scales=SCALES,
    cells=cells,
    compute=compute,
    claims=CLAIMS,
    sides={
        "training images": ("60,000", "{n_train:,}"),
        "epochs, first stage": ("400, batches of 64", "{epochs}"),
        "epochs, second stage": ("800, batches of 64", "{second_epochs}"),
        "first stage": ("InfoGAN's network", "2 layers of {layer} (None: the paper's)"),
        "second stage": (
            "3 x 1,024, ReLU, linear path",
            "3 x {second_width}, SiLU; also theirs",
        ),
        "latent variables": ("64", "{n_components}; also {sweep}"),
        "samples": ("10,000", "{n_samples:,}"),
        "distance": ("FID: Inception features", f"Fréchet, {FEATURES}: no FID"),
    },
    draw=draw,
)

if __name__ == "__main__":
    main(EXPERIMENT)
