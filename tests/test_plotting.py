"""One battery over all displays, and for each what its picture must show."""

import inspect
import subprocess
import sys

import numpy as np
import pandas
import pytest
import torch
from conftest import ESTIMATORS, small
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

import skvae
from skvae import evaluate, plotting, sample_pipeline
from skvae.diagnostics import optimal_decoder, posterior_draws, posterior_moments
from skvae.metrics import latent_spectrum, precision_recall_distribution, slerp
from skvae.plotting import (
    InterpolationDisplay,
    LatentSpaceDisplay,
    LatentSpectrumDisplay,
    ModelComparisonDisplay,
    NearestNeighbourDisplay,
    PerplexityDisplay,
    PrecisionRecallDistributionDisplay,
    ReconstructionDisplay,
    SampleGridDisplay,
    TrainingCurveDisplay,
)

plt = pytest.importorskip("matplotlib.pyplot")

DISPLAYS = [getattr(plotting, name) for name in plotting.__all__]
N_TRAIN = 120


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:200].astype(np.float32), y[:200]


@pytest.fixture(scope="module")
def vae(digits):
    return small(n_components=3, max_epochs=4).fit(digits[0][:N_TRAIN])


@pytest.fixture(scope="module")
def flat_vae(digits):
    return small(early_stopping=True).fit(digits[0][:N_TRAIN])


@pytest.fixture(autouse=True)
def closed_figures():
    plt.close("all")
    yield
    plt.close("all")


def make(cls, estimator, X, y=None, **options):
    """Make a display of an estimator, as a user would."""
    train, test = X[:N_TRAIN], X[N_TRAIN:]
    if cls is ModelComparisonDisplay:
        return cls.from_scores({"A": [1.0, 2.0], "B": [3.0, 5.0]}, **options)
    known = {
        **{"X": test, "X_train": train, "y": y},
        **{"random_state": 0, "n_runs": 1, "n_clusters": 5},
    }
    names = inspect.signature(cls.from_estimator).parameters
    options = {k: v for k, v in known.items() if k in names} | options
    return cls.from_estimator(estimator, **options)


