"""One fit of an autoencoder: from validated rows to the fitted attributes."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from skvae._training.batches import Batches
from skvae._training.callbacks import EpochCallbacks
from skvae._training.checkpoint import Checkpoint, Record
from skvae._training.history import extended
from skvae._training.latents import diagnosis, fit_latent_density, unfitted_density
from skvae._training.loop import Step, minimize
from skvae._training.parts import check_same_parts, describe_parts, new_module
from skvae._training.schedules import Annealing, make_schedulers
from skvae._utils.device import resolve_device
from skvae._utils.images import image_shape_of
from skvae._utils.optimizers import HasOptimizers
from skvae._utils.random import Stream, child_seed, draw_seed, make_generator
from skvae._utils.validation import with_plain_integers
from skvae.module import AutoencoderModule
from skvae.networks import resolve_network

Attributes = dict[str, Any]

# Early stopping makes `max_epochs` a mere limit. Of a training as long as this one,
# annealing then takes its share.
_LONGEST_ANNEALED = 100


class Draws(Protocol):
    """Rows that are drawn anew for every batch, such as codes from posteriors."""

    rows: np.ndarray
    """What batches are taken from, shape (n_samples, ...)."""

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Return rows to model, drawn for a batch of `rows`."""


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
        stopped (except after unpickling, which loses Adam's moments).
    keep_optimizer : bool, default=False
        Keep the optimizers' state, for a fit that goes on from this one.
    draws : Draws, optional
        What batches are drawn from in place of X, which then is one such draw.
    device : torch.device, optional
        The estimator's by default.
    """

    def __init__(
        self,
        estimator: Any,
        X: np.ndarray,
        n_epochs: int,
        described: Attributes,
        *,
        previous: Any = None,
        keep_optimizer: bool = False,
        draws: Draws | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.estimator = estimator = with_plain_integers(estimator)
        self.X, self.n_epochs, self.described = X, int(n_epochs), described
        self.previous, self.keep_optimizer = previous, keep_optimizer
        self.draws, self.rows = draws, X if draws is None else draws.rows
        self.device = device or resolve_device(estimator.device)
        self.seed = previous._seed if previous else draw_seed(estimator.random_state)
        self.first_epoch = previous.n_epochs_ if previous else 0
        self.row_shape = described["_row_shape"]
        network = resolve_network(estimator.network).for_shape(self.row_shape)
        self.network = with_plain_integers(network)
        self.checkpoint: Checkpoint | None = None
        self.fitted: Attributes | None = None
        self.is_trained, self.lacks_density = False, False

    @property
    def n_callback_epochs(self) -> int:
        """Number of epochs that callbacks see."""
        return self.n_epochs

    @property
    def has_complete_epoch(self) -> bool:
        """Whether there is anything that an interrupt leaves."""
        return self.checkpoint is not None and bool(self.checkpoint.records)

    @property
    def history(self) -> dict[str, np.ndarray]:
        """The history of all complete epochs, those of earlier fits included."""
        before = self.previous.history_ if self.previous else {}
        return extended(before, self.first_epoch, self.checkpoint.records)

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
            make_module = self._resumed_module if self.previous else self._new_module
            self.module = make_module().to(self.device).train()
            self.optimizers = self._make_optimizers()
            self.checkpoint = Checkpoint(self.module, self.optimizers)
            self._train(callbacks)
        self.is_trained = True

    def attributes(self) -> Attributes:
        """Return the fitted attributes of the estimator for the module as it is."""
        return self._attributes(fit_latent_density)

    def rescue(self) -> Attributes | None:
        """Return the fitted attributes after an interrupt, None if there are none.

        The module is that of the last complete epoch. If the interrupt came after the
        training, or comes again, the latent density is left unfitted.
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
        return self._attributes(unfitted_density)

    def describe(self) -> str:
        """Say what `rescue` has returned."""
        text = f"the model is that {self.describe_epoch()}."
        if not self.lacks_density:
            return text
        return f"{text} Its latent density is not fitted: call fit_latent_density(X)."

    def describe_epoch(self) -> str:
        """Say which epoch the weights are of, counted from 1 over all fits."""
        which = "best" if self.checkpoint.best_epoch else "last complete"
        epoch = self.first_epoch + self.checkpoint.kept_epoch
        return f"of epoch {epoch}, the {which} one"

    def _attributes(self, make_density: Callable[..., Any]) -> Attributes:
        module = copy.deepcopy(self.module).eval()
        history = self.history
        return {
            **self.described,
            "module_": module,
            "latent_density_": make_density(self.estimator, module, self.X, self.seed),
            "history_": history,
            "n_epochs_": len(history["loss"]),
            **diagnosis(module, self.X, self.seed),
            "image_shape_": self._image_shape(),
            "_parts": describe_parts(self.estimator, self.network),
            "_seed": self.seed,
            "_optimizer_state": self._optimizer_state(),
        }

    # --------------------------------------------------------------- building blocks

    def _new_module(self) -> AutoencoderModule:
        generator = make_generator(self.seed, Stream.INIT)
        return new_module(self.estimator, self.network, self.X, generator)

    def _resumed_module(self) -> AutoencoderModule:
        check_same_parts(
            describe_parts(self.estimator, self.network), self.previous._parts
        )
        module = copy.deepcopy(self.previous.module_)
        module.likelihood.check_support(self.X)
        return module

    def _image_shape(self) -> tuple[int, int, int] | None:
        shape = getattr(self.network, "image_shape", None)
        if len(self.row_shape) > 1:
            shape = self.row_shape
        return shape and image_shape_of(shape, type(self.network).__name__)

    def _make_optimizers(self) -> list[Any]:
        """Return Adam for the networks, then the optimizers that parts bring along."""
        parts = [m for m in self.module.modules() if isinstance(m, HasOptimizers)]
        special = [optimizer for part in parts for optimizer in part.optimizers()]
        taken = {id(p) for o in special for g in o.param_groups for p in g["params"]}
        parameters = [p for p in self.module.parameters() if p.requires_grad]
        adam = torch.optim.Adam(
            [p for p in parameters if id(p) not in taken],
            lr=self.estimator.learning_rate,
            fused=True,
        )
        optimizers = [adam, *special]
        if self.previous and self.previous._optimizer_state is not None:
            states = copy.deepcopy(self.previous._optimizer_state)
            for optimizer, state in zip(optimizers, states, strict=True):
                optimizer.load_state_dict(state)
            adam.param_groups[0]["lr"] = self.estimator.learning_rate
        return optimizers

    def _optimizer_state(self) -> list[dict[str, Any]] | None:
        if not self.keep_optimizer:
            return None
        return copy.deepcopy([o.state_dict() for o in self.optimizers])

    # ---------------------------------------------------------------------- training

    def _train(self, callbacks: EpochCallbacks) -> None:
        estimator = self.estimator
        train, validation = self._split()
        batches = Batches(self.rows, estimator.batch_size, self.device, train)
        noise = torch.Generator(device=self.device)
        annealing = Annealing(estimator.annealing, self._n_annealed(), self.device)

        def epoch_batches(epoch: int) -> Iterator[Tensor]:
            callbacks.begin_epoch()
            self.epoch_start, self.rate = time.perf_counter(), self._learning_rate()
            noise.manual_seed(child_seed(self.seed, Stream.NOISE, epoch))
            self.network.reseed(child_seed(self.seed, Stream.FOREIGN, 1 + epoch))
            shuffle = make_generator(self.seed, Stream.SHUFFLE, epoch)
            for i, x in enumerate(batches.shuffled(shuffle)):
                annealing.update(epoch + i / len(batches))
                yield x

        step = Step(lambda x: self._terms(x, noise, annealing.factor), self.optimizers)
        with self._compiled():
            minimize(
                step,
                self.module,
                range(self.first_epoch, self.first_epoch + self.n_epochs),
                epoch_batches,
                checkpoint=self.checkpoint,
                validation_loss=self._validation_loss(validation),
                patience=estimator.n_iter_no_change if len(validation) else None,
                n_warmup=max(0, annealing.n_changing - self.first_epoch),
                schedulers=make_schedulers(
                    estimator.lr_schedule, self.optimizers[0], self.n_epochs
                ),
                monitor=self._monitor,
                end_epoch=lambda record: self._end_epoch(record, callbacks),
            )

    def _n_annealed(self) -> int:
        """Return the number of epochs to which the progress of annealing refers."""
        n_epochs = max(self.estimator.max_epochs, self.first_epoch + self.n_epochs)
        limited = self.estimator.early_stopping
        return min(n_epochs, _LONGEST_ANNEALED) if limited else n_epochs

    def _terms(
        self, batch: Tensor, generator: torch.Generator, annealing: float | Tensor
    ) -> dict[str, Tensor]:
        """Return the terms of the loss of a batch of `rows`."""
        x = batch if self.draws is None else self.draws(batch, generator)
        return self.estimator.loss(self.module, x, generator, annealing)

    def _split(self) -> tuple[Tensor | None, Tensor]:
        n, estimator = len(self.X), self.estimator
        if not estimator.early_stopping:
            return None, torch.empty(0, device="cpu")
        generator = make_generator(self.seed, Stream.SPLIT)
        order = torch.randperm(n, generator=generator, device="cpu")
        n_validation = max(1, round(n * estimator.validation_fraction))
        if n_validation >= n:
            raise ValueError(
                f"early_stopping=True needs rows to train on and rows to validate on, "
                f"but n_samples = {n} and validation_fraction = "
                f"{estimator.validation_fraction} leave {n - n_validation} to train on."
            )
        return order[n_validation:], order[:n_validation]

    def _validation_loss(self, rows: Tensor) -> Callable[[], float] | None:
        if not len(rows):
            return None
        batches = Batches(self.rows, self.estimator.batch_size, self.device, rows)
        noise = torch.Generator(device=self.device)

        def loss() -> float:
            noise.manual_seed(child_seed(self.seed, Stream.VALIDATE))
            self.module.eval()
            total = 0.0
            with torch.no_grad():
                for x in batches.ordered():
                    terms = self._terms(x, noise, 1.0)
                    total += sum(t.mean() for t in terms.values()) * len(x)
            self.module.train()
            return float(total) / len(rows)

        return loss

    @contextlib.contextmanager
    def _compiled(self) -> Iterator[None]:
        networks = [self.module.encoder, self.module.decoder]
        try:
            if self.estimator.compile:
                for network in networks:
                    network.compile()
            yield
        finally:
            for network in networks:
                network._compiled_call_impl = None

    def _learning_rate(self) -> float:
        return float(self.optimizers[0].param_groups[0]["lr"])

    def _monitor(self) -> Record:
        """Return what the record of an epoch holds beside its losses."""
        return {"learning_rate": self.rate, **self.module.likelihood.monitor()}

    def _end_epoch(self, record: Record, callbacks: EpochCallbacks) -> bool:
        """Tell of a complete epoch; return True if a callback asks to stop."""
        if self.estimator.verbose:
            self._print(record)
        return callbacks.end_epoch(self.shown)

    def _print(self, record: Record) -> None:
        n_done = self.first_epoch + len(self.checkpoint.records)
        figures = "  ".join(f"{name} {value:.4g}" for name, value in record.items())
        seconds = time.perf_counter() - self.epoch_start
        name = type(self.estimator).__name__
        total = self.first_epoch + self.n_epochs
        line = f"[{name}] epoch {n_done}/{total}  {figures}  ({seconds:.2f} s)"
        # A full disk or a closed pipe behind the output must not end the training.
        with contextlib.suppress(OSError, ValueError):
            print(line, flush=True)
