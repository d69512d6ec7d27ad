"""Displays of reconstructions beside the optimal decoder's output."""

import numpy as np
import pandas
import pytest
import torch
from conftest import N_TRAIN, small
from displays import cells
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae.diagnostics import posterior_moments
from skvae.plotting import OptimalDecoderDisplay

pytestmark = pytest.mark.usefixtures("closed_figures")


@pytest.fixture(scope="module")
def flat_vae(digits):
    """Return a VAE whose codes are so vague that many training rows share weights."""
    return small(beta=3.0, max_epochs=4).fit(digits[0][:N_TRAIN])


@pytest.fixture(scope="module")
def rows(digits):
    return digits[0][:N_TRAIN].astype(float), digits[0][N_TRAIN:].astype(float)


def weights_by_loops(model, X, X_train):
    """Weigh training rows by the densities of their posteriors, one by one."""
    means, deviations = posterior_moments(model, X_train)
    weights = []
    for z in model.transform(X).astype(float):
        log_q = [
            -0.5 * np.sum(((z - m) / s) ** 2) - np.sum(np.log(s))
            for m, s in zip(means, deviations, strict=True)
        ]
        q = np.exp(np.array(log_q) - max(log_q))
        weights.append(q / q.sum())
    return np.array(weights)


def drawn(display):
    """Return the images of every row of the picture, and the weights above them."""
    n, n_rows = len(display.images), 3 + np.shape(display.weights)[1]
    images = np.array(cells(display.im_.get_array(), 8, 8, n_rows, n))
    texts = np.reshape([t.get_text() for t in display.texts_], (-1, n))
    return images.reshape(n_rows, n, 64), texts


def test_columns_are_input_both_outputs_and_the_heaviest(flat_vae, rows):
    train, test = rows
    display = OptimalDecoderDisplay.from_estimator(flat_vae, test, train, n_images=6)
    weights = weights_by_loops(flat_vae, test[:6], train)
    order = np.argsort(-weights, axis=1)[:, :3]
    images, texts = drawn(display)
    np.testing.assert_array_equal(images[0], test[:6])
    np.testing.assert_allclose(images[1], flat_vae.reconstruct(test[:6]))
    np.testing.assert_allclose(images[2], weights @ train, atol=1e-5)
    for k in range(3):
        np.testing.assert_array_equal(images[3 + k], train[order[:, k]])
    heaviest = np.take_along_axis(weights, order, axis=1)
    assert heaviest.min() > 0.005  # or weights are not written
    np.testing.assert_allclose(display.weights, heaviest, atol=1e-6)
    assert texts.tolist() == [[f"{w:.2f}" for w in row] for row in heaviest.T]
    perplexity = np.exp(-np.sum(weights * np.log(np.maximum(weights, 1e-300)), axis=1))
    labels = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert labels == [f"{p:.3g}" for p in perplexity]
    names = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert names == [
        *("input", "reconstruction", "optimal decoder"),
        *("heaviest in training", "2nd heaviest", "3rd heaviest"),
    ]


def test_weights_stand_above_their_images():
    X = np.random.default_rng(0).uniform(size=(5, 28, 28))
    display = OptimalDecoderDisplay.from_predictions(
        X, X, X, np.stack([X, X], 1), np.full((5, 2), 0.001), np.ones(5)
    )
    display.figure_.canvas.draw()
    to_pixels = display.ax_.transData.inverted().transform
    picture = np.ma.getmaskarray(display.im_.get_array())
    for text in display.texts_:
        (left, bottom), (right, top) = to_pixels(text.get_window_extent())
        inside = picture[round(top + 0.5) : round(bottom), round(left) : round(right)]
        assert inside.size
        assert inside.all()  # in the gap, over no image
        below = picture[round(bottom + 2), round((left + right) / 2)]
        assert not below


def test_rows_may_be_left_out(flat_vae, rows):
    train = rows[0]
    own = np.arange(N_TRAIN)
    display = OptimalDecoderDisplay.from_estimator(
        flat_vae, train, train, leave_out=own, n_images=5, n_heaviest=1
    )
    for i in range(5):
        others = np.delete(train, i, axis=0)
        weights = weights_by_loops(flat_vae, train[i : i + 1], others)[0]
        heaviest = display.heaviest[i].reshape(64)
        np.testing.assert_array_equal(heaviest, others[weights.argmax()])