@pytest.mark.parametrize("cls", DISPLAYS, ids=lambda cls: cls.__name__)
class TestDisplay:
    def test_makes_one_figure_of_pyplot_and_returns_itself(self, cls, vae, digits):
        display = make(cls, vae, digits[0])
        assert isinstance(display, cls)
        assert len(plt.get_fignums()) == 1
        assert display.figure_ is plt.gcf()
        assert display.ax_.figure is display.figure_
        display.figure_.canvas.draw()

    def test_draws_onto_the_axes_it_is_given(self, cls, vae, digits):
        figure, (left, right) = plt.subplots(1, 2)
        display = make(cls, vae, digits[0], ax=right)
        assert display.figure_ is figure
        assert len(plt.get_fignums()) == 1
        assert not left.has_data()
        place = right.get_subplotspec().get_position(figure)
        inside = display.ax_.get_subplotspec().get_position(figure)
        assert inside.x0 >= place.x0 - 1e-9
        assert inside.y1 <= place.y1 + 1e-9
        figure.canvas.draw()

    def test_plots_again(self, cls, vae, digits):
        display = make(cls, vae, digits[0])
        first = display.ax_
        assert display.plot() is display
        assert display.ax_ is not first
        assert len(plt.get_fignums()) == 2

    def test_keeps_what_its_constructor_was_given(self, cls, vae, digits):
        display = make(cls, vae, digits[0])
        names = inspect.signature(cls).parameters
        again = cls(**{name: getattr(display, name) for name in names})
        assert not [name for name in vars(again) if name.endswith("_")]
        assert vars(again).keys() == set(names)
        again.plot()

    def test_has_the_artists_its_docstring_names(self, cls, vae, digits):
        display = make(cls, vae, digits[0], y=digits[1][N_TRAIN:])
        attributes = cls.__doc__.partition("Attributes\n")[2]
        named = [
            word
            for line in attributes.splitlines()
            if (word := line.strip().partition(" : ")[0]).endswith("_")
        ]
        assert {"ax_", "figure_"} < set(named)
        assert len(named) > 2
        for name in named:
            assert hasattr(display, name), name

    def test_leaves_global_state_alone(self, cls, vae, digits):
        before = torch.get_rng_state(), np.random.get_state()[1].copy()
        settings = dict(plt.rcParams)
        display = make(cls, vae, digits[0])
        display.figure_.canvas.draw()
        assert torch.equal(before[0], torch.get_rng_state())
        np.testing.assert_array_equal(before[1], np.random.get_state()[1])
        assert dict(plt.rcParams) == settings

    def test_works_on_a_pipeline(self, cls, digits):
        X = digits[0]
        pipeline = make_pipeline(MinMaxScaler(), small()).fit(X[:N_TRAIN])
        make(cls, pipeline, X).figure_.canvas.draw()

    def test_takes_frames(self, cls, digits):
        X = pandas.DataFrame(digits[0]).add_prefix("pixel")
        vae = small().fit(X[:N_TRAIN])
        make(cls, vae, X).figure_.canvas.draw()

    def test_refuses_axes_that_are_none(self, cls, vae, digits):
        with pytest.raises(
            (TypeError, ValueError), match=r"ax of \w+\.plot must.*'no'"
        ):
            make(cls, vae, digits[0]).plot(ax="no")

    def test_documents_every_parameter(self, cls):
        for name in ("__init__", "from_estimator", "from_predictions", "plot"):
            method = getattr(cls, name, None)
            if method is None:
                continue
            text = cls.__doc__ if name == "__init__" else method.__doc__
            for parameter in inspect.signature(method).parameters:
                if parameter != "self":
                    assert parameter in text, (name, parameter)


@pytest.mark.parametrize(
    "cls",
    [d for d in DISPLAYS if hasattr(d, "from_estimator")],
    ids=lambda c: c.__name__,
)
class TestFromEstimator:
    def test_is_decided_by_random_state(self, cls, vae, digits):
        displays = [make(cls, vae, digits[0]) for _ in range(2)]
        for name in inspect.signature(cls).parameters:
            a, b = (getattr(display, name) for display in displays)
            np.testing.assert_equal(a, b)

    def test_refuses_an_unfitted_estimator(self, cls, digits):
        with pytest.raises(Exception, match="not fitted"):
            make(cls, small(), digits[0])

    def test_names_what_another_estimator_lacks(self, cls, digits):
        kmeans = KMeans(2, random_state=0).fit(digits[0])
        with pytest.raises(TypeError, match=r"Display needs .*KMeans"):
            make(cls, kmeans, digits[0])

    @pytest.mark.parametrize("model", ESTIMATORS)
    def test_works_on_every_model(self, cls, model, digits):
        X = digits[0]
        estimator = small(model, max_epochs=1).fit(X[:N_TRAIN])
        if cls is PerplexityDisplay and estimator.module_.posterior.deterministic:
            with pytest.raises(TypeError, match="Posterior"):
                make(cls, estimator, X)
        else:
            make(cls, estimator, X).figure_.canvas.draw()


WITHOUT_MATPLOTLIB = """
import inspect, sys
from skvae import plotting
assert "matplotlib" not in sys.modules
sys.modules["matplotlib"] = None  # every import of it now fails
for name in plotting.__all__:
    for method, function in inspect.getmembers(getattr(plotting, name)):
        if not method.startswith("from_"):
            continue
        parameters = inspect.signature(function).parameters.values()
        try:
            function(*[None for p in parameters if p.default is p.empty])
        except ImportError as error:
            assert f"{name}.{method} needs matplotlib" in str(error), error
            assert "pip install 'skvae[plot]'" in str(error), error
            print(name)
try:
    plotting.TrainingCurveDisplay({"loss": [1.0]}).plot()
except ImportError as error:
    assert "TrainingCurveDisplay.plot needs matplotlib" in str(error), error
    print("plot")
"""


