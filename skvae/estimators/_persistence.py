"""Estimators on disk: pickles and files, with the versions that wrote them."""

from __future__ import annotations

import copy
import os
from contextlib import suppress
from typing import Any, Self

from sklearn.exceptions import InconsistentVersionWarning

from skvae._persistence.formats import versions
from skvae._utils.warn import warn


class PersistenceMixin:
    """Leaves states of training and rows out of pickles; warns if versions differ."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy all that there is, which a pickle does not hold."""
        memo[id(self)] = twin = object.__new__(type(self))
        vars(twin).update(copy.deepcopy(vars(self), memo))
        return twin

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
        from skvae.estimators import _files  # imported when it is needed

        _files.save(self, path)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_training_state", None)
        if self.__sklearn_is_fitted__():
            with suppress(ValueError):  # a density may need more rows than there are
                state["_density"] = self.latent_density_
                state["_sample"] = self._sample.without_rows()
        return {**state, "_versions": versions()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        warn_of_versions(type(self).__name__, state.pop("_versions", {}))
        super().__setstate__({**state, "_training_state": None})


def load(
    path: str | os.PathLike[str],
    *,
    parts: dict[str, Any] | None = None,
    device: Any = None,
) -> Any:
    """Return an estimator from a file that its method `save` has written.

    No code from the file is run, and it is compared with its checksum before it is
    read, so that it may come from anywhere. The estimator says the same as before.

    Parameters
    ----------
    path : str or path-like
    parts : dict of str to object, default=None
        The parameters that the file does not hold, which are code of your own. The
        names are those of `get_params`, such as "network" or "second_stage__network".
        A network of your own is made anew and given the weights of the file. Other
        parts lend their class to what was learned. "estimator" is an estimator of your
        own class.
    device : str or torch.device, default=None
        Where the networks go: "auto", "cpu" and so on. None is the device of the fit,
        or another one of its type, or the CPU, where these are not there.

    Returns
    -------
    estimator : VAE or another estimator of skvae

    Raises
    ------
    ValueError
        If the file is none of these, is damaged, or is of a newer format; if `parts`
        lacks what the file does, or does not fit its weights.
    OSError
        If it cannot be read.

    Warns
    -----
    InconsistentVersionWarning
        If skvae, torch or scikit-learn have other versions than when it was saved.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import skvae
    >>> from torch import nn
    >>> from skvae.networks import CustomNetwork
    >>> def make(n_in, n_out):
    ...     return nn.Sequential(nn.Linear(n_in, 8), nn.ReLU(), nn.Linear(8, n_out))
    >>> X = np.random.default_rng(0).normal(size=(64, 3))
    >>> network = CustomNetwork(encoder=make, decoder=make)
    >>> vae = skvae.VAE(2, network=network, max_epochs=2, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "vae.skvae")
    ...     vae.save(path)  # warns that the functions are not in the file
    ...     loaded = skvae.load(path, parts={"network": network})
    >>> bool((loaded.transform(X) == vae.transform(X)).all())
    True
    """
    from skvae.estimators import _files

    return _files.load(path, parts, device)


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
