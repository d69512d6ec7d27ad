"""Images of the papers, how far samples are from them, and pictures of rows of images.

At the scale "smoke", scikit-learn's digits of 8 x 8 pixels stand for all data sets.
"""

import functools
from typing import NamedTuple

import numpy as np
from _features import train_classifier
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skvae.datasets import load_cifar10, load_fashion_mnist, load_mnist
from skvae.metrics import frechet_distance

LOADERS = {
    "MNIST": load_mnist,
    "Fashion-MNIST": load_fashion_mnist,
    "CIFAR-10": load_cifar10,
}
SHAPES = {"MNIST": (28, 28), "Fashion-MNIST": (28, 28), "CIFAR-10": (3, 32, 32)}
FEATURES = "in classifier features"


class Images(NamedTuple):
    """Rows of pixels in [0, 1], with labels."""

    train: np.ndarray
    y_train: np.ndarray
    test: np.ndarray
    y_test: np.ndarray
    shape: tuple[int, ...]

    def first(self, n_train, n_test):
        """Return so many rows of each part."""
        train, test = slice(n_train), slice(n_test)
        return Images(
            *(self.train[train], self.y_train[train]),
            *(self.test[test], self.y_test[test]),
            shape=self.shape,
        )


@functools.cache
def load_images(name, job):
    """Return all images of a data set, from the folder of the job."""
    if job.scale == "smoke":
        X, y = load_digits(return_X_y=True)
        X = (X / 16).astype(np.float32)
        train, test, y_train, y_test = train_test_split(X, y, random_state=0)
        return Images(train, y_train, test, y_test, shape=(8, 8))
    parts = [LOADERS[name](subset=s, data_home=job.data) for s in ("train", "test")]
    rows = [((part.data / 255).astype(np.float32), part.target) for part in parts]
    return Images(*rows[0], *rows[1], shape=SHAPES[name])


class Judge:
    """Distance of images to the test images of a data set, in classifier features."""

    def __init__(self, name, job):
        images = load_images(name, job)
        self.test = images.test
        self.network = train_classifier(images.train, images.y_train, images.shape)
        self.reference = self.network.transform(self.test)

    def features(self, X):
        return self.network.transform(X)

    def __call__(self, X):
        return frechet_distance(self.reference, self.features(X))


judge_of = functools.cache(Judge)


def save_display(job, name, draw, size):
    """Save what `draw(ax=...)` draws, in a figure of so many inches, and return it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    display = draw(ax=figure.subplots())
    job.save_picture(name, figure)
    return display


def save_rows(job, name, rows, n_columns=16, image_shape=None):
    """Save a picture with a row of images for every entry of {label: rows}."""
    from skvae.plotting import SampleGridDisplay

    shown = np.concatenate([np.asarray(X)[:n_columns] for X in rows.values()])
    draw = functools.partial(
        SampleGridDisplay.from_predictions,
        shown,
        row_names=list(rows),
        n_columns=n_columns,
        image_shape=image_shape,
        value_range=(0, 1),
    )
    save_display(job, name, draw, (8, 0.55 * len(rows)))
