"""Pictures of one latent component after the other."""

import linear_gaussian as lg
import numpy as np
import pandas
import pytest
from conftest import N_TRAIN, small
from displays import cells
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skvae import RAE
from skvae.diagnostics import component_influence
from skvae.plotting import LatentTraversalDisplay

pytestmark = pytest.mark.usefixtures("figures_without_warnings")


def texts(labels):
    return [label.get_text() for label in labels]


def notes(display):
    return " ".join(text.get_text() for text in display.ax_.texts).replace("\n", " ")


@pytest.fixture
def linear():
    return lg.estimator_around(lg.linear_gaussian())


@pytest.mark.parametrize("given", [True, False])
def test_images_are_those_of_codes_that_differ_in_one_component(vae, digits, given):
    X = digits[0][N_TRAIN:] if given else None
    display = LatentTraversalDisplay.from_estimator(vae, X, n_steps=5)
    start = vae.transform(X)[0] if given else np.zeros(3)
    shown = cells(display.im_.get_array(), 8, 8, 3, 5)
    for i, j in enumerate(display.components):
        for k, value in enumerate([-2, -1, 0, 1, 2]):
            z = start.astype(np.float32)
            z[j] = value
            expected = vae.inverse_transform(z[None]).reshape(8, 8)
            np.testing.assert_allclose(shown[5 * i + k], expected, atol=1e-4)
    assert texts(display.ax_.get_xticklabels()) == ["-2", "-1", "0", "1", "2"]


def test_the_most_influential_components_come_first(vae, digits):
    X = digits[0][:80]
    influence = component_influence(vae, X)
    display = LatentTraversalDisplay.from_estimator(vae, X)
    order = np.argsort(-influence.decoded_variance)
    np.testing.assert_array_equal(display.components, order)
    np.testing.assert_allclose(display.share, influence.share[order], rtol=1e-6)
    labels = [f"z{j}: {100 * influence.share[j]:.2g} %" for j in order]
    assert texts(display.ax_.get_yticklabels()) == labels
    assert "100 % shown" in notes(display)


def test_ten_components_are_shown_or_those_asked_for(digits):
    X = digits[0]
    model = small(n_components=12, max_epochs=1).fit(X)
    display = LatentTraversalDisplay.from_estimator(model, X)
    shown = 100 * display.share.sum()
    assert len(display.components) == 10
    assert shown < 100
    assert f"{shown:.3g} % shown" in notes(display)
    display = LatentTraversalDisplay.from_estimator(model, X, components=[11, 2])
    np.testing.assert_array_equal(display.components, [11, 2])
    influence = component_influence(model, X[:100])
    np.testing.assert_allclose(display.share, influence.share[[11, 2]], rtol=1e-6)


def test_quantiles_are_those_of_the_codes(digits):
    X = digits[0]
    model = small(RAE).fit(X)
    display = LatentTraversalDisplay.from_estimator(
        model, X, components=[1, 0], n_steps=3, values="quantiles"
    )
    Z = model.transform(X)
    for i, j in enumerate(display.components):
        for k, level in enumerate([0.025, 0.5, 0.975]):
            z = Z[0].copy()
            z[j] = np.quantile(Z[:, j], level)
            expected = model.inverse_transform(z[None]).reshape(1, 8, 8)
            np.testing.assert_allclose(display.steps[i, k], expected, atol=1e-4)
    assert display.labels == ["2.5 %", "50 %", "97.5 %"]


def test_a_table_is_drawn_as_changes_in_standard_deviations(linear):
    X = lg.draw(60)
    display = LatentTraversalDisplay.from_estimator(linear, X, n_steps=5)
    norms = np.square(lg.W / X.std(axis=0)[:, None]).sum(axis=0)
    order = np.argsort(-norms)
    np.testing.assert_array_equal(display.components, order)
    np.testing.assert_allclose(display.share, norms[order] / norms.sum(), rtol=1e-4)
    blocks = cells(display.im_.get_array(), 5, 5, 2, 1)
    for block, j in zip(blocks, order, strict=True):
        change = np.outer([-2, -1, 0, 1, 2], lg.W[:, j]) / X.std(axis=0)
        np.testing.assert_allclose(block, change, atol=1e-4)
    low, high = display.im_.get_clim()
    assert low == -high
    assert high == pytest.approx(np.abs(np.concatenate(blocks)).max())
    assert texts(display.ax_.get_xticklabels()) == list("01234")
    assert "from -2 (top) to 2" in notes(display)