@pytest.mark.slow
def test_says_what_to_install_without_matplotlib():
    command = [sys.executable, "-c", WITHOUT_MATPLOTLIB]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert set(run.stdout.split()) == {*plotting.__all__, "plot"}


def cells(picture, height, width, n_rows, n_columns):
    """Cut a picture back into its images, knowing only where they should stand."""
    gap_y = (picture.shape[0] - n_rows * height) // max(1, n_rows - 1)
    gap_x = (picture.shape[1] - n_columns * width) // max(1, n_columns - 1)
    assert gap_y >= 1 or n_rows == 1
    assert gap_x >= 1 or n_columns == 1
    return [
        picture[
            i * (height + gap_y) : i * (height + gap_y) + height,
            j * (width + gap_x) : j * (width + gap_x) + width,
        ]
        for i in range(n_rows)
        for j in range(n_columns)
    ]


class TestImages:
    def test_stand_row_by_row(self, digits):
        X = digits[0][:5]
        display = SampleGridDisplay.from_predictions(X, n_columns=3)
        picture = display.im_.get_array()
        shown = cells(picture, 8, 8, 2, 3)
        np.testing.assert_array_equal(shown[:5], X.reshape(5, 8, 8))
        assert np.ma.getmaskarray(shown[5]).all()  # nothing where there is no image
        n_seen = np.sum(~np.ma.getmaskarray(picture))
        assert n_seen == X.size  # nor between images

    def test_are_read_in_every_layout(self, digits):
        X = digits[0][:4]
        for same in (X.reshape(4, 8, 8), X.reshape(4, 1, 8, 8), torch.tensor(X)):
            display = SampleGridDisplay.from_predictions(same)
            np.testing.assert_array_equal(display.images[:, 0], X.reshape(4, 8, 8))
        wide = SampleGridDisplay.from_predictions(X, image_shape=(4, 16))
        np.testing.assert_array_equal(wide.images[:, 0], X.reshape(4, 4, 16))

    def test_have_one_black_and_one_white(self, digits):
        X = digits[0][:5].copy()
        X[2] = 3 * X[2] - 9  # an odd one does not decide
        display = SampleGridDisplay.from_predictions(X)
        assert display.im_.get_clim() == (0, np.median(X.max(1)))
        assert display.im_.get_clim()[1] <= 16
        display = SampleGridDisplay.from_predictions(X, value_range=(-1, 16))
        assert display.im_.get_clim() == (-1, 16)
        display = SampleGridDisplay.from_predictions(X[:1] * 0)
        assert display.im_.get_clim() == (0, 1)

    def test_of_reconstructions_have_those_of_the_originals(self, digits):
        X = digits[0][:4]
        display = ReconstructionDisplay.from_predictions(X, 2 * X - 5)
        assert display.im_.get_clim() == (0, np.median(X.max(1)))

    @pytest.mark.parametrize("factor", [1, 255])
    def test_in_colour_are_in_0_1_or_0_255(self, factor):
        X = np.random.default_rng(0).uniform(-0.1, 1.2, (2, 3, 6, 5)) * factor
        display = SampleGridDisplay.from_predictions(X, n_columns=2)
        picture = display.im_.get_array()
        for shown, image in zip(cells(picture, 6, 5, 1, 2), X, strict=True):
            expected = np.clip(image / factor, 0, 1).transpose(1, 2, 0)
            np.testing.assert_allclose(shown[..., :3], expected, atol=1e-12)
            assert (shown[..., 3] == 1).all()
        assert (picture[..., 3] == 0).sum() == picture[..., 0].size - 2 * 6 * 5

    def test_keywords_win(self, digits):
        display = SampleGridDisplay.from_predictions(
            digits[0][:4], im_kw={"cmap": "gray_r", "vmax": 20}
        )
        assert display.im_.get_cmap().name == "gray_r"
        assert display.im_.get_clim()[1] == 20

    @pytest.mark.parametrize(
        ("X", "options", "message"),
        [
            (np.zeros((3, 30)), {}, "30 features is not a square .*scatter_matrix"),
            (np.zeros((3, 4)), {}, "4 features is not a square"),
            (np.zeros((3, 48)), {}, r"perhaps \(3, 4, 4\)"),
            (np.zeros((3, 64)), {"image_shape": (8, 9)}, r"\(8, 9\) and 64"),
            (np.zeros((3, 64)), {"image_shape": 8}, "image_shape.* must be.*Got 8"),
            (np.zeros((3, 5, 8, 8)), {}, "1 or 3 channels"),
            (np.zeros((3, 64)), {"value_range": (1, 0)}, r"value_range .*\(1, 0\)"),
            (np.zeros((3, 64)), {"n_columns": 0}, "n_columns.*Got 0"),
        ],
    )
    def test_that_are_none_are_refused(self, X, options, message):
        with pytest.raises(ValueError, match=message):
            SampleGridDisplay.from_predictions(X, **options)

    def test_of_unlike_number_or_shape_are_refused(self, digits):
        X = digits[0]
        with pytest.raises(ValueError, match=r"got 3 of shape .* and 2 of shape"):
            ReconstructionDisplay.from_predictions(X[:3], X[:2])
        with pytest.raises(ValueError, match="images of one shape"):
            NearestNeighbourDisplay.from_predictions(X[:2], X[:3, :36])