def test_pictures_of_a_pipeline_are_in_the_units_of_its_input(rows):
    train, test = rows
    pipeline = make_pipeline(StandardScaler(), small(max_epochs=1)).fit(train)
    display = OptimalDecoderDisplay.from_estimator(pipeline, test, train, n_images=3)
    scaler, vae = pipeline[0], pipeline[1]
    scaled = [scaler.transform(X) for X in (test[:3], train)]
    images, _ = drawn(display)
    averages = weights_by_loops(vae, *scaled) @ train  # scaling leaves means means
    np.testing.assert_allclose(images[2], averages, atol=1e-4)
    np.testing.assert_array_equal(images[0], test[:3])


def test_frames_and_layouts_of_images_make_no_difference(rows):
    train, test = rows
    frames = [pandas.DataFrame(X).add_prefix("pixel") for X in (test, train)]
    model = small(likelihood="gaussian", max_epochs=1).fit(frames[1])
    swapped = [frame[frame.columns[::-1]] for frame in frames]
    display = OptimalDecoderDisplay.from_estimator(model, *swapped, n_images=4)
    same = small(max_epochs=1).fit(train)
    squares = [X.reshape(-1, 8, 8) for X in (test, train)]
    images = small(max_epochs=1).fit(squares[1])
    for estimator, sets in ((same, (test, train)), (images, squares)):
        other = OptimalDecoderDisplay.from_estimator(estimator, *sets, n_images=4)
        images_of_other = other.im_.get_array()
        # Reconstructions of whole numbers in a frame are whole.
        np.testing.assert_allclose(images_of_other, display.im_.get_array(), atol=0.5)


def test_pictures_of_any_origin(flat_vae, rows):
    train, test = rows
    first = OptimalDecoderDisplay.from_estimator(flat_vae, test, train, n_images=4)
    sets = [first.images, first.reconstructions, first.averages, first.heaviest]
    sets = [torch.as_tensor(X.reshape(*X.shape[:-3], 64)) for X in sets]
    again = OptimalDecoderDisplay.from_predictions(
        *sets, first.weights, first.perplexity
    )
    np.testing.assert_array_equal(again.im_.get_array(), first.im_.get_array())
    for i in (1, 2, 3):
        fewer = [X[:3] if j == i else X for j, X in enumerate(sets)]
        with pytest.raises(ValueError, match="must have as many images of one shape"):
            OptimalDecoderDisplay.from_predictions(
                *fewer, first.weights, first.perplexity
            )


def test_small_weights_are_not_written_as_none():
    X = np.random.default_rng(0).uniform(size=(2, 16))
    weights = [[0.9951, 0.0049], [0.03, 1e-30]]
    display = OptimalDecoderDisplay.from_predictions(
        X, X, X, np.stack([X, X], 1), weights, [1.0, 2345.6]
    )
    texts = [text.get_text() for text in display.texts_]
    assert texts == ["1.00", "0.03", "<0.01", "<0.01"]
    labels = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert labels == ["1", "2346"]


def test_only_the_first_images_are_shown(flat_vae, rows):
    train, test = rows
    display = OptimalDecoderDisplay.from_estimator(flat_vae, test, train, n_images=30)
    notes = [text.get_text() for text in display.ax_.texts if text.get_label()]
    assert "the first 24 of 30 images" in "".join(notes).replace("\n", " ")
    assert len(display.texts_) == 3 * 24
    assert len(display.images) == 30


@pytest.mark.parametrize("name", ["n_images", "n_heaviest"])
def test_numbers_are_checked(flat_vae, rows, name):
    train, test = rows
    with pytest.raises(ValueError, match=f"{name}.*Got 0"):
        OptimalDecoderDisplay.from_estimator(flat_vae, test, train, **{name: 0})
    with pytest.raises(ValueError, match=r"at most the number of training .*4 and 3"):
        OptimalDecoderDisplay.from_estimator(flat_vae, test, train[:3], n_heaviest=4)


def test_models_without_a_known_optimum_are_refused(rows):
    model = small(likelihood="discretized_logistic", max_epochs=1)
    train = np.round(15 * rows[0]) / 255
    with pytest.raises(TypeError, match="optimal_average"):
        OptimalDecoderDisplay.from_estimator(model.fit(train), train, train)
