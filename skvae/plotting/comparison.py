"""One figure of merit of several models, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from skvae._utils.arrays import as_finite
from skvae._utils.intervals import of_mean as interval_of_mean
from skvae._utils.random import draw_seed
from skvae._utils.validation import check_choice
from skvae.evaluation import Evaluation
from skvae.plotting._axes import (
    axes_for,
    check_matplotlib,
    folded,
    frame_lightly,
    is_small,
    next_colour,
    note_below,
    styled,
    width_of,
)
from skvae.plotting._models import check_models

__all__ = ["ModelComparisonDisplay"]

_KINDS = ("auto", "bar", "point")
# Fewer are of seeds or folds; folds share training rows and are not independent.
_MIN_BOOTSTRAP = 20


class ModelComparisonDisplay:
    """One figure of merit of several models, with intervals.

    Parameters
    ----------
    names : list of str
        Of the models.
    values : array-like of shape (n_models,)
    intervals : array-like of shape (n_models, 2)
        Lower and upper ends; nan where there is none.
    figure : str, default="value"
        What is compared, with its unit: the name of the axis.
    floor : float or array-like of shape (n_models,), default=nan
        What real rows get in place of samples: for all models, or for each.

    Attributes
    ----------
    values_ : matplotlib.container.BarContainer or matplotlib.lines.Line2D
        The values.
    intervals_ : matplotlib.collections.LineCollection
        The intervals.
    floor_ : matplotlib.lines.Line2D, matplotlib.collections.LineCollection or None
        One line through all models, or one for each.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> from skvae.plotting import ModelComparisonDisplay
    >>> scores = {"VAE": [31.0, 29.5, 33.1], "RAE": [22.4, 21.9, 24.0]}
    >>> display = ModelComparisonDisplay.from_scores(scores, figure="Fréchet distance")
    >>> display.values.round(1)
    array([31.2, 22.8])
    """

    def __init__(
        self,
        names: Any,
        values: Any,
        intervals: Any,
        *,
        figure: str = "value",
        floor: Any = np.nan,
    ) -> None:
        self.names = names
        self.values = values
        self.intervals = intervals
        self.figure = figure
        self.floor = floor

    @classmethod
    def from_scores(
        cls,
        scores: Mapping[str, Any],
        *,
        interval: str = "std",
        figure: str = "value",
        floor: float = np.nan,
        random_state: Any = None,
        ax: Any = None,
        kind: str = "auto",
        bar_kw: dict[str, Any] | None = None,
    ) -> ModelComparisonDisplay:
        """Compare means of scores over seeds, folds or rows.

        Parameters
        ----------
        scores : dict of array-like of shape (n_scores,)
            By the names of the models, in the order to show them.
        interval : {"std", "bootstrap"}, default="std"
            One standard deviation on both sides, the spread of the scores; or the
            studentised bootstrap's 95 % interval of their mean, for at least 20
            independent scores, such as those of ``vae.score_samples(X_test)``. Folds of
            one set are not independent.
        figure : str, default="value"
            What is compared, with its unit.
        floor : float, default=nan
            What real rows get in place of samples.
        random_state : int, RandomState instance or None, default=None
            Of the bootstrap.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; on those of another comparison of the same figure, the
            models go below its own. None makes a new figure.
        kind : {"auto", "bar", "point"}, default="auto"
            Bars start at 0, which means nothing for a log-likelihood: "auto" takes
            points where a value is negative.
        bar_kw : dict, default=None
            Keywords for ``Axes.barh``, or for ``Axes.plot`` of points.

        Returns
        -------
        display : ModelComparisonDisplay

        Raises
        ------
        ValueError
            If there are no scores, too few for a bootstrap, or they are not finite.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib(f"{cls.__name__}.from_scores")
        check_choice(cls.__name__, "interval", interval, ("std", "bootstrap"))
        sets = _check_scores(cls.__name__, scores)
        if interval == "std":
            intervals = [_spread(s) for s in sets.values()]
            meaning = _meaning_of_spread(sets)
        else:
            _check_enough(sets)
            rng = np.random.RandomState(draw_seed(random_state))
            intervals = [interval_of_mean(s, rng) for s in sets.values()]
            meaning = "mean, 95 % interval"
        values = np.array([s.mean() for s in sets.values()])
        display = cls(
            list(sets),
            values,
            np.array(intervals),
            figure=f"{figure} ({meaning})",
            floor=floor,
        )
        return display.plot(ax, kind=kind, bar_kw=bar_kw)

    @classmethod
    def from_evaluations(
        cls,
        evaluations: Mapping[str, Evaluation],
        figure: str = "frechet_distance",
        *,
        ax: Any = None,
        kind: str = "auto",
        bar_kw: dict[str, Any] | None = None,
    ) -> ModelComparisonDisplay:
        """Compare one figure of several evaluations, with their intervals.

        Parameters
        ----------
        evaluations : dict of Evaluation
            What `evaluate` returned, by the names of the models.
        figure : str, default="frechet_distance"
            A row of their tables.
        ax, kind, bar_kw
            As in `from_scores`.

        Returns
        -------
        display : ModelComparisonDisplay

        Raises
        ------
        KeyError
            If an evaluation has no such figure.
        ImportError
            If matplotlib is not installed.
        """
        check_matplotlib(f"{cls.__name__}.from_evaluations")
        check_models(cls.__name__, evaluations, "at least one evaluation")
        rows = [evaluation[figure] for evaluation in evaluations.values()]
        better = rows[0].better
        direction = f", {better} is better" if better in ("higher", "lower") else ""
        floors = [row.floor for row in rows]
        display = cls(
            list(evaluations),
            np.array([row.value for row in rows]),
            np.array([(row.low, row.high) for row in rows]),
            figure=f"{figure.replace('_', ' ')} (95 % interval{direction})",
            # For likelihoods and reconstructions, each model has its own.
            floor=floors[0] if len(set(floors)) == 1 else floors,
        )
        return display.plot(ax, kind=kind, bar_kw=bar_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        kind: str = "auto",
        bar_kw: dict[str, Any] | None = None,
    ) -> ModelComparisonDisplay:
        """Draw a bar or a point for each model, the first on top.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; on those of another comparison of the same figure, the
            models go below its own. None makes a new figure.
        kind : {"auto", "bar", "point"}, default="auto"
            Bars start at 0, which means nothing for a log-likelihood: "auto" takes
            points where a value is negative.
        bar_kw : dict, default=None
            Keywords for ``Axes.barh``, or for ``Axes.plot`` of points.

        Returns
        -------
        display : ModelComparisonDisplay
            The object itself.
        """
        check_choice(type(self).__name__, "kind", kind, _KINDS)
        values = np.asarray(self.values, dtype=float)
        self.ax_ = ax = axes_for(self, ax, (6.0, 1.0 + 0.4 * len(values)))
        self.figure_ = ax.figure
        above = self._names_above()
        places = len(above) + np.arange(len(values))
        if kind == "auto":
            kind = "point" if (values < 0).any() else "bar"
        draw = self._draw_bars if kind == "bar" else self._draw_points
        self.values_ = draw(places, values, bar_kw)
        self._draw_intervals(places)
        self._draw_floor(places)
        small = is_small(ax)
        own = [folded(name, 1.2 if small else None) for name in self.names]
        names, size = [*above, *own], "x-small" if small else "medium"
        ax.set_yticks(range(len(names)), names, fontsize=size)
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.set_xlabel(folded(self.figure, width_of(ax)))
        ax.set_label(_COMPARISON)
        frame_lightly(ax)
        lost = ", ".join(map(str, np.asarray(self.names)[~np.isfinite(values)]))
        note_below(ax, f"without a finite value: {lost}" if lost else "")
        return self

    def _names_above(self) -> list[str]:
        """Return the names that another comparison has written on the Axes."""
        if self.ax_.get_label() != _COMPARISON:
            return []
        shown = self.ax_.get_xlabel().replace("\n", " ")
        if shown != self.figure:
            raise ValueError(
                f"ax of {type(self).__name__}.plot shows {shown!r}, "
                f"which is no axis for {self.figure!r}. Draw it on Axes of its own."
            )
        return [text.get_text() for text in self.ax_.get_yticklabels()]

    def _draw_bars(self, places: Any, values: Any, chosen: Any) -> Any:
        from matplotlib.patches import Patch

        style = {"color": next_colour(self.ax_), "height": 0.6}
        style = styled(Patch, style, chosen)
        # An edge shows also a bar of length 0.
        style = {"edgecolor": style.get("facecolor", style["color"]), **style}
        return self.ax_.barh(places, values, **style)

    def _draw_points(self, places: Any, values: Any, chosen: Any) -> Any:
        from matplotlib.lines import Line2D

        style = {"color": next_colour(self.ax_), "marker": "o", "linestyle": "none"}
        return self.ax_.plot(values, places, **styled(Line2D, style, chosen))[0]

    def _draw_intervals(self, places: Any) -> None:
        low, high = np.asarray(self.intervals, dtype=float).T
        style = {"color": "0.2", "linewidth": 1.5}
        self.intervals_ = self.ax_.hlines(places, low, high, **style)
        # Ends show also an interval of length 0, and a dot one that lies on the axis.
        ends = {"linestyle": "none", "color": "0.2", "markersize": 8}
        if (point := low == high).any():
            dot = {"marker": ".", "clip_on": False, **ends}
            self.ax_.plot(low[point], places[point], **dot)
        self.ax_.plot([*low, *high], [*places, *places], marker="|", **ends)

    def _draw_floor(self, places: Any) -> None:
        style = {"color": "0.2", "linestyle": ":"}
        floor = np.array(self.floor, dtype=float)
        floor[~np.isfinite(floor)] = np.nan
        self.floor_ = None
        if np.isnan(floor).all():
            return
        if floor.ndim == 0:
            self.floor_ = self.ax_.axvline(float(floor), **style)
        else:
            self.floor_ = self.ax_.vlines(floor, places - 0.4, places + 0.4, **style)
        place = float(np.nanmean(floor)), 1
        written = [text.xy for text in self.ax_.texts if text.get_text() == _REAL]
        if place not in written:
            style = {"ha": "center", "va": "bottom"}
            self.ax_.annotate(_REAL, place, xycoords=("data", "axes fraction"), **style)