def test_samples_are_those_of_the_estimator(vae):
    display = SampleGridDisplay.from_estimator(vae, n_samples=6, random_state=3)
    expected = vae.sample(6, random_state=3).reshape(6, 1, 8, 8)
    np.testing.assert_array_equal(display.images, expected)
    assert display.ax_.get_title() == "Samples of VAE"


def test_samples_have_the_black_and_white_of_real_images(vae, digits):
    X = digits[0]
    display = SampleGridDisplay.from_estimator(vae, X, n_samples=6)
    assert display.im_.get_clim() == (0, 16)
    display = SampleGridDisplay.from_estimator(vae, X, value_range=(1, 2))
    assert display.im_.get_clim() == (1, 2)


def test_rows_of_samples_have_names(digits):
    X = digits[0][:6]
    names = ["one", "two"]
    display = SampleGridDisplay.from_predictions(X, n_columns=3, row_names=names)
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == names
    with pytest.raises(ValueError, match=r"as many as there are rows, 3, got \['one'"):
        SampleGridDisplay.from_predictions(X, n_columns=2, row_names=names)


def test_samples_of_a_pipeline_are_in_the_units_of_its_input(digits):
    pipeline = make_pipeline(MinMaxScaler(), small()).fit(digits[0])
    display = SampleGridDisplay.from_estimator(pipeline, n_samples=6, random_state=3)
    expected = sample_pipeline(pipeline, 6, random_state=3).reshape(6, 1, 8, 8)
    np.testing.assert_array_equal(display.images, expected)


def test_samples_of_a_mixture_are_shown(digits):
    mixture = GaussianMixture(2, covariance_type="diag", random_state=0).fit(digits[0])
    display = SampleGridDisplay.from_estimator(mixture, n_samples=4, random_state=0)
    assert display.images.shape == (4, 1, 8, 8)


