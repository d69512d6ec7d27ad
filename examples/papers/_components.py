"""What latent components know and do: figure 1b and theorem 4 of `two_stage_vae.py`.

The decoded variance of a component is that of images for z_j ~ N(0, 1), summed over
pixels in [0, 1]. The paper's has a unit of its own: only the order is compared.
"""

from functools import partial

import numpy as np
from _images import save_display
from _runner import Claim
from scipy.stats import spearmanr

from skvae.diagnostics import component_influence


def figures_of_components(model, images, name, job):
    """Return what components know and do, and save a traversal of most and least."""
    from skvae.plotting import LatentTraversalDisplay

    found = component_influence(model, images.test[:500])
    order = np.argsort(-found.decoded_variance)
    draw = partial(
        LatentTraversalDisplay.from_estimator,
        model,
        images.test,
        components=list(dict.fromkeys([*order[:6], *order[-2:]])),
        value_range=(0, 1),
    )
    save_display(job, f"traversal of {name}", draw, (6, 5))
    n_between = len(order) - found.n_near_zero - found.n_near_one
    return {
        "components in use": found.n_used,
        "variances below 0.1": found.n_near_zero,
        "variances above 0.9": found.n_near_one,
        "variances of 0.1 to 0.9": n_between / len(order),
        "posterior variances": found.posterior_variance,
        "decoded variances": found.decoded_variance,
    }


def share_of_superfluous(figures):
    """Return the share of the decoded variance of components that keep the prior."""
    posterior, decoded = map(np.array, variances_of(figures))
    near_one = posterior > 0.9
    return decoded[near_one].sum() / decoded.sum() if near_one.any() else np.nan


def variances_of(figures):
    return figures["posterior variances"], figures["decoded variances"]


def correlation_of_variances(figures):
    """Return the rank correlation of posterior and decoded variances."""
    return spearmanr(*variances_of(figures)).statistic


def claims_of_components(_, data):
    """Yield what figure 1b says of one data set, and what theorem 4 says."""
    for text, published, ours, rule in (
        (
            "fig. 1b, superfluous components, with a posterior variance above 0.9",
            "one of the three shown (1.00)",
            lambda figures: figures["variances above 0.9"],
            {"low": 1},
        ),
        (
            "fig. 1b, their share of the decoded variance",
            "0 (beside 37.7 and 357)",
            share_of_superfluous,
            {"high": 0.01},
        ),
        (
            "fig. 1b, rank correlation of posterior and decoded variances",
            "-1 (three components)",
            correlation_of_variances,
            {"high": -0.5},
        ),
        (
            "theorem 4, share of posterior variances from 0.1 to 0.9",
            "near 0 in the limit",
            lambda figures: figures["variances of 0.1 to 0.9"],
            {"high": 0.15},
        ),
    ):
        cell = f"{data}, two stages"
        yield Claim(
            f"{data}: {text}",
            published,
            lambda figures, cell=cell, ours=ours: ours(figures[cell]),
            **rule,
        )
