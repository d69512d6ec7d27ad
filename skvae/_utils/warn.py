"""Warnings that point at the line of the user's code from which they come.

And who that is.
"""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any

_LIBRARIES = {"skvae", "joblib", "sklearn", "torch", *sys.stdlib_module_names}


_IS_QUIET: ContextVar[bool] = ContextVar("is_quiet", default=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Let `warn` do nothing, in a context."""
    token = _IS_QUIET.set(True)
    try:
        yield
    finally:
        _IS_QUIET.reset(token)


def warn(message: str | Warning, category: type[Warning] = UserWarning) -> None:
    """Issue a warning at the innermost frame that belongs to the user.

    Frames of skvae are passed over, and so are those of libraries that the user calls
    skvae through: scikit-learn's searches, joblib, torch, and the standard library
    (contextlib, copy, pickle). In a worker that the user's code did not start itself,
    where no other frames are left, the warning points at the caller of skvae.

    Parameters
    ----------
    message : str or Warning
    category : type of Warning, default=UserWarning
        Of no effect if `message` is a Warning.
    """
    if _IS_QUIET.get():
        return
    caller = sys._getframe(1)
    level = _level(caller, _LIBRARIES) or _level(caller, {"skvae"}) or 1
    try:
        warnings.warn(message, category, stacklevel=1 + level)
    except Warning:  # a filter asks for errors
        raise
    except (OSError, ValueError):
        pass  # a full disk or a closed pipe behind the output must not end a fit


def is_called_by(module: str) -> bool:
    """Tell whether a function of a module is among those that are running."""
    return next(running(module), None) is not None


def running(module: str) -> Iterator[dict[str, Any]]:
    """Yield the variables of a module's functions that are running, innermost first."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") == module:
            yield dict(frame.f_locals)
        frame = frame.f_back


def _level(frame: FrameType | None, libraries: set[str]) -> int | None:
    """Count frames up to the first outside of `libraries`; None if there is none."""
    level = 1
    while frame is not None:
        if _top_level_package(frame) not in libraries:
            return level
        frame, level = frame.f_back, level + 1
    return None


def _top_level_package(frame: FrameType) -> str:
    # A module that runs by `python -m` is called __main__, but knows its package.
    names = frame.f_globals
    name = names.get("__package__") or names.get("__name__") or ""
    return name.partition(".")[0]