# The label of Axes, which no picture shows, tells comparisons from others.
_COMPARISON = "comparison of models"
_REAL = "real rows"


def _meaning_of_spread(sets: Mapping[str, Any]) -> str:
    alone = [name for name, scores in sets.items() if len(scores) == 1]
    if len(alone) == len(sets):
        return "one score each"
    return "mean ± standard deviation" + f"; one score of {', '.join(alone)}" * any(
        alone
    )


def _check_enough(sets: Mapping[str, Any]) -> None:
    for name, scores in sets.items():
        if len(scores) < _MIN_BOOTSTRAP:
            raise ValueError(
                f"interval='bootstrap' needs at least {_MIN_BOOTSTRAP} scores of each "
                f"model, got {len(scores)} of {name!r}. Use interval='std', which "
                "shows their spread."
            )


def _check_scores(owner: str, scores: Mapping[str, Any]) -> dict[str, Any]:
    check_models(owner, scores, "the scores of at least one model")
    sets = {str(k): np.atleast_1d(as_finite(v, str(k))) for k, v in scores.items()}
    for name, values in sets.items():
        if values.ndim != 1 or not len(values):
            raise ValueError(
                f"The scores of {name!r} must have shape (n_scores,), at least one, "
                f"got {values.shape}."
            )
    return sets


def _spread(scores: np.ndarray) -> tuple[float, float]:
    if len(scores) < 2:
        return np.nan, np.nan
    mean, deviation = scores.mean(), scores.std(ddof=1)
    return mean - deviation, mean + deviation
