"""Checks of parameters, with one wording: rule, value."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any

import numpy as np


def check_integer(owner: str, name: str, value: Any, low: int) -> int:
    """Return `value` as an int; raise unless it is an integer >= `low`.

    NumPy's integers are integers, too, but they overflow, and some functions of torch
    refuse them.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(_message(owner, name, f"an integer >= {low}", value))
    if value < low:
        raise ValueError(_message(owner, name, f"an integer >= {low}", value))
    return int(value)


def with_plain_integers(part: Any) -> Any:
    """Return a shallow copy whose attributes are ints where they were NumPy's."""
    twin = object.__new__(type(part))
    vars(twin).update({name: plain(value) for name, value in vars(part).items()})
    return twin


def plain(value: Any) -> Any:
    """Return an int for an integer of NumPy, also inside of a tuple or list."""
    if isinstance(value, np.integer):
        return int(value)
    return type(value)(map(plain, value)) if type(value) in (tuple, list) else value


def check_real(
    owner: str,
    name: str,
    value: Any,
    low: float = 0.0,
    high: float = math.inf,
    *,
    low_included: bool = False,
    high_included: bool = False,
) -> None:
    """Raise TypeError or ValueError unless `value` is a number in the interval."""
    brackets = "[" if low_included else "(", "]" if high_included else ")"
    rule = f"a float in {brackets[0]}{low:g}, {high:g}{brackets[1]}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(_message(owner, name, rule, value))
    above = value > low or (low_included and value == low)
    below = value < high or (high_included and value == high)
    if not (above and below):
        raise ValueError(_message(owner, name, rule, value))


@contextmanager
def named(argument: str) -> Iterator[None]:
    """Say in which argument it is that errors have been found."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"In {argument}: {error}") from error


def check_boolean(owner: str, name: str, value: Any) -> None:
    """Raise TypeError unless `value` is True or False, of Python or of NumPy."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(_message(owner, name, "True or False", value))


def check_choice(
    owner: str, name: str, value: Any, choices: tuple[Any, ...], otherwise: str = ""
) -> None:
    """Raise ValueError unless `value` is one of the choices, of the same type."""
    if not any(type(value) is type(c) and value == c for c in choices):
        rule = "one of " + ", ".join(map(repr, choices))
        rule += f", or {otherwise}" if otherwise else ""
        raise ValueError(_message(owner, name, rule, value))


def resolve_named(
    name: str, value: Any, base: type, choices: dict[str, type], example: str = ""
) -> Any:
    """Return an instance of `base`, also from its name; else raise ValueError."""
    if isinstance(value, base):
        return value
    if isinstance(value, str) and value in choices:
        return choices[value]()
    names = ", ".join(map(repr, choices))
    raise ValueError(
        f"The {name!r} parameter must be one of {names} or a {base.__name__}{example}. "
        f"Got {value!r} instead."
    )


def _message(owner: str, name: str, rule: str, value: Any) -> str:
    return (
        f"The {name!r} parameter of {owner} must be {rule}. Got {value!r} "
        f"({type(value).__name__}) instead."
    )
