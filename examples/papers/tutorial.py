"""Yu, "A Tutorial on VAEs" (arXiv 2006.10273): both tables, and what the text derives.

Tables 1 and 2: evidence bound, bound of ten samples and negative log-likelihood (250
importance samples) of VAE and IWAE on three densities in the plane, in bits. Every
figure is the entropy plus the mean of log p(x) - log p_model(x) over fresh rows, which
has the expectation of the tutorial's sum over a grid. Figures 1 and 2: density of model
and truth, and the latent plane in the colours of the places it is decoded to; the dark
mass is the share of the prior, on the square from -2 to 2, that is decoded to less than
0.01 of the largest true density.

Section 5.1: trained on the mean squared error, a model depends on the unit of its data;
trained on the logarithm of that error (a learned scale), it does not. Section 4.3: the
KL divergence of an isotropic posterior is the capacity of a Gaussian channel. Section
3.3: with a full covariance and a small noise scale, the bound becomes the likelihood of
a flow. Section 5.2: for normal data, ignoring the latent variable is as good as making
it nearly deterministic.

    python examples/papers/tutorial.py [--scale cpu] [--seeds 0 1 2] [--jobs 2]

No data files are needed.
"""

from functools import partial

import _derivations
import numpy as np
import torch
import torch.nn.functional as F
from _images import save_display
from _runner import Claim, Experiment, main
from torch import nn

from skvae import IWAE, VAE
from skvae.datasets import Checkerboard, EightGaussians, TwoSpirals
from skvae.diagnostics import parameter_counts
from skvae.likelihoods import GaussianLikelihood
from skvae.networks import CustomNetwork

DENSITIES = {
    "8 gaussians": EightGaussians(),
    "checkerboard": Checkerboard(),
    "2 spirals": TwoSpirals(),
}
# Tables 1 and 2, bits; then what is asked of the negative log-likelihood here.
PUBLISHED = {
    "VAE": {
        "8 gaussians": {"bound": -1.83, "nll": -1.87, "asked": -1.86},
        "checkerboard": {"bound": -0.72, "nll": -0.81, "asked": -0.77},
        "2 spirals": {"bound": -1.99, "nll": -2.15, "asked": -2.14},
    },
    "IWAE": {
        "8 gaussians": {"bound of 10": -1.84, "nll": -1.91, "asked": -1.90},
        "checkerboard": {"bound of 10": -0.81, "nll": -0.87, "asked": -0.85},
        "2 spirals": {"bound of 10": -2.24, "nll": -2.29, "asked": -2.27},
    },
}
N_EPOCHS = 20
SCALES = {
    "smoke": {
        "width": 8,
        "depth": 2,
        "learning_rate": 3e-3,
        "steps": {"VAE": 100, "IWAE": 100},
        "batch": {"VAE": 200, "IWAE": 100},
        "n_test": 64,
        "n_grid": 16,
        "n_rows": 500,
        "epochs": 5,
    },
    "cpu": {
        "width": 64,
        "depth": 3,
        "learning_rate": 3e-3,
        "steps": {"VAE": 90_000, "IWAE": 20_000},
        "batch": {"VAE": 200, "IWAE": 100},
        "n_test": 4000,
        "n_grid": 200,
        "n_rows": 20_000,
        "epochs": 60,
    },
    "full": {
        "width": 1024,
        "depth": 6,
        "learning_rate": 1e-4,
        "steps": {"VAE": 60_000, "IWAE": 30_000},
        "batch": {"VAE": 200, "IWAE": 200},
        "n_test": 20_000,
        "n_grid": 400,
        "n_rows": 100_000,
        "epochs": 200,
    },
}


def cells(sizes):
    toys = {
        f"{model}, {density}": {
            "kind": "toy",
            "model": model,
            "density": density,
            "steps": sizes["steps"][model],
            "batch": sizes["batch"][model],
            **{k: sizes[k] for k in ("width", "depth", "learning_rate")},
            **{k: sizes[k] for k in ("n_test", "n_grid")},
        }
        for density in DENSITIES
        for model in PUBLISHED
    }
    return toys | _derivations.cells(sizes)


# ----------------------------------------------------------------------- tables 1 and 2


class DenseBlock(nn.Module):
    """Layers that see the input and all layers before them, as in the tutorial's code.

    Maps (n, 2) to two means and two log scales. At the start the means are the input
    plus 0.3 times what the layers give, and the log scales lie around `log_scale`.
    """

    def __init__(self, width, depth, log_scale):
        super().__init__()
        self.hidden = nn.ModuleList(
            nn.Linear(2 + i * width, width) for i in range(depth)
        )
        self.output = nn.Linear(2 + depth * width, 4)
        with torch.no_grad():
            self.output.bias.zero_()
            self.output.bias[2:] = log_scale
            self.output.weight.mul_(0.3)
            self.output.weight[:2, :2] += torch.eye(2)

    def forward(self, x):
        for layer in self.hidden:
            x = torch.cat([x, F.relu(layer(x))], -1)
        return self.output(x)


def dense(settings, encoder_scale, decoder_scale):
    """Return a network of dense blocks; the scales are logarithms.

    That of the encoder is relative to the prior, that of the decoder to where the
    likelihood starts, exp(-1) of the data's spread.
    """

    def make(log_scale):
        width, depth = settings["width"], settings["depth"]
        return lambda n_in, n_out: DenseBlock(width, depth, log_scale)

    return CustomNetwork(make(encoder_scale), make(decoder_scale))


