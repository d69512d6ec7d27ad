"""What a fit has come to: for another process to go on with, or for the next fit."""

from __future__ import annotations

import math
from typing import Any

import torch

from skvae._training.checkpoint import State
from skvae._training.fingerprint import described, difference, versions
from skvae._training.schedules import Annealing, LearningRates, make_schedulers
from skvae._utils.adam import Adam
from skvae._utils.cache import content_key
from skvae._utils.rows import evenly_spaced
from skvae._utils.warn import warn

# Early stopping makes `max_epochs` a mere limit. Of a training as long as this one,
# annealing then takes its share.
_LONGEST_ANNEALED = 100


# ------------------------------------------------------------- for another process


def whole_state(fit: Any) -> State:
    """Return all that another process needs to go on with a `Fit`.

    Everything random is derived from the seed and the number of the epoch, so that it
    goes on, from the last complete epoch, as if nothing had been.

    Raises
    ------
    ValueError
        If the rows are a chunk of a stream.
    """
    if fit.stream:
        raise ValueError(
            "A call of partial_fit is one epoch: there is nothing to go on with inside "
            "of it. Save the estimator itself between calls."
        )
    values = {
        "fingerprint": fit.fingerprint,
        "versions": versions(),
        "seed": fit.seed,
        "first_epoch": fit.first_epoch,
        "origin": fit.origin,
        "records": [],
        "is_trained": fit.is_trained,
    }
    if not fit.has_complete_epoch:
        return State({}, values)
    annealing, state = annealing_of(fit), fit.checkpoint.state()
    course = {
        "n_annealed": annealing.n_epochs,
        "n_changing": annealing.n_changing,
        "n_batches": len(fit.split[0]),
        "scheduled_from": fit.scheduled_from,
    }
    return State(state.tensors, {**values, **state.values, **course})


def check_state(fit: Any, values: dict[str, Any]) -> None:
    """Raise ValueError unless a state is one that a `Fit` comes by.

    Warns
    -----
    UserWarning
        If other versions of libraries have begun it, whose last bits may differ.
    """
    found = difference(values["fingerprint"], fit.fingerprint)
    if found is not None:
        raise ValueError(f"The checkpoint is of {found}.")
    check_course(fit, values)
    found = difference(values["versions"], versions())
    if found is not None:
        warn(
            f"The checkpoint is of {found}. The fit goes on, but the "
            "last bits may differ from those of one without a break."
        )


def check_course(fit: Any, values: dict[str, Any]) -> None:
    """Raise ValueError if another limit in epochs makes another training so far.

    Parameters
    ----------
    fit : Fit, or object with its `estimator`, `first_epoch`, `n_epochs`, `stops_early`
        and `stream`
    values : dict
        Of a state.
    """
    records, origin = values["records"], values["origin"]
    n_done = origin + len(records) - fit.first_epoch
    if not records:
        return
    told = f"The checkpoint has {n_done} epochs of a fit with another max_epochs"
    if n_done > fit.n_epochs:
        raise ValueError(f"{told}: this one ends after {fit.n_epochs}.")
    annealing = annealing_of(fit)
    if not _anneals_alike(annealing, values):
        raise ValueError(
            f"{told}, of which the weight of the KL divergence rises over a share: of "
            f"{annealing.n_epochs} epochs in this one, of {values['n_annealed']} then."
        )
    changing = max(0, annealing.n_changing - passes_at(fit, origin))
    if not _has_rates(fit, values, changing):
        raise ValueError(f"{told}, or with other learning rates by its lr_schedule.")


def _anneals_alike(annealing: Annealing, values: dict[str, Any]) -> bool:
    """Tell whether all weights of terms have been the same up to now."""
    n_epochs, n_changing = values["n_annealed"], values["n_changing"]
    if annealing.n_epochs == n_epochs:
        return True
    n_done, n_batches = values["origin"] + len(values["records"]), values["n_batches"]
    before = Annealing(annealing.function, n_epochs, torch.device("cpu"))
    times = (e + i / n_batches for e in range(n_done) for i in range(n_batches))
    return annealing.n_changing == n_changing and all(
        annealing.at(t) == before.at(t) for t in times
    )


def _has_rates(fit: Any, values: dict[str, Any], changing: float) -> bool:
    """Tell whether all learning rates up to now are those of the schedule."""
    start, records = values["scheduled_from"], values["records"]
    weight = torch.zeros(1, device="cpu", dtype=torch.float32)
    optimizer = Adam([weight], fit.estimator.learning_rate)
    schedule = fit.estimator.lr_schedule
    schedulers = make_schedulers(schedule, optimizer, schedule_length(fit))
    rates = LearningRates(optimizer.param_groups, schedulers)
    rates = rates.replay(records, values["recoveries"], start, changing)
    return rates[start:] == [record["learning_rate"] for record in records[start:]]


