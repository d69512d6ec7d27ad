"""The training loop: gradient steps on any sum of loss terms, fast and recoverable.

It knows nothing of autoencoders: it receives a function from a batch to loss terms, the
optimizers of the parameters inside it, and batches.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from skvae._training.checkpoint import Checkpoint, Record
from skvae._training.schedules import LearningRates
from skvae._utils.threads import limited_threads
from skvae._utils.warn import warn

Terms = Callable[[Tensor], dict[str, Tensor]]
_MAX_RECOVERIES = 3
# Steps whose results are put together. Single ones, between the large arrays of steps,
# would leave the heap in pieces: 30 kB for each step of an epoch.
_STACKED = 64


class Step:
    """One optimisation step on one batch.

    Parameters
    ----------
    terms : callable, Tensor (n, ...) -> dict of Tensor of shape (n,) or ()
        The loss is the sum of the terms' means.
    optimizers : list of objects with ``param_groups``, ``state`` and ``step()``
    """

    def __init__(self, terms: Terms, optimizers: list[Any]) -> None:
        self.terms, self.optimizers = terms, optimizers
        groups = [g for optimizer in optimizers for g in optimizer.param_groups]
        self.groups = groups
        self.parameters = [p for group in groups for p in group["params"]]
        self.names: list[str] = []

    def __call__(self, x: Tensor) -> Tensor:
        """Take the step; return the mean of every term, without synchronising."""
        means = self.differentiate(x)
        for optimizer in self.optimizers:
            optimizer.step()
        return means

    def differentiate(self, x: Tensor) -> Tensor:
        """Set the gradients of all parameters; return the mean of every term."""
        terms = self.terms(x)
        self.names = list(terms)
        means = _means(list(terms.values()))
        for p in self.parameters:
            p.grad = None
        means.sum().backward()
        return means.detach()


class SharedStep(Step):
    """A step on a batch whose rows several processes share.

    Gradients and means are reduced in one exchange, each weighted by the rows that it
    is of.

    Parameters
    ----------
    terms, optimizers
        As of `Step`.
    processes : Processes
    """

    def __init__(self, terms: Terms, optimizers: list[Any], processes: Any) -> None:
        super().__init__(terms, optimizers)
        self.processes = processes

    def differentiate(self, x: Tensor) -> Tensor:
        """Set the gradients for the whole batch; return the means over it."""
        means = super().differentiate(self.processes.share(x))
        moved = [p for p in self.parameters if p.grad is not None]
        parts = [means, *(p.grad for p in moved)]
        flat = torch.cat([part.flatten() for part in parts]) * self.processes.weight
        sums = self.processes.sum(flat).split([part.numel() for part in parts])
        for p, gradient in zip(moved, sums[1:], strict=True):
            p.grad = gradient.view_as(p).to(p.dtype)
        return sums[0]


def minimize(
    step: Step,
    module: torch.nn.Module,
    epochs: Iterable[int],
    batches: Callable[[int], Iterator[Tensor]],
    *,
    checkpoint: Checkpoint | None = None,
    validation_loss: Callable[[], float] | None = None,
    patience: int | None = None,
    n_warmup: float = 0,
    schedulers: Iterable[Any] = (),
    scheduled_from: int = 0,
    monitor: Callable[[], Record] = dict,
    end_epoch: Callable[[Record], bool] = lambda record: False,
) -> list[Record]:
    """Train until the epochs or the patience end, or `end_epoch` returns True.

    Whatever ends the training, the module and the optimizers are left as they were
    after the last complete epoch (with `validation_loss`, the module as it was after
    the best one), and `checkpoint` has the records.

    Parameters
    ----------
    step : callable, Tensor -> Tensor of shape (n_terms,)
    module : nn.Module
        Holds all state that a step changes, apart from the optimizers.
    epochs : iterable of int
    batches : callable, epoch -> iterator of Tensor
    checkpoint : Checkpoint, optional
        One of the module and the optimizers, to be read from outside. If it has
        records, training goes on after these epochs.
    validation_loss : callable, optional
        Evaluated after every epoch; the best epoch's state is restored at the end.
    patience : int, optional
        Stop after this many epochs without a better validation loss.
    n_warmup : float, default=0
        Epochs in which the loss itself still changes: they count neither for the
        patience nor for schedulers that wait for progress.
    schedulers : iterable of torch.optim.lr_scheduler.LRScheduler
        Stepped after every epoch.
    scheduled_from : int, default=0
        The number of epochs, of those that the checkpoint has, before schedulers began.
    monitor : callable, optional
        Returns more entries for the record of an epoch, at its end.
    end_epoch : callable, record -> bool
        Called with the record of every epoch; training stops if it returns True.

    Returns
    -------
    records : list of dict
        For each epoch, the mean of every term, their sum as "loss", "validation_loss"
        and what `monitor` returns.

    Warns
    -----
    RuntimeWarning
        After a loss that is not finite: the epoch is undone and the learning rate
        halved.

    Raises
    ------
    FloatingPointError
        When three recoveries did not help.
    """
    checkpoint = checkpoint or Checkpoint(module, step.optimizers)
    rates = LearningRates(step.groups, schedulers)
    rates.replay(checkpoint.records, checkpoint.recoveries, scheduled_from, n_warmup)
    limit = math.inf if patience is None else patience
    epochs, stop = list(epochs), False
    try:
        while not stop and checkpoint.n_waited(n_warmup) < limit:
            n_done = len(checkpoint.records)
            if n_done >= len(epochs):
                break
            epoch = epochs[n_done]
            record = _run_epoch(step, batches(epoch))
            if not _is_finite(record, step.parameters):
                checkpoint.undo()
                _recover(rates, epoch, record, len(checkpoint.recoveries))
                continue
            if validation_loss is not None:
                record["validation_loss"] = validation_loss()
            checkpoint.commit(record | monitor())
            rates.step(record, warming_up=n_done < n_warmup)
            stop = end_epoch(checkpoint.records[-1])
    finally:
        checkpoint.finish()
    return checkpoint.records


def _means(terms: list[Tensor]) -> Tensor:
    if all(term.ndim == 1 for term in terms):  # one value per row: fewer operations
        return torch.stack(terms).mean(1)
    return torch.stack([term.mean() for term in terms])


@contextmanager
def compiled(networks: Iterable[torch.nn.Module], enabled: bool) -> Iterator[None]:
    """Compile networks, if enabled, for as long as the context lasts."""
    try:
        if enabled:
            for network in networks:
                network.compile()
        yield
    finally:
        for network in networks:
            network._compiled_call_impl = None


@contextmanager
def training_context(device: torch.device, precision: str) -> Iterator[None]:
    """Isolate training from the caller's grad, inference and autocast modes."""
    with ExitStack() as stack:
        stack.enter_context(limited_threads())
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        # One context spans all steps: a cache would keep the weights of the first.
        stack.enter_context(
            torch.autocast(
                device.type,
                dtype=torch.bfloat16,
                enabled=precision == "bfloat16",
                cache_enabled=False,
            )
        )
        yield


