"""Checks of the parameters of scorers, and of estimators."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import numpy as np

from skvae._utils.validation import check_boolean, check_choice, check_integer
from skvae._utils.warn import is_called_by, warn
from skvae.pipeline._abilities import (
    can_reconstruct,
    can_sample,
    can_score,
    last_step,
    log_likelihood,
)
from skvae.scorers._metric import Metric, name_of
from skvae.scorers._table import METRICS
from skvae.scorers._train_rows import is_scorer_of_search

_OWNER = "make_sample_scorer"
_HALVING = "sklearn.model_selection._search_successive_halving"
_SAMPLE = (can_sample, "sample")
_SCORE_SAMPLES = (can_score, "score_samples")
_RECONSTRUCT = (can_reconstruct, "reconstruct or inverse_transform")
_NEEDED_FOR = {
    "generated": _SAMPLE,
    "equal_generated": _SAMPLE,
    "log_likelihoods": _SCORE_SAMPLES,
    "evidence_lower_bounds": _SCORE_SAMPLES,
    "nll": _SCORE_SAMPLES,
    "squared_errors": _RECONSTRUCT,
}
_LOG_LIKELIHOOD = Metric(log_likelihood, "", arguments=("estimator", "X"))


def check_metrics(
    metrics: tuple[Any, ...], features: Any, X_train: Any, greater_is_better: Any
) -> None:
    """Raise ValueError unless the metrics exist and have what they need."""
    functions = [metric for metric in metrics if callable(metric)]
    names = [metric for metric in metrics if not callable(metric)]
    for name in names:
        check_choice(_OWNER, "metrics", name, tuple(METRICS), "a function")
        _check_needs(name, features, X_train)
    check_boolean(_OWNER, "greater_is_better", greater_is_better)
    if not (greater_is_better or functions):
        raise ValueError(
            "greater_is_better=False is for functions, and metrics has none, got "
            f"{names}. Leave it out: the names of errors have the sign (neg_)."
        )
    _check_names([*names, *(name_of(function) for function in functions)])
    if len(metrics) > 1:
        _check_functions(functions, [METRICS[name] for name in names])


def _check_names(names: list[str]) -> None:
    if not names or len(set(names)) < len(names):
        raise ValueError(
            "metrics must be one or more metrics of different names, got "
            f"{tuple(names)}. Rename a function or leave one out."
        )


def _check_functions(functions: list[Any], entries: list[Metric]) -> None:
    """Raise ValueError for functions whose name does not tell them from the others."""
    taken = {entry.name for entry in entries}
    for function in functions:
        if not name_of(function).isidentifier():
            raise ValueError(
                "A function in a list of metrics needs a name, which is that of its "
                f"score, got {function!r}. Define it with def, or set its __name__."
            )
        if name_of(function) in taken:
            raise ValueError(
                "A function in a list of metrics must not have the name of one that "
                f"skvae.metrics contributes to the list, got {name_of(function)!r}. "
                "Rename it."
            )


def _check_needs(name: str, features: Any, X_train: Any) -> None:
    if METRICS[name].needs_inception and not _is_inception(features):
        raise ValueError(
            f"{name} needs Inception features, got features={features!r}. Pass "
            "features='inception', or take 'neg_frechet_distance' or "
            "'neg_kernel_distance' for other features."
        )
    if "train" in METRICS[name].arguments and X_train is None:
        raise ValueError(
            f"{name} compares samples with training rows, got X_train=None. Pass "
            "X_train; in a search, all of its rows."
        )


def _is_inception(features: Any) -> bool:
    name = getattr(features, "network", features)
    return isinstance(name, str) and name == "inception"


def check_random_state(random_state: Any) -> None:
    """Raise TypeError for generators, whose numbers depend on the order of calls."""
    if isinstance(random_state, np.random.RandomState | np.random.Generator):
        raise TypeError(
            f"random_state must be an int or None, got {random_state!r}, which would "
            "give candidates other numbers with another n_jobs. Pass an int."
        )
    if random_state is not None:
        check_integer(_OWNER, "random_state", random_state, 0)


def check_metric_params(metric_params: Any, metrics: Iterable[Metric]) -> None:
    """Raise ValueError for functions or parameters that do not exist."""
    known = {m.name: m for m in (*METRICS.values(), _LOG_LIKELIHOOD, *metrics)}
    tunable = tuple(name for name, metric in known.items() if _options_of(metric))
    for name, options in dict(metric_params or {}).items():
        check_choice(_OWNER, "metric_params", name, tunable)
        parameters = _options_of(known[name])
        allowed = {p.name for p in parameters}
        unknown = set(options) - allowed
        if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters):
            raise ValueError(
                f"metric_params[{name!r}] may have {sorted(allowed)}, got "
                f"{sorted(unknown)}. See the documentation of {name}."
            )


def _options_of(metric: Metric) -> list[inspect.Parameter]:
    """Return the parameters after the arguments, but for seeds and further rows."""
    parameters = list(metric.parameters.values())[len(metric.arguments) :]
    return [
        p
        for p in parameters
        if p.name != "random_state" and not p.name.startswith("X_")
    ]


def warn_of_halving(scorer: Any) -> None:
    """Warn of what ends in a KeyError of scikit-learn's.

    The first score is the first that a search asks of a scorer.
    """
    several = isinstance(scorer.metrics, tuple)
    if several and is_called_by(_HALVING) and is_scorer_of_search(scorer):
        warn(
            "A search by halving ranks candidates by one score and fails with several, "
            f"got {len(scorer.metrics)} metrics. Pass one, not in a list."
        )


def check_ability(estimator: Any, name: str, metric: Metric) -> None:
    """Raise TypeError if the estimator lacks a method that a metric needs."""
    for able, method in _needs(metric):
        if not able(estimator):
            raise TypeError(
                f"{name} needs an estimator that has {method}, but "
                f"{type(last_step(estimator)).__name__} has none. Choose a metric for "
                f"it: {_names_for(estimator)}."
            )


def _needs(metric: Metric) -> list[Any]:
    return [_NEEDED_FOR[a] for a in metric.arguments if a in _NEEDED_FOR]


def _names_for(estimator: Any) -> str:
    names = [
        name
        for name, metric in METRICS.items()
        if all(able(estimator) for able, _ in _needs(metric))
    ]
    return ", ".join(names) or "there is none"
