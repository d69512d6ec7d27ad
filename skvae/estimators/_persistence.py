"""Pickles of estimators, with the versions of the libraries that wrote them."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any, Self

import torch
from sklearn.exceptions import InconsistentVersionWarning

from skvae import _version
from skvae._utils.warn import warn


class PersistenceMixin:
    """Leaves states of training and rows out of pickles; warns if versions differ."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy all that there is, which a pickle does not hold."""
        memo[id(self)] = twin = object.__new__(type(self))
        vars(twin).update(copy.deepcopy(vars(self), memo))
        return twin

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_training_state", None)
        if self.__sklearn_is_fitted__():
            with suppress(ValueError):  # a density may need more rows than there are
                state["_density"] = self.latent_density_
                state["_sample"] = self._sample.without_rows()
        return {**state, "_versions": _versions()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        saved = state.pop("_versions", {})
        for library, version in _versions().items():
            if saved.get(library, version) != version:
                warn(
                    InconsistentVersionWarning(
                        estimator_name=type(self).__name__,
                        original_sklearn_version=f"{saved[library]} of {library}",
                        current_sklearn_version=f"{version} of {library}",
                    )
                )
        super().__setstate__({**state, "_training_state": None})


def _versions() -> dict[str, str]:
    return {"skvae": _version.__version__, "torch": torch.__version__}
