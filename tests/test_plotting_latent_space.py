"""Displays of codes and their posteriors."""

import numpy as np
import pytest
from conftest import small
from sklearn.decomposition import PCA

import skvae
from skvae.diagnostics import posterior_moments
from skvae.plotting import LatentSpaceDisplay

pytestmark = pytest.mark.usefixtures("closed_figures")


class TestLatentSpace:
    def test_ellipses_have_the_axes_of_the_posteriors(self, flat_vae, digits):
        X = digits[0]
        display = LatentSpaceDisplay.from_estimator(
            flat_vae, X, n_ellipses=40, random_state=0
        )
        means, deviations = posterior_moments(flat_vae, X)
        ellipses = display.ellipses_
        centres = ellipses.get_offsets()
        assert len(centres) == 40
        for i, centre in enumerate(centres):
            row = np.argmin(np.linalg.norm(means - centre, axis=1))
            np.testing.assert_allclose(centre, means[row])
            axes = ellipses.get_widths()[i], ellipses.get_heights()[i]
            angle = np.radians(ellipses.get_angles()[i])
            # The extent of the ellipse along both coordinate axes.
            along = np.array([np.cos(angle), np.sin(angle)])
            across = np.array([-np.sin(angle), np.cos(angle)])
            extent = np.hypot(axes[0] * along, axes[1] * across)
            np.testing.assert_allclose(extent, 2 * deviations[row], rtol=1e-6)
            assert sorted(axes) == pytest.approx(sorted(2 * deviations[row]))

    def test_ellipses_in_a_plane_have_the_spread_of_draws(self, digits):
        rng = np.random.default_rng(0)
        means = rng.normal(size=(20, 4)) * [3, 2, 1, 1]
        deviations = rng.uniform(0.1, 2, size=(20, 4))
        display = LatentSpaceDisplay.from_predictions(means, deviations, random_state=0)
        plane = PCA(2).fit(means).components_
        row = np.argmin(np.linalg.norm(means @ plane.T - display.codes[0], axis=1))
        draws = means[row] + deviations[row] * rng.standard_normal((200_000, 4))
        expected = np.cov(draws @ plane.T, rowvar=False)
        np.testing.assert_allclose(display.covariances[0], expected, atol=0.05)
        ellipses = display.ellipses_
        axes = ellipses.get_widths()[0] / 2, ellipses.get_heights()[0] / 2
        angle = np.radians(ellipses.get_angles()[0])
        rotation = np.array(
            [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        )
        rebuilt = rotation @ np.diag(np.square(axes)) @ rotation.T
        np.testing.assert_allclose(rebuilt, display.covariances[0])

    def test_points_are_the_means_and_colours_the_labels(self, flat_vae, digits):
        X, y = digits
        display = LatentSpaceDisplay.from_estimator(flat_vae, X, y, random_state=0)
        means = flat_vae.transform(X)
        points = display.scatter_.get_offsets()
        assert sorted(map(tuple, points)) == sorted(map(tuple, means.astype(float)))
        colours = display.scatter_.get_facecolors()
        legend = display.ax_.get_legend()
        assert [t.get_text() for t in legend.get_texts()] == [str(k) for k in range(10)]
        by_class = {}
        for point, colour in zip(points, colours, strict=True):
            row = np.argmin(np.linalg.norm(means - point, axis=1))
            by_class.setdefault(y[row], set()).add(tuple(colour))
        assert {len(colours) for colours in by_class.values()} == {1}
        assert len(set.union(*by_class.values())) == 10

    def test_components_can_be_chosen(self, vae, digits):
        X = digits[0]
        display = LatentSpaceDisplay.from_estimator(
            vae, X, components=(2, 0), random_state=0
        )
        expected = vae.transform(X)[:, [2, 0]].astype(float)
        assert sorted(map(tuple, display.codes)) == sorted(map(tuple, expected))
        assert display.ax_.get_xlabel() == "latent component 2"

    def test_many_rows_are_thinned(self, vae, digits):
        display = LatentSpaceDisplay.from_estimator(
            vae, *digits, n_points=30, n_ellipses=5
        )
        assert len(display.codes) == len(display.labels) == 30
        assert len(display.covariances) == 5

    @pytest.mark.parametrize(
        ("posterior", "n"), [("diagonal", 30), ("full", 0), ("flow", 0)]
    )
    def test_only_independent_posteriors_have_ellipses(self, posterior, n, digits):
        vae = small(posterior=posterior, max_epochs=1).fit(digits[0])
        display = LatentSpaceDisplay.from_estimator(vae, digits[0])
        ellipses = display.ellipses_
        assert (0 if ellipses is None else len(ellipses.get_widths())) == n

    def test_a_deterministic_encoder_has_no_ellipses(self, digits):
        rae = small(skvae.RAE, max_epochs=1).fit(digits[0])
        assert LatentSpaceDisplay.from_estimator(rae, digits[0]).ellipses_ is None

    def test_numbers_with_a_fraction_have_a_colour_bar(self, vae, digits):
        y = digits[0].mean(1)
        display = LatentSpaceDisplay.from_estimator(vae, digits[0], y, random_state=0)
        assert len(display.figure_.axes) == 2
        assert display.ax_.get_legend() is None
        assert sorted(display.scatter_.get_array()) == pytest.approx(sorted(y))

    def test_more_classes_than_colours_have_colours_of_their_own(self, vae, digits):
        y = np.array([f"class {i % 15:02}" for i in range(len(digits[0]))])
        display = LatentSpaceDisplay.from_estimator(vae, digits[0], y, random_state=0)
        assert len(np.unique(display.scatter_.get_facecolors(), axis=0)) == 15

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"y": [0, 1]}, r"one label for each of the 200 rows.*\(2,\)"),
            ({"components": (0, 3)}, r"integers in \[0, 2\], got \(0, 3\)"),
            ({"components": (1, 1)}, r"different integers.*\(1, 1\)"),
            ({"components": "pca"}, "got 'pca'"),
            ({"n_points": 0}, "n_points.*Got 0"),
        ],
    )
    def test_parameters_are_checked(self, vae, digits, options, message):
        with pytest.raises(ValueError, match=message):
            LatentSpaceDisplay.from_estimator(vae, digits[0], **options)

    def test_one_component_is_no_plane(self, digits):
        vae = small(n_components=1, max_epochs=1).fit(digits[0])
        with pytest.raises(ValueError, match="at least 2 latent components, got 1"):
            LatentSpaceDisplay.from_estimator(vae, digits[0])


def test_a_colour_bar_has_the_name_of_y():
    pandas = pytest.importorskip("pandas")
    Z = np.random.default_rng(0).normal(size=(30, 2))
    ages = pandas.Series(np.linspace(20, 60.5, 30), name="age")

    def label_of(y, **options):
        display = LatentSpaceDisplay.from_predictions(Z, None, y, **options)
        return display.figure_.axes[-1].get_ylabel()

    assert label_of(ages) == "age"
    assert label_of(ages.to_numpy()) == "y"
    assert label_of(ages, name="women") == "age, women"
