"""A callback by which a fit survives the end of its process."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from skvae._utils.validation import check_integer, check_real
from skvae._utils.warn import is_called_by, warn
from skvae.callbacks._file import delete, read_state, write_state


class Checkpoint:
    """Keeps the state of a fit in a file, so that the same call goes on from there.

    If a fit is killed, by the system, a time limit or a power cut, the same call with
    the same data goes on after the last epoch that is in the file, and ends with the
    model that it would have had without the break, bit for bit. The file is there from
    the beginning of a fit, is replaced as a whole, and is deleted when the fit has
    ended; after an error or an interrupt it is kept.

    Parameters
    ----------
    path : str or path-like
        The file, of one fit; its folder must exist.
    every_n_epochs : int, default=1
        Epochs from one writing to the next, at least.
    seconds : float, default=None
        Seconds from one writing to the next, at least; None for no such limit.

    Raises
    ------
    TypeError, ValueError
        If a parameter is not valid.

    Notes
    -----
    A fit refuses to begin, and leaves the file as it is, if the file is damaged or none
    of these, or if it is that of another fit, with other data or another parameter: the
    message names it. `verbose`, `device` and callbacks may differ. So may `max_epochs`,
    if the epochs that are there are those of the new limit, too: as a rule with early
    stopping, and else with ``kl_warmup=0`` and any `lr_schedule` but "cosine".

    With ``random_state=None`` the seed is in the file. In a `TwoStageVAE`, the file has
    both stages. The end of the last epoch in the file is told to other callbacks once
    more, since they may not have heard of it; earlier epochs are not. `partial_fit`,
    of which each call is one epoch, is refused, and so are searches and
    cross-validation, whose many fits would share the file.

    If the file cannot be written, a warning says so once, training goes on, and the
    last file stays.

    The file is a safetensors file with one JSON text: to read it executes nothing.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from skvae import VAE
    >>> from skvae.callbacks import Checkpoint
    >>> X = np.random.default_rng(0).normal(size=(64, 3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint = Checkpoint(f"{folder}/run.ckpt", seconds=60)
    ...     vae = VAE(2, max_epochs=2).set_callbacks(checkpoint).fit(X)
    """

    def __init__(
        self,
        path: Any,
        every_n_epochs: int = 1,
        seconds: float | None = None,
    ) -> None:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(
                "The 'path' parameter of Checkpoint must be a string or a path. Got "
                f"{path!r} ({type(path).__name__}) instead."
            )
        check_integer("Checkpoint", "every_n_epochs", every_n_epochs, 1)
        if seconds is not None:
            check_real("Checkpoint", "seconds", seconds, low_included=True)
        self.path, self.every_n_epochs, self.seconds = path, every_n_epochs, seconds
        self._runs: dict[int, _Run] = {}

    def __repr__(self) -> str:
        return (
            f"Checkpoint({os.fspath(self.path)!r}, every_n_epochs="
            f"{self.every_n_epochs}, seconds={self.seconds})"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_runs": {}}

    def setup(self, estimator: Any, context: Any) -> None:
        """Refuse what is known to go wrong, before a fit begins."""
        self._runs.pop(id(estimator), None)  # of a teardown that was interrupted
        path = Path(self.path).absolute()
        if is_called_by("sklearn.model_selection._validation"):
            raise ValueError(
                f"The checkpoint {path} is the file of one fit, and cannot be shared "
                "by the fits of a search or a cross-validation. Set callbacks on the "
                "estimator that is fitted afterwards."
            )
        if path.is_dir():
            raise IsADirectoryError(
                f"The path of Checkpoint must be a file, but {path} is a folder."
            )
        if not path.parent.is_dir():
            raise FileNotFoundError(
                f"The checkpoint {path} needs a folder that exists: create "
                f"{path.parent}."
            )

    def on_fit_task_begin(
        self, estimator: Any, context: Any, *, metadata: Any = None
    ) -> None:
        """Go on from the file if there is one, else write the first."""
        if id(estimator) in self._runs:  # an epoch
            return
        if not metadata or "fit" not in metadata:
            raise ValueError(
                f"{type(estimator).__name__} tells callbacks nothing that a checkpoint "
                "could keep. Set Checkpoint on the autoencoder itself, as in "
                "pipeline[-1].set_callbacks(...)."
            )
        path = Path(self.path).absolute()
        run = _Run(metadata["fit"], path, self.every_n_epochs, self.seconds or 0.0)
        run.begin(estimator)
        self._runs[id(estimator)] = run

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Write the file if it is time to."""
        run = self._runs[id(estimator)]
        if context.task_name == "epoch":
            run.end_epoch()
        else:
            run.has_ended = True

    def teardown(self, estimator: Any, context: Any) -> None:
        """Delete the file if the fit has come to its end."""
        run = self._runs.pop(id(estimator), None)
        if run is not None and run.has_ended:
            delete(run.path)


class _Run:
    """One fit and its file."""

    def __init__(
        self, fit: Any, path: Path, every_n_epochs: int, seconds: float
    ) -> None:
        self.fit, self.path = fit, path
        self.every_n_epochs, self.seconds = every_n_epochs, seconds
        self.n_epochs, self.since = 0, time.monotonic()
        self.has_failed, self.has_ended = False, False

    def begin(self, estimator: Any) -> None:
        state = self.fit.state()
        try:
            if not self.path.exists():
                self._write(state, is_first=True)
                return
        except FileExistsError:  # another fit was faster
            pass
        self._go_on()
        if estimator.verbose:
            with suppress(OSError, ValueError):
                name = type(estimator).__name__
                print(f"[{name}] goes on from {self.path}", flush=True)

    def _go_on(self) -> None:
        state = read_state(self.path)
        try:
            self.fit.resume(state)
        except ValueError as error:
            raise ValueError(
                f"In {self.path}: {error} Set it back, give Checkpoint another path, "
                "or delete the file to begin anew."
            ) from error

    def end_epoch(self) -> None:
        self.n_epochs += 1
        is_early = time.monotonic() - self.since < self.seconds
        if self.n_epochs >= self.every_n_epochs and not is_early:
            self._write(self.fit.state())

    def _write(self, state: Any, *, is_first: bool = False) -> None:
        self.n_epochs, self.since = 0, time.monotonic()
        try:
            write_state(self.path, state, is_first=is_first)
        except FileExistsError:
            raise
        except OSError as error:
            if not self.has_failed:
                self.has_failed = True
                left = "the last one stays" if self.path.exists() else "there is none"
                warn(
                    f"The checkpoint {self.path} could not be written, and {left}: "
                    f"{error}. The training goes on, and tries again.",
                    RuntimeWarning,
                )
