"""Bozkurt et al., "Can VAEs Generate Novel Examples?": digits that are held out.

For any encoder, the best decoder that the training rows allow returns an average of
them, with the weights q(z|x_i) / sum_j q(z|x_j) (theorem 1). A decoder that matches it
has memorised its data, and answers an unseen nine with a four. A decoder that returns
the nine has learned something better. The finding: decoders of one hidden layer
reconstruct the unseen digit, deeper ones are drawn to the average.

Theorem 1 against a brute-force minimiser; networks of one and of three hidden layers,
fitted to MNIST without a digit and to as many rows with it, judged on test images of
that digit; a grid of 17 networks (ours: the paper does not list its own) and, within
it, a network grown step by step; the plane of codes of 100 images (figure 3).

    python examples/papers/nearest_neighbour_matching.py --data FOLDER [--digits 9 0]

FOLDER holds the files of MNIST. ``--digits`` are those held out, by default all ten.

The paper's errors are cross-entropies, whose minimum is the entropy of the target: that
of an average, which is greyer, is larger, so that more reconstructions count as nearer
to the input. Squared errors and cross-entropies less that minimum are 0 at the target.
All three are given; errors whose kind is not named are squared.
"""

import argparse
import sys
from dataclasses import replace
from functools import partial

import numpy as np
from _matching import compute
from _runner import Claim, Experiment, main
from scipy.stats import spearmanr

DEPTHS = {"1 layer": 1, "3 layers": 3}
# Widths as shares of the first layer of the paper's network, 400.
GROWN = ((0.25,), (1.0,), (1.0, 0.5), (1.0, 0.5, 0.25))
GRID = (
    *((0.125,), (0.5,), (2.0,), (4.0,)),
    *((0.25, 0.25), (0.5, 0.5), (1.0, 1.0), (2.0, 1.0)),
    *((0.125,) * 3, (0.25,) * 3, (0.5,) * 3, (1.0,) * 3, (2.0, 1.0, 0.5)),
    *GROWN,
)
# The weight of the KL divergence rises for most of the epochs: with less, deep networks
# of ReLUs use no code, and their reconstructions are the average of all rows.
KL_WARMUP = 0.8
SCALES = {
    "smoke": {
        "n_train": 300,
        "epochs": 3,
        "n_components": 4,
        "layer": 16,
        "digits": (9,),
        "plane_epochs": 20,
    },
    "cpu": {
        "n_train": 5000,
        "epochs": 30,
        "n_components": 50,
        "layer": 400,
        "digits": tuple(range(10)),
        "plane_epochs": 2000,
    },
    "full": {
        "n_train": 60_000,
        "epochs": 100,
        "n_components": 50,
        "layer": 400,
        "digits": tuple(range(10)),
        "plane_epochs": 4000,
    },
}


def widths(sizes, shares):
    return [max(1, round(share * sizes["layer"])) for share in shares]


def name_of(sizes, shares):
    return "network " + "-".join(map(str, widths(sizes, shares)))


def cells(sizes):
    shared = {k: sizes[k] for k in ("n_train", "epochs", "n_components")}
    shared["kl_warmup"] = KL_WARMUP
    layers = widths(sizes, GROWN[-1])
    held_out = {
        f"{digit}, {depth}, {seen}": {
            "kind": "digit",
            "digit": digit,
            "layers": layers[:n],
            "seen": seen == "seen",
            **shared,
        }
        for digit in sizes["digits"]
        for depth, n in DEPTHS.items()
        for seen in ("unseen", "seen")
    }
    grid = {
        name_of(sizes, shares): {
            "kind": "digit",
            "digit": sizes["digits"][-1],
            "layers": widths(sizes, shares),
            "seen": False,
            **shared,
        }
        for shares in GRID
    }
    planes = {
        f"plane, {depth}": {
            "kind": "plane",
            "layers": layers[:n],
            "epochs": sizes["plane_epochs"],
        }
        for depth, n in DEPTHS.items()
    }
    return {"theorem 1": {"kind": "theorem"}} | held_out | grid | planes


# ------------------------------------------------------------------------------ claims


def by_digit(figures, name, seen="unseen"):
    """Return a figure of both depths for every digit, shape (digits, 2)."""
    digits = dict.fromkeys(cell.split(",")[0] for cell in figures if "layer" in cell)
    digits = [d for d in digits if d.isdigit()]
    if not digits:
        raise KeyError("all digits were left out")
    rows = [
        [figures[f"{d}, {depth}, {seen}"][name] for depth in DEPTHS] for d in digits
    ]
    return np.array(rows)


def gap_of_depths(figures, name="nearer to input"):
    shallow, deep = by_digit(figures, name).T
    return (shallow - deep).mean()


def gain_by_entropy(figures):
    """Return how many more count as nearer by cross-entropy than by its excess."""
    plain, excess = (
        by_digit(figures, f"nearer by {name}") for name in ("cross-entropy", "excess")
    )
    return (plain - excess).mean()


def digits_as_published(figures):
    shallow, deep = by_digit(figures, "nearer to input").T
    return (shallow > deep).mean()


def largest_perplexity(figures):
    return by_digit(figures, "perplexity, median").max()


