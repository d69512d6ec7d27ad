"""Checks of the parameters of scorers, and of estimators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from skvae._utils.validation import check_choice, check_integer
from skvae.pipeline._abilities import (
    can_reconstruct,
    can_sample,
    can_score,
    last_step,
    log_likelihood,
)
from skvae.scorers._table import METRICS, Metric

_OWNER = "make_sample_scorer"
_SAMPLE = (can_sample, "sample")
_SCORE_SAMPLES = (can_score, "score_samples")
_RECONSTRUCT = (can_reconstruct, "reconstruct or inverse_transform")
_NEEDED_FOR = {
    "generated": _SAMPLE,
    "equal_generated": _SAMPLE,
    "log_likelihoods": _SCORE_SAMPLES,
    "evidence_lower_bounds": _SCORE_SAMPLES,
    "nll": _SCORE_SAMPLES,
    "reconstructions": _RECONSTRUCT,
}


def check_names(names: tuple[str, ...], features: Any, X_train: Any) -> None:
    """Raise ValueError unless the metrics exist and have what they need."""
    if not names or len(set(names)) < len(names):
        raise ValueError(f"metrics must be one or more different names, got {names}.")
    for name in names:
        check_choice(_OWNER, "metrics", name, tuple(METRICS))
        if METRICS[name].needs_inception and not _is_inception(features):
            raise ValueError(
                f"{name} is of Inception features, got features={features!r}. Pass "
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
    """Raise TypeError for generators, which calls would use up in their order."""
    if isinstance(random_state, np.random.RandomState | np.random.Generator):
        raise TypeError(
            f"random_state must be an int or None, got {random_state!r}, which would "
            "give candidates other numbers with another n_jobs. Pass an int."
        )
    if random_state is not None:
        check_integer(_OWNER, "random_state", random_state, 0)


def check_metric_params(metric_params: Any) -> None:
    """Raise ValueError for functions or parameters that do not exist."""
    tunable = _tunable(METRICS.values())
    for name, options in dict(metric_params or {}).items():
        check_choice(_OWNER, "metric_params", name, tuple(tunable))
        if unknown := set(options) - tunable[name]:
            raise ValueError(
                f"metric_params[{name!r}] may have {sorted(tunable[name])}, got "
                f"{sorted(unknown)}. See help(skvae.metrics.{name})."
            )


def _tunable(metrics: Iterable[Metric]) -> Mapping[str, set[str]]:
    """Return the names of the parameters that may be set, by those of functions."""
    found = {metric.name: _options_of(metric) for metric in metrics}
    of_likelihood = Metric(log_likelihood, "", arguments=("estimator", "X"))
    found[log_likelihood.__name__] = _options_of(of_likelihood)
    return {name: options for name, options in found.items() if options}


def _options_of(metric: Metric) -> set[str]:
    parameters = list(metric.parameters.values())[len(metric.arguments) :]
    return {
        p.name
        for p in parameters
        if p.name != "random_state" and not p.name.startswith("X_")  # other rows
    }


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
