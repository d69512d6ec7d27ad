"""Whether all processes of a fit have been given the same."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

import numpy as np
from torch import Tensor

from skvae._training.parts import without_addresses
from skvae._training.processes.one import OneProcess
from skvae._utils.cache import content_key
from skvae._utils.rows import evenly_spaced
from skvae._utils.sources import is_stored
from skvae._utils.validation import plain

Facts = dict[str, str]

_FREE = ("device", "verbose")  # parameters that may differ
_FIRST = 64  # rows of a file, by which it is known to be the same


def check_same(
    processes: OneProcess,
    estimator: Any,
    method: str,
    data: dict[str, np.ndarray | None],
    previous: Any = None,
) -> None:
    """Raise ValueError on all processes if they have been given different things.

    Parameters
    ----------
    processes : OneProcess
    estimator : BaseAutoencoder
    method : {"fit", "partial_fit"}
    data : dict of str to ndarray of shape (n, ...) or None
        Arrays by their names, of which up to 4,096 rows are compared; of stored rows
        the first, until `check_same_ends` knows more.
    previous : BaseAutoencoder, optional
        What the fit goes on from.
    """
    if processes.size == 1:
        return
    facts = {"method": method, "class": type(estimator).__name__}
    facts |= _parameters(estimator)
    for name, X in data.items():
        facts |= _described(name, X)
    facts |= _columns(estimator)
    facts["model to go on from"] = _digest_of(previous)
    _compare(processes, facts)


def check_same_ends(processes: OneProcess, data: dict[str, Any]) -> None:
    """Raise ValueError on all processes if stored rows have other ends elsewhere.

    Parameters
    ----------
    processes : OneProcess
    data : dict of str to ndarray, StoredRows or None
        Rows by their names, that have been looked at.
    """
    if processes.size == 1:
        return
    facts = {}
    for name, X in data.items():
        if is_stored(X) and X.facts is not None:
            ends = np.stack([X.facts.ends.lows, X.facts.ends.highs])
            facts[f"ends of the columns of {name}"] = content_key(ends)[-1].hex()
            facts[f"missing values of {name}"] = str(np.sum(X.facts.count))
    _compare(processes, facts)


def _compare(processes: OneProcess, facts: Facts) -> None:
    """Raise ValueError on all processes unless all of them have the same facts."""
    first, *others = processes.gathered(facts)
    for rank, other in enumerate(others, 1):
        names = [n for n in first | other if first.get(n) != other.get(n)]
        if names:
            raise ValueError(
                "With distributed=True all processes must be given the same X and "
                f"parameters, but process {rank} differs from process 0 in its "
                f"{_listed(names, first, other)}. Load the same data, in the same "
                "order, and build the same estimator on all of them: rows are shared "
                "by fit itself."
            )


def _parameters(estimator: Any) -> Facts:
    """Return all parameters but those that may differ, and those inside of others."""
    parameters = estimator.get_params(deep=True)
    return {
        f"parameter {name!r}": without_addresses(repr(plain(value)))
        for name, value in parameters.items()
        if name not in _FREE
    }


def _columns(estimator: Any) -> Facts:
    """Return what is known of columns beside their numbers."""
    table, names = estimator._table, getattr(estimator, "feature_names_in_", None)
    facts = {
        "shape of a row": str(tuple(estimator._row_shape)),
        "names of columns": str(None if names is None else list(names)),
    }
    if table is not None:
        facts["names of columns"] = repr(table.names)
        facts["types of columns"] = str([table.kinds, list(map(str, table.types))])
        facts["categories of columns"] = repr(table.levels)
    return facts


def _described(name: str, X: np.ndarray | None) -> Facts:
    if X is None:
        return {f"shape of {name}": "None"}
    # Of stored rows the first: to find others, all blocks would be read.
    some = np.asarray(X[:_FIRST] if is_stored(X) else evenly_spaced(X))
    return {
        f"shape of {name}": str(X.shape),
        f"type of {name}": str(X.dtype),
        f"place of {name}": "a file" if is_stored(X) else "memory",
        f"rows of {name}": content_key(some)[-1].hex(),
    }


def _digest_of(model: Any) -> str:
    digest = blake2b(digest_size=20)
    for tensor in _tensors_of(model):
        digest.update(tensor.detach().cpu().double().numpy().tobytes())
    return digest.hexdigest()


def _tensors_of(model: Any) -> Iterator[Tensor]:
    """Yield weights and moments of a fitted model, and of one that is its density."""
    if not hasattr(model, "module_"):
        return
    yield from model.module_.state_dict().values()
    if model._training_state is not None:
        yield from model._training_state.tensors.values()
    yield from _tensors_of(getattr(model, "_density", None))


def _listed(names: list[str], first: Facts, other: Facts) -> str:
    """Name what differs, with the values of the first of them if these are short."""
    values = [facts.get(names[0], "None") for facts in (other, first)]
    is_digest = names[0].startswith(("rows of", "ends of", "model to go"))
    shown = "" if is_digest else f" ({values[0]} instead of {values[1]})"
    return ", ".join([names[0] + shown, *names[1:3]])