def difference_of_perplexities(figures):
    shallow, deep = by_digit(figures, "perplexity, median").T
    return np.abs(shallow - deep).max()


def seen_over_unseen(figures):
    """Return the error of shallow reconstructions to the average, seen over unseen."""
    seen, unseen = (
        by_digit(figures, "error to average", name)[:, 0].mean()
        for name in ("seen", "unseen")
    )
    return seen / unseen


def correlation(figures, name):
    """Return the rank correlation of a figure with matching, over the grid."""
    nets = [f for cell, f in figures.items() if cell.startswith("network")]
    if len(nets) < len(GRID):
        raise KeyError("a network was left out")
    matching = [f["error to input"] - f["error to average"] for f in nets]
    return spearmanr(matching, [f[name] for f in nets]).statistic


def depth_beyond_weights(figures):
    return correlation(figures, "layers") - correlation(figures, "weights")


CLAIMS = [
    Claim(
        "theorem 1: largest difference from a brute-force minimiser, by pixel",
        "proved",
        lambda figures: figures["theorem 1"]["largest difference"],
        high=1e-3,
        scale="smoke",
    ),
    Claim(
        "fig. 2: share of unseen digits nearer to the input, 1 layer less 3 layers",
        "a scatter plot, 9",
        gap_of_depths,
        low=0.15,
    ),
    Claim(
        "fig. 2, by cross-entropy as in the paper: 1 layer less 3 layers",
        "a scatter plot, 9",
        partial(gap_of_depths, name="nearer by cross-entropy"),
        low=0.15,
    ),
    Claim(
        "fig. 2, by cross-entropy less that of the target: 1 layer less 3 layers",
        "not mentioned",
        partial(gap_of_depths, name="nearer by excess"),
        low=0.15,
    ),
    Claim(
        "against fig. 2: cross-entropy favours the input; share by it less by excess",
        "not mentioned",
        gain_by_entropy,
        low=0,
    ),
    Claim(
        "fig. 2 and appendix: share of the digits for which that is above 0",
        "all ten",
        digits_as_published,
        low=1,
    ),
    Claim(
        "fig. 1: perplexities peak at 1; largest median",
        "a histogram",
        largest_perplexity,
        high=2,
    ),
    Claim(
        "fig. 1: they are alike for both depths; largest difference of medians",
        "a histogram",
        difference_of_perplexities,
        high=0.5,
    ),
    Claim(
        "a seen digit is nearer to its average: error to it, seen over unseen, 1 layer",
        "said, no figure",
        seen_over_unseen,
        high=0.9,
    ),
    Claim(
        "fig. 4: matching rises with depth; rank correlation over 17 networks",
        "a picture of other networks",
        lambda figures: correlation(figures, "layers"),
        low=0.5,
    ),
    Claim(
        "fig. 4: and less with the number of weights; depth's correlation less theirs",
        "a picture of other networks",
        depth_beyond_weights,
        low=0,
    ),
    Claim(
        "fig. 3: one image has nearly all the weight; least share of the plane",
        "most of a picture",
        lambda figures: min(
            figures[f"plane, {depth}"]["share of the plane with a weight above 0.9"]
            for depth in DEPTHS
        ),
        low=0.85,
    ),
]


def draw(results):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    ax = figure.subplots()
    for cells in results.values():
        nets = [f for name, f in cells.items() if name.startswith("network")]
        for f in nets:
            matching = f["error to input"] - f["error to average"]
            ax.semilogx(f["weights"], matching, "o", color=f"C{f['layers']}")
        grown = nets[-len(GROWN) :] if len(nets) == len(GRID) else []
        path = [f["error to input"] - f["error to average"] for f in grown]
        ax.semilogx([f["weights"] for f in grown], path, color="0.5", lw=1)
    ax.set(xlabel="weights", ylabel="error to input - error to average")
    ax.set_title("colour: hidden layers; line: a network grown step by step")
    yield "networks", figure


EXPERIMENT = Experiment(
    name="nearest_neighbour_matching",
    paper='Bozkurt et al., "Can VAEs Generate Novel Examples?"',
    scales=SCALES,
    cells=cells,
    compute=compute,
    claims=CLAIMS,
    sides={
        "training images": ("60,000, less those of the digit", "{n_train:,}, likewise"),
        "epochs": ("not stated", f"{{epochs}}; KL weight rises over {KL_WARMUP:.0%}"),
        "hidden layers": ("400, or 400-200-100", "{layer}; and half and a quarter"),
        "latent variables": ("50", "{n_components}"),
        "digits held out": ("9, and all others", "{digits}"),
        "networks of figure 4": ("17, not listed", "17, declared in the script"),
    },
    draw=draw,
)


def run(arguments):
    """Run with the digits of ``--digits``, if there are any."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--digits", type=int, nargs="+", choices=range(10))
    options, others = parser.parse_known_args(arguments)
    digits = {"digits": tuple(options.digits)} if options.digits else {}
    scales = {name: sizes | digits for name, sizes in SCALES.items()}
    return main(replace(EXPERIMENT, scales=scales), others)


if __name__ == "__main__":
    run(sys.argv[1:])
