"""What the table of metrics says of one metric."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class ReportRow(NamedTuple):
    """How a metric of real and generated rows is shown in the report of `evaluate`."""

    name: str
    better: str
    """"higher", "lower", or the value that is best."""
    bounds: tuple[float, float] = (0.0, math.inf)
    """Smallest and largest value, where intervals are cut off."""
    value: Callable[[Any], Any] | None = None
    """Replaces that of the metric."""
    meaning: str = ""
    """Replaces that of the metric."""
    plugged_in: dict[str, Any] | None = None
    """Of a squared distance: parameters with which it is that of the samples
    themselves, never below 0, from which its interval is computed."""


def name_of(metric: str | Callable[..., Any]) -> str:
    """Return a name, that of a function, or that of the class of another callable."""
    if isinstance(metric, str):
        return metric
    return getattr(metric, "__name__", type(metric).__name__)


def short(value: Any) -> str:
    """Return a repr, or what stands for a long one."""
    if hasattr(value, "shape"):
        return f"<array of shape {tuple(value.shape)}>"
    text = repr(value)
    return text if len(text) <= 60 else f"<{type(value).__name__}>"


def value_of(result: Any) -> Any:
    """Return the attribute ``value`` of a result, or the result if it has none."""
    return getattr(result, "value", result)


class Metric(NamedTuple):
    """What is computed, from what, and how the number is read."""

    function: Callable[..., Any]
    """Its name is that of its parameters in metric_params."""
    meaning: str
    arguments: tuple[str, ...] = ("real", "generated")
    """What the function takes, in its order: attributes of a `Trial`."""
    value: Callable[[Any], Any] = value_of
    """Reads the number from what the function returns."""
    sign: int = 1
    """-1 if lower values are better; scorers return the negated value."""
    from_reference: Callable[..., Any] | None = None
    """The function of a `Reference` and samples, for what is kept of held-out rows."""
    row: ReportRow | None = None
    """Its row in the report; None leaves it out."""
    needs_inception: bool = False

    @property
    def name(self) -> str:
        """Name of the function."""
        return name_of(self.function)

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """Parameters of the function; empty if Python does not know them."""
        try:
            return inspect.signature(self.function).parameters
        except ValueError:
            return {}

    def number(self, result: Any) -> float:
        """Read the number from what the function returned."""
        value = self.value(result)
        try:
            return float(value)
        except (TypeError, ValueError):
            raise TypeError(
                f"{self.name} must return a number, or an object whose attribute "
                f"`value` is one, got {value!r}. Return one of its fields."
            ) from None