@pytest.mark.parametrize("n_columns", [3, 10])
def test_reconstructions_stand_under_their_originals(vae, digits, n_columns):
    X = digits[0][N_TRAIN:]
    display = ReconstructionDisplay.from_estimator(
        vae, X, n_images=5, n_columns=n_columns
    )
    width = min(n_columns, 5)
    n_rows = 2 * -(-5 // width)
    shown = cells(display.im_.get_array(), 8, 8, n_rows, width)
    decoded = vae.reconstruct(X[:5]).reshape(5, 8, 8)
    for i in range(5):
        row, column = divmod(i, width)
        above = shown[2 * row * width + column]
        below = shown[(2 * row + 1) * width + column]
        np.testing.assert_array_equal(above, X[i].reshape(8, 8))
        np.testing.assert_array_equal(below, decoded[i])
    labels = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert labels == ["original", "reconstruction"] * (n_rows // 2)


def test_reconstructions_of_a_linear_model_are_shown(digits):
    pca = PCA(2).fit(digits[0])
    display = ReconstructionDisplay.from_estimator(pca, digits[0], n_images=2)
    expected = pca.inverse_transform(pca.transform(digits[0][:2]))
    np.testing.assert_allclose(display.reconstructions.reshape(2, 64), expected)


@pytest.mark.parametrize("path", ["spherical", "linear"])
def test_interpolations_follow_the_path(vae, digits, path):
    X = digits[0][:7]
    display = InterpolationDisplay.from_estimator(vae, X, n_steps=4, path=path)
    assert display.steps.shape == (3, 4, 1, 8, 8)
    Z = vae.transform(X).astype(float)
    shown = cells(display.im_.get_array(), 8, 8, 3, 6)
    for i in range(3):
        a, b = Z[2 * i], Z[2 * i + 1]
        for j in range(4):
            t = j / 3
            z = slerp(a, b, t) if path == "spherical" else (1 - t) * a + t * b
            expected = vae.inverse_transform(z[None]).reshape(8, 8)
            np.testing.assert_allclose(shown[6 * i + 1 + j], expected, atol=1e-4)
        np.testing.assert_array_equal(shown[6 * i], X[2 * i].reshape(8, 8))
        np.testing.assert_array_equal(shown[6 * i + 5], X[2 * i + 1].reshape(8, 8))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_paths": 0}, "n_paths.*Got 0"),
        ({"n_steps": 1}, "n_steps.*Got 1"),
        ({"path": "round"}, "'spherical', 'linear'.*'round'"),
    ],
)
def test_interpolations_check_their_parameters(vae, digits, options, message):
    with pytest.raises(ValueError, match=message):
        InterpolationDisplay.from_estimator(vae, digits[0], **options)


def test_interpolations_need_two_rows(vae, digits):
    with pytest.raises(ValueError, match=r"at least 2 rows of X.*got 1"):
        InterpolationDisplay.from_estimator(vae, digits[0][:1])


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
        assert (display.ellipses_ is None) == (n == 0)
        assert n == (0 if n == 0 else len(display.ellipses_.get_widths()))

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


