"""Two models that are to be compared, by their fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from skvae.pipeline._abilities import last_step
from skvae.pipeline.sampling import chosen_model


class Fits(NamedTuple):
    """Two models, each with one fit or several."""

    first: tuple[Any, ...]
    second: tuple[Any, ...]

    @property
    def all(self) -> tuple[Any, ...]:
        """Those of both models."""
        return (*self.first, *self.second)

    def split(self, values: Sequence[Any]) -> tuple[Any, Any]:
        """Divide one value for each fit between the models."""
        n = len(self.first)
        return values[:n], values[n:]


def read_models(estimators: Any) -> tuple[tuple[str, str], Fits]:
    """Return two names, and the fits behind them."""
    is_named = isinstance(estimators, Mapping)
    models = list(estimators.values()) if is_named else estimators
    if not isinstance(models, list | tuple) or len(models) != 2:
        got = len(models) if isinstance(models, list | tuple) else repr(models)
        raise ValueError(
            f"estimators must be two models, a dict by their names or a pair, got "
            f"{got}. Compare more of them two by two."
        )
    fits = Fits(*map(_as_fits, models))
    numbers = len(fits.first), len(fits.second)
    if 0 in numbers or (1 in numbers and numbers != (1, 1)):
        raise ValueError(
            "estimators must have one fit of each model, or at least two of each, got "
            f"{counted(numbers)}. Fit both with several values of random_state."
        )
    names = [str(name) for name in estimators] if is_named else _names(fits)
    return (names[0], names[1]), fits


def counted(numbers: tuple[int, int]) -> str:
    """Write the numbers of fits of both models."""
    return f"{numbers[0]} and {numbers[1]}"


def _as_fits(model: Any) -> tuple[Any, ...]:
    return tuple(
        map(chosen_model, model if isinstance(model, list | tuple) else [model])
    )


def _names(fits: Fits) -> list[str]:
    names = [type(last_step(model[0])).__name__ for model in fits]
    if names[0] != names[1]:
        return names
    return [f"first {names[0]}", f"second {names[1]}"]
