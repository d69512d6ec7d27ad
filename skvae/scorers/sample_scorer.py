"""Scorers of samples, for the searches and the cross-validation of scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from sklearn.exceptions import NotFittedError

from skvae._utils.validation import check_boolean, check_choice, check_integer, plain
from skvae._utils.warn import warn
from skvae.pipeline.sampling import chosen_model
from skvae.scorers._checks import (
    check_ability,
    check_metric_params,
    check_metrics,
    check_random_state,
    warn_of_halving,
)
from skvae.scorers._metric import name_of, short
from skvae.scorers._reference import ReferenceCache, frozen, resolve_features
from skvae.scorers._results import Results
from skvae.scorers._table import METRICS, by_name
from skvae.scorers._trial import Trial

SCORERS: Mapping[str, str] = MappingProxyType(
    {name: m.meaning + ", negated" * (m.sign < 0) for name, m in METRICS.items()}
)
"""Names of all scorers, each with its meaning."""

_DEFAULTS = {
    "greater_is_better": True,
    "n_samples": "same",
    "mean": None,
    "features": None,
    "X_train": None,
    "random_state": 0,
    "metric_params": None,
    "on_error": math.nan,
    "max_cached": 8,
}
_OWNER = "make_sample_scorer"
_Function = Callable[..., Any]


class SampleScorer:
    """Callable ``scorer(estimator, X, y=None)``; made by `make_sample_scorer`.

    Parameters
    ----------
    metrics : str, callable or tuple of both
    parameters : dict
        All others of `make_sample_scorer`.

    Examples
    --------
    >>> from skvae import make_sample_scorer
    >>> make_sample_scorer("coverage", n_samples=500)
    make_sample_scorer('coverage', n_samples=500)
    """

    def __init__(
        self,
        metrics: str | _Function | tuple[str | _Function, ...],
        parameters: dict[str, Any],
    ) -> None:
        self.metrics = metrics
        self.parameters = parameters
        self._prepare()

    def __call__(
        self, estimator: Any, X: Any, y: Any = None
    ) -> float | dict[str, float]:
        """Score a fitted estimator on held-out rows.

        Parameters
        ----------
        estimator : object
            Fitted; an estimator of skvae, a density of scikit-learn, a Pipeline that
            ends in one, or a search over one.
        X : array-like of shape (n_samples, n_features)
            Held-out rows.
        y : Ignored

        Returns
        -------
        score : float or dict of str to float
            Greater is better; a dict if `metrics` is a list.

        Raises
        ------
        TypeError
            If the estimator lacks a method that a metric needs.
        """
        estimator = chosen_model(estimator)
        warn_of_halving(self)
        for name, metric in self._metrics.items():
            check_ability(estimator, name, metric)
        trial = self._trial(estimator, X)
        options = self.parameters["metric_params"] or {}
        results = Results(trial, self._metrics.values(), options)
        scores = {name: self._score(trial, results, name) for name in self._metrics}
        return scores if isinstance(self.metrics, tuple) else scores.popitem()[1]

    def _trial(self, estimator: Any, X: Any) -> Trial:
        return Trial(estimator, X, self.parameters, self._references, self._features)

    def _score(self, trial: Trial, results: Results, name: str) -> float:
        on_error, metric = self.parameters["on_error"], self._metrics[name]
        try:
            return metric.sign * metric.number(results.of(metric))
        except NotFittedError:
            raise
        except Exception as error:
            if on_error == "raise":
                raise
            warn(
                f"{name} of {type(trial.estimator).__name__} failed and is {on_error}: "
                f"{type(error).__name__}: {error}"
            )
            return float(on_error)

    def _prepare(self) -> None:
        p = self.parameters
        self._metrics = by_name(_as_tuple(self.metrics), p["greater_is_better"])
        self._features = resolve_features(p["features"])
        self._references = ReferenceCache(p["max_cached"])

    def _accept_sample_weight(self) -> bool:
        # scikit-learn asks this of scorers in searches with sample weights.
        return False

    def __getstate__(self) -> dict[str, Any]:
        return {"metrics": self.metrics, "parameters": self.parameters}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    def __repr__(self) -> str:
        shown = ", ".join(
            repr(metric) if isinstance(metric, str) else name_of(metric)
            for metric in _as_tuple(self.metrics)
        )
        changed = [
            f"{name}={short(value)}"
            for name, value in self.parameters.items()
            if not _is_default(name, value)
        ]
        shown = f"[{shown}]" if isinstance(self.metrics, tuple) else shown
        return f"{_OWNER}({', '.join([shown, *changed])})"


def make_sample_scorer(
    metrics: str | _Function | Iterable[str | _Function],
    *,
    greater_is_better: bool = True,
    n_samples: str | int = "same",
    mean: bool | None = None,
    features: Any = None,
    X_train: Any = None,
    random_state: int | None = 0,
    metric_params: Mapping[str, dict[str, Any]] | None = None,
    on_error: str | float = math.nan,
    max_cached: int = 8,
) -> SampleScorer:
    """Make a scorer that draws samples and compares them with held-out rows.

    For the parameter ``scoring`` of `GridSearchCV`, `cross_val_score` and the like.

    Parameters
    ----------
    metrics : str, callable or list of both
        Names from `SCORERS`, or functions ``f(X_real, X_generated)`` of your own, which
        get held-out rows and samples after `features`, each a read-only float64 array
        of shape (n, n_features), and return a number or an object whose attribute
        ``value`` is one. A function with a parameter ``random_state`` is given a seed.
        One metric gives a scorer that returns a float; a list gives one that returns a
        dict, by the names from `SCORERS` and those of functions (``__name__``), where
        one draw and one pass through `features` serve all metrics. With a list, a
        search needs ``refit`` to be one of the names; a search by halving takes one
        metric only.
    greater_is_better : bool, default=True
        Whether a greater value of your functions is a better one; False negates them
        in the scores, under the same name. The signs of named metrics are fixed.
    n_samples : "same" or int, default="same"
        Rows to draw; "same" is the number of held-out rows, which keeps the bias of
        the metrics equal over the candidates of a fold.
    mean : bool or None, default=None
        True draws decoder means; False adds the observation noise. None is what
        ``sample`` does by itself: noise for models of tables, else means.
    features : None, str, callable, transformer or torch module, default=None
        Map applied to held-out rows and samples before they are compared. None
        compares rows of numbers as they are, and tables by the
        `skvae.metrics.TableFeatures` of the held-out rows. A transformer must be
        fitted, but not on rows that are used in the search. A copy of it is used; one
        that was fitted on a data frame gets frames. A
        name, such as "inception", is that of a network of `skvae.metrics`.
    X_train : array-like of shape (n_rows, n_features), default=None
        Training rows, for "authenticity" and "neg_abs_data_copying". In a search or
        cross-validation of scikit-learn, pass its X: each candidate is judged by the
        rows it was fitted on. Elsewhere, held-out rows among them are left out, each as
        often as it is held out.
    random_state : int or None, default=0
        An int gives every candidate and fold the same random numbers, a paired
        comparison; None gives fresh ones in every call.
    metric_params : dict of str to dict, default=None
        Parameters for functions of `skvae.metrics` and your own, by name, such as
        ``{"kernel_distance": {"n_subsets": 20}}``; "log_likelihood" takes
        n_importance_samples.
    on_error : "raise" or float, default=nan
        What to return, with a warning, if a metric fails. An error raised by a
        multi-metric scorer would end the whole search.
    max_cached : int, default=8
        Number of sets of held-out rows whose features and moments are kept, in memory
        and not in pickles, identified by the content of X. A few of the rows are
        mapped in every call, and all of them if `features` has changed or maps rows
        together.

    Returns
    -------
    scorer : SampleScorer
        ``scorer(estimator, X, y=None)``, greater is better.

    Raises
    ------
    ValueError, TypeError
        If a parameter is not as above.

    Notes
    -----
    The cost of a call beyond the draw, for 10,000 rows of 64 features on one core, is
    0.1 s for the Fréchet distance, 1 s for PRD, 4 s for precision, recall, density and
    coverage, and 6 s for the discrepancy. A few hundred samples per fold are enough in
    a search: the spread over folds, which a search reports, is then the larger part of
    the error.

    Tables are frames with categories or gaps, and rows of which the model was told
    categories. Columns of samples without gaps are given those of held-out rows, at
    random; errors of reconstructions are in the units of `TableFeatures`, without gaps.

    For a `Pipeline`, samples and likelihoods are in the units of its input. A warning
    says where one column's unit hides others: metrics do not scale.

    See Also
    --------
    get_scorer : A scorer of one metric with the defaults.
    skvae.evaluation.evaluate : A report on one model.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.mixture import GaussianMixture
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skvae import make_sample_scorer
    >>> scorer = make_sample_scorer(["neg_frechet_distance", "coverage"])
    >>> search = GridSearchCV(
    ...     GaussianMixture(random_state=0),
    ...     {"n_components": [1, 3]},
    ...     scoring=scorer,
    ...     refit="coverage",
    ...     cv=3,
    ... )
    >>> search = search.fit(load_iris().data)
    >>> sorted(k for k in search.cv_results_ if k.startswith("mean_test"))
    ['mean_test_coverage', 'mean_test_neg_frechet_distance']

    With a function of your own:

    >>> import numpy as np
    >>> def mean_shift(X_real, X_generated):
    ...     return np.abs(X_real.mean(axis=0) - X_generated.mean(axis=0)).max()
    >>> make_sample_scorer(["coverage", mean_shift], greater_is_better=False)
    make_sample_scorer(['coverage', mean_shift], greater_is_better=False)
    """
    several = isinstance(metrics, Iterable) and not isinstance(metrics, str)
    metrics = tuple(metrics) if several else metrics
    check_metrics(_as_tuple(metrics), features, X_train, greater_is_better)
    if n_samples != "same":
        n_samples = check_integer(_OWNER, "n_samples", n_samples, 2)
    if mean is not None:
        check_boolean(_OWNER, "mean", mean)
    max_cached = check_integer(_OWNER, "max_cached", max_cached, 0)
    check_random_state(random_state)
    entries = by_name(_as_tuple(metrics), greater_is_better).values()
    check_metric_params(metric_params, entries)
    if isinstance(on_error, str):
        check_choice(_OWNER, "on_error", on_error, ("raise",))
    parameters = {
        "greater_is_better": bool(greater_is_better),
        "n_samples": n_samples,
        "mean": None if mean is None else bool(mean),
        "features": frozen(features),
        "X_train": X_train,
        "random_state": plain(random_state),
        "metric_params": metric_params,
        "on_error": on_error,
        "max_cached": max_cached,
    }
    return SampleScorer(metrics, parameters)


def get_scorer(name: str) -> SampleScorer:
    """Return the scorer of one metric, with the defaults of `make_sample_scorer`.

    Parameters
    ----------
    name : str
        A name from `SCORERS`; "neg_fid" and "neg_kid" use Inception features. The two
        that need training rows must be made with `make_sample_scorer`.

    Returns
    -------
    scorer : SampleScorer

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.neighbors import KernelDensity
    >>> from skvae.scorers import get_scorer
    >>> X = np.random.RandomState(0).normal(size=(90, 2))
    >>> cross_val_score(KernelDensity(), X, scoring=get_scorer("coverage"), cv=3).shape
    (3,)
    """
    inception = name in METRICS and METRICS[name].needs_inception
    return make_sample_scorer(name, features="inception" if inception else None)


def _as_tuple(metrics: Any) -> tuple[str | _Function, ...]:
    return metrics if isinstance(metrics, tuple) else (metrics,)


def _is_default(name: str, value: Any) -> bool:
    default = _DEFAULTS[name]
    return (
        value is default
        or (type(value) is type(default) and value == default)
        or (
            isinstance(value, float)
            and isinstance(default, float)
            and math.isnan(value)
            and math.isnan(default)
        )
    )