class TestTrainingCurves:
    def test_are_the_history(self, flat_vae):
        display = TrainingCurveDisplay.from_estimator(flat_vae)
        assert display.lines_.keys() == flat_vae.history_.keys()
        for name, line in display.lines_.items():
            np.testing.assert_array_equal(line.get_ydata(), flat_vae.history_[name])
            np.testing.assert_array_equal(
                line.get_xdata(), np.arange(1, flat_vae.n_epochs_ + 1)
            )

    def test_of_losses_share_a_panel_and_all_others_have_their_own(self, flat_vae):
        display = TrainingCurveDisplay.from_estimator(flat_vae)
        names = {}
        for name, line in display.lines_.items():
            names.setdefault(display.axes_.tolist().index(line.axes), set()).add(name)
        assert names == {
            0: {"loss", "validation_loss"},
            1: {"reconstruction"},
            2: {"kl"},
            3: {"scale"},
            4: {"learning_rate"},
        }
        titles = [panel.get_title(loc="left") for panel in display.axes_]
        assert titles[:3] == [
            "loss, nats per row",
            "reconstruction, nats per row",
            "KL divergence, nats per row",
        ]

    def test_that_began_later_end_with_the_others(self):
        history = {"loss": np.arange(5.0), "validation_loss": np.arange(2.0)}
        display = TrainingCurveDisplay(history).plot()
        assert display.lines_["validation_loss"].get_xdata().tolist() == [4, 5]

    def test_are_seen_after_the_first_tenth(self):
        history = {"loss": [1e6, *np.linspace(20, 10, 19)]}
        display = TrainingCurveDisplay(history).plot()
        low, high = display.ax_.get_ylim()
        assert low < 10
        assert 15 < high < 30
        slow = {"loss": np.linspace(20, 10, 20), "kl": np.linspace(0, 9, 20)}
        for panel in TrainingCurveDisplay(slow).plot().axes_:
            low, high = panel.get_ylim()
            values = panel.lines[0].get_ydata()
            assert low < min(values) < max(values) < high

    def test_of_one_epoch_are_drawn(self):
        TrainingCurveDisplay({"loss": [3.0]}).plot().figure_.canvas.draw()

    def test_fill_the_panels_they_are_given(self, flat_vae):
        _, axes = plt.subplots(5)
        display = TrainingCurveDisplay.from_estimator(flat_vae, ax=axes)
        assert display.axes_.tolist() == axes.tolist()
        with pytest.raises(ValueError, match="as many as there are panels, 5, got 2"):
            TrainingCurveDisplay.from_estimator(flat_vae, ax=axes[:2])

    def test_cannot_divide_axes_outside_a_grid(self, flat_vae):
        figure = plt.figure()
        ax = figure.add_axes((0, 0, 1, 1))
        with pytest.raises(ValueError, match=r"must stand in a grid.*5 Axes"):
            TrainingCurveDisplay.from_estimator(flat_vae, ax=ax)

    def test_of_an_adversary_are_losses(self, digits):
        wae = small(skvae.WAE, divergence="gan", max_epochs=2).fit(digits[0])
        display = TrainingCurveDisplay.from_estimator(wae)
        titles = [panel.get_title(loc="left") for panel in display.axes_]
        assert [t for t in titles if "nats per row" in t] == [
            f"{name}, nats per row"
            for name in ("loss", "reconstruction", "divergence", "discriminator")
        ]

    def test_need_a_loss(self):
        with pytest.raises(ValueError, match=r"must have a 'loss', got \['kl'\]"):
            TrainingCurveDisplay({"kl": [1.0]}).plot()


def test_perplexities_are_those_of_the_optimal_decoder(vae, digits):
    train, test = digits[0][:N_TRAIN], digits[0][N_TRAIN:]
    display = PerplexityDisplay.from_estimator(
        vae, test, train, hist_kw={"histtype": "bar"}
    )
    expected = optimal_decoder(vae, test, train).perplexity
    np.testing.assert_array_equal(display.perplexity, expected)
    edges = np.geomspace(1, N_TRAIN, 41)
    counts = np.histogram(np.clip(expected, 1, N_TRAIN), edges)[0]
    heights = [bar.get_height() for bar in display.patches_]
    np.testing.assert_allclose(heights, 100 * counts / len(test), atol=1e-9)
    np.testing.assert_allclose([bar.get_x() for bar in display.patches_], edges[:-1])


def test_perplexities_of_any_origin(vae, digits):
    train, test = digits[0][:N_TRAIN], digits[0][N_TRAIN:]
    expected = PerplexityDisplay.from_estimator(vae, test, train)
    display = PerplexityDisplay.from_predictions(
        torch.from_numpy(expected.perplexity), N_TRAIN
    )
    heights = [[p.get_xy() for p in d.patches_] for d in (display, expected)]
    np.testing.assert_array_equal(*heights)
    with pytest.raises(ValueError, match=r"shape \(n_samples,\).*got \(0,\)"):
        PerplexityDisplay.from_predictions([], 5)
    with pytest.raises(ValueError, match=r"n_train.* Got 0"):
        PerplexityDisplay.from_predictions([1.0], 0)


