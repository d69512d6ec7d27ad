"""Samples, reconstructions and other images stand where they should."""

import numpy as np
import pytest
import torch
from conftest import N_TRAIN, small
from displays import cells
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skvae import sample_pipeline
from skvae.plotting import (
    NearestNeighbourDisplay,
    ReconstructionDisplay,
    SampleGridDisplay,
)

pytestmark = pytest.mark.usefixtures("closed_figures")


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


def test_errors_of_reconstructions_are_written_below():
    X = np.zeros((3, 16))
    Y = X + np.array([1.0, 2.0, 2.0])[:, None]
    display = ReconstructionDisplay.from_predictions(X, Y, value_range=(0, 2))
    (note,) = display.ax_.texts
    lines = note.get_text().split("\n")
    assert lines[0] == "values from 0 to 2"
    assert " ".join(lines[1:]) == "root mean squared error 1.73 (1 to 2 by image)"
    one = ReconstructionDisplay.from_predictions(X[:1], Y[:1], value_range=(0, 2))
    assert one.ax_.texts[0].get_text().endswith("root mean squared error 1")
