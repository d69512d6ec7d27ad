"""Displays and diagnostics of models of data frames with categories."""

import numpy as np
import pandas as pd
import pytest
from conftest import small
from tables import make_table

from skvae import diagnostics, plotting
from skvae.compression import compress
from skvae.metrics import TableFeatures

pytest.importorskip("matplotlib")
pytestmark = pytest.mark.filterwarnings("ignore:Column .* `fit` has not seen")
TRAIN, TEST = make_table(150, 0), make_table(80, 1)


@pytest.fixture(scope="module")
def vae():
    return small(max_epochs=5, random_state=0).fit(TRAIN)


@pytest.fixture(scope="module")
def vae_of_squares():
    """Return a model of rows of 16 columns, as many as a square picture has pixels."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(60, 16))).add_prefix("x")
    table["x0"] = rng.choice(["a", "b"], 60)
    return small(max_epochs=1, random_state=0).fit(table), table


@pytest.mark.parametrize(
    "draw",
    [
        plotting.LatentSpaceDisplay.from_estimator,
        plotting.LatentSpectrumDisplay.from_estimator,
        plotting.ColumnsDisplay.from_estimator,
        plotting.PrecisionRecallDistributionDisplay.from_estimator,
        lambda vae, X: plotting.TrainingCurveDisplay.from_estimator(vae),
        lambda vae, X: plotting.PerplexityDisplay.from_estimator(vae, X, TRAIN),
    ],
)
def test_of_codes_columns_and_training_are_drawn(vae, draw):
    assert draw(vae, TEST).figure_ is not None


@pytest.mark.parametrize(
    "draw",
    [
        lambda vae, X: plotting.SampleGridDisplay.from_estimator(vae),
        plotting.ReconstructionDisplay.from_estimator,
        plotting.InterpolationDisplay.from_estimator,
        plotting.NearestNeighbourDisplay.from_estimator,
        lambda vae, X: plotting.LatentTraversalDisplay.from_estimator(vae),
    ],
)
def test_pictures_of_categories_are_refused(vae_of_squares, draw):
    vae, table = vae_of_squares
    with pytest.raises(TypeError, match=r"categories, such as column 'x0'\. Draw its"):
        draw(vae, table)


def test_planes_of_categories_are_refused():
    table = TRAIN[["age", "colour"]]
    vae = small(max_epochs=1, random_state=0).fit(table)
    with pytest.raises(TypeError, match=r"PlaneDensityDisplay draws numb.* 'colour'"):
        plotting.PlaneDensityDisplay.from_estimator(vae)
    told = small(categorical_features=[0], max_epochs=1, random_state=0)
    told.fit(np.c_[[0, 1] * 20, np.arange(40.0)])
    with pytest.raises(TypeError, match="such as column 0"):
        plotting.PlaneDensityDisplay.from_estimator(told)


def test_what_categories_have_not_is_refused_with_the_remedy(vae):
    for function in (diagnostics.optimal_decoder, diagnostics.reconstruction_matching):
        with pytest.raises(TypeError, match=r"categories have no average\. Fit an arr"):
            function(vae, TEST, TRAIN)
    with pytest.raises(TypeError, match="For a table with categories there is none"):
        compress(vae, TEST)


def test_codes_have_moments_draws_and_perplexities(vae):
    means, deviations = diagnostics.posterior_moments(vae, TEST)
    np.testing.assert_allclose(means, vae.transform(TEST), rtol=1e-6)
    assert (deviations > 0).all()
    assert diagnostics.posterior_draws(vae, TEST, random_state=0).shape == means.shape
    assert diagnostics.latent_diagnostics(vae, TEST, random_state=0).spectrum
    display = plotting.PerplexityDisplay.from_estimator(vae, TEST, TRAIN)
    assert ((display.perplexity >= 1) & (display.perplexity <= 150)).all()


def test_influence_is_the_variance_of_decoded_features(vae):
    rows = TEST[:20]
    table, codes = TableFeatures().fit(rows), vae.transform(rows)
    draws = np.random.default_rng(0).normal(size=500)
    expected = np.zeros(codes.shape[1])
    for j in range(codes.shape[1]):
        for code in codes:
            varied = np.repeat(code[None], 500, axis=0)
            varied[:, j] = draws
            features = table.transform(vae.inverse_transform(varied))
            expected[j] += features.var(axis=0).sum() / len(codes)
    found = diagnostics.component_influence(vae, rows)
    assert found.share.sum() == pytest.approx(1)
    # Categories change in steps, for which quadrature is coarse.
    np.testing.assert_allclose(found.decoded_variance, expected, rtol=0.25)


def test_decoding_scores_compare_tables(vae):
    scores = diagnostics.decoding_scores(vae, TRAIN, TEST, random_state=0)
    assert np.isfinite([scores.reconstruction, scores.interpolation]).all()
