"""Precision against recall of generated rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from skvae._utils.arrays import at_most
from skvae._utils.columns import is_frame, names_of
from skvae._utils.random import draw_seed
from skvae.metrics import precision_recall_distribution
from skvae.pipeline._abilities import as_fitted, draws_means
from skvae.pipeline._tables import features_for, table_of, with_gaps_of
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
# Lines of a legend inside, where the curves of good models leave room for it.
_MOST_INSIDE = 8
_REAL = "real rows"


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
    precision_std, recall_std : ndarray of shape (n_angles,) or None, default=None
        Standard deviations over clusterings, drawn as a band; None for no band.
    floor : (precision, recall) or None, default=None
        The curve of real rows in place of samples; None for none.
    name : str, default=None
        For the legend.
    note : str, default=""
        What the curve leaves out, to be written below it.

    Attributes
    ----------
    line_ : matplotlib.lines.Line2D
        The curve.
    band_ : matplotlib.patches.Polygon or None
        One standard deviation over clusterings on both sides of the curve.
    floor_ : matplotlib.lines.Line2D or None
        The curve of real rows.
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
        precision_std: Any = None,
        recall_std: Any = None,
        floor: tuple[Any, Any] | None = None,
        name: str | None = None,
        note: str = "",
    ) -> None:
        self.precision = precision
        self.recall = recall
        self.f_8 = f_8
        self.f_1_8 = f_1_8
        self.precision_std = precision_std
        self.recall_std = recall_std
        self.floor = floor
        self.name = name
        self.note = note

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        X_train: Any = None,
        mean: bool | None = None,
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
        X_train : array-like or Tensor of shape (n_rows, ...), default=None
            Other real rows, at least as many, such as training rows: their curve shows
            what a perfect model would have. Two samples of one distribution lie below
            1, too.
        mean : bool or None, default=None
            True compares the decoder's means; False adds the observation noise of
            p(x|z). None is what ``sample`` does by itself: noise for models of tables.
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
        X, others = _dense(as_fitted(estimator, X)), None
        features = features_for([estimator], resolve_features(features), X=X)
        real = at_most(X, _MAX_SAMPLES, rng)
        seeds = rng.randint(2**31 - 1, size=2).tolist()
        if X_train is not None:
            others = _dense(as_fitted(estimator, X_train, "X_train"))
            others = _as_many(others, len(real), rng)
        mean = draws_means(estimator, mean)
        samples = draw_samples(cls.__name__, estimator, len(real), mean, seeds[0], X)
        if not is_frame(samples) and samples[0].size == np.prod(real.shape[1:]):
            samples = samples.reshape(real.shape)
        name = name_of(estimator) if name is None else name
        display = cls._compare(
            (real, samples, others),
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
        features = resolve_features(features)
        features = features_for([], features, X_real=_dense(X_real))
        display = cls._compare(
            (X_real, X_generated, None),
            features,
            {"n_clusters": n_clusters, "n_runs": n_runs, "random_state": random_state},
            name,
        )
        return display.plot(ax, line_kw=line_kw)

    @classmethod
    def _compare(
        cls, rows: tuple[Any, Any, Any], features: Any, options: Any, name: str | None
    ) -> PrecisionRecallDistributionDisplay:
        names, columns = ("X_real", "X_generated", "X_train"), names_of(rows[0])
        real, generated, others = (
            None if X is None else feature_rows(_dense(X), features, name, columns)
            for X, name in zip(rows, names, strict=True)
        )
        if table_of(features) is not None:
            seed = draw_seed(options["random_state"])
            generated = with_gaps_of(real, generated, features, seed)
        curve = precision_recall_distribution(real, generated, **options)
        floor = None
        if others is not None:
            floor = precision_recall_distribution(real, others, **options)[:2]
        return cls(
            curve.precision,
            curve.recall,
            f_8=curve.f_8,
            f_1_8=curve.f_1_8,
            precision_std=curve.precision_std,
            recall_std=curve.recall_std,
            floor=floor,
            name=name,
        )

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
        self.band_ = self._draw_band()
        self.floor_ = self._draw_floor()
        ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        ax.set(xlabel="recall", ylabel="precision")
        frame_lightly(ax)
        if ax.get_legend_handles_labels()[1]:
            add_legend(ax, _MOST_INSIDE)
        note_below(ax, self._note())
        self.figure_ = ax.figure
        return self

    def _draw_band(self) -> Any:
        if self.precision_std is None or not np.isfinite(self.precision_std).all():
            return None
        recall, precision = np.asarray(self.recall), np.asarray(self.precision)
        x = [recall - self.recall_std, (recall + self.recall_std)[::-1]]
        y = [precision - self.precision_std, (precision + self.precision_std)[::-1]]
        style = {"color": self.line_.get_color(), "alpha": 0.25, "linewidth": 0}
        corners = np.clip(np.concatenate(x), 0, 1), np.clip(np.concatenate(y), 0, 1)
        return self.ax_.fill(*corners, **style)[0]

    def _draw_floor(self) -> Any:
        if self.floor is None:
            return None
        shown = self.ax_.get_legend_handles_labels()[1]
        style = {"color": "0.2", "linestyle": ":", "clip_on": False}
        style["label"] = None if _REAL in shown else _REAL
        precision, recall = self.floor
        return self.ax_.plot(recall, precision, **style)[0]

    def _note(self) -> str:
        band = "band: one standard deviation over clusterings"
        return "\n".join(filter(None, [self.note, band if self.band_ else ""]))

    def _label(self, ax: Any) -> str | None:
        figures = f"\n$F_8$ {self.f_8:.2f}, $F_{{1/8}}$ {self.f_1_8:.2f}"
        figures = "" if np.isnan(self.f_8) else figures
        return legend_label(ax, self.name, figures)


def _dense(X: Any) -> Any:
    """Return rows as a frame, if they are one, or as an array."""
    return X if is_frame(X) else to_array(X)


def _as_many(X: Any, n: int, rng: np.random.RandomState) -> Any:
    """Draw n rows; raise ValueError if there are fewer."""
    if len(X) < n:
        raise ValueError(
            f"X_train must have at least as many rows as X, {n}, got {len(X)}. Pass "
            "fewer rows of X: curves of unlike numbers of rows do not compare."
        )
    return at_most(X, n, rng)
