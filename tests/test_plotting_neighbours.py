"""Displays of samples and the training images nearest to them."""

import numpy as np
import pytest
from conftest import N_TRAIN
from displays import cells

from skvae.plotting import NearestNeighbourDisplay
from skvae.plotting._axes import ranks

pytestmark = pytest.mark.usefixtures("closed_figures")


@pytest.mark.parametrize(
    "features", [None, lambda X: np.sqrt(np.maximum(X, 0))[:, :30]]
)
def test_neighbours_are_the_nearest_by_brute_force(vae, digits, features):
    train, test = digits[0][:N_TRAIN], digits[0][N_TRAIN:]
    display = NearestNeighbourDisplay.from_estimator(
        vae,
        train,
        X_test=test,
        n_samples=5,
        n_neighbours=3,
        features=features,
        random_state=1,
    )
    X = vae.sample(5, random_state=1)
    np.testing.assert_array_equal(display.images.reshape(5, 64), X)
    apply = features or (lambda rows: rows)
    F, G = apply(X).astype(float), apply(train).astype(float)
    distances = np.array([[np.sqrt(np.sum((f - g) ** 2)) for g in G] for f in F])
    order = np.argsort(distances, axis=1)[:, :3]
    np.testing.assert_array_equal(display.neighbours.reshape(5, 3, 64), train[order])
    np.testing.assert_allclose(
        display.distances, np.take_along_axis(distances, order, 1)
    )
    shown = cells(display.im_.get_array(), 8, 8, 4, 5)
    for i in range(5):
        np.testing.assert_array_equal(shown[i], X[i].reshape(8, 8))
        for k in range(3):
            expected = train[order[i, k]].reshape(8, 8)
            np.testing.assert_array_equal(shown[5 * (k + 1) + i], expected)
    labels = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert labels == [f"{d:.3g}" for d in distances.min(1)]
    H = apply(test).astype(float)
    floor = np.median([np.sqrt(((h - G) ** 2).sum(1)).min() for h in H])
    assert display.floor == pytest.approx(floor)
    assert f"{floor:.3g}" in display.ax_.get_xlabel()


def test_copies_have_distance_zero(digits):
    X = digits[0] * 1000 + 1e6
    display = NearestNeighbourDisplay.from_predictions(X[:4], X)
    np.testing.assert_array_equal(display.distances, 0)


def test_there_are_as_many_neighbours_as_training_images(digits):
    with pytest.raises(ValueError, match=r"at most .* training images, got 4 and 3"):
        NearestNeighbourDisplay.from_predictions(
            digits[0][:2], digits[0][:3], n_neighbours=4
        )


def test_ranks_are_ordinal_numbers():
    found = ranks("best", "other", 113)
    assert found[:4] == ["best", "2nd other", "3rd other", "4th other"]
    odd = {11: "11th", 12: "12th", 13: "13th", 21: "21st", 22: "22nd", 111: "111th"}
    assert {i: found[i - 1].split()[0] for i in odd} == odd