def test_a_table_without_rows_is_in_units_of_its_own_steps(linear):
    display = LatentTraversalDisplay.from_estimator(linear, n_steps=5)
    assert display.spread is None
    np.testing.assert_array_equal(display.components, [0, 1])  # norms 2 and 0.8
    steps = np.asarray(display.steps)
    change = (steps - steps[:, [2]]) / steps.reshape(-1, 5).std(axis=0)
    blocks = cells(display.im_.get_array(), 5, 5, 2, 1)
    np.testing.assert_allclose(np.stack(blocks), change, atol=1e-6)


def test_features_have_their_names_unless_they_are_many():
    X = np.random.default_rng(0).normal(size=(50, 30)).astype(np.float32)
    frame = pandas.DataFrame(X[:, :3], columns=["a", "b", "c"])
    pipeline = make_pipeline(StandardScaler(), small()).fit(frame)
    display = LatentTraversalDisplay.from_estimator(pipeline, frame)
    assert texts(display.ax_.get_xticklabels()) == ["a", "b", "c"]
    display = LatentTraversalDisplay.from_estimator(small().fit(X), X)
    display.figure_.canvas.draw()
    assert 2 < len(display.ax_.get_xticks()) < 15


def test_constant_features_do_not_divide_by_zero():
    X = np.random.default_rng(0).normal(size=(50, 3))
    X[:, 1] = 7
    for rows in (X, None):
        display = LatentTraversalDisplay.from_estimator(small().fit(X), rows)
        assert np.isfinite(display.im_.get_array()).all()
        assert np.isfinite(display.share).all()


def test_black_and_white_are_those_asked_for(vae, linear):
    options = {"value_range": (-3, 20)}
    display = LatentTraversalDisplay.from_estimator(vae, **options)
    assert display.im_.get_clim() == (-3, 20)
    table = LatentTraversalDisplay.from_estimator(linear, **options)
    assert table.im_.get_clim() == (-3, 20)
    table = LatentTraversalDisplay.from_estimator(linear, im_kw={"cmap": "PiYG"})
    assert table.im_.get_cmap().name == "PiYG"


def test_images_in_colour_and_of_any_shape():
    X = np.random.default_rng(0).uniform(size=(40, 48))
    model = small().fit(X)
    display = LatentTraversalDisplay.from_estimator(model, X, image_shape=(3, 4, 4))
    assert display.steps.shape == (2, 9, 3, 4, 4)
    as_images = small().fit(X.reshape(40, 3, 4, 4))
    display = LatentTraversalDisplay.from_estimator(as_images)
    assert display.steps.shape == (2, 9, 3, 4, 4)
    display = LatentTraversalDisplay.from_estimator(model, X)  # of 48 features
    assert display.steps.shape == (2, 9, 48)


@pytest.mark.parametrize("n_components", [1, 2, 40])
def test_figures_have_a_moderate_size_and_hold_all_text(n_components, digits):
    model = small(n_components=n_components, max_epochs=1).fit(digits[0])
    wide = pandas.DataFrame(digits[0][:, 2:7]).add_prefix("a name of many letters ")
    table = small(n_components=min(4, n_components), max_epochs=1).fit(wide)
    for display in (
        LatentTraversalDisplay.from_estimator(model),
        LatentTraversalDisplay.from_estimator(model, components=range(n_components)),
        LatentTraversalDisplay.from_estimator(table, wide),
    ):
        display.figure_.canvas.draw()
        width, height = display.figure_.get_size_inches()
        assert 1.5 < width <= 12
        assert 0.5 < height <= 13
        box = display.ax_.get_tightbbox().transformed(
            display.figure_.transFigure.inverted()
        )
        assert box.x0 > -0.01
        assert box.x1 < 1.01
        assert box.y0 > -0.01
        assert box.y1 < 1.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_steps": 1}, "'n_steps'.*Got 1"),
        ({"values": "all"}, "'prior', 'quantiles'.*'all'"),
        ({"values": "quantiles", "X": None}, "needs X, whose codes"),
        ({"components": [3]}, r"from 0 to 2, got \[3\]"),
        ({"components": [-1]}, r"from 0 to 2, got \[-1\]"),
        ({"components": [0.5]}, r"sequence of integers, got \[0.5\]"),
        ({"components": 2}, "sequence of integers, got 2"),
        ({"components": []}, r"sequence of integers, got \[\]"),
    ],
)
def test_checks_its_parameters(vae, digits, options, message):
    with pytest.raises(ValueError, match=message):
        LatentTraversalDisplay.from_estimator(vae, **{"X": digits[0], **options})
