"""The epochs of a fit: what is done before, in and after each of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from skvae._training.callbacks import EpochCallbacks
from skvae._training.checkpoint import Record
from skvae._training.held_out import split_batches, validation_loss
from skvae._training.history import print_epoch
from skvae._training.loop import SharedStep, Step, compiled, minimize
from skvae._training.schedules import make_schedulers
from skvae._training.state import annealing_of, n_warmup, passes_at, schedule_length
from skvae._utils.random import Stream, child_seed, make_generator


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
        self.noise = fit.processes.generator(fit.device)
        self.annealing = annealing_of(fit)

    def run(self) -> None:
        """Train until the epochs or the patience end, or a callback asks to stop."""
        if self._is_over():
            self.fit.checkpoint.finish()
        else:
            self._train()

    def _is_over(self) -> bool:
        """Tell whether another process has trained already as long as it should.

        The end of its last epoch is told of once more: it may have been killed before
        all callbacks had heard of it, and it is they who may ask to stop.
        """
        fit = self.fit
        if not fit.is_resumed:
            return False
        self.callbacks.pass_over(fit.n_complete - (not fit.was_trained))
        if fit.was_trained:
            return True
        self.callbacks.begin_epoch()
        return fit.processes.led(lambda: self.callbacks.end_epoch(fit.shown))

    def _train(self) -> None:
        fit, estimator, held_out = self.fit, self.fit.estimator, self.held_out
        networks = fit.module.encoder, fit.module.decoder
        disturbed = fit.module.input_noise(estimator.input_noise, self.noise)
        over_all = fit.processes.over(fit.module)
        with compiled(networks, estimator.compile), disturbed, over_all:
            minimize(
                self._step(),
                fit.module,
                range(fit.origin, fit.first_epoch + fit.n_epochs),
                self._batches,
                checkpoint=fit.checkpoint,
                validation_loss=held_out and validation_loss(fit, held_out),
                patience=held_out and estimator.n_iter_no_change,
                n_warmup=n_warmup(fit, self.annealing),
                schedulers=make_schedulers(
                    estimator.lr_schedule, fit.optimizers[0], schedule_length(fit)
                ),
                scheduled_from=fit.scheduled_from,
                monitor=self._monitor,
                end_epoch=self._end,
            )

    def _step(self) -> Step:
        fit = self.fit
        if fit.processes.size == 1:
            return Step(self._terms, fit.optimizers)
        return SharedStep(self._terms, fit.optimizers, fit.processes)

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
        foreign = Stream.FOREIGN, 1 + epoch, *fit.processes.key
        fit.network.reseed(child_seed(fit.seed, *foreign))
        shuffle = make_generator(fit.seed, Stream.SHUFFLE, epoch)
        for i, x in enumerate(batches.shuffled(shuffle)):
            self.annealing.update(passes_at(fit, epoch + i / len(batches)))
            yield x
        fit.processes.share_state(fit.module)

    def _monitor(self) -> Record:
        """Return what the record of an epoch holds beside its losses."""
        return {"learning_rate": self.rate, **self.fit.module.likelihood.monitor()}

    def _end(self, record: Record) -> bool:
        """Tell of a complete epoch; return True if a callback asks to stop."""
        return self.fit.processes.led(lambda: self._tell(record))

    def _tell(self, record: Record) -> bool:
        fit = self.fit
        if fit.estimator.verbose:
            n_done = fit.first_epoch + fit.n_complete
            total = fit.first_epoch + fit.n_epochs
            print_epoch(fit.estimator, n_done, total, record, self.start)
        return self.callbacks.end_epoch(fit.shown)
