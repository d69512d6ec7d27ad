"""The latent plane coloured by the largest weight of the optimal decoder."""

import numpy as np
import pytest
import torch
from conftest import N_TRAIN, small
from torch.distributions import Normal

import skvae
from skvae.diagnostics import optimal_decoder, posterior_moments
from skvae.plotting import LatentSpaceDisplay

pytestmark = pytest.mark.usefixtures("figures_without_warnings")


def centres(display):
    """Return the points of the plane that the cells of the image stand for."""
    left, right, low, high = display.background_.get_extent()
    n_y, n_x = display.background_.get_array().shape
    x = np.linspace(left, right, 2 * n_x + 1)[1::2]
    y = np.linspace(low, high, 2 * n_y + 1)[1::2]
    assert display.background_.origin == "lower"
    return np.stack(np.meshgrid(x, y), -1)


def largest_weights(points, means, deviations):
    """Weigh rows by the densities of torch."""
    points, means, deviations = map(torch.as_tensor, (points, means, deviations))
    log_q = Normal(means, deviations).log_prob(points[..., None, :]).sum(-1)
    return log_q.softmax(-1).amax(-1).numpy()


@pytest.mark.parametrize("components", [None, (0, 1), (1, 0)])
def test_colours_are_the_largest_weights(components):
    rng = np.random.default_rng(0)
    means = rng.normal(size=(40, 2)) * [3, 1] + [5, -2]
    deviations = rng.uniform(0.05, 1.5, size=(40, 2))
    display = LatentSpaceDisplay.from_predictions(
        means,
        deviations,
        components=components,
        n_points=10,  # rows that are not shown have their weights, too
        n_ellipses=3,
        background="max_weight",
        random_state=0,
    )
    order = [0, 1] if components is None else list(components)
    grid = centres(display)
    some = np.s_[::9, ::7]
    expected = largest_weights(grid[some], means[:, order], deviations[:, order])
    assert expected.min() < 0.3 < 0.9 < expected.max()
    shown = display.background_.get_array()[some]
    np.testing.assert_allclose(shown, expected, atol=1e-9)
    assert display.background_.get_clim() == (0, 1)


def test_the_image_lies_under_all_posteriors_and_fills_the_axes():
    means = np.array([[0.0, 0.0], [4.0, 1.0], [9.0, -3.0]])
    deviations = np.array([[0.1, 0.1], [0.1, 2.0], [3.0, 0.1]])
    display = LatentSpaceDisplay.from_predictions(
        means, deviations, background="max_weight"
    )
    display.figure_.canvas.draw()
    left, right, low, high = display.background_.get_extent()
    assert (left, right) == pytest.approx((-0.1 - 0.605, 12 + 0.605))
    assert (low, high) == pytest.approx((-3.1 - 0.305, 3 + 0.305))
    assert display.ax_.get_xlim() == (left, right)
    assert display.ax_.get_ylim() == (low, high)
    assert display.background_.zorder < display.scatter_.zorder
    box = display.ax_.get_window_extent()
    assert box.width / box.height == pytest.approx((right - left) / (high - low))


def test_of_an_estimator_are_those_of_its_optimal_decoder(flat_vae, digits):
    X = digits[0][:N_TRAIN]
    display = LatentSpaceDisplay.from_estimator(flat_vae, X, background="max_weight")
    moments = posterior_moments(flat_vae, X)
    some = centres(display)[::11, ::11]
    shown = display.background_.get_array()[::11, ::11]
    np.testing.assert_allclose(shown, largest_weights(some, *moments), atol=1e-9)
    # Where the codes are, the same as the diagnostic says.
    best = optimal_decoder(flat_vae, X, X).max_weight
    weights = largest_weights(flat_vae.transform(X).astype(float), *moments)
    np.testing.assert_allclose(weights, best, atol=1e-6)


def test_there_is_a_colour_bar_beside_those_of_labels():
    Z = np.random.default_rng(0).normal(size=(30, 2))
    for y, side in ((None, "top"), (["a", "b"] * 15, "top"), (Z[:, 0], "right")):
        display = LatentSpaceDisplay.from_predictions(
            Z, 0.1, y, background="max_weight"
        )
        bar = display.background_.colorbar
        display.figure_.canvas.draw()
        plane, own = (ax.get_window_extent() for ax in (display.ax_, bar.ax))
        assert own.y0 > plane.y1 if side == "top" else own.x0 > plane.x1
        assert "weight" in (bar.ax.get_xlabel() + bar.ax.get_ylabel())
        for text in display.ax_.texts:
            assert text.get_window_extent().y0 > 0


def test_nothing_is_drawn_without_being_asked_for(flat_vae, digits):
    display = LatentSpaceDisplay.from_estimator(flat_vae, digits[0])
    assert display.background is None
    assert display.background_ is None
    assert not display.ax_.images


def test_drawn_again_it_is_the_same(flat_vae, digits):
    display, again = (
        LatentSpaceDisplay.from_estimator(
            flat_vae, digits[0], background="max_weight", random_state=seed
        )
        for seed in (0, 1)
    )
    values = display.background.values
    np.testing.assert_array_equal(values, again.background.values)
    np.testing.assert_array_equal(display.plot().background_.get_array(), values)


class TestRefused:
    def test_are_models_of_more_components(self, vae, digits):
        with pytest.raises(ValueError, match=r"two components, got 3.*n_components=2"):
            LatentSpaceDisplay.from_estimator(
                vae, digits[0], components=(0, 1), background="max_weight"
            )

    @pytest.mark.parametrize(
        "model", [skvae.RAE(2), skvae.VAE(2, posterior="full")], ids=["RAE", "full"]
    )
    def test_are_posteriors_without_spreads_by_component(self, model, digits):
        parts = model.get_params(deep=False)
        parts = {k: parts[k] for k in ("posterior",) if k in parts}
        model = small(type(model), max_epochs=1, **parts).fit(digits[0])
        with pytest.raises(ValueError, match=r"normal posteriors .*'diagonal'"):
            LatentSpaceDisplay.from_estimator(model, digits[0], background="max_weight")

    def test_are_other_backgrounds(self, flat_vae, digits):
        with pytest.raises(ValueError, match=r"background.*'max_weight'.*'density'"):
            LatentSpaceDisplay.from_estimator(flat_vae, digits[0], background="density")
