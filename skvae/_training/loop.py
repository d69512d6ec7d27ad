"""The training loop: gradient steps on any sum of loss terms, fast and recoverable.

It knows nothing of autoencoders: it receives a function from a batch to loss terms, the
optimizers of the parameters inside it, and batches.
"""

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau

from skvae._utils.threads import limited_threads
from skvae._utils.warn import warn

Terms = Callable[[Tensor], dict[str, Tensor]]
_MAX_RECOVERIES = 3


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
        terms = self.terms(x)
        self.names = list(terms)
        means = _means(list(terms.values()))
        for p in self.parameters:
            p.grad = None
        means.sum().backward()
        for optimizer in self.optimizers:
            optimizer.step()
        return means.detach()


def minimize(
    step: Step,
    module: torch.nn.Module,
    epochs: Iterable[int],
    batches: Callable[[int], Iterator[Tensor]],
    *,
    validation_loss: Callable[[], float] | None = None,
    patience: int | None = None,
    schedulers: Iterable[Any] = (),
    end_epoch: Callable[[dict[str, float]], bool] = lambda record: False,
) -> list[dict[str, float]]:
    """Train until the epochs or the patience end, or `end_epoch` returns True.

    Parameters
    ----------
    step : callable, Tensor -> Tensor of shape (n_terms,)
    module : nn.Module
        Holds all state that a step changes, apart from the optimizers.
    epochs : iterable of int
    batches : callable, epoch -> iterator of Tensor
    validation_loss : callable, optional
        Evaluated after every epoch; the best epoch's state is restored at the end.
    patience : int, optional
        Stop after this many epochs without a better validation loss.
    schedulers : iterable of torch.optim.lr_scheduler.LRScheduler
        Stepped after every epoch.
    end_epoch : callable, record -> bool
        Called with the record of every epoch; training stops if it returns True.

    Returns
    -------
    records : list of dict
        For each epoch, the mean of every term, and their sum as "loss".

    Warns
    -----
    RuntimeWarning
        After a loss that is not finite (the epoch is undone and the learning rate
        halved), and after an interrupt from the keyboard (the last complete epoch
        stays).

    Raises
    ------
    FloatingPointError
        When three recoveries did not help.
    """
    records: list[dict[str, float]] = []
    state = _State(module, step.optimizers)
    best_loss, best_epoch, best = math.inf, 0, None
    n_recoveries = 0
    epochs = list(epochs)
    try:
        while len(records) < len(epochs):
            epoch = epochs[len(records)]
            record = _run_epoch(step, batches(epoch))
            if not _is_finite(record, step.parameters):
                state.restore()
                n_recoveries += 1
                _recover(step, schedulers, epoch, record, n_recoveries)
                continue
            if validation_loss is not None:
                record["validation_loss"] = validation_loss()
            records.append(record)
            state.save()
            for scheduler in schedulers:
                _step_scheduler(scheduler, record)
            if record.get("validation_loss", -math.inf) < best_loss and validation_loss:
                best_loss, best_epoch = record["validation_loss"], len(records)
                best = copy.deepcopy(module.state_dict())
            if end_epoch(record):
                break
            if patience is not None and len(records) - best_epoch >= patience:
                break
    except KeyboardInterrupt:
        state.restore()
        if not records:
            raise
        warn(
            f"Training was interrupted; the model is that of epoch {len(records)}, the "
            "last complete one.",
            RuntimeWarning,
        )
    if best is not None:
        module.load_state_dict(best)
    return records


def _means(terms: list[Tensor]) -> Tensor:
    if all(term.ndim == 1 for term in terms):  # one value per row: fewer operations
        return torch.stack(terms).mean(1)
    return torch.stack([term.mean() for term in terms])


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


class _State:
    """The last good state of a module and its optimizers, restored in place."""

    def __init__(self, module: torch.nn.Module, optimizers: list[Any]) -> None:
        self.module, self.optimizers = module, optimizers
        self.save()

    def _tensors(self) -> Iterator[Tensor]:
        yield from self.module.parameters()
        yield from self.module.buffers()
        for optimizer in self.optimizers:
            for values in optimizer.state.values():
                yield from (v for v in values.values() if isinstance(v, Tensor))

    def save(self) -> None:
        self.copies = {id(t): t.detach().clone() for t in self._tensors()}

    @torch.no_grad()
    def restore(self) -> None:
        for t in self._tensors():
            # Optimizer state created after the copy is reset to zero.
            saved = self.copies.get(id(t))
            t.zero_() if saved is None else t.copy_(saved)


def _run_epoch(step: Step, batches: Iterator[Tensor]) -> dict[str, float]:
    steps, weights = [], []
    for x in batches:
        steps.append(step(x))
        weights.append(len(x))
    values = torch.stack(steps).double().cpu()  # the epoch's only synchronisation
    broken = (~values.isfinite().all(1)).nonzero()
    if len(broken):  # later steps are not finite in any term: report the first
        means = values[broken[0, 0]].tolist()
    else:
        share = torch.tensor(weights, dtype=values.dtype, device="cpu") / sum(weights)
        means = (share @ values).tolist()
    return {"loss": sum(means), **dict(zip(step.names, means, strict=True))}


def _is_finite(record: dict[str, float], parameters: list[Tensor]) -> bool:
    if not all(map(math.isfinite, record.values())):
        return False
    total = torch.stack([p.detach().sum() for p in parameters]).sum()
    return math.isfinite(total.item())


def _step_scheduler(scheduler: Any, record: dict[str, float]) -> None:
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step(record.get("validation_loss", record["loss"]))
    else:
        scheduler.step()


def _recover(
    step: Step,
    schedulers: Iterable[Any],
    epoch: int,
    record: dict[str, float],
    n: int,
) -> None:
    names = [k for k, v in record.items() if k != "loss" and not math.isfinite(v)]
    what = f"the term {names[0]!r}" if names else "a parameter"
    if n > _MAX_RECOVERIES:
        raise FloatingPointError(
            f"Training diverged: in epoch {epoch + 1}, {what} was not finite, also "
            f"after the learning rate was halved {_MAX_RECOVERIES} times. Lower "
            "learning_rate, scale X (for example with StandardScaler), or choose "
            "another likelihood."
        )
    for group in step.groups:
        group["lr"] *= 0.5
    for scheduler in schedulers:  # some compute every rate from the initial one
        scheduler.base_lrs = [0.5 * lr for lr in scheduler.base_lrs]
    warn(
        f"In epoch {epoch + 1}, {what} was not finite. The epoch was undone and the "
        f"learning rate halved to {float(step.groups[0]['lr']):.3g}.",
        RuntimeWarning,
    )
