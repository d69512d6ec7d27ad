"""Azmoodeh, "Why Bigger is Not Better": what a growing latent dimension does.

VAEs of Fashion-MNIST with 2, 20, 200 and 800 latent variables, a posterior with one
variance for all of them, Bernoulli likelihood, and layers of 256 and 256.

The paper's figure 3 says that the density of a draw z ~ q(z|x) approaches that of a
typical sequence, exp(-d h) with the entropy h of a component. This has three readings:

1. relative to the density: the logarithm of the ratio is (d - |e|^2) / 2, with e the
   standard normal noise of the draw. Its standard deviation is sqrt(d / 2), so that the
   ratio diverges as d grows;
2. as a difference of densities: it vanishes where h > 0, since both densities do;
3. per component: -log q(z|x) / d approaches h, for any normal density.

The third is what the figure can mean. It is a property of normal densities and says
nothing about the VAE; the table has the first beside it. Where h < 0, that is, where
the posterior variance is below 0.0585, the densities blow up instead.

Section II takes the VAE for a source code with z as side information. Its rate, the
negative evidence lower bound, is computed in parts: reconstruction, mutual information
of row and code, and what the aggregate posterior differs from the prior.

    python examples/papers/latent_dimension.py --data FOLDER [--jobs 2]

FOLDER holds the files of Fashion-MNIST.
"""

import numpy as np
from _images import load_images, save_rows
from _runner import Claim, Experiment, main

from skvae import VAE
from skvae.diagnostics import latent_diagnostics, posterior_draws, posterior_moments
from skvae.evaluation import rate_decomposition
from skvae.networks import MLP

NAME = "Fashion-MNIST"
SCALES = {
    "smoke": {
        "dimensions": (2, 4, 8, 16),
        "n_train": 500,
        "n_test": 200,
        "n_rate": 100,
        "layer": 32,
        "epochs": 3,
        "learning_rate": 1e-3,
    },
    "cpu": {
        "dimensions": (2, 20, 200, 800),
        "n_train": 60_000,
        "n_test": 2000,
        "n_rate": 2000,
        "layer": 256,
        "epochs": 20,
        "learning_rate": 1e-3,
    },
    "full": {
        "dimensions": (2, 20, 200, 800),
        "n_train": 60_000,
        "n_test": 10_000,
        "n_rate": 2000,
        "layer": 256,
        "epochs": 100,
        "learning_rate": 1e-4,
    },
}


def cells(sizes):
    others = {k: v for k, v in sizes.items() if k != "dimensions"}
    return {f"d = {d}": {"d": d, **others} for d in sizes["dimensions"]}


def compute(cell, job):
    settings, seed = cell.settings, cell.seed
    images = load_images(NAME, job).first(settings["n_train"], settings["n_test"])
    d, X = settings["d"], images.test
    vae = VAE(
        d,
        posterior="isotropic",
        likelihood="bernoulli",
        network=MLP((settings["layer"],) * 2, activation="relu", skip=False),
        batch_size=256,
        learning_rate=settings["learning_rate"],
        max_epochs=settings["epochs"],
        early_stopping=False,
        random_state=seed,
    ).fit(images.train)
    means, deviations = posterior_moments(vae, X)
    noise = (posterior_draws(vae, X, random_state=seed) - means) / deviations
    log_ratio = (d - np.square(noise).sum(1)) / 2
    gap = latent_diagnostics(vae, X, random_state=seed).typical_set_gap
    samples = vae.sample(2000, random_state=seed)
    reconstructed = vae.reconstruct(X)
    shown = {"test images": X, "reconstructions": reconstructed, "samples": samples}
    save_rows(job, f"{cell}", shown)
    return {
        "gap per component, %": gap.value,
        "deviation of log ratio": log_ratio.std(),
        "share with h < 0": (gap.entropy < 0).mean(),
        "posterior variance": np.square(deviations).mean(),
        "variance of samples": samples.var(0).mean(),
        "variance of images": X.var(0).mean(),
        "squared error": np.square(reconstructed - X).mean(),
    } | figures_of_rate(vae, X[: settings["n_rate"]], seed)


PARTS = {
    "rate": "rate",
    "reconstruction": "reconstruction",
    "kl": "KL",
    "mutual_information": "mutual information",
    "marginal_kl": "marginal KL",
    "total_correlation": "total correlation",
    "dimension_wise_kl": "dimension-wise KL",
}
CODE = ("mutual information", "total correlation", "dimension-wise KL")


def figures_of_rate(vae, X, seed):
    """Return the rate of a source code and its parts, in nats, with standard errors."""
    found = rate_decomposition(vae, X, random_state=seed)
    estimates = {name: getattr(found, part) for part, name in PARTS.items()}
    return {
        **{name: estimate.value for name, estimate in estimates.items()},
        **{f"{name}, SE": e.standard_error for name, e in estimates.items()},
        "bits per feature": found.bits_per_dimension.value,
    }


# ------------------------------------------------------------------------------ claims


def by_dimension(figures, name):
    """Return one figure of all four models, in the order of their dimensions."""
    dimensions = sorted(int(cell.removeprefix("d = ")) for cell in figures)
    if len(dimensions) < 4:
        raise KeyError("a dimension was left out")
    return dimensions, np.array([figures[f"d = {d}"][name] for d in dimensions])