def _run_epoch(step: Step, batches: Iterator[Tensor]) -> Record:
    stacked, steps, weights = [], [], []
    for x in batches:
        steps.append(step(x))
        weights.append(len(x))
        if len(steps) == _STACKED:
            stacked.append(torch.stack(steps))
            steps.clear()
    stacked += [torch.stack(steps)] if steps else []
    values = torch.cat(stacked).double().cpu()  # the epoch's only synchronisation
    broken = (~values.isfinite().all(1)).nonzero()
    if len(broken):  # later steps are not finite in any term: report the first
        means = values[broken[0, 0]].tolist()
    else:
        share = torch.tensor(weights, dtype=values.dtype, device="cpu") / sum(weights)
        means = (share @ values).tolist()
    return {"loss": sum(means), **dict(zip(step.names, means, strict=True))}


def _is_finite(record: Record, parameters: list[Tensor]) -> bool:
    if not all(map(math.isfinite, record.values())):
        return False
    total = torch.stack([p.detach().sum() for p in parameters]).sum()
    return math.isfinite(total.item())


def _recover(rates: LearningRates, epoch: int, record: Record, n: int) -> None:
    names = [k for k, v in record.items() if k != "loss" and not math.isfinite(v)]
    what = f"the term {names[0]!r}" if names else "a parameter"
    if n > _MAX_RECOVERIES:
        raise FloatingPointError(
            f"Training diverged: in epoch {epoch + 1}, {what} was not finite, also "
            f"after the learning rate was halved {_MAX_RECOVERIES} times. Lower "
            "learning_rate, scale X (for example with StandardScaler), or choose "
            "another likelihood."
        )
    rate = rates.halve()
    warn(
        f"In epoch {epoch + 1}, {what} was not finite. The epoch was undone and the "
        f"learning rate halved to {rate:.3g}.",
        RuntimeWarning,
    )
