"""Two models, compared on the same held-out rows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skvae._utils.columns import is_frame
from skvae._utils.random import draw_seed
from skvae._utils.validation import check_boolean, check_integer, plain
from skvae.evaluation._compared import (
    Compared,
    NotCompared,
    compare_likelihoods,
    compare_reconstructions,
    compare_samples,
)
from skvae.evaluation._differences import holm
from skvae.evaluation._fits import Fits, counted, read_models
from skvae.evaluation._printing import Table, as_lines, number
from skvae.pipeline._abilities import as_fitted, can_sample, last_step
from skvae.pipeline._tables import features_for, table_of
from skvae.scorers._reference import resolve_features, to_array

_OWNER = "compare"
_MAX_SAMPLES = 2000
_MIN_ROWS = 6
_LEVEL = 0.05
NO_DIFFERENCE = "no difference found"
NOT_JUDGED = "not judged"


class ComparisonRow(NamedTuple):
    """One line of a comparison."""

    figure: str
    """Name."""
    first: float
    """Value of the first model, the mean over its fits."""
    second: float
    """Value of the second model."""
    difference: float
    """That of the first minus that of the second."""
    low: float
    """Lower end of the 95 % interval of the difference; nan where there is none."""
    high: float
    """Upper end."""
    p_value: float
    """Of there being no difference, corrected for the number of figures by Holm."""
    better: str
    """"higher" or "lower"."""
    verdict: str
    """In words."""
    meaning: str
    """Of the figure, in words."""


@dataclass(frozen=True)
class Comparison(Table):
    """The result of `compare`; ``print`` shows it, ``comparison[figure]`` is one row.

    Attributes
    ----------
    models : tuple of str
        Names of the two.
    rows : tuple of ComparisonRow
        Named tuples (figure, first, second, difference, low, high, p_value, better,
        verdict, meaning).
    verdict : str
        Which model is better, and by which figures.
    not_compared : tuple of str
        Figures that are left out, and why.
    n_test : int
        Held-out rows.
    n_samples : int
        Samples of each fit.
    n_fits : tuple of int
        Fits of each model.
    """

    models: tuple[str, str]
    rows: tuple[ComparisonRow, ...]
    verdict: str
    not_compared: tuple[str, ...]
    n_test: int
    n_samples: int
    n_fits: tuple[int, int]

    def __str__(self) -> str:
        fits = "" if self.n_fits == (1, 1) else f"{counted(self.n_fits)} fits, "
        title = (
            f"{self.models[0]} v {self.models[1]}: {fits}{self.n_test} held-out rows, "
            f"{self.n_samples} samples of each"
        )
        head = ("figure", *self.models, "difference", "95% interval", "p")
        cells = [(*head, "verdict", "meaning")]
        for row in self.rows:
            numbers = map(number, (row.first, row.second, row.difference))
            shown = _interval(row), _probability(row.p_value)
            cells.append((row.figure, *numbers, *shown, row.verdict, row.meaning))
        table = as_lines(cells, numeric=(1, 2, 3, 4, 5))
        return "\n".join([title, "", *table, "", self.verdict, *self._notes()])

    def _notes(self) -> list[str]:
        notes = ["Intervals are of one figure each, p-values are corrected for all."]
        if self.n_fits == (1, 1):
            notes.append(
                "The randomness of training is in neither: pass several fits of each."
            )
        return [*notes, *self.not_compared]


def compare(
    estimators: Any,
    X_test: Any,
    *,
    features: Any = None,
    n_samples: int | None = None,
    mean: bool | None = None,
    n_bootstrap: int = 40,
    random_state: int | None = 0,
) -> Comparison:
    """Compare two fitted models on the same held-out rows.

    Intervals of each model that overlap say little of their difference: what makes a
    row hard for both models cancels in it.

    Parameters
    ----------
    estimators : dict of str to estimator, or pair of estimators
        Two models that can sample, fitted on the same rows: estimators of skvae,
        densities of scikit-learn, or Pipelines that end in one. In place of each, a
        list of its fits with different ``random_state`` takes the randomness of
        training into account.
    X_test : array-like of shape (n_test, n_features)
        Rows that neither model has seen.
    features : None, str, callable or transformer, default=None
        Map applied to rows and samples before they are compared, as in
        `make_sample_scorer`.
    n_samples : int, default=None
        Rows that each fit draws. None is the number of held-out rows, but at most
        2,000.
    mean : bool or None, default=None
        True compares decoder means with held-out rows; False adds the observation
        noise. None is what ``sample`` of each does by itself: noise for models of
        tables, else means.
    n_bootstrap : int, default=40
        Number of random halves behind the intervals of figures of samples; 0 leaves
        these without.
    random_state : int or None, default=0
        Seed of everything that is drawn.

    Returns
    -------
    comparison : Comparison
        A table of differences with 95 % intervals, p-values and verdicts.

    Raises
    ------
    TypeError
        If an estimator cannot sample.
    ValueError
        If there are not two models, one has several fits and the other a single one,
        or rows or parameters are not as above.

    Notes
    -----
    Log-likelihoods and errors of reconstructions are compared row by row. Figures of
    samples have their errors from random halves of the held-out rows, the same for both
    models, and of each model's samples. All are judged by Student's t. Density and the
    accuracy of nearest neighbours count by their distance from 1 and from one half,
    which sets that are alike have.

    Intervals are of one figure each. P-values are corrected by Holm's method, so that
    two equal models differ in any figure in at most 5 % of comparisons. "No difference
    found" does not mean that there is none: look at the interval.

    With a single fit of each model, neither tells whether the models would differ after
    training with other seeds: two fits of one model may differ significantly. With
    several, the variance of figures over fits is added, and intervals are of the mean
    over all fits; few fits make them wide.

    Tables, which have categories or gaps, are compared by the `TableFeatures` of the
    held-out rows, as `evaluate` does by those of the training rows.

    Likelihoods are compared in the units of X, and left out where those of a pipeline
    are not, or where some value has a probability under one model and a density under
    the other. Estimators that sample have a lower bound on theirs. A model that copies
    its training rows has good figures of samples: `evaluate` tells.

    References
    ----------
    Bouthillier et al. 2021, Accounting for variance in machine learning benchmarks,
    arXiv:2103.03098. Holm 1979, A simple sequentially rejective multiple test
    procedure, Scandinavian Journal of Statistics 6.

    See Also
    --------
    evaluate : A report on one model, with findings.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.mixture import GaussianMixture
    >>> from sklearn.model_selection import train_test_split
    >>> from skvae.evaluation import compare
    >>> X_train, X_test = train_test_split(load_iris().data, random_state=0)
    >>> models = {
    ...     f"{k} components": GaussianMixture(k, random_state=0).fit(X_train)
    ...     for k in (2, 1)
    ... }
    >>> comparison = compare(models, X_test)
    >>> comparison["log_likelihood"].verdict.partition(" by ")[0]
    'better: 2 components'
    """
    names, fits = read_models(estimators)
    _check(fits, n_samples, mean, n_bootstrap, random_state)
    features = resolve_features(features)
    X = X_test if is_frame(X_test) else to_array(X_test)
    X = as_fitted(fits.first[0], X, "X_test")
    features = features_for(fits.all, features, X_test=X)
    if len(X) < _MIN_ROWS:
        raise ValueError(
            f"X_test must have at least {_MIN_ROWS} rows, got {len(X)}. Pass a larger "
            "sample."
        )
    n = min(len(X), _MAX_SAMPLES) if n_samples is None else int(n_samples)
    rng = np.random.RandomState(draw_seed(plain(random_state)))
    # Samples first, since they check the rows.
    options = features, n, mean, int(n_bootstrap), rng
    of_samples = list(compare_samples(fits, X, *options))
    of_rows = compare_reconstructions(fits, X, table_of(features))
    found = [compare_likelihoods(fits, X), of_rows]
    found += of_samples
    rows = _judge(names, [figure for figure in found if isinstance(figure, Compared)])
    left_out = [f for f in found if isinstance(f, NotCompared)]
    return Comparison(
        models=names,
        rows=rows,
        verdict=_summary(names, rows),
        not_compared=tuple(f"Not compared: {f.name}; {f.reason}." for f in left_out),
        n_test=len(X),
        n_samples=n,
        n_fits=(len(fits.first), len(fits.second)),
    )


def _check(
    fits: Fits, n_samples: Any, mean: Any, n_bootstrap: Any, random_state: Any
) -> None:
    for fit in fits.all:
        if not can_sample(fit):
            raise TypeError(
                f"{_OWNER} needs estimators that have sample, but "
                f"{type(last_step(fit)).__name__} has none. Pass generative models, "
                "such as VAE or GaussianMixture."
            )
        check_is_fitted(last_step(fit))
    if n_samples is not None:
        check_integer(_OWNER, "n_samples", n_samples, _MIN_ROWS)
    if mean is not None:
        check_boolean(_OWNER, "mean", mean)
    check_integer(_OWNER, "n_bootstrap", n_bootstrap, 0)
    if random_state is not None:
        check_integer(_OWNER, "random_state", random_state, 0)


def _judge(names: tuple[str, str], found: list[Compared]) -> tuple[ComparisonRow, ...]:
    p_values = holm(np.array([figure.difference.p_value for figure in found]))
    return tuple(
        ComparisonRow(
            figure.name,
            *figure.values,
            *figure.difference[:3],
            float(p_value),
            figure.better,
            _verdict(names, figure, p_value),
            figure.meaning,
        )
        for figure, p_value in zip(found, p_values, strict=True)
    )


def _verdict(names: tuple[str, str], figure: Compared, p_value: float) -> str:
    if math.isnan(p_value):
        return NOT_JUDGED
    if p_value > _LEVEL:
        return NO_DIFFERENCE
    difference = figure.difference
    is_first = (difference.value > 0) == (figure.better == "higher")
    ends = sorted((abs(difference.low), abs(difference.high)))
    size = f"{number(abs(difference.value))} {figure.unit}".rstrip()
    low, high = map(number, ends)
    return f"better: {names[not is_first]} by {size} ({low} to {high})"


def _summary(names: tuple[str, str], rows: Iterable[ComparisonRow]) -> str:
    """Say which model is better, and in what."""
    figures: dict[str, list[str]] = {name: [] for name in names}
    for row in rows:
        if row.p_value <= _LEVEL:
            is_first = (row.difference > 0) == (row.better == "higher")
            figures[names[not is_first]].append(row.figure)
    said = [f"{name} in {', '.join(won)}" for name, won in figures.items() if won]
    return f"Better: {'; '.join(said)}." if said else "No difference found."


def _interval(row: ComparisonRow) -> str:
    return "" if math.isnan(row.low) else f"{number(row.low)} to {number(row.high)}"


def _probability(p_value: float) -> str:
    return "<0.0001" if p_value < 1e-4 else number(p_value)
