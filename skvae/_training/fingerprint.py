"""What a fit depends on, in words: by these, a state is known to be that of a fit."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import sklearn
import torch

from skvae import _version
from skvae._training.start import EVENLY_SPACED
from skvae._utils.rows import row_blocks
from skvae._utils.sources import is_stored
from skvae._utils.validation import plain

Fingerprint = dict[str, str]
_ADDRESS = re.compile(" at 0x[0-9a-f]+")  # differs in another process
# Parameters that change nothing of the weights, or nothing but their last bits; how
# many epochs there may be is judged by what it changes.
_FREE = {
    f"{owner}{name}"
    for owner in ("", "second_stage__")
    for name in ("verbose", "device", "distributed", "warm_start", "max_epochs")
}
_VALUES = (str, int, float, bool, type(None))


def fingerprint(fit: Any) -> Fingerprint:
    """Return what a `Fit` depends on: parameters and data, each by its name."""
    estimator = fit.estimator
    parameters = estimator.get_params(deep=True).items()
    table = estimator._table
    columns = table and (table.names, table.kinds, table.levels)
    return {
        "the class": type(estimator).__name__,
        **{name: described(v) for name, v in parameters if name not in _FREE},
        "the shape of a row": str(tuple(fit.row_shape)),
        "the columns": str(columns and _digest([repr(columns)])),
        "X": _rows(fit.X),
        "y": "None" if fit.labels is None else described(fit.labels),
        "X_val": "None" if fit.X_val is None else _rows(fit.X_val),
        "epochs before this fit": str(fit.first_epoch),
        "the weights to go on from": _weights(fit.resumed),
    }


def versions() -> Fingerprint:
    """Return the versions of the libraries that decide the last bits of a fit."""
    return {
        "skvae": _version.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
    }


def difference(old: Fingerprint, new: Fingerprint) -> str | None:
    """Say of which other fit the old fingerprint is, None if they are the same."""
    for name in old | new:
        before, now = old.get(name, "not there"), new.get(name, "not there")
        if before != now:
            return f"a fit with {name}={before}, this one has {name}={now}"
    return None


def described(value: Any) -> str:
    """Spell out a parameter, in the same words in every process.

    An estimator is its class: its own parameters are described by themselves. Arrays
    and functions are told apart by digests of values and of code.
    """
    if hasattr(value, "get_params"):
        return type(value).__name__
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(map(described, value)))}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(described, value))}]"
    if isinstance(value, dict):
        items = (f"{described(k)}: {described(v)}" for k, v in value.items())
        return f"{{{', '.join(items)}}}"
    if isinstance(value, np.ndarray):
        content = repr(value.tolist()).encode()
        return f"an array of shape {value.shape}, {value.dtype}, {_digest([content])}"
    if isinstance(value, np.random.RandomState):
        return "a RandomState"
    if isinstance(value, FunctionType):
        return f"{value.__qualname__}, {_digest(_code(value))}"
    return _ADDRESS.sub("", repr(plain(value)))


def _code(function: FunctionType) -> list[str]:
    """Return what a function does, as far as it is in its code and in its closure."""
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    values = [*cells, *(function.__defaults__ or ())]
    texts = [described(v) for v in values if isinstance(v, (*_VALUES, FunctionType))]
    return [*_parts(function.__code__), *texts]


def _parts(code: CodeType) -> list[str]:
    constants = [_parts(c) if isinstance(c, CodeType) else c for c in code.co_consts]
    return [code.co_code.hex(), repr(code.co_names), repr(constants)]


def _rows(X: Any) -> str:
    blocks = (np.ascontiguousarray(block).view(np.uint8) for block in _looked_at(X))
    shape, dtype = tuple(map(int, X.shape)), X.dtype
    return f"rows of shape {shape}, {dtype}, {_digest(blocks)}"


def _looked_at(X: Any) -> Iterable[np.ndarray]:
    """Return all rows, of stored ones what a look at them has told."""
    if not is_stored(X) or X.facts is None:
        return row_blocks(X)
    kept = [rows for name, (_, rows) in X.kept.items() if name == EVENLY_SPACED]
    facts = X.facts
    ends = facts.ends.lows, facts.ends.highs
    return (np.asarray(facts.count), facts.mean, facts.m2, *ends, *kept)


def _weights(model: Any) -> str:
    """Return a digest of the weights of a fitted model, if there is one."""
    if model is None:
        return "None"
    tensors = model.module_.state_dict().values()
    return _digest(
        t.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        for t in tensors
    )


def _digest(parts: Iterable[Any]) -> str:
    digest = blake2b(digest_size=6)
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
    return f"digest {digest.hexdigest()}"
