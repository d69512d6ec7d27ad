"""Checks of the parameters of scorers."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from skvae import metrics as _metrics
from skvae._utils.validation import check_choice, check_integer
from skvae.pipeline._abilities import log_likelihood
from skvae.scorers._figures import FIGURES

_OWNER = "make_sample_scorer"
_TUNABLE = {
    f.__name__: f
    for f in (
        _metrics.kernel_distance,
        _metrics.maximum_mean_discrepancy,
        _metrics.precision_recall_distribution,
        _metrics.improved_precision_recall,
        _metrics.density_coverage,
        _metrics.data_copying_test,
        _metrics.bits_per_dimension,
        log_likelihood,
    )
}


def check_names(names: tuple[str, ...], features: Any, X_train: Any) -> None:
    """Raise ValueError unless the metrics exist and have what they need."""
    if not names or len(set(names)) < len(names):
        raise ValueError(f"metrics must be one or more different names, got {names}.")
    for name in names:
        check_choice(_OWNER, "metrics", name, tuple(FIGURES))
        if FIGURES[name].needs_inception and not _is_inception(features):
            raise ValueError(
                f"{name} is of Inception features, got features={features!r}. Pass "
                "features='inception', or take 'neg_frechet_distance' or "
                "'neg_kernel_distance' for other features."
            )
        if FIGURES[name].needs_train and X_train is None:
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
    for name, options in dict(metric_params or {}).items():
        check_choice(_OWNER, "metric_params", name, tuple(_TUNABLE))
        allowed = inspect.signature(_TUNABLE[name]).parameters.values()
        known = {p.name for p in allowed if p.kind is p.KEYWORD_ONLY}
        known -= {"random_state"}
        if unknown := set(options) - known:
            raise ValueError(
                f"metric_params[{name!r}] may have {sorted(known)}, got "
                f"{sorted(unknown)}. See help(skvae.metrics.{name})."
            )