def test_paths_of_any_origin(vae, digits):
    X = digits[0]
    expected = InterpolationDisplay.from_estimator(vae, X, n_paths=3, n_steps=4)
    steps = torch.from_numpy(expected.steps.reshape(3, 4, 64))
    display = InterpolationDisplay.from_predictions(X[:6:2], X[1:6:2], steps)
    np.testing.assert_array_equal(display.im_.get_array(), expected.im_.get_array())
    with pytest.raises(ValueError, match=r"as many starts as ends.* 3, 3 and 2"):
        InterpolationDisplay.from_predictions(X[:3], X[:3], steps[:2])
    with pytest.raises(ValueError, match="each other one must have as many images"):
        InterpolationDisplay.from_predictions(X[:2], X[:2], [steps[0], steps[1][:2]])


def test_perplexities_leave_rows_out(vae, digits):
    train = digits[0][:N_TRAIN]
    own = np.arange(N_TRAIN)
    with_own = PerplexityDisplay.from_estimator(vae, train, train)
    display = PerplexityDisplay.from_estimator(vae, train, train, leave_out=own)
    expected = optimal_decoder(vae, train, train, leave_out=own).perplexity
    np.testing.assert_array_equal(display.perplexity, expected)
    assert not np.array_equal(display.perplexity, with_own.perplexity)


def test_spectrum_is_that_of_draws(vae, digits):
    X = digits[0]
    display = LatentSpectrumDisplay.from_estimator(vae, X, random_state=5)
    expected = latent_spectrum(posterior_draws(vae, X, random_state=5))
    np.testing.assert_array_equal(display.line_.get_ydata(), expected.singular_values)
    assert (display.lower, display.upper) == (expected.lower, expected.upper)


def test_spectrum_of_codes(digits):
    Z = np.random.default_rng(0).normal(size=(300, 4)) * [1, 2, 0.5, 0.1]
    display = LatentSpectrumDisplay.from_predictions(Z)
    expected = np.sqrt(np.linalg.eigvalsh(Z.T @ Z / 300))[::-1]
    np.testing.assert_allclose(display.line_.get_ydata(), expected)
    edges = 1 - np.sqrt(4 / 300), 1 + np.sqrt(4 / 300)
    assert (display.band_.get_y(), display.band_.get_height()) == pytest.approx(
        (edges[0], edges[1] - edges[0])
    )


def test_precision_and_recall_are_those_of_the_metric(vae, digits):
    X = digits[0]
    samples = vae.sample(len(X), random_state=0)
    display = PrecisionRecallDistributionDisplay.from_predictions(
        X, samples, n_runs=2, random_state=0
    )
    curve = precision_recall_distribution(X, samples, n_runs=2, random_state=0)
    np.testing.assert_array_equal(display.line_.get_xdata(), curve.recall)
    np.testing.assert_array_equal(display.line_.get_ydata(), curve.precision)


def test_precision_is_upright_and_recall_level():
    """Samples of half of the data are precise and miss the other half."""
    real = np.repeat([[0.0], [9.0]], 100, axis=0)
    display = PrecisionRecallDistributionDisplay.from_predictions(
        real, 0 * real, n_clusters=2, random_state=0
    )
    assert display.line_.get_xdata().max() == pytest.approx(0.5)
    assert display.line_.get_ydata().max() == pytest.approx(1)
    assert display.ax_.get_xlabel() == "recall"


@pytest.mark.parametrize(
    "cls",
    [LatentSpectrumDisplay, PrecisionRecallDistributionDisplay, PerplexityDisplay],
)
def test_curves_of_two_models_share_axes(cls, vae, digits):
    first = make(cls, vae, digits[0], name="one")
    second = make(cls, vae, digits[0], name="two", ax=first.ax_)
    assert second.ax_ is first.ax_
    texts = [text.get_text() for text in first.ax_.get_legend().get_texts()]
    assert [t for t in texts if t.startswith("one")]
    assert [t for t in texts if t.startswith("two")]
    assert len(texts) == len(set(texts))
    colours = {
        tuple(handle.get_color() if hasattr(handle, "get_color") else "")
        or handle.get_facecolor()
        for handle in first.ax_.get_legend().legend_handles
    }
    assert len(colours) == len(texts)


