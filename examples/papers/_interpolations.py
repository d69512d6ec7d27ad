"""Pictures of `regularized_autoencoders.py`: interpolations and nearest neighbours.

The images of a path are figures of its cell, since cells are computed one by one, and
the picture of all models is drawn when they are there.
"""

from functools import partial

import numpy as np
from _images import save_display

N_PATHS, PATHS = 2, ("starts", "steps", "ends")


def save_neighbours(job, cell, samples, images):
    from skvae.plotting import NearestNeighbourDisplay

    draw = partial(
        NearestNeighbourDisplay.from_predictions,
        samples[:12],
        images.train,
        n_neighbours=3,
        image_shape=images.shape,
    )
    save_display(job, f"neighbours of {cell}", draw, (8, 3))


def save_paths(job, cell, model, images):
    """Save interpolations between test images, and return them."""
    from skvae.plotting import InterpolationDisplay

    draw = partial(
        InterpolationDisplay.from_estimator,
        model,
        images.test,
        n_paths=N_PATHS,
        image_shape=images.shape,
        value_range=(0, 1),
    )
    paths = save_display(job, f"interpolations of {cell}", draw, (8, 2))
    return {name: np.round(np.float64(getattr(paths, name)), 3) for name in PATHS}


def figure_of_paths(models):
    """Draw what all models make of the same paths, one path below the other."""
    from matplotlib.figure import Figure

    from skvae.plotting import InterpolationDisplay

    rows = {
        part: np.array([f[part][i] for i in range(N_PATHS) for f in models.values()])
        for part in PATHS
    }
    figure = Figure(figsize=(8, 1 + 0.6 * N_PATHS * len(models)), layout="constrained")
    names = list(models) * N_PATHS
    display = InterpolationDisplay(**rows, value_range=(0, 1), row_names=names)
    display.plot(figure.subplots())
    return figure
