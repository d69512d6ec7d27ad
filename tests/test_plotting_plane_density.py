"""Displays of densities of two features, and of latent planes."""

import numpy as np
import pandas
import pytest
import torch
from conftest import small
from scipy.special import erf
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skvae
from skvae.datasets import Checkerboard, EightGaussians
from skvae.networks import MLP
from skvae.plotting import PlaneDensityDisplay

pytestmark = pytest.mark.usefixtures("figures_without_warnings")
plt = pytest.importorskip("matplotlib.pyplot")

MEAN, SPREAD = np.array([1.0, 5.0]), np.array([0.5, 2.0])


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).normal(size=(300, 2)) * SPREAD + MEAN


@pytest.fixture(scope="module")
def linear(rows):
    """Return a VAE whose decoder is an affine map of two components."""
    return small(network=MLP(()), max_epochs=5).fit(rows)


class Normal:
    """The density of what an affine decoder makes of N(0, I)."""

    def __init__(self, model):
        self.mean = model.inverse_transform(np.zeros((1, 2)))[0].astype(float)
        self.factor = model.inverse_transform(np.eye(2)).astype(float) - self.mean
        self.covariance = self.factor.T @ self.factor

    def score_samples(self, X):
        return multivariate_normal(self.mean, self.covariance).logpdf(X)


def centres(low, high, n):
    return np.linspace(low, high, 2 * n + 1)[1::2]


def test_densities_stand_where_they_are(rows):
    mixture = GaussianMixture(1, covariance_type="diag").fit(rows)
    extent = -1.0, 3.0, -2.0, 13.0
    display = PlaneDensityDisplay.from_estimator(mixture, n_grid=30, extent=extent)
    x, y = centres(-1, 3, 30), centres(-2, 13, 30)
    expected = [[mixture.score_samples([[a, b]])[0] for a in x] for b in y]
    np.testing.assert_allclose(display.log_density, expected)
    image = display.images_["model"]
    assert image.origin == "lower"
    assert tuple(image.get_extent()) == extent
    # The largest of the mixed colours' channels falls with the density.
    brightness = image.get_array().max(-1) / full_colours(extent, x, y).max(-1)
    np.testing.assert_allclose(brightness, np.exp(expected - np.max(expected)))
    assert list(display.images_) == ["model"]
    assert np.isnan(display.dark_mass_)


def full_colours(extent, x, y):
    """Mix the colours of the corners, cell by cell."""
    from matplotlib.colors import to_rgb

    left, right, low, high = extent
    corners = {
        (0, 0): "#2080ff",
        (1, 0): "#00d060",
        (0, 1): "#ff40c0",
        (1, 1): "#ffb000",
    }
    colours = np.zeros((len(y), len(x), 3))
    for i, b in enumerate(y):
        for j, a in enumerate(x):
            u, v = (a - left) / (right - left), (b - low) / (high - low)
            u, v = np.clip([u, v], 0, 1)
            for (s, t), colour in corners.items():
                share = (u if s else 1 - u) * (v if t else 1 - v)
                colours[i, j] += share * np.array(to_rgb(colour))
    return colours


def test_points_of_the_latent_plane_have_the_colour_of_their_place(linear, rows):
    density, extent = Normal(linear), (0.0, 2.0, 1.0, 9.0)
    display = PlaneDensityDisplay.from_estimator(
        linear, density=density, n_grid=15, extent=extent, latent_limit=2.0
    )
    largest = display.log_reference.max()
    shown = display.images_["latent"].get_array()
    for i, b in enumerate(centres(-2, 2, 15)):
        for j, a in enumerate(centres(-2, 2, 15)):
            place = linear.inverse_transform([[a, b]]).astype(float)
            colour = full_colours(extent, *place.T)[0, 0]
            relative = np.exp(density.score_samples(place) - largest)
            expected = colour * min(1.0, float(relative))
            np.testing.assert_allclose(shown[i, j], expected, atol=1e-4)
    assert list(display.images_["latent"].get_extent()) == [-2, 2, -2, 2]


@pytest.mark.parametrize("threshold", [0.05, 0.3])
@pytest.mark.parametrize("limit", [3.0, 4.0])
def test_dark_mass_of_an_affine_decoder_is_known(linear, threshold, limit):
    """The density at the place of z falls as exp(-z^2 / 2).

    The mass of N(0, I) beyond the radius where that is t is t itself.
    """
    density = Normal(linear)
    display = PlaneDensityDisplay.from_estimator(
        linear,
        density=density,
        n_grid=201,  # a cell in the middle
        extent=(*(density.mean[0] + np.array([-3, 3])), *(density.mean[1] + [-3, 3])),
        n_importance_samples=1,
        threshold=threshold,
        latent_limit=limit,
    )
    outside = 1 - erf(limit / np.sqrt(2)) ** 2
    expected = (threshold - outside) / (1 - outside)
    assert display.dark_mass_ == pytest.approx(expected, abs=2e-3)
    note = display.axes_[-1].texts[-1].get_text().replace("\n", " ")
    assert f"dark mass {100 * display.dark_mass_:.1f} %" in note
    assert "the reference's" in note


