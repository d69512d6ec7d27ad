"""Estimators on disk: pickles and files, with the versions that wrote them."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from sklearn.exceptions import InconsistentVersionWarning

from skvae._persistence.formats import versions
from skvae._utils.warn import warn


class PersistenceMixin:
    """Leaves optimizers and rows out of pickles; warns if versions differ."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the estimator to a file without code, which `skvae.load` reads.

        The file is one of safetensors: it holds all arrays, and a text in JSON of what
        else there is, with a checksum. Like a pickle it holds no training rows and no
        state of the optimizer; it is read without running any code from it, also by
        later versions of skvae. The same model gives the same bytes.

        Parameters
        ----------
        path : str or path-like
            A file of this name is replaced when the new one is complete.

        Raises
        ------
        TypeError
            If something that has been learned is not data, such as an attribute of
            your own density that is a function; nothing is written.
        OSError
            If the file cannot be written; what was there before stays.

        Warns
        -----
        UserWarning
            If a parameter is code of your own, such as a function that makes a network
            or a likelihood of your own class. The file holds what was learned, and its
            name, and you pass the parameter again:
            ``skvae.load(path, parts={"network": network})``.

        See Also
        --------
        skvae.load : Reads the file.

        Examples
        --------
        >>> import os, tempfile
        >>> import numpy as np
        >>> import skvae
        >>> X = np.random.default_rng(0).normal(size=(64, 3))
        >>> vae = skvae.VAE(2, max_epochs=2, random_state=0).fit(X)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "vae.skvae")
        ...     vae.save(path)
        ...     loaded = skvae.load(path)
        >>> bool((loaded.transform(X) == vae.transform(X)).all())
        True
        """
        from skvae.estimators._files import save

        save(self, path)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_optimizer_state", None)
        if self.__sklearn_is_fitted__():
            with suppress(ValueError):  # a density may need more rows than there are
                state["_density"] = self.latent_density_
                state["_sample"] = self._sample.without_rows()
        return {**state, "_versions": versions()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        warn_of_versions(type(self).__name__, state.pop("_versions", {}))
        super().__setstate__({**state, "_optimizer_state": None})


def warn_of_versions(name: str, saved: dict[str, str]) -> None:
    """Warn of every library that has another version than when an estimator was saved.

    Parameters
    ----------
    name : str
        Of the estimator.
    saved : dict of str to str
        Versions by library.
    """
    for library, version in versions().items():
        if saved.get(library, version) != version:
            warn(
                InconsistentVersionWarning(
                    estimator_name=name,
                    original_sklearn_version=f"{saved[library]} of {library}",
                    current_sklearn_version=f"{version} of {library}",
                )
            )
