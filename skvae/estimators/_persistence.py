"""Pickles of estimators that know which versions wrote them."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.exceptions import InconsistentVersionWarning

from skvae import _version
from skvae._utils.warn import warn


class PersistenceMixin:
    """Leaves the optimizer's state out of pickles; warns where versions differ."""

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_optimizer_state", None)
        return {**state, "_versions": _versions()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        saved = state.pop("_versions", {})
        for library, version in _versions().items():
            if saved.get(library, version) != version:
                message = (
                    f"{type(self).__name__} was pickled with {library} "
                    f"{saved[library]} and is loaded with {version}; its results may "
                    "differ. Refit it, or install the version it was saved with."
                )
                warn(_OtherLibraryWarning(message))
        super().__setstate__({**state, "_optimizer_state": None})


class _OtherLibraryWarning(InconsistentVersionWarning):
    """scikit-learn's warning, which knows only scikit-learn, with our own words."""

    def __init__(self, message: str) -> None:
        Warning.__init__(self, message)

    def __str__(self) -> str:
        return str(self.args[0])


def _versions() -> dict[str, str]:
    return {"skvae": _version.__version__, "torch": torch.__version__}
