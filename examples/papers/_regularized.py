"""Claims of `regularized_autoencoders.py`, and the tables that they are of."""

from functools import partial
from itertools import pairwise

from _images import FEATURES
from _runner import Claim

# Table 1, FID: reconstructions, N, mixture, interpolations.
PUBLISHED = {
    "MNIST": {
        "VAE": (18.26, 19.21, 17.66, 18.21),
        "CV-VAE": (15.15, 33.79, 17.87, 25.12),
        "WAE": (10.03, 20.42, 9.39, 14.34),
        "RAE-GP": (14.04, 22.21, 11.54, 15.32),
        "RAE-L2": (10.53, 22.22, 8.69, 14.54),
        "RAE-SN": (15.65, 19.67, 11.74, 15.15),
        "RAE": (11.67, 23.92, 9.81, 14.67),
        "AE": (12.95, 58.73, 10.66, 17.12),
    },
    "CIFAR-10": {
        "VAE": (57.94, 106.37, 103.78, 88.62),
        "CV-VAE": (37.74, 94.75, 86.64, 69.71),
        "WAE": (35.97, 117.44, 93.53, 76.89),
        "RAE-GP": (32.17, 83.05, 76.33, 64.08),
        "RAE-L2": (32.24, 80.80, 74.16, 62.54),
        "RAE-SN": (27.61, 84.25, 75.30, 63.62),
        "RAE": (29.05, 83.87, 76.28, 63.27),
        "AE": (30.52, 84.74, 76.47, 61.57),
    },
}
# What table 1 and table 2 say, by data set: "F_8" is the least gain by the mixture.
PRINTED = {
    "MNIST": {
        "mixture": "0.92 (VAE",
        "midpoints": "6 of 8 (FID",
        "reconstructions": 0.85,
        "spread": 1.33,
        "normal": 2.46,
        "RAE-SN": "1.10",
        "F_8": "0.04 (RAE-GP, F_1/8",
    },
    "CIFAR-10": {
        "mixture": "0.98 (VAE",
        "midpoints": "8 of 8 (FID",
        "reconstructions": 0.81,
        "spread": 1.03,
        "RAE-SN": "0.98",
        "F_8": "0.04 (RAE-L2, F_8",
    },
}
MODELS = tuple(PUBLISHED["MNIST"])
WEIGHTS, DRAWS = (0.03, 0.3, 3.0), (1, 4, 16)
LENGTHS = (0.25, 0.5)  # of the training of RAE-SN, beside the whole
GROUPS = (("RAE", "AE"), ("VAE", "CV-VAE"))


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


def claims_of(data):
    """Return all claims about a data set."""
    sweeps = claims_of_sweeps() if data == "MNIST" else []
    tables = [*claims_of_table_1(PRINTED[data]), claim_of_table_2(PRINTED[data])]
    return [*tables, *sweeps, *claims_of_all(data)]


def claims_of_table_1(printed):
    claim = partial(Claim, unit=FEATURES)
    inception = "Inception features)"
    yield claim(
        "table 1: the mixture is better than column N for every model; largest ratio",
        f"FID ratio {printed['mixture']}; {inception}",
        mixture_over_n,
        high=1,
    )
    yield claim(
        "table 1: models with reconstructions < midpoints < column N",
        f"{printed['midpoints']}, {inception}",
        order_of_midpoints,
        low=6,
    )
    yield claim(
        "table 1: RAE and AE reconstruct better than VAE and CV-VAE; worst over best",
        f"FID ratio {printed['reconstructions']} ({inception}",
        reconstructions_of_rae,
        high=1,
    )
    yield claim(
        "table 1: none of RAE, RAE-L2, RAE-GP stands out; mixture, worst over best",
        f"FID ratio {printed['spread']} ({inception}",
        spread_of_raes,
        high=1.33,
    )
    if "normal" in printed:
        yield claim(
            "table 1: one normal density fails for AE, not for RAE; ratio",
            f"FID ratio {printed['normal']} ({inception}",
            ratio("AE", "RAE", "one normal"),
            low=1.5,
        )
    yield claim(
        "table 1: RAE-SN is about as good as AE; mixture, ratio",
        f"FID ratio {printed['RAE-SN']} ({inception}",
        ratio("RAE-SN", "AE", "mixture"),
        high=1.2,
    )


def claim_of_table_2(printed):
    return Claim(
        "table 2: the mixture raises F_8 and F_1/8 of AE, RAE, -L2, -GP; least gain",
        f"{printed['F_8']}; Inception features)",
        gain_by_mixture,
        low=0,
        unit=FEATURES,
    )


def claims_of_sweeps():
    """Yield what figures 1 and 2 say, and whether RAE-SN was trained to its end."""
    curve = "a curve (FID, Inception features)"
    yield Claim(
        "fig. 1: 16 draws per row reconstruct better than one; ratio",
        curve,
        ratio("draws per row 16", "draws per row 1", "reconstructions"),
        high=1,
        unit=FEATURES,
    )
    yield Claim(
        "fig. 2: reconstructions get worse with the KL weight; largest ratio of steps",
        curve,
        order_of_weights,
        high=1,
        unit=FEATURES,
    )
    yield Claim(
        "fig. 2: N(0, I) loses less with the KL weight; loss at 3 over loss at 0.03",
        curve,
        loss_of_samples,
        high=0.5,
        unit=FEATURES,
    )
    yield Claim(
        "RAE-SN is trained to its end: squared error, all epochs over half of them",
        "not mentioned",
        ratio("RAE-SN", f"RAE-SN, {LENGTHS[-1]:g} of the epochs", "squared error"),
        low=0.97,
    )


def claims_of_all(data):
    yield Claim(
        "appendix E: samples are no copies; largest share nearer to a training row",
        "pictures",
        largest_share_of_copies,
        high=0.75,  # half-way from chance to copies alone
    )
    fids = sum(PUBLISHED[data].values(), ())
    yield Claim(
        f"table 1, {data}: the FIDs themselves",
        f"{min(fids)} to {max(fids)} (Inception features)",
        unit="needs the Inception network of 2015",
    )
    others = "CelebA" if data == "CIFAR-10" else "CIFAR-10 (--images) and CelebA"
    yield Claim(
        f"tables 1 and 2: {others}",
        "27.61 to 127.85 (Inception features)",
        unit="needs the images and the Inception network of 2015",
    )
