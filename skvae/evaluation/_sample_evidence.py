"""How samples compare with held-out rows, and how near they are to training rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors

from skvae import metrics
from skvae._utils import intervals
from skvae.evaluation._evidence import Evidence, Sets
from skvae.metrics._checks import FloatArray
from skvae.scorers._reference import Reference, feature_rows

# Held-out rows with such a ratio of distances to the two nearest training rows, or a
# smaller one, are as many as this.
NEAR_COPY_QUANTILE = 0.05

_SAMPLE_FIGURES = {
    "frechet_distance": ("lower", "to held-out rows, squared units of the features"),
    "maximum_mean_discrepancy": ("lower", "squared, to held-out rows"),
    "precision": ("higher", "samples within neighbourhoods of held-out rows"),
    "recall": ("higher", "held-out rows within neighbourhoods of samples"),
    "density": ("higher", "neighbourhoods of held-out rows around a sample"),
    "coverage": ("higher", "held-out rows with a sample nearby"),
    "nearest_neighbour_accuracy": ("0.5", "telling samples from held-out rows"),
}


def measure_samples(
    evidence: Evidence,
    sets: Sets,
    features: Any,
    n_bootstrap: int,
    rng: np.random.RandomState,
) -> None:
    """Add how samples compare with held-out rows, and training rows in their place."""
    real = Reference(sets.test, features, "X_test")
    generated = feature_rows(sets.samples, features, "the samples")
    train = feature_rows(sets.train_part, features, "X_train")

    def figures(X: FloatArray, Y: FloatArray) -> FloatArray:
        balls = metrics.precision_recall_density_coverage(X, Y)
        mmd = metrics.maximum_mean_discrepancy(X, Y, bandwidth=real.bandwidth)
        apart = metrics.one_nearest_neighbour_accuracy(X, Y, random_state=0)
        distance = metrics.frechet_distance(X, Y)
        return np.array([distance, mmd.value, *balls[:4], apart.value])

    values = figures(real.rows, generated)
    with warnings.catch_warnings():  # of few rows: once is enough
        warnings.simplefilter("ignore", UserWarning)
        floors = figures(real.rows, train)
        low, high = intervals.by_half_samples(
            figures, values, (real.rows, generated), n_bootstrap, rng
        )
    # Of the halves' spread, laid around a share near its end.
    for i, name in enumerate(_SAMPLE_FIGURES):
        if name != "maximum_mean_discrepancy":
            low[i] = np.maximum(low[i], 0.0)
        if name in ("precision", "recall", "coverage", "nearest_neighbour_accuracy"):
            high[i] = np.minimum(high[i], 1.0)
    lines = zip(_SAMPLE_FIGURES.items(), values, low, high, floors, strict=True)
    for (name, (better, meaning)), value, lower, upper, floor in lines:
        evidence.add(name, value, (lower, upper), floor, better, meaning)


def measure_copying(
    evidence: Evidence, sets: Sets, features: Any, rng: np.random.RandomState
) -> None:
    """Add how near samples are to training rows."""
    train, test, generated = (
        feature_rows(X, features, name)
        for X, name in zip(
            (sets.train, sets.test, sets.samples),
            ("X_train", "X_test", "the samples"),
            strict=True,
        )
    )
    near = metrics.nearest_neighbour_distances(train, test, generated, random_state=rng)
    closer = (near.to_train < near.to_test) + 0.5 * (near.to_train == near.to_test)
    evidence.add(
        "closer_to_train",
        near.closer_to_train,
        intervals.of_mean(closer, rng),
        0.5,
        "0.5",
        "samples nearer to a training than to a held-out row",
    )
    held_out = _distance_ratios(test, train)
    limit = np.quantile(held_out, NEAR_COPY_QUANTILE, method="inverted_cdf")
    share = np.mean(_distance_ratios(generated, train) <= limit)
    evidence.add(
        "near_copies",
        share,
        intervals.of_share(share, len(generated)),
        np.mean(held_out <= limit),
        "lower",
        "samples far nearer to one training row than to the next",
    )
    authentic = metrics.authenticity(train, generated, X_test=test)
    evidence.add(
        "authenticity",
        authentic.value,
        intervals.of_share(authentic.value, len(generated)),
        authentic.floor,
        "floor",
        "samples that no training row seems to be the source of",
    )


def _distance_ratios(X: FloatArray, train: FloatArray) -> FloatArray:
    """Distance to the nearest training row over that to the second nearest."""
    if len(train) < 2:
        return np.ones(len(X))
    d = NearestNeighbors(n_neighbors=2).fit(train).kneighbors(X)[0]
    return np.divide(d[:, 0], d[:, 1], out=np.zeros(len(X)), where=d[:, 1] > 0)