def make_toy_model(settings, seed):
    shared = {
        "likelihood": GaussianLikelihood("predicted", bounds=None),
        "learning_rate": settings["learning_rate"],
        "lr_schedule": "cosine",
        "batch_size": settings["batch"],
        "max_epochs": N_EPOCHS,
        "early_stopping": False,
        "random_state": seed,
    }
    if settings["model"] == "VAE":
        return VAE(2, kl_warmup=0, network=dense(settings, -3, -2), **shared)
    network = dense(settings, -2, -1)
    options = {"n_importance_samples": 10, "gradient": "dreg"}
    return IWAE(2, network=network, **options, **shared)


def compute_toy(cell, job):
    settings, seed = cell.settings, cell.seed
    density = DENSITIES[settings["density"]]
    n_train = settings["steps"] * settings["batch"] // N_EPOCHS
    model = make_toy_model(settings, seed).fit(
        density.sample(n_train, random_state=seed)
    )
    X = density.sample(settings["n_test"], random_state=12345)
    log_p, entropy = density.score_samples(X), density.entropy()
    figures = {"entropy": entropy / np.log(2)}
    for name, n in (("bound", 1), ("bound of 10", 10), ("nll", 250)):
        excess = log_p - model.score_samples(X, n_importance_samples=n)
        figures[name] = (entropy + excess.mean()) / np.log(2)
    figures["error of nll"] = excess.std() / len(X) ** 0.5 / np.log(2)
    figures["weights"] = parameter_counts(model).total
    return figures | {"dark mass": save_plane(job, str(cell), model, settings)}


def save_plane(job, name, model, settings):
    """Save the densities and the latent plane, and return the dark mass."""
    from skvae.plotting import PlaneDensityDisplay

    draw = partial(
        PlaneDensityDisplay.from_estimator,
        model,
        density=DENSITIES[settings["density"]],
        n_grid=settings["n_grid"],
        extent=(-0.5, 0.5, -0.5, 0.5),
        latent_limit=2.0,
        threshold=0.01,
        n_importance_samples=50,
        name=settings["model"],
    )
    return save_display(job, name, draw, (11, 4.2)).dark_mass_


def compute(cell, job):
    kind = cell.settings["kind"]
    if kind == "toy":
        return compute_toy(cell, job)
    return _derivations.COMPUTE[kind](cell.settings, cell.seed)


# ------------------------------------------------------------------------------ claims


def value(cell, figure):
    return lambda figures: figures[cell][figure]


def claims_of_tables():
    for model, densities in PUBLISHED.items():
        for density, published in densities.items():
            cell, table = f"{model}, {density}", 1 if model == "VAE" else 2
            yield Claim(
                f"table {table}, {cell}: negative log-likelihood",
                f"{published['nll']} bits",
                value(cell, "nll"),
                high=published["asked"],
                unit="bits",
            )
            name = "bound" if model == "VAE" else "bound of 10"
            yield Claim(
                f"table {table}, {cell}: {name}",
                f"{published[name]} bits",
                value(cell, name),
                high=published[name] + 0.02,
                unit="bits",
            )


def least_gain_of_iwae(figures, name="nll"):
    """Return by how much IWAE is below VAE, on the density where it is least."""
    return min(
        figures[f"VAE, {d}"][name] - figures[f"IWAE, {d}"][name] for d in DENSITIES
    )


CLAIMS = [
    *claims_of_tables(),
    Claim(
        "IWAE has the lower NLL on all three: the least gain",
        "0.04 bits (8 gaussians)",
        least_gain_of_iwae,
        low=0,
        unit="bits",
    ),
    Claim(
        "figs. 1 and 2, IWAE has fewer dark pixels on all three: least gain in mass",
        "pictures",
        partial(least_gain_of_iwae, name="dark mass"),
        low=0,
    ),
    *_derivations.CLAIMS,
]


def draw(results):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3), layout="constrained")
    for ax, density in zip(figure.subplots(1, 3), DENSITIES, strict=True):
        for i, (model, published) in enumerate(PUBLISHED.items()):
            name = f"{model}, {density}"
            ours = [f[name]["nll"] for f in results.values() if name in f]
            ax.plot([i] * len(ours), ours, "o", color="C0")
            ax.plot(i, published[density]["nll"], "_", color="C1", ms=20)
        ax.axhline(DENSITIES[density].entropy() / np.log(2), color="0.5", lw=1)
        ax.set(title=density, xticks=[0, 1], xticklabels=PUBLISHED, xlim=(-0.5, 1.5))
    figure.suptitle("NLL in bits: ours (dots), published (bars), entropy (line)")
    yield "nll", figure


EXPERIMENT = Experiment(
    name="tutorial",
    paper='Yu, "A Tutorial on VAEs: From Bayes\' Rule to Lossless Compression"',
    scales=SCALES,
    cells=cells,
    compute=compute,
    claims=CLAIMS,
    sides={
        "layers of a network": ("6 dense of 1,024", "{depth} dense of {width:,}"),
        "weights": ("31 million", "in the table"),
        "steps of the VAE": ("60,000 of 200 rows", "{steps[VAE]:,} of {batch[VAE]}"),
        "steps of IWAE": ("30,000 of 200 rows", "{steps[IWAE]:,} of {batch[IWAE]}"),
        "samples of IWAE": ("10", "10"),
        "rows judged": ("grid of 1,024 x 1,024", "{n_test:,} draws"),
        "free bits": ("0.05", "none, start near the identity"),
    },
    draw=draw,
)

if __name__ == "__main__":
    main(EXPERIMENT)
