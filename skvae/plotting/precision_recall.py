"""Precision against recall of generated rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from skvae._utils.arrays import at_most
from skvae._utils.random import draw_seed
from skvae.metrics import precision_recall_distribution
from skvae.plotting._axes import (
    add_legend,
    axes_for,
    check_matplotlib,
    frame_lightly,
    legend_label,
    line_style,
    next_colour,
    note_below,
)
from skvae.plotting._models import draw_samples, name_of
from skvae.scorers._reference import feature_rows, resolve_features, to_array

__all__ = ["PrecisionRecallDistributionDisplay"]

_MAX_SAMPLES = 10_000


class PrecisionRecallDistributionDisplay:
    """Precision against recall of generated rows (PRD).

    Parameters
    ----------
    precision : ndarray of shape (n_angles,)
        Along the curve: how much of the samples is like real rows.
    recall : ndarray of shape (n_angles,)
        How much of the real rows samples are like.
    f_8, f_1_8 : float
        Largest F_8, which weighs recall, and F_1/8, which weighs precision.
    name : str, default=None
        For the legend.
    note : str, default=""
        What the curve leaves out, to be written below it.

    Attributes
    ----------
    line_ : matplotlib.lines.Line2D
        The curve.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    See Also
    --------
    skvae.metrics.precision_recall_distribution : The same as numbers.

    References
    ----------
    Sajjadi et al., "Assessing Generative Models via Precision and Recall", 2018.
    arXiv:1806.00035

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skvae import VAE
    >>> from skvae.plotting import PrecisionRecallDistributionDisplay
    >>> X = load_digits().data
    >>> vae = VAE(8, max_epochs=2, random_state=0).fit(X)
    >>> display = PrecisionRecallDistributionDisplay.from_estimator(
    ...     vae, X, n_runs=2, random_state=0
    ... )
    >>> display.precision.shape
    (1001,)
    """

    def __init__(
        self,
        precision: Any,
        recall: Any,
        *,
        f_8: float = np.nan,
        f_1_8: float = np.nan,
        name: str | None = None,
        note: str = "",
    ) -> None:
        self.precision = precision
        self.recall = recall
        self.f_8 = f_8
        self.f_1_8 = f_1_8
        self.name = name
        self.note = note

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        mean: bool = True,
        features: Any = None,
        n_clusters: int = 20,
        n_runs: int = 10,
        random_state: Any = None,
        name: str | None = None,
        ax: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> PrecisionRecallDistributionDisplay:
        """Draw as many samples as X has rows, 10,000 at most, and compare.

        Parameters
        ----------
        estimator : object
            Fitted, with ``sample``: an estimator of skvae, a density of scikit-learn,
            or a Pipeline that ends in one, whose samples are in the units of its input.
        X : array-like or Tensor of shape (n_samples, ...)
            Real rows, best held-out ones.
        mean : bool, default=True
            Compare the decoder's means; False adds the observation noise of p(x|z).
        features : None, str, callable or transformer, default=None
            Map applied before rows are compared, as in `make_sample_scorer`.
        n_clusters : int, default=20
            Clusters of the pooled rows.
        n_runs : int, default=10
            Clusterings that are averaged.
        random_state : int, RandomState instance or None, default=None
        name : str, default=None
            For the legend; None is the name of the estimator's class.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on, also those of another display; None makes a new figure.
        line_kw : dict, default=None
            Keywords for ``Axes.plot``.

        Returns
        -------
        display : PrecisionRecallDistributionDisplay

        Raises
        ------
        TypeError
            If the estimator cannot sample.
        ValueError
            If there are fewer rows than clusters.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib(f"{cls.__name__}.from_estimator")
        rng = np.random.RandomState(draw_seed(random_state))
        X = to_array(X)
        real = at_most(X, _MAX_SAMPLES, rng)
        seeds = rng.randint(2**31 - 1, size=2).tolist()
        samples = draw_samples(cls.__name__, estimator, len(real), mean, seeds[0])
        name = name_of(estimator) if name is None else name
        display = cls._compare(
            (real, samples.reshape(len(samples), *real.shape[1:])),
            features,
            {"n_clusters": n_clusters, "n_runs": n_runs, "random_state": seeds[1]},
            name,
        )
        if len(X) > len(real):
            display.note = f"{name}: compared with {len(real):,} of {len(X):,} rows"
        return display.plot(ax, line_kw=line_kw)

    @classmethod
    def from_predictions(
        cls,
        X_real: Any,
        X_generated: Any,
        *,
        features: Any = None,
        n_clusters: int = 20,
        n_runs: int = 10,
        random_state: Any = None,
        name: str | None = None,
        ax: Any = None,
        line_kw: dict[str, Any] | None = None,
    ) -> PrecisionRecallDistributionDisplay:
        """Compare two sets of rows; other real rows as the second show the best case.

        Parameters
        ----------
        X_real : array-like or Tensor of shape (n_samples, ...)
        X_generated : array-like or Tensor of shape (n_samples, ...)
            As many rows.
        features, n_clusters, n_runs, random_state, name, ax, line_kw
            As in `from_estimator`; without a name there is no legend.

        Returns
        -------
        display : PrecisionRecallDistributionDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_predictions")
        display = cls._compare(
            (X_real, X_generated),
            features,
            {"n_clusters": n_clusters, "n_runs": n_runs, "random_state": random_state},
            name,
        )
        return display.plot(ax, line_kw=line_kw)

    @classmethod
    def _compare(
        cls, rows: tuple[Any, Any], features: Any, options: Any, name: str | None
    ) -> PrecisionRecallDistributionDisplay:
        features = resolve_features(features)
        curve = precision_recall_distribution(
            feature_rows(to_array(rows[0]), features, "X_real"),
            feature_rows(to_array(rows[1]), features, "X_generated"),
            **options,
        )
        figures = {"f_8": curve.f_8, "f_1_8": curve.f_1_8}
        return cls(curve.precision, curve.recall, **figures, name=name)

    def plot(
        self, ax: Any = None, *, line_kw: dict[str, Any] | None = None
    ) -> PrecisionRecallDistributionDisplay:
        """Draw the curve, whose upper right corner is a perfect model.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on, also those of another display; None makes a new figure.
        line_kw : dict, default=None
            Keywords for ``Axes.plot``.

        Returns
        -------
        display : PrecisionRecallDistributionDisplay
            The object itself.
        """
        self.ax_ = ax = axes_for(self, ax, (5.0, 4.5))
        defaults = {"color": next_colour(ax), "label": self._label(ax)}
        style = line_style({**defaults, "clip_on": False}, line_kw)
        (self.line_,) = ax.plot(self.recall, self.precision, **style)
        ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        ax.set(xlabel="recall", ylabel="precision")
        frame_lightly(ax)
        if self.name is not None:
            add_legend(ax)
        note_below(ax, self.note)
        self.figure_ = ax.figure
        return self

    def _label(self, ax: Any) -> str | None:
        figures = f"\n$F_8$ {self.f_8:.2f}, $F_{{1/8}}$ {self.f_1_8:.2f}"
        figures = "" if np.isnan(self.f_8) else figures
        return legend_label(ax, self.name, figures)
