"""Several models on one Axes, as in the figures of the papers."""

import re

import numpy as np
import pytest
from conftest import N_TRAIN, SMALL_SECOND_STAGE, small

import skvae
from skvae.diagnostics import posterior_draws
from skvae.metrics import latent_spectrum
from skvae.plotting import LatentSpectrumDisplay, PrecisionRecallDistributionDisplay

pytestmark = pytest.mark.usefixtures("closed_figures")


def legend_of(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_spectra_of_both_stages_share_axes(digits):
    """Dai & Wipf, figure 2."""
    X = digits[0]
    model = small(skvae.TwoStageVAE, second_stage=SMALL_SECOND_STAGE).fit(X[:N_TRAIN])
    first = LatentSpectrumDisplay.from_estimator(
        model, X, name="first stage", random_state=0
    )
    Z = posterior_draws(model, X, random_state=0)
    second = LatentSpectrumDisplay.from_estimator(
        model.second_stage_, Z, name="second stage", random_state=1, ax=first.ax_
    )
    U = posterior_draws(model.second_stage_, Z, random_state=1)
    for display, codes in ((first, Z), (second, U)):
        expected = latent_spectrum(codes).singular_values
        np.testing.assert_array_equal(display.line_.get_ydata(), expected)
    assert first.line_.axes is second.line_.axes
    # One band stands for both, which are of as many codes.
    names = {"first stage", "second stage", "draws from N(0, I)"}
    assert sorted(legend_of(first.ax_)) == sorted(names)


def test_curves_of_precision_have_both_figures_in_the_legend():
    """Sajjadi et al.: F_8 weighs recall, F_1/8 precision."""
    real = np.repeat([[0.0], [9.0]], 100, axis=0)
    half = np.zeros_like(real)  # one of two clusters: precise, and half of the recall
    options = {"n_clusters": 2, "n_runs": 1, "random_state": 0}
    first = PrecisionRecallDistributionDisplay.from_predictions(
        real, half, name="half", **options
    )
    PrecisionRecallDistributionDisplay.from_predictions(
        real, real, name="all", ax=first.ax_, **options
    )
    figures = {
        label.split("\n")[0]: [float(f) for f in re.findall(r"\d\.\d\d", label)]
        for label in legend_of(first.ax_)
    }

    def f_beta(beta, precision, recall):
        return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)

    expected = [f_beta(beta, 1, 0.5) for beta in (8, 1 / 8)]
    assert figures["half"] == pytest.approx(expected, abs=0.01)
    assert figures["all"] == [1, 1]
