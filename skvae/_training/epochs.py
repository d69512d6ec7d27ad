"""The epochs of a fit: what is done before, in and after each of them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from skvae._training.callbacks import EpochCallbacks
from skvae._training.checkpoint import Record
from skvae._training.held_out import split_batches, validation_loss
from skvae._training.history import print_epoch
from skvae._training.loop import Step, compiled, minimize
from skvae._training.schedules import Annealing, make_schedulers
from skvae._utils.random import Stream, child_seed, make_generator

# Early stopping makes `max_epochs` a mere limit. Of a training as long as this one,
# annealing then takes its share.
_LONGEST_ANNEALED = 100


class Epochs:
    """The epochs of a `Fit` whose module and optimizers are there.

    Parameters
    ----------
    fit : Fit
    callbacks : EpochCallbacks
    """

    def __init__(self, fit: Any, callbacks: EpochCallbacks) -> None:
        self.fit, self.callbacks = fit, callbacks
        self.train_batches, self.held_out = fit.split = split_batches(fit)
        self.noise = torch.Generator(device=fit.device)
        self.annealing = Annealing(
            fit.estimator.annealing, self._n_annealed(), fit.device
        )

    def run(self) -> None:
        """Train until the epochs or the patience end, or a callback asks to stop."""
        fit, estimator, held_out = self.fit, self.fit.estimator, self.held_out
        networks = fit.module.encoder, fit.module.decoder
        n_passes = fit.passes_at(fit.first_epoch)
        disturbed = fit.module.input_noise(estimator.input_noise, self.noise)
        with compiled(networks, estimator.compile), disturbed:
            minimize(
                Step(self._terms, fit.optimizers),
                fit.module,
                range(fit.first_epoch, fit.first_epoch + fit.n_epochs),
                self._batches,
                checkpoint=fit.checkpoint,
                validation_loss=held_out and validation_loss(fit, held_out),
                patience=held_out and estimator.n_iter_no_change,
                n_warmup=max(0, self.annealing.n_changing - n_passes),
                schedulers=make_schedulers(
                    estimator.lr_schedule, fit.optimizers[0], fit.n_epochs
                ),
                monitor=self._monitor,
                end_epoch=self._end,
            )

    def _terms(self, x: Tensor) -> dict[str, Tensor]:
        fit = self.fit
        return fit.terms(fit.module, x, self.noise, self.annealing.factor)

    def _batches(self, epoch: int) -> Iterator[Tensor]:
        """Begin an epoch, and yield its batches."""
        fit, batches = self.fit, self.train_batches
        self.callbacks.begin_epoch()
        self.start = time.perf_counter()
        self.rate = float(fit.optimizers[0].param_groups[0]["lr"])
        self.noise.manual_seed(child_seed(fit.seed, Stream.NOISE, epoch))
        fit.network.reseed(child_seed(fit.seed, Stream.FOREIGN, 1 + epoch))
        shuffle = make_generator(fit.seed, Stream.SHUFFLE, epoch)
        for i, x in enumerate(batches.shuffled(shuffle)):
            self.annealing.update(fit.passes_at(epoch + i / len(batches)))
            yield x

    def _monitor(self) -> Record:
        """Return what the record of an epoch holds beside its losses."""
        return {"learning_rate": self.rate, **self.fit.module.likelihood.monitor()}

    def _end(self, record: Record) -> bool:
        """Tell of a complete epoch; return True if a callback asks to stop."""
        fit = self.fit
        if fit.estimator.verbose:
            n_done = fit.first_epoch + len(fit.checkpoint.records)
            total = fit.first_epoch + fit.n_epochs
            print_epoch(fit.estimator, n_done, total, record, self.start)
        return self.callbacks.end_epoch(fit.shown)

    def _n_annealed(self) -> int:
        """Return the number of passes to which the progress of annealing refers."""
        fit = self.fit
        n_passes = fit.passes_at(fit.first_epoch + fit.n_epochs)
        n_passes = math.ceil(round(n_passes, 6))  # a sum of shares
        n_epochs = max(fit.estimator.max_epochs, n_passes)
        return min(n_epochs, _LONGEST_ANNEALED) if fit.stops_early else n_epochs