# ---------------------------------------------------------------- for the next fit


def kept_state(fit: Any) -> State:
    """Return what an estimator keeps of a `Fit` beside its module, to go on from it.

    The module has the weights of the best epoch, or else of the last one.
    """
    state = fit.checkpoint.state()
    is_last = fit.checkpoint.kept_epoch == len(fit.checkpoint.records)
    left_out = ("best/", "weights/") if is_last else "best/"
    tensors = {k: t for k, t in state.tensors.items() if not k.startswith(left_out)}
    values = {
        **state.values,
        "origin": fit.origin,
        "data": _data(fit),
        "schedule": _schedule(fit),
        "scheduled_from": fit.scheduled_from,
    }
    return State(tensors, values)


def continued_state(fit: Any) -> State | None:
    """Return the state from which a `Fit` goes on that follows another one, if any.

    Weights, and the best epoch and its loss, are those of the earlier fit if the rows
    are the same: on other rows, training goes on from the model that the estimator is.
    If patience has run out, it begins anew.
    """
    state = getattr(fit.resumed, "_training_state", None)
    if state is None:
        return None
    old, tensors = state.values, state.tensors
    n_done = len(old["records"])
    values = {**old, "scheduled_from": _schedule_start(fit, old)}
    if old["schedule"] != _schedule(fit):
        values["recoveries"] = ()
    if fit.stream or old["data"] != _data(fit):
        tensors = {k: t for k, t in tensors.items() if not k.startswith("weights/")}
        values |= _NO_BEST | {"waits_since": n_done}
    elif not fit.stops_early:
        values |= _NO_BEST
    elif _has_waited(fit, values) >= fit.estimator.n_iter_no_change:
        values["waits_since"] = n_done
    return State(tensors, values)


_NO_BEST = {"best_epoch": 0, "best_loss": float("inf")}


def _has_waited(fit: Any, values: dict[str, Any]) -> int:
    changing = annealing_of(fit).n_changing - passes_at(fit, values["origin"])
    since = max(values["best_epoch"], values["waits_since"], changing)
    return len(values["records"]) - since


def _data(fit: Any) -> tuple[Any, ...]:
    """Return by what the rows of a `Fit` are known again."""
    rows = fit.X_val
    some = None if rows is None else content_key(evenly_spaced(rows))
    return fit.sample.chunks, some


def _schedule(fit: Any) -> str:
    """Name what a schedule of learning rates depends on."""
    name = described(fit.estimator.lr_schedule)
    length = f" over {schedule_length(fit)}" if name == "'cosine'" else ""
    return f"{fit.estimator.learning_rate!r}, {name}{length}"


def _schedule_start(fit: Any, old: dict[str, Any]) -> int:
    """Return after how many of the epochs that are there a schedule begins.

    A schedule of the same name goes on; one over all epochs of a fit, or over as many
    chunks of a stream, begins anew after these.
    """
    n_done, start = len(old["records"]), old["scheduled_from"]
    if old["schedule"] != _schedule(fit):
        return n_done
    if fit.estimator.lr_schedule != "cosine":
        return start
    goes_on = fit.stream and n_done - start < schedule_length(fit)
    return start if goes_on else n_done


def schedule_length(fit: Any) -> int:
    """Return the number of epochs in which a rate falls that is to fall to 0."""
    return int(fit.estimator.max_epochs if fit.stream else fit.n_epochs)


def annealing_of(fit: Any) -> Annealing:
    """Return the annealing of a `Fit`, with the epochs to which its progress refers.

    They are passes over the stream, where X is a chunk of one.
    """
    n_passes = passes_at(fit, fit.first_epoch + fit.n_epochs)
    n_passes = math.ceil(round(n_passes, 6))  # a sum of shares
    n_epochs = max(fit.estimator.max_epochs, n_passes)
    n_annealed = min(n_epochs, _LONGEST_ANNEALED) if fit.stops_early else n_epochs
    device = getattr(fit, "device", torch.device("cpu"))
    return Annealing(fit.estimator.annealing, n_annealed, device)


def n_warmup(fit: Any, annealing: Annealing) -> float:
    """Return the number of records of a `Fit` in which weights of terms change."""
    return max(0, annealing.n_changing - passes_at(fit, fit.origin))


def passes_at(fit: Any, epoch: float) -> float:
    """Return how often each row of the stream has been seen, at a point in time.

    In epochs, where X is all there is.

    Parameters
    ----------
    fit : Fit, or object that describes one
    epoch : float
        Of all epochs of the model.
    """
    if not hasattr(fit, "sample"):
        return epoch
    share = len(fit.X) / fit.sample.n_seen
    return fit.sample.n_passes + (epoch - fit.first_epoch) * share
