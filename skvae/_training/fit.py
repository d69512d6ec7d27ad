"""One fit of an autoencoder: from validated rows to the fitted attributes."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skvae._training.batches import Batches, Draws
from skvae._training.block_batches import BlockBatches
from skvae._training.calibration import calibrated
from skvae._training.callbacks import EpochCallbacks
from skvae._training.checkpoint import Checkpoint, State
from skvae._training.drift import warn_of_drift
from skvae._training.epochs import Epochs
from skvae._training.fingerprint import Fingerprint, fingerprint
from skvae._training.held_out import stops_early
from skvae._training.history import extended
from skvae._training.latents import check_density_of, diagnosis, fit_latent_density
from skvae._training.optimizers import make_optimizers
from skvae._training.parts import describe_parts
from skvae._training.processes.joined import current_processes
from skvae._training.processes.same import check_same_ends
from skvae._training.progress import Progress
from skvae._training.start import (
    rows_of_fit,
    sample_and_start,
    sample_before,
    starting_module,
)
from skvae._training.state import (
    check_state,
    continued_state,
    kept_state,
    passes_at,
    whole_state,
)
from skvae._training.stream import RowSample
from skvae._utils.device import resolve_device
from skvae._utils.float32 import PLAIN
from skvae._utils.images import image_shape_of
from skvae._utils.random import Stream, child_seed, draw_seed
from skvae._utils.rows import extremes
from skvae._utils.sources import is_stored
from skvae._utils.validation import with_plain_integers
from skvae.module import AutoencoderModule
from skvae.networks import resolve_network

Attributes = dict[str, Any]
_MIN_OF_STREAM = 1024  # rows on which a stream is diagnosed, at least


class Fit:
    """The state of one fit; `run` trains, `attributes` is what the estimator keeps.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Its parameters have been checked. It is read, never written.
    X : ndarray of shape (n_samples, n_features)
    n_epochs : int
    described : dict
        Attributes that describe X: ``n_features_in_``, ``feature_names_in_`` if there
        are names, and ``_row_shape``, the shape of a row before it was flattened.
    previous : BaseAutoencoder, optional
        A fitted estimator to go on from, bit for bit as if its training had never
        stopped (except after unpickling, which loses the state of its training).
    stream : bool, default=False
        Whether X is the next chunk of a stream, of which `previous` has seen others.
        Diagnostics are then those of a sample of the stream, and so will be the latent
        density, which is fitted when it is asked for.
    keep_state : bool, default=False
        Keep the state of the training, for a fit that goes on from this one.
    draws : Draws, optional
        What batches are drawn from in place of X, which then is one such draw.
    device : torch.device, optional
        The estimator's by default.
    X_val : ndarray of shape (n_validation, n_features), optional
        What early stopping validates on in place of a share of X, in the form of
        ``draws.rows`` where there are draws.
    labels : ndarray of shape (n_samples,), optional
        Those of the rows of X, where the latent density is one of classes.
    """

    def __init__(
        self,
        estimator: Any,
        X: np.ndarray,
        n_epochs: int,
        described: Attributes,
        *,
        previous: Any = None,
        stream: bool = False,
        keep_state: bool = False,
        draws: Draws | None = None,
        device: torch.device | None = None,
        X_val: np.ndarray | None = None,
        labels: np.ndarray | None = None,
    ) -> None:
        self.estimator = estimator = with_plain_integers(estimator)
        self.n_epochs, self.described = int(n_epochs), described
        self.processes = current_processes()
        if not self.processes.is_first:
            self.estimator = estimator = copy.copy(estimator).set_params(verbose=0)
        self.X, self.X_val, self.labels = X, X_val, labels
        self.previous, self.keep_state = previous, keep_state
        self.stream = stream
        asked, has_others = estimator.early_stopping, X_val is not None
        self.stops_early = stops_early(asked, len(X), has_others, stream)
        self.draws = draws
        local_rank = self.processes.local_rank
        self.device = device or resolve_device(estimator.device, local_rank)
        seed = previous._seed if previous else draw_seed(estimator.random_state)
        self.seed = self.processes.same(seed)
        self.first_epoch = previous.n_epochs_ if previous else 0
        self.row_shape = described["_row_shape"]
        network = resolve_network(estimator.network).for_shape(self.row_shape)
        self.network = with_plain_integers(network)
        self.checkpoint: Checkpoint | None = None
        self.fitted: Attributes | None = None
        self.is_trained, self.lacks_density = False, False
        self.is_resumed, self.was_trained = False, False  # in another process
        if draws is None:
            self.X = rows_of_fit(self, sample_before(self))
            check_same_ends(self.processes, {"X": X, "X_val": X_val})
        self.rows = self.X if draws is None else draws.rows
        self._begin()
        if previous and draws is None and not previous._sample.is_small:
            warn_of_drift(self)
        if not stream:
            check_density_of(estimator, len(X))

    def _begin(self) -> None:
        self.sample, self.resumed = sample_and_start(self, sample_before(self))
        self.begun_with = continued_state(self)

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """What the fit depends on."""
        return fingerprint(self)

    @property
    def origin(self) -> int:
        """The number of epochs of which there is a history, but no record."""
        return self.begun_with.values["origin"] if self.begun_with else self.first_epoch

    @property
    def scheduled_from(self) -> int:
        """The number of records before the schedule of learning rates began."""
        return self.begun_with.values["scheduled_from"] if self.begun_with else 0

    @property
    def n_complete(self) -> int:
        """The number of complete epochs of this fit, not counting earlier ones."""
        return self.origin + len(self.checkpoint.records) - self.first_epoch

    def state(self) -> State:
        """Return the state at the end of the last complete epoch, for `resume`."""
        return whole_state(self)

    def resume(self, state: State) -> None:
        """Let `run` go on from a state, which may be that of another process.

        Raises
        ------
        ValueError
            If it is that of another fit; this one then begins anew.
        """
        check_state(self, state.values)
        self.go_on_from(state)

    def go_on_from(self, state: State) -> None:
        """Let `run` go on from a state that is known to be one of this fit."""
        self.seed = state.values["seed"]
        self._begin()
        if state.values["records"]:
            self.begun_with, self.is_resumed = state, True
            self.was_trained = state.values["is_trained"]

    @property
    def n_callback_epochs(self) -> int:
        """Number of epochs that callbacks see."""
        return self.n_epochs

    @property
    def has_complete_epoch(self) -> bool:
        """Whether there is anything that an interrupt leaves."""
        return self.checkpoint is not None and self.n_complete > 0

    @property
    def history(self) -> dict[str, np.ndarray]:
        """The history of all complete epochs, those of earlier fits included."""
        before = self.previous.history_ if self.previous else {}
        before = {name: values[: self.origin] for name, values in before.items()}
        return extended(before, self.origin, self.checkpoint.records)

    def run(
        self,
        callbacks: EpochCallbacks,
        attributes: Callable[[], Attributes] | None = None,
    ) -> None:
        """Build or resume the module and train it.

        Parameters
        ----------
        callbacks : EpochCallbacks
        attributes : callable, optional
            Returns the fitted attributes that callbacks see; `attributes` by default.
        """
        self.shown = attributes or self.attributes
        with self.network.rng_context(child_seed(self.seed, Stream.FOREIGN)):
            module = self.processes.led(lambda: starting_module(self))
            self.module = module.to(self.device).train()
            self.optimizers = make_optimizers(self.module, self.estimator.learning_rate)
            epochs = Epochs(self, callbacks)
            checkpoint = Checkpoint(self.module, self.optimizers)
            if self.begun_with:
                checkpoint.load(self.begun_with)
            self.checkpoint = checkpoint  # from here on, an interrupt keeps its epochs
            epochs.run()
        self.is_trained = True

    def attributes(self) -> Attributes:
        """Return the fitted attributes of the estimator for the module as it is."""
        return self._attributes(fit_latent_density)

    def rescue(self) -> Attributes | None:
        """Return the fitted attributes after an interrupt, None if there are none.

        The module is that of the last complete epoch. If the interrupt came after the
        training, or comes again, the latent density is fitted when it is needed.
        """
        if not self.has_complete_epoch:
            return None
        if self.fitted is not None:
            return self.fitted
        self.checkpoint.finish()
        if not self.is_trained:
            with contextlib.suppress(KeyboardInterrupt):
                return self.attributes()
        self.lacks_density = self.estimator.make_latent_density(len(self.X)) is not None
        return self._attributes(lambda *_: None)

    def describe(self) -> str:
        """Say what `rescue` has returned."""
        text = f"the model is that {self.describe_epoch()}."
        if not self.lacks_density:
            return text
        return f"{text} Its latent density will be fitted when it is needed."

    def describe_epoch(self) -> str:
        """Say which epoch the weights are of, counted from 1 over all fits."""
        which = "best" if self.checkpoint.best_epoch else "last complete"
        epoch = self.origin + self.checkpoint.kept_epoch
        return f"of epoch {epoch}, the {which} one"

    def _attributes(self, make_density: Callable[..., Any]) -> Attributes:
        found = self.processes.led(lambda: self._computed(make_density))
        found["module_"].to(self.device)
        n_passes = passes_at(self, found["n_epochs_"])
        sample = replace(self.sample, n_passes=n_passes)
        return {**self.described, **found, "_sample": sample}

    def _computed(self, make_density: Callable[..., Any]) -> Attributes:
        """Return the attributes that are computed from the module as it is."""
        module = calibrated(self)
        history, density, rows = self.history, None, self.X
        state = kept_state(self) if self.keep_state else None
        if self.stream:
            rows = self.sample_of_stream().rows
        else:
            parts = self.estimator, module, rows, self.seed, self.labels
            density = make_density(*parts)
        return {
            "module_": module,
            "_density": density,
            "history_": history,
            "n_epochs_": len(history["loss"]),
            **diagnosis(module, rows, self.seed),
            "image_shape_": self._image_shape(),
            "_parts": describe_parts(self.estimator, self.network),
            "_seed": self.seed,
            "_training_state": state,
        }

    def sample_of_stream(self) -> RowSample:
        """Return rows of the stream, about as many as X has."""
        n_rows = max(len(self.X), _MIN_OF_STREAM)
        return self.sample.drawn(
            n_rows, child_seed(self.seed, Stream.SAMPLE, 0, self.first_epoch)
        )

    def _image_shape(self) -> tuple[int, int, int] | None:
        known = len(self.row_shape) > 1
        shape = self.row_shape if known else self.network.image_shape
        return shape and image_shape_of(shape, type(self.network).__name__)

    def batches(self, X: Any) -> Batches | BlockBatches:
        """Return batches of X, which has the form of `rows`."""
        frame = PLAIN if self.draws else self.module.frame
        parts = X, self.estimator.batch_size, self.device, frame
        if not is_stored(X):
            return Batches(*parts)
        frame.read(np.stack(extremes(X)))  # else refused in the midst of an epoch
        return BlockBatches(
            *parts, report=lambda: Progress(self.estimator, "epoch", len(X), level=2)
        )

    def terms(
        self,
        module: AutoencoderModule,
        batch: Tensor,
        generator: torch.Generator,
        annealing: float | Tensor = 1.0,
    ) -> dict[str, Tensor]:
        """Return the terms of the loss of a batch of `rows`."""
        x = self.drawn(batch, generator)
        return self.estimator.loss(module, x, generator, annealing)

    def drawn(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Return the rows to model for a batch of `rows`."""
        return batch if self.draws is None else self.draws(batch, generator)
