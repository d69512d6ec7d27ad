"""Displays of perplexities, latent spectra, precision and recall."""

from types import MappingProxyType

import numpy as np
import pytest
import torch
from conftest import N_TRAIN
from displays import make
from sklearn.base import BaseEstimator

from skvae.diagnostics import optimal_decoder, posterior_draws
from skvae.metrics import latent_spectrum, precision_recall_distribution
from skvae.plotting import (
    LatentSpectrumDisplay,
    PerplexityDisplay,
    PrecisionRecallDistributionDisplay,
)

pytestmark = pytest.mark.usefixtures("closed_figures")


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


class TestPrecisionAndRecall:
    X = np.random.default_rng(0).normal(size=(90, 2))
    Y = np.random.default_rng(1).normal(size=(90, 2)) * 0.5
    OPTIONS = MappingProxyType({"n_clusters": 5, "random_state": 3})

    class Sampler(BaseEstimator):
        def fit(self, X=None, y=None):
            return self

        def sample(self, n_samples=1, random_state=None):
            return TestPrecisionAndRecall.Y[:n_samples]

        def __sklearn_is_fitted__(self):
            return True

    def test_have_a_band_over_clusterings(self):
        options = {"n_runs": 4, **self.OPTIONS}
        display = PrecisionRecallDistributionDisplay.from_predictions(
            self.X, self.Y, **options
        )
        curve = precision_recall_distribution(self.X, self.Y, **options)
        n = len(curve.precision)
        corners = display.band_.get_xy()
        x, y = curve.recall, curve.precision
        low = np.clip([x - curve.recall_std, y - curve.precision_std], 0, 1)
        high = np.clip([x + curve.recall_std, y + curve.precision_std], 0, 1)
        np.testing.assert_allclose(corners[:n], low.T)
        np.testing.assert_allclose(corners[n : 2 * n][::-1], high.T)
        assert "one standard deviation" in display.ax_.texts[0].get_text()

    def test_of_one_clustering_have_no_band(self):
        display = PrecisionRecallDistributionDisplay.from_predictions(
            self.X, self.Y, n_runs=1, **self.OPTIONS
        )
        assert display.band_ is None
        assert not display.ax_.texts

    def test_have_a_curve_of_real_rows_beside_them(self):
        train = np.random.default_rng(2).normal(size=(200, 2))
        display = PrecisionRecallDistributionDisplay.from_estimator(
            self.Sampler(), self.X, X_train=train, n_runs=3, **self.OPTIONS
        )
        floor = display.floor_.get_ydata() + display.floor_.get_xdata()
        assert floor.max() > (display.precision + display.recall).max()
        again = PrecisionRecallDistributionDisplay.from_estimator(
            self.Sampler(),
            self.X,
            X_train=train,
            n_runs=3,
            **self.OPTIONS,
            ax=display.ax_,
        )
        labels = again.ax_.get_legend_handles_labels()[1]
        assert labels.count("real rows") == 1
        assert display.ax_.get_legend().get_bbox_to_anchor() is not None
        figure = display.figure_
        figure.canvas.draw()
        legend = display.ax_.get_legend().get_window_extent()
        axes = display.ax_.get_window_extent()
        assert axes.x0 <= legend.x0 < legend.x1 <= axes.x1  # inside

    def test_need_enough_real_rows(self):
        with pytest.raises(ValueError, match="X_train must have at least as many"):
            PrecisionRecallDistributionDisplay.from_estimator(
                self.Sampler(), self.X, X_train=self.X[:50], **self.OPTIONS
            )


def test_spread_of_a_curve_over_runs():
    X = np.random.default_rng(0).normal(size=(80, 2))
    Y = X[::-1] * [1, 0.3]
    state = np.random.RandomState(0)
    runs = [
        precision_recall_distribution(X, Y, n_clusters=6, n_runs=1, random_state=state)
        for _ in range(5)
    ]
    whole = precision_recall_distribution(
        X, Y, n_clusters=6, n_runs=5, random_state=np.random.RandomState(0)
    )
    for name in ("precision", "recall"):
        spread = np.std([getattr(run, name) for run in runs], axis=0, ddof=1)
        np.testing.assert_allclose(getattr(whole, f"{name}_std"), spread, atol=1e-12)
    assert np.isnan(runs[0].precision_std).all()
