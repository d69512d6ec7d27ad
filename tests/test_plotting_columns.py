import numpy as np
import pandas as pd
import pytest
from sklearn.mixture import GaussianMixture
from tables import in_polars, make_table

from skvae.plotting import ColumnsDisplay

plt = pytest.importorskip("matplotlib.pyplot")
pytestmark = pytest.mark.usefixtures("figures_without_warnings")


def draw(real, new, **options):
    display = ColumnsDisplay.from_predictions(real, new, **options)
    display.figure_.canvas.draw()
    return display


@pytest.mark.parametrize("library", [lambda frame: frame, in_polars])
def test_margins_are_shares_of_the_rows_with_values(library):
    real, new = make_table(90, 1), make_table(70, 2)
    names = ["age", "colour"]
    shuffled = library(new[new.columns[::-1]])
    display = draw(library(real), shuffled, columns=names, pairs=False)
    age, colour = display.axes_[0]
    steps = [patch.get_data() for patch in age.patches]
    ages = [frame["age"].dropna() for frame in (real, new)]
    edges = np.histogram_bin_edges(np.concatenate(ages), 30)
    for step, values in zip(steps, ages, strict=True):
        np.testing.assert_allclose(step.edges, edges)
        shares = np.histogram(values, edges)[0] / len(values)
        np.testing.assert_allclose(step.values, shares)
    levels = [label.get_text() for label in colour.get_xticklabels()]
    for bars, frame in zip(colour.containers, (real, new), strict=True):
        shares = frame["colour"].value_counts(normalize=True)
        heights = [bar.get_height() for bar in bars]
        np.testing.assert_allclose(heights, shares[levels])
    gaps = [f"{frame['age'].isna().mean():.0%}" for frame in (real, new)]
    assert age.get_title() == f"gaps {gaps[0]}, {gaps[1]}"


def test_categories_beyond_eight_and_unseen_ones_are_others():
    rng = np.random.default_rng(0)
    real = pd.DataFrame({"c": rng.integers(0, 12, 500).astype(str)})
    new = pd.DataFrame({"c": ["new", "0"]})
    (panel,) = draw(real, new, pairs=False).axes_[0]
    shares = real["c"].value_counts(normalize=True)
    heights = [[bar.get_height() for bar in bars] for bars in panel.containers]
    np.testing.assert_allclose(heights[0][:8], shares[:8])
    assert heights[0][8] == pytest.approx(shares[8:].sum())
    assert heights[1][8] >= 0.5
    assert panel.get_xticklabels()[-1].get_text() == "others"


def test_pairs_are_the_rows_with_both_values():
    real, new = make_table(90, 1), make_table(70, 2)
    names = ["age", "visits", "size"]
    display = draw(real, new, columns=names, name="model")
    assert display.axes_.shape == (3, 3)
    assert all(display.axes_[i, j] is None for i in range(3) for j in range(i + 1, 3))
    for line, frame in zip(display.axes_[1, 0].lines, (real, new), strict=True):
        both = frame[["age", "visits"]].dropna().astype(float)
        np.testing.assert_allclose(line.get_xydata(), both)
    codes = real["size"].cat.codes[real["age"].notna()]
    drawn = display.axes_[2, 0].lines[0].get_ydata()
    np.testing.assert_array_equal(np.rint(drawn), codes)
    ticks = [label.get_text() for label in display.axes_[2, 0].get_yticklabels()]
    assert ticks == ["small", "medium", "large"]
    legends = [ax.get_legend() for ax in display.figure_.axes if ax.get_legend()]
    texts = [text.get_text() for text in legends[0].get_texts()]
    assert texts == ["real", "model"]


def test_the_first_columns_are_drawn_and_the_rest_is_said():
    real = make_table(30, 1)
    display = draw(real, make_table(30, 2), pairs=False)
    labels = [ax.get_xlabel() for ax in display.axes_[0]]
    assert labels == list(real.columns[:4])
    notes = " ".join(text.get_text() for text in display.axes_[0, 0].texts)
    assert "the first 4 of 7" in notes.replace("\n", " ")


def test_samples_of_an_estimator_stand_for_the_columns_of_a_frame():
    frame = pd.DataFrame(
        np.random.default_rng(0).normal(size=(50, 2)), columns=["a", "b"]
    )
    model = GaussianMixture(1, random_state=0).fit(frame)
    options = {"n_samples": 20, "random_state": 0}
    display = ColumnsDisplay.from_estimator(model, frame, **options)
    assert len(display.X_generated) == 20
    assert display.name == "GaussianMixture"
    assert display.axes_[1, 0].get_ylabel() == "b"


def test_bad_arguments():
    real = make_table(30, 1)
    with pytest.raises(ValueError, match=r"columns .* some of X_real, got \['kg'\]"):
        draw(real, real, columns=["kg"])
    with pytest.raises(TypeError, match=r"'pairs'.* True or False"):
        draw(real, real, pairs="no")
    with pytest.raises(ValueError, match=r"X_generated .*lacks 'age'"):
        draw(real, real.drop(columns="age"))
