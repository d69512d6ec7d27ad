"""The cells of `nearest_neighbour_matching.py`."""

from dataclasses import replace
from functools import partial

import numpy as np
from _images import load_images, save_display
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import norm

from skvae import VAE
from skvae.datasets import held_out_class_split
from skvae.diagnostics import (
    optimal_decoder,
    parameter_counts,
    posterior_moments,
    reconstruction_matching,
)
from skvae.metrics import optimal_decoder_weights
from skvae.networks import MLP

ERRORS = ("squared", "cross_entropy", "excess_cross_entropy")


def make_vae(settings, n_components, seed, **parameters):
    return VAE(
        n_components,
        network=MLP(tuple(settings["layers"]), activation="relu", skip=False),
        likelihood="bernoulli",
        max_epochs=settings["epochs"],
        early_stopping=False,  # whether it memorises is the question
        random_state=seed,
        **parameters,
    )


def compute_theorem(cell, job):
    """Minimise the weighted cross-entropy of all rows over any output, at 20 codes."""
    X = load_images("MNIST", replace(job, scale="smoke")).train[:60].astype(float)
    settings = {"layers": (16,), "epochs": 100}
    vae = make_vae(settings, 2, cell.seed).fit(X)
    rows, (means, deviations) = X[:20], posterior_moments(vae, X)
    best = optimal_decoder(vae, rows, X).averages
    logits = []
    for z in vae.transform(rows):
        weights = norm.pdf(z, means, deviations).prod(1)
        weights = weights / weights.sum()

        def loss(h, weights=weights):
            entropy = (np.logaddexp(0, h) - X * h).sum(1) @ weights
            return entropy, expit(h) - weights @ X

        start = np.zeros(X.shape[1])
        options = {"maxiter": 5000, "maxfun": 10_000, "gtol": 1e-9, "ftol": 0}
        logits.append(minimize(loss, start, jac=True, options=options).x)
    return {"largest difference": np.abs(expit(logits) - best).max()}


def compute_digit(cell, job):
    settings, images = cell.settings, load_images("MNIST", job)
    n = settings["n_train"]
    split = held_out_class_split(
        images.train[:n],
        images.test,
        images.y_train[:n],
        images.y_test,
        held_out=settings["digit"],
        random_state=cell.seed,
    )
    X_train = split.X_with if settings["seen"] else split.X_without
    X = split.X_held_out
    n_components, options = (
        settings["n_components"],
        {"kl_warmup": settings["kl_warmup"]},
    )
    vae = make_vae(settings, n_components, cell.seed, **options).fit(X_train)
    results = {e: reconstruction_matching(vae, X, X_train, error=e) for e in ERRORS}
    if not cell.name.startswith("network"):  # the seventeen have one picture
        save_pictures(job, str(cell), vae, X, X_train, results)
    result = results["squared"]
    return {
        "nearer to input": result.closer_to_input,
        "nearer by cross-entropy": results["cross_entropy"].closer_to_input,
        "nearer by excess": results["excess_cross_entropy"].closer_to_input,
        "error to input": result.error_to_input.mean(),
        "error to average": result.error_to_average.mean(),
        "perplexity, median": np.median(result.perplexity),
        "perplexity below 1.5": np.mean(result.perplexity < 1.5),
        "components in use": len(vae.active_components_),
        "layers": len(settings["layers"]),
        "weights": parameter_counts(vae).total,
    }


def save_pictures(job, name, vae, X, X_train, results):
    """Save images and what is made of them, figure 2's errors, and perplexities."""
    from matplotlib.figure import Figure

    from skvae.plotting import OptimalDecoderDisplay, PerplexityDisplay

    draw = partial(OptimalDecoderDisplay.from_estimator, vae, X, X_train)
    save_display(job, name, partial(draw, value_range=(0, 1)), (8, 7))
    figure = Figure(figsize=(13, 4), layout="constrained")
    *axes, last = figure.subplots(1, 4)
    perplexity = results["squared"].perplexity
    PerplexityDisplay.from_predictions(perplexity, len(X_train), ax=last)
    for ax, (error, found) in zip(axes, results.items(), strict=True):
        ax.plot(found.error_to_average, found.error_to_input, ".", ms=3)
        errors = np.concatenate([found.error_to_average, found.error_to_input])
        ends = errors.min(), errors.max()
        ax.plot(ends, ends, color="0.5", lw=1)
        share = f"{100 * found.closer_to_input:.0f} % nearer to the input"
        ax.set(title=f"{error.replace('_', ' ')}:\n{share}")
        ax.set(xlabel="error to average", ylabel="error to input")
    job.save_picture(f"errors of {name}", figure)


def compute_plane(cell, job):
    """Ten images of every digit, codes in the plane: how sharp are the weights?"""
    from skvae.plotting import LatentSpaceDisplay

    images = load_images("MNIST", job)
    rng = np.random.default_rng(cell.seed)
    chosen = [
        rng.choice(np.flatnonzero(images.y_train == digit), 10, replace=False)
        for digit in range(10)
    ]
    X, y = images.train[np.concatenate(chosen)], np.repeat(np.arange(10), 10)
    vae = make_vae(cell.settings, 2, cell.seed, batch_size=100).fit(X)
    means, deviations = posterior_moments(vae, X)
    axis = np.linspace(-3, 3, 61)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    sharp = optimal_decoder_weights(grid, means, deviations, X).max_weight > 0.9
    draw = partial(
        LatentSpaceDisplay.from_estimator,
        vae,
        X,
        y,
        n_ellipses=len(X),
        background="max_weight",
    )
    save_display(job, str(cell), draw, (7, 5))
    return {
        "deviation of posteriors, median": np.median(deviations),
        "share of the plane with a weight above 0.9": sharp.mean(),
    }


def compute(cell, job):
    kinds = {"theorem": compute_theorem, "digit": compute_digit, "plane": compute_plane}
    return kinds[cell.settings["kind"]](cell, job)