def test_dark_mass_is_that_of_samples():
    """Of a curved decoder and a latent density of its own, by simulation."""
    X = EightGaussians().sample(400, random_state=0)
    model = small(skvae.RAE, max_epochs=30, network=MLP((16,))).fit(X)
    display = PlaneDensityDisplay.from_estimator(
        model, X, EightGaussians(), n_grid=80, latent_limit=6.0, threshold=0.3
    )
    Z = model.latent_density_.sample(20_000)[0]
    assert np.abs(Z).max() < 6
    places = model.inverse_transform(Z)
    bound = display.log_reference.max() + np.log(0.3)
    expected = np.mean(EightGaussians().score_samples(places) < bound)
    assert 0.1 < expected < 0.9
    assert display.dark_mass_ == pytest.approx(expected, abs=0.02)


def test_without_a_reference_dark_is_where_the_model_has_no_mass(linear, rows):
    display = PlaneDensityDisplay.from_estimator(linear, rows, n_grid=20)
    assert list(display.images_) == ["model", "latent"]
    places = display.latent.locations.reshape(-1, 2)
    own = linear.score_samples(places).reshape(20, 20)
    bound = display.log_density.max() + np.log(0.01)
    z = centres(-3, 3, 20)
    weights = np.exp(-0.5 * np.add.outer(z**2, z**2))
    expected = weights[own < bound].sum() / weights.sum()
    assert display.dark_mass_ == pytest.approx(expected, abs=1e-6)
    note = display.axes_[-1].texts[-1].get_text().replace("\n", " ")
    assert "the model's" in note


def test_a_pipeline_has_its_density_in_the_units_of_its_input(rows):
    pipeline = make_pipeline(StandardScaler(), small(max_epochs=2)).fit(rows)
    display = PlaneDensityDisplay.from_estimator(
        pipeline, rows, n_grid=50, extent=(-2.0, 4.0, -7.0, 17.0)
    )
    mass = np.exp(display.log_density).sum() * (6 / 50) * (24 / 50)
    assert mass == pytest.approx(1, abs=0.03)
    places = display.latent.locations.reshape(-1, 2)
    Z = np.stack(np.meshgrid(*[centres(-3, 3, 50)] * 2), -1).reshape(-1, 2)
    np.testing.assert_allclose(places, pipeline.inverse_transform(Z), atol=1e-5)


def test_rows_and_their_codes_have_the_same_colours(linear, rows):
    display = PlaneDensityDisplay.from_estimator(
        linear, rows, Normal(linear), n_grid=8, n_points=40
    )
    first, last = display.axes_[0].collections, display.axes_[-1].collections
    np.testing.assert_allclose(first[0].get_offsets(), rows[:40])
    np.testing.assert_allclose(last[0].get_offsets(), linear.transform(rows[:40]))
    colours = first[0].get_facecolors()
    np.testing.assert_array_equal(colours, last[0].get_facecolors())
    for place, colour in zip(rows[:40], colours, strict=True):
        expected = full_colours(display.extent, *place[:, None])[0, 0]
        np.testing.assert_allclose(colour[:3], expected, atol=1e-6)
    assert not display.axes_[1].collections
    assert "the first 40 of 300 rows" in display.ax_.texts[0].get_text()
    none = PlaneDensityDisplay.from_estimator(linear, rows, n_grid=8, n_points=0)
    assert not any(ax.collections for ax in none.axes_)


def test_the_extent_is_around_the_rows_or_samples(linear, rows):
    display = PlaneDensityDisplay.from_estimator(linear, rows, n_grid=4)
    (low, high), span = (rows.min(0), rows.max(0)), np.ptp(rows, axis=0)
    edges = np.stack([low - 0.1 * span, high + 0.1 * span], 1).ravel()
    np.testing.assert_allclose(display.extent, edges)
    left, right, low, high = PlaneDensityDisplay.from_estimator(linear, n_grid=4).extent
    samples = linear.sample(1000, mean=False, random_state=1)
    inside = (samples > [left, low]) & (samples < [right, high])
    assert inside.all(1).mean() > 0.95
    assert right - left < 8 * samples[:, 0].std()