def largest_step(figures):
    """Return the largest ratio of a dimension's gap to that of the one before."""
    _, gaps = by_dimension(figures, "gap per component, %")
    return (gaps[2:] / gaps[1:-1]).max()


def growth_of_ratio(figures):
    """Return the deviation of the log ratio over sqrt(d / 2), the farthest from 1."""
    dimensions, deviations = by_dimension(figures, "deviation of log ratio")
    ratios = deviations / np.sqrt(np.array(dimensions) / 2)
    return ratios[np.abs(ratios - 1).argmax()]


def last_over_second(name):
    def ratio(figures):
        _, values = by_dimension(figures, name)
        return values[-1] / values[1]

    return ratio


def largest_remainder(figures):
    """Return how far the parts of a rate are from their sum."""
    return max(
        abs(f["rate"] - sum(f[part] for part in ("reconstruction", *CODE)))
        for f in figures.values()
    )


def rise_of_rate(figures):
    _, rates = by_dimension(figures, "rate")
    return rates[-1] - rates[1]


def spread_of_errors(figures):
    _, errors = by_dimension(figures, "squared error")
    return errors[1:].max() / errors[1:].min()


CLAIMS = [
    Claim(
        "fig. 3, reading 3: the gap per component falls from d = 20 on; largest step",
        "a curve",
        largest_step,
        high=1,
    ),
    Claim(
        "reading 1, against fig. 3: log ratio of densities grows as sqrt(d / 2)",
        "not mentioned",
        growth_of_ratio,
        low=0.85,
        high=1.15,
        scale="smoke",
    ),
    Claim(
        "fig. 4: samples vary less; variance at d = 800 over that at d = 20",
        "pictures",
        last_over_second("variance of samples"),
        high=0.9,
    ),
    Claim(
        "fig. 5: reconstructions are about the same; largest error over least, d >= 20",
        "pictures",
        spread_of_errors,
        high=1.4,
    ),
    Claim(
        "eq. 2: the rate is the sum of its parts; largest remainder",
        "an identity",
        largest_remainder,
        high=1e-6,
        scale="smoke",
        unit="nats",
    ),
    Claim(
        "the title, bigger is not better: rate at d = 800 less that at d = 20",
        "said, no figure",
        rise_of_rate,
        low=0,
        unit="nats",
    ),
    Claim(
        "the code costs no more for its many components; KL at d = 800 over d = 20",
        "not mentioned",
        last_over_second("KL"),
        low=0.8,
        high=1.25,
    ),
]


def draw(results):
    from matplotlib.figure import Figure

    names = ("gap per component, %", "deviation of log ratio", "variance of samples")
    figure = Figure(figsize=(9, 3), layout="constrained")
    for ax, name in zip(figure.subplots(1, 3), names, strict=True):
        for seed, models in results.items():
            values = {int(k.removeprefix("d = ")): f[name] for k, f in models.items()}
            ax.loglog(list(values), list(values.values()), "o-", label=f"seed {seed}")
        ax.set(title=name, xlabel="latent dimension")
    ax.legend()
    yield "by dimension", figure
    yield "rate", figure_of_rate(results)


def figure_of_rate(results):
    """Draw the parts of the code's rate on each other, means over seeds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    (code, row), seeds = figure.subplots(1, 2), list(results.values())
    names = list(dict.fromkeys(name for models in seeds for name in models))

    def means(part):
        found = ([f[n][part] for f in seeds if n in f] for n in names)
        return np.array([np.mean(values) for values in found])

    bottom = np.zeros(len(names))
    for part in CODE:
        height, error = means(part), means(f"{part}, SE")
        code.bar(names, height, 0.6, bottom, yerr=error, label=part)
        bottom += height
    code.set_title("rate of the code z, in nats")
    code.set_ylim(top=1.4 * bottom.max())
    code.legend(loc="upper left")
    row.bar(names, means("reconstruction"), 0.6, yerr=means("reconstruction, SE"))
    row.set_title("rate of a row given its code, in nats")
    return figure


EXPERIMENT = Experiment(
    name="latent_dimension",
    paper='Azmoodeh, "Why Bigger is Not Better"',
    scales=SCALES,
    cells=cells,
    compute=compute,
    claims=CLAIMS,
    sides={
        "training images": ("Fashion-MNIST, split not stated", "{n_train:,}"),
        "epochs of batches of 256": ("100", "{epochs}"),
        "learning rate": ("1e-4", "{learning_rate:g}"),
        "hidden layers": ("256, 256", "{layer}, {layer}"),
        "latent dimensions": ("2, 20, 200, 800", "{dimensions}"),
        "rows of the rate": ("-", "{n_rate:,}"),
    },
    draw=draw,
    notes="The gap is that of reading 3, the log ratio that of reading 1 (see the head "
    "of the script): the one falls and the other grows, for any normal density.\n\n"
    "The rate is the negative evidence lower bound, in nats; SE is the standard error "
    "over rows. Of n rows, the mutual information is at most log n, 7.6 nats for "
    "2,000: near that it is a lower bound, and the total correlation an upper one.",
)

if __name__ == "__main__":
    main(EXPERIMENT)
