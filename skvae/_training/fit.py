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
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau

from skvae._training.batches import Batches
from skvae._training.callbacks import EpochCallbacks
from skvae._training.latents import (
    check_density_of,
    diagnosis,
    fit_latent_density,
)
from skvae._training.loop import Step, minimize
from skvae._training.parts import check_same_parts, describe_parts, new_module
from skvae._training.stream import RowSample
from skvae._utils.device import resolve_device
from skvae._utils.float32 import PLAIN
from skvae._utils.images import image_shape_of
from skvae._utils.optimizers import HasOptimizers
from skvae._utils.random import (
    Stream,
    child_seed,
    draw_seed,
    make_generator,
    numpy_seed,
)
from skvae.module import AutoencoderModule
from skvae.networks import resolve_network

Attributes = dict[str, Any]
_MIN_OF_STREAM = 1024  # rows on which a stream is diagnosed, at least


# A row of the validation set costs no more than the upper quartile plus this many times
# the distance between the quartiles, so that a single row far out decides nothing.
_FENCE = 10.0


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
    row_shape : tuple of int, optional
        Shape of a row before it was flattened.
    previous : BaseAutoencoder, optional
        A fitted estimator to go on from, bit for bit as if its training had never
        stopped (except after unpickling, which loses Adam's moments).
    stream : bool, default=False
        Whether X is the next chunk of a stream, of which `previous` has seen others.
        Diagnostics are then those of a sample of the stream, and so will be the latent
        density, which is fitted when it is asked for.
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
        *,
        row_shape: tuple[int, ...] | None = None,
        previous: Any = None,
        stream: bool = False,
        keep_optimizer: bool = False,
        draws: Draws | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.estimator, self.X, self.n_epochs = estimator, X, n_epochs
        self.previous, self.keep_optimizer = previous, keep_optimizer
        self.stream = stream
        self.draws, self.rows = draws, X if draws is None else draws.rows
        self.device = device or resolve_device(estimator.device)
        self.seed = previous._seed if previous else draw_seed(estimator.random_state)
        self.first_epoch = previous.n_epochs_ if previous else 0
        self.history = dict(previous.history_) if previous else {}
        self.row_shape = row_shape or X.shape[1:]
        self.network = resolve_network(estimator.network).for_shape(self.row_shape)
        self._extend_sample()
        if not stream:
            check_density_of(estimator, len(X))

    @property
    def n_callback_epochs(self) -> int:
        """Number of epochs that callbacks see."""
        return self.n_epochs

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
            make_module = self._resumed_module if self.resumed else self._new_module
            self.module = make_module().to(self.device).train()
            self.optimizers = self._make_optimizers()
            self._train(callbacks)

    def attributes(self) -> Attributes:
        """Return the fitted attributes of the estimator for the module as it is."""
        module = copy.deepcopy(self.module).eval()
        density, rows = None, self.X
        if self.stream:
            rows = self.rows_of_stream()
        else:
            density = fit_latent_density(self.estimator, module, rows, self.seed)
        return {
            "module_": module,
            "_density": density,
            "_sample": self.sample,
            "history_": self.history,
            "n_epochs_": len(self.history["loss"]),
            **diagnosis(module, rows, self.seed),
            "image_shape_": self._image_shape(),
            "_row_shape": self.row_shape,
            "_parts": describe_parts(self.estimator, self.network),
            "_seed": self.seed,
            "_optimizer_state": self._optimizer_state(),
        }

    def rows_of_stream(self) -> np.ndarray:
        """Return rows of the stream, about as many as X has."""
        n_rows = max(len(self.X), _MIN_OF_STREAM)
        return self.sample.drawn(
            n_rows, child_seed(self.seed, Stream.SAMPLE, 0, self.first_epoch)
        )

    # --------------------------------------------------------------- building blocks

    def _extend_sample(self) -> None:
        """Add X to the sample; begin anew if what was before says too little of X."""
        sample, self.resumed = RowSample(), self.previous
        if self.previous:
            check_same_parts(
                describe_parts(self.estimator, self.network), self.previous._parts
            )
        if self.previous and self.stream:
            sample = self.previous._sample.recalled(self._draw_from_previous)
        self.sample = sample.extended(self.X, self.seed)
        if sample.n_seen and sample.is_small and self.sample is not sample:
            self.resumed = None

    def _draw_from_previous(self, n_rows: int) -> np.ndarray:
        seed = numpy_seed(self.seed, Stream.SAMPLE)
        return self.previous.sample(n_rows, mean=False, random_state=seed)

    def _new_module(self) -> AutoencoderModule:
        generator = make_generator(self.seed, Stream.INIT)
        rows = self.sample.rows if self.previous else self.X
        parts = self.estimator, self.network, rows, generator
        return new_module(*parts, is_float32=self.draws is not None)

    def _resumed_module(self) -> AutoencoderModule:
        module = copy.deepcopy(self.previous.module_)
        module.likelihood.check_support(self.X)
        return module

    def _image_shape(self) -> tuple[int, int, int] | None:
        known = len(self.row_shape) > 1
        shape = self.row_shape if known else self.network.image_shape
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
        if self.resumed and self.previous._optimizer_state is not None:
            states = copy.deepcopy(self.previous._optimizer_state)
            for optimizer, state in zip(optimizers, states, strict=True):
                optimizer.load_state_dict(state)
            adam.param_groups[0]["lr"] = self.estimator.learning_rate
        return optimizers

    def _optimizer_state(self) -> list[dict[str, Any]] | None:
        if not self.keep_optimizer:
            return None
        return copy.deepcopy([o.state_dict() for o in self.optimizers])

    def _schedulers(self) -> list[Any]:
        schedule, adam = self.estimator.lr_schedule, self.optimizers[0]
        if schedule == "constant":
            return []
        if schedule == "plateau":
            # Losses in nats may be negative, where a relative threshold misbehaves.
            return [
                ReduceLROnPlateau(adam, factor=0.5, patience=5, threshold_mode="abs")
            ]
        if schedule == "cosine":
            return [CosineAnnealingLR(adam, T_max=self.n_epochs)]
        return [schedule(adam)]

    # ---------------------------------------------------------------------- training

    def _train(self, callbacks: EpochCallbacks) -> None:
        estimator, device = self.estimator, self.device
        train, validation = self._split()
        batches = self._batches(train)
        noise = torch.Generator(device=device)
        annealing = torch.ones((), device=device, dtype=torch.float32)
        n_total = max(estimator.max_epochs, self.first_epoch + self.n_epochs)

        def epoch_batches(epoch: int) -> Iterator[Tensor]:
            callbacks.begin_epoch()
            self.epoch_start = time.perf_counter()
            noise.manual_seed(child_seed(self.seed, Stream.NOISE, epoch))
            self.network.reseed(child_seed(self.seed, Stream.FOREIGN, 1 + epoch))
            shuffle = make_generator(self.seed, Stream.SHUFFLE, epoch)
            factor = None
            for i, x in enumerate(batches.shuffled(shuffle)):
                progress = (epoch + i / len(batches)) / n_total
                previous, factor = factor, estimator.annealing(progress)
                if factor != previous:
                    annealing.fill_(factor)
                yield x

        with self._compiled():
            minimize(
                Step(lambda x: self._terms(x, noise, annealing), self.optimizers),
                self.module,
                range(self.first_epoch, self.first_epoch + self.n_epochs),
                epoch_batches,
                validation_loss=self._validation_loss(validation),
                patience=estimator.n_iter_no_change if len(validation) else None,
                schedulers=self._schedulers(),
                end_epoch=lambda record: self._end_epoch(record, callbacks),
            )

    def _batches(self, rows: Tensor | None) -> Batches:
        """Return batches of the given rows, or of all."""
        frame = PLAIN if self.draws else self.module.frame
        size = self.estimator.batch_size
        return Batches(self.rows, size, self.device, rows, frame)

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
        batches = self._batches(rows)
        noise = torch.Generator(device=self.device)

        def loss() -> float:
            noise.manual_seed(child_seed(self.seed, Stream.VALIDATE))
            self.module.eval()
            losses = []
            with torch.no_grad():
                for x in batches.ordered():
                    terms = self._terms(x, noise, 1.0).values()
                    losses.append(sum(t.double().expand(len(x)) for t in terms))
            self.module.train()
            return robust_mean(torch.cat(losses))

        return loss

    @contextlib.contextmanager
    def _compiled(self) -> Iterator[None]:
        networks = [self.module.encoder, self.module.decoder]
        if self.estimator.compile:
            for network in networks:
                network.compile()
        try:
            yield
        finally:
            for network in networks:
                network._compiled_call_impl = None

    def _end_epoch(self, record: dict[str, float], callbacks: EpochCallbacks) -> bool:
        """Keep an epoch's record; return True if a callback asks to stop."""
        record["learning_rate"] = float(self.optimizers[0].param_groups[0]["lr"])
        record.update(self.module.likelihood.monitor())
        for name, value in record.items():
            old = self.history.get(name, np.empty(0))
            self.history[name] = np.append(old, value)
        if self.estimator.verbose:
            self._print(record)
        return callbacks.end_epoch(self.shown)

    def _print(self, record: dict[str, float]) -> None:
        n_done = len(self.history["loss"])
        figures = "  ".join(f"{name} {value:.4g}" for name, value in record.items())
        seconds = time.perf_counter() - self.epoch_start
        name = type(self.estimator).__name__
        total = self.first_epoch + self.n_epochs
        print(f"[{name}] epoch {n_done}/{total}  {figures}  ({seconds:.2f} s)")


def robust_mean(losses: Tensor) -> float:
    """Return the mean of losses by row, where those far above all others are cut."""
    lower, upper = np.quantile(losses.cpu().numpy(), [0.25, 0.75])
    fence = upper + _FENCE * (upper - lower)
    # Where most rows are equal, there is no distance to measure by.
    return float((losses.clamp(max=fence) if upper > lower else losses).mean())
