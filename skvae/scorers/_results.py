"""What the functions of several metrics return, each computed once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from skvae import metrics as _metrics
from skvae.scorers._metric import Metric

_ONE_PASS = Metric(_metrics.precision_recall_density_coverage, "of both below")
_NEIGHBOURS = {
    _metrics.improved_precision_recall: "n_neighbors_precision",
    _metrics.density_coverage: "n_neighbors_density",
}


class Results:
    """What the functions of several metrics return, each computed once.

    Parameters
    ----------
    arguments : object
        Has the arguments of the metrics as attributes; ``reference``, which may be
        None; and ``seed_for(purpose)``.
    metrics : iterable of Metric
        All that will be asked for.
    options : mapping of str to dict
        Parameters of the functions, by their names.
    """

    def __init__(
        self, arguments: Any, metrics: Iterable[Metric], options: Mapping[str, Any]
    ) -> None:
        self._arguments, self._options = arguments, dict(options)
        self._results: dict[Any, Any] = {}
        used = [metric.function for metric in metrics]
        self._in_one_pass = all(any(f is g for g in used) for f in _NEIGHBOURS)
        if self._in_one_pass:
            self._options[_ONE_PASS.name] = self._options_of_one_pass()

    def of(self, metric: Metric) -> Any:
        """Return the result of a metric's function."""
        if self._in_one_pass and any(metric.function is f for f in _NEIGHBOURS):
            metric = _ONE_PASS
        key = metric.name, metric.arguments
        if key not in self._results:
            self._results[key] = self._compute(metric)
        return self._results[key]

    def _compute(self, metric: Metric) -> Any:
        options = dict(self._options.get(metric.name, {}))
        if "random_state" in metric.parameters:
            options.setdefault("random_state", self._arguments.seed_for(metric.name))
        function, names = metric.function, metric.arguments
        if metric.from_reference and self._arguments.reference is not None:
            function, names = metric.from_reference, ("reference", *names[1:])
        arguments = (_read_only(getattr(self._arguments, name)) for name in names)
        return function(*arguments, **options)

    def _options_of_one_pass(self) -> dict[str, int]:
        given = {p: self._options.get(f.__name__, {}) for f, p in _NEIGHBOURS.items()}
        return {p: o["n_neighbors"] for p, o in given.items() if "n_neighbors" in o}


def _read_only(value: Any) -> Any:
    """Protect an array, which other metrics will see, from functions of users."""
    if isinstance(value, np.ndarray):
        value = value.view()
        value.flags.writeable = False
    return value