class TestModelComparison:
    def test_bars_are_means_and_intervals_deviations(self):
        scores = {"A": [1.0, 2.0, 6.0], "B": [4.0]}
        display = ModelComparisonDisplay.from_scores(scores, floor=0.5)
        assert [bar.get_width() for bar in display.values_] == [3.0, 4.0]
        interval, nothing = display.intervals_.get_segments()
        assert interval[:, 0] == pytest.approx([3 - np.sqrt(7), 3 + np.sqrt(7)])
        assert len(nothing) == 0  # one score has no spread
        labels = [text.get_text() for text in display.ax_.get_yticklabels()]
        assert labels == ["A", "B"]
        assert display.ax_.get_ylim() == (1.5, -0.5)  # the first on top
        assert display.floor_.get_xdata() == [0.5, 0.5]

    def test_bootstrap_intervals_narrow_with_the_number_of_scores(self):
        scores = np.random.default_rng(0).normal(-50, 2, size=4000)
        display = ModelComparisonDisplay.from_scores(
            {"A": scores}, interval="bootstrap", random_state=0
        )
        error = 2 / np.sqrt(4000)
        expected = scores.mean() + 1.96 * error * np.array([-1, 1])
        np.testing.assert_allclose(display.intervals[0], expected, atol=0.01)
        again = ModelComparisonDisplay.from_scores(
            {"A": scores}, interval="bootstrap", random_state=0
        )
        np.testing.assert_array_equal(display.intervals, again.intervals)

    def test_negative_values_are_points(self):
        display = ModelComparisonDisplay.from_scores({"A": [-3.0], "B": [1.0]})
        assert display.values_.get_xdata().tolist() == [-3, 1]
        display.plot(kind="bar")
        assert [bar.get_width() for bar in display.values_] == [-3, 1]

    def test_of_evaluations_has_their_rows(self, digits):
        train, test = digits[0][:N_TRAIN], digits[0][N_TRAIN:]
        models = {
            k: GaussianMixture(k, covariance_type="diag", random_state=0).fit(train)
            for k in (1, 3)
        }
        reports = {f"{k} parts": evaluate(m, train, test) for k, m in models.items()}
        display = ModelComparisonDisplay.from_evaluations(reports, "frechet_distance")
        rows = [report["frechet_distance"] for report in reports.values()]
        assert [bar.get_width() for bar in display.values_] == [r.value for r in rows]
        np.testing.assert_array_equal(
            [segment[:, 0] for segment in display.intervals_.get_segments()],
            [(r.low, r.high) for r in rows],
        )
        assert display.floor == rows[0].floor == rows[1].floor
        assert "lower is better" in display.ax_.get_xlabel()
        with pytest.raises(KeyError, match=r"figure must be one of.*'beauty'"):
            ModelComparisonDisplay.from_evaluations(reports, "beauty")

    @pytest.mark.parametrize(
        ("scores", "options", "message"),
        [
            ({}, {}, "at least one model"),
            ({"A": []}, {}, r"'A' must have shape \(n_scores,\)"),
            ({"A": [np.nan]}, {}, "A must be finite"),
            ({"A": [1.0]}, {"interval": "range"}, "'std', 'bootstrap'.*'range'"),
            ({"A": [1.0]}, {"kind": "pie"}, "'auto', 'bar', 'point'.*'pie'"),
        ],
    )
    def test_parameters_are_checked(self, scores, options, message):
        with pytest.raises(ValueError, match=message):
            ModelComparisonDisplay.from_scores(scores, **options)
