"""What changes in the course of a training: learning rates, weights of terms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LRScheduler,
    ReduceLROnPlateau,
)


def make_schedulers(schedule: Any, optimizer: Any, n_epochs: int) -> list[Any]:
    """Return the schedulers that the parameter `lr_schedule` asks for."""
    if schedule == "constant":
        return []
    if schedule == "plateau":
        # Losses in nats may be negative, where a relative threshold misbehaves.
        return [
            ReduceLROnPlateau(optimizer, factor=0.5, patience=5, threshold_mode="abs")
        ]
    if schedule == "cosine":
        return [CosineAnnealingLR(optimizer, T_max=n_epochs)]
    scheduler = schedule(optimizer)
    if not isinstance(scheduler, LRScheduler):
        raise TypeError(
            "The callable in 'lr_schedule' must return a scheduler of "
            f"torch.optim.lr_scheduler. It returned {scheduler!r} instead."
        )
    return [scheduler]


class LearningRates:
    """The rates of schedulers, times a factor that is halved by every recovery.

    Schedulers compute a rate from the last one, from the first one or from limits of
    their own. They all go on as if nothing had been halved: they never see the factor.

    Parameters
    ----------
    groups : list of dict
        The parameter groups of all optimizers.
    schedulers : iterable of torch.optim.lr_scheduler.LRScheduler
    """

    def __init__(self, groups: list[dict[str, Any]], schedulers: Iterable[Any]) -> None:
        self.groups, self.schedulers = groups, list(schedulers)
        self.factor = 1.0

    def halve(self) -> float:
        """Halve all rates from now on; return the first one."""
        self.factor /= 2
        self._multiply(0.5)
        return float(self.groups[0]["lr"])

    def step(self, record: dict[str, float], warming_up: bool) -> None:
        """Step the schedulers after an epoch.

        Parameters
        ----------
        record : dict of str to float
        warming_up : bool
            Whether the weights of terms still change; then no loss is held against
            earlier ones.
        """
        self._multiply(1 / self.factor)  # a power of two: exact
        for scheduler in self.schedulers:
            if not isinstance(scheduler, ReduceLROnPlateau):
                scheduler.step()
            elif not warming_up:
                scheduler.step(record.get("validation_loss", record["loss"]))
        self._multiply(self.factor)

    def replay(
        self,
        records: Sequence[dict[str, float]],
        recoveries: Sequence[int],
        start: int = 0,
        n_warmup: int = 0,
    ) -> list[float]:
        """Bring the rates to where they were after epochs of an earlier training.

        Parameters
        ----------
        records : sequence of dict
            Of all epochs.
        recoveries : sequence of int
            For each halving, how many epochs were complete.
        start : int, default=0
            The number of epochs before the schedulers began.
        n_warmup : int, default=0
            The number of epochs in which weights of terms still changed.

        Returns
        -------
        rates : list of float
            The first rate of every epoch.
        """
        for scheduler in self.schedulers:  # else torch warns that there were no steps
            scheduler.optimizer._opt_called = True
        rates, n_halved = [], Counter(recoveries)
        for i, record in enumerate(records):
            self._halve_often(n_halved[i])
            rates.append(float(self.groups[0]["lr"]))
            if i >= start:
                self.step(record, warming_up=i < n_warmup)
        self._halve_often(n_halved[len(records)])
        return rates

    def _halve_often(self, n: int) -> None:
        for _ in range(n):
            self.halve()

    def _multiply(self, factor: float) -> None:
        for group in self.groups:
            group["lr"] *= factor


class Annealing:
    """The factor of annealed terms, a tensor that follows the progress of training.

    Parameters
    ----------
    function : callable, progress in [0, 1] -> float
    n_epochs : int
        The epochs, counted from the first one of a model, in which progress goes from
        0 to 1; afterwards it stays at 1.
    device : torch.device
    """

    def __init__(
        self, function: Callable[[float], float], n_epochs: int, device: torch.device
    ) -> None:
        self.function, self.n_epochs = function, n_epochs
        self.factor = torch.ones((), device=device, dtype=torch.float32)
        self.value = 1.0

    def update(self, epoch: float) -> None:
        """Set the factor for a point in time, in epochs."""
        value = self.at(epoch)
        if value != self.value:
            self.factor.fill_(value)
            self.value = value

    @property
    def n_changing(self) -> int:
        """The number of epochs before the first one with the final factor."""
        final = self.at(self.n_epochs)
        return next(e for e in range(self.n_epochs + 1) if self.at(e) == final)

    def at(self, epoch: float) -> float:
        """Return the factor at a point in time, in epochs."""
        return self.function(min(1.0, epoch / self.n_epochs))