def test_a_density_beyond_the_brightest_is_said(rows):
    narrow = GaussianMixture(1, means_init=[MEAN]).fit(0.5 * (rows - MEAN) + MEAN)
    wide = GaussianMixture(1, means_init=[MEAN]).fit(rows)
    display = PlaneDensityDisplay.from_estimator(narrow, rows, wide, n_grid=40)
    excess = np.exp(display.log_density - display.log_reference.max())
    note = display.axes_[1].texts[0].get_text().replace("\n", " ")
    assert note == (
        f"cut off: {100 * np.mean(excess > 1):.2g} % of the cells, up to "
        f"{excess.max():.3g} times as dense"
    )
    display = PlaneDensityDisplay.from_estimator(wide, rows, narrow, n_grid=40)
    assert not display.axes_[1].texts


def test_distributions_of_torch_and_bounded_densities_are_references(linear):
    normal = Normal(linear)
    torch_normal = torch.distributions.MultivariateNormal(
        *(
            torch.tensor(v, dtype=torch.float32)
            for v in (normal.mean, normal.covariance)
        )
    )
    displays = [
        PlaneDensityDisplay.from_estimator(linear, density=density, n_grid=10)
        for density in (normal, torch_normal)
    ]
    references = [display.log_reference for display in displays]
    np.testing.assert_allclose(*references, rtol=1e-3)
    board = PlaneDensityDisplay.from_estimator(
        linear, density=Checkerboard(), n_grid=16, extent=(-0.5, 0.5, -0.5, 0.5)
    )
    is_lit = board.images_["reference"].get_array().any(-1)
    assert is_lit.sum() == 16 * 16 / 2
    assert board.dark_mass_ > 0.9  # of places that are nearly all elsewhere


def test_frames_name_the_axes(rows):
    frame = pandas.DataFrame(rows, columns=["width", "height"])
    model = make_pipeline(StandardScaler(), small(max_epochs=1)).fit(frame)
    display = PlaneDensityDisplay.from_estimator(
        model, frame[["height", "width"]], n_grid=6
    )
    assert display.ax_.get_xlabel() == "width"
    assert display.ax_.get_ylabel() == "height"
    np.testing.assert_array_equal(display.points, rows)


def test_panels_fill_the_axes_they_are_given(linear, rows):
    axes = plt.subplots(1, 3)[1]
    density = Normal(linear)
    display = PlaneDensityDisplay.from_estimator(
        linear, rows, density, n_grid=4, ax=axes
    )
    assert display.axes_.tolist() == axes.tolist()
    with pytest.raises(ValueError, match="as many as there are panels, 3, got 2"):
        display.plot(axes[:2])
    with pytest.raises(ValueError, match="must be empty"):
        display.plot(axes[0])
    titles = [ax.get_title() for ax in axes]
    assert titles == ["reference density", "density of VAE", "latent plane of VAE"]


class TestRefused:
    def test_are_models_of_other_numbers_of_features(self, vae, digits):
        with pytest.raises(ValueError, match=r"2 features.* 64.*SampleGridDisplay"):
            PlaneDensityDisplay.from_estimator(vae, digits[0])

    def test_are_models_without_a_density(self, rows):
        with pytest.raises(TypeError, match="`score_samples`, but StandardScaler"):
            PlaneDensityDisplay.from_estimator(StandardScaler().fit(rows))

    def test_are_densities_that_have_none(self, linear, rows):
        with pytest.raises(TypeError, match="density must have `score_samples`"):
            PlaneDensityDisplay.from_estimator(linear, rows, StandardScaler())
        broken = Normal(linear)
        for score in (lambda X: np.full(len(X), np.nan), lambda X: X):
            broken.score_samples = score
            with pytest.raises(ValueError, match="density must give one log density"):
                PlaneDensityDisplay.from_estimator(linear, rows, broken, n_grid=4)

    def test_are_extents_without_mass(self, linear, rows):
        with pytest.raises(ValueError, match=r"density must be above 0.*extent="):
            PlaneDensityDisplay.from_estimator(linear, rows, Checkerboard(), n_grid=4)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("n_grid", 1), ("n_points", -1), ("latent_limit", 0.0)),
            *(("threshold", 0.0), ("threshold", 1.5), ("extent", (0, 1))),
            *(("extent", (0, 1, 1, 0)), ("extent", (0, 1, 0, np.inf))),
        ],
    )
    def test_are_values_out_of_range(self, linear, rows, name, value):
        with pytest.raises(ValueError, match=name):
            PlaneDensityDisplay.from_estimator(linear, rows, **{name: value})
