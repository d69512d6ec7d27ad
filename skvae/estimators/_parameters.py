"""Parameters that all estimators share, and how a subclass inherits them."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable
from typing import Any, NoReturn, TypedDict


class TrainingParameters(TypedDict, total=False):
    """Types of the parameters of every estimator, for editors and type checkers."""

    network: Any
    likelihood: Any
    categorical_features: Any
    input_noise: float
    learning_rate: float
    lr_schedule: Any
    batch_size: int
    max_epochs: int
    early_stopping: bool | str
    validation_fraction: float
    n_iter_no_change: int
    precision: str
    compile: bool
    device: Any
    distributed: bool
    warm_start: bool
    verbose: int
    random_state: Any


class SharedParameters(TrainingParameters, total=False):
    """The same of `BaseAutoencoder`."""

    latent_density: Any


class FirstStageParameters(TrainingParameters, total=False):
    """The same of `VAE`, without the density that a second stage takes the place of."""

    posterior: Any
    beta: float
    kl_warmup: float
    n_samples: int
    free_bits: float


class InheritedParametersMixin:
    """Lets ``**parameters`` of a subclass stand for the parameters of its parent.

    scikit-learn reads the parameters of an estimator from the signature of its
    ``__init__``. This class puts those of the parent's ``__init__`` there in place of
    ``**parameters``, so that `get_params`, `clone`, searches and `help` see all of
    them, although each is written down once.

    A class leaves out parameters of its parent by the keyword `without`:
    ``class Child(Parent, without=("name",))``.
    """

    def __init_subclass__(cls, without: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            own = inspect.signature(cls.__init__)
            parent = inspect.signature(super(cls, cls).__init__)
            cls.__init__ = _checked(cls.__init__, _merged(own, parent, without))


def _checked(init: Callable[..., None], signature: inspect.Signature) -> Any:
    """Return an ``__init__`` with this signature, which refuses all other names."""
    known = [name for name in signature.parameters if name != "self"]

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **parameters: Any) -> None:
        for name in parameters:
            if name not in known:
                _refuse(type(self).__name__, name, known)
        init(self, *args, **parameters)

    __init__.__signature__ = signature
    return __init__


def _refuse(owner: str, name: str, known: list[str]) -> NoReturn:
    close = difflib.get_close_matches(name, known, 1)
    hint = f"Did you mean {close[0]!r}?" if close else f"It has {', '.join(known)}."
    raise TypeError(f"{owner} has no parameter {name!r}. {hint}")


def _merged(
    own: inspect.Signature, parent: inspect.Signature, without: tuple[str, ...]
) -> inspect.Signature:
    *explicit, last = own.parameters.values()
    if last.kind is not last.VAR_KEYWORD:
        return own  # all parameters are spelled out
    inherited = [
        p
        for name, p in parent.parameters.items()
        if name not in own.parameters and name not in without
        if p.kind is p.KEYWORD_ONLY
    ]
    return own.replace(parameters=[*explicit, *inherited])
