"""Toy densities have mass one, all of it where they are drawn, and even grids."""

import numpy as np
import pytest

from skvae.datasets import Checkerboard, EightGaussians, TwoSpirals

DENSITIES = [EightGaussians(), Checkerboard(), TwoSpirals()]


@pytest.mark.parametrize("density", DENSITIES, ids=lambda d: type(d).__name__)
def test_mass_over_a_wider_square_is_one(density):
    n = 160  # cells of the width of the narrowest normal density
    axis = (np.arange(n) + 0.5) / n * 2 - 1
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    p = np.exp(density.score_samples(grid))
    assert p.sum() * (2 / n) ** 2 == pytest.approx(1, abs=2e-3)
    far = np.abs(grid).max(1) > 0.6
    assert p[far].sum() * (2 / n) ** 2 < 1e-3


def test_checkerboard_is_that_of_the_drawing():
    """Rows of squares from the top left: light where column and row agree."""
    centres = (np.arange(4) - 1.5) / 4
    inside = [
        [np.isfinite(Checkerboard().score_samples([[x, y]])[0]) for x in centres]
        for y in centres
    ]
    counts = np.array(inside).sum(0).tolist(), np.array(inside).sum(1).tolist()
    assert counts == ([2] * 4, [2] * 4)
    X = Checkerboard().sample(500, random_state=0)
    assert np.isfinite(Checkerboard().score_samples(X)).all()
    assert not np.isfinite(Checkerboard().score_samples(X + 1)).any()


@pytest.mark.parametrize("cls", [EightGaussians, TwoSpirals])
def test_entropy_is_summed_over_the_centres_of_cells(cls):
    """The midpoint rule is exact for a linear integrand, on centres alone."""

    class Seen(cls):
        def score_samples(self, X):
            self.grid = np.asarray(X)
            return np.zeros(len(X))

    density = Seen()
    density.entropy()
    axis = np.unique(density.grid[:, 0])
    assert len(axis) == 256
    assert axis[0] == pytest.approx(-0.6 + 0.6 / 256)
    np.testing.assert_allclose(axis, -axis[::-1], atol=1e-12)


def test_eight_gaussians_lie_on_the_circle_of_the_tutorial():
    X = EightGaussians().sample(20_000, random_state=0)
    angle = np.round(np.arctan2(X[:, 1], X[:, 0]) / (np.pi / 4)).astype(int) % 8
    centres = np.array([X[angle == k].mean(0) for k in range(8)])
    np.testing.assert_allclose(
        np.linalg.norm(centres, axis=1), 4 / 1.414 / 8, atol=0.005
    )
