"""What a module is made of: built from an estimator's parameters, and described."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from torch import nn

from skvae._training.outliers import draws_in
from skvae._utils.float32 import check_range
from skvae._utils.rows import DataSummary, extremes, summarise
from skvae._utils.sources import is_stored
from skvae._utils.validation import plain, with_plain_integers
from skvae._utils.warn import warn
from skvae.module import AutoencoderModule
from skvae.networks import CustomNetwork, Network
from skvae.networks._foreign import adopt, confining_end
from skvae.networks._probes import probe

_ADDRESS = re.compile(" at 0x[0-9a-fA-F]+")  # differs after unpickling


def new_module(
    estimator: Any,
    network: Network,
    X: np.ndarray,
    generator: torch.Generator,
    summary: DataSummary | None = None,
    *,
    is_float32: bool = False,
) -> AutoencoderModule:
    """Build the module of an estimator for the rows of X, on the CPU.

    The summary is of these rows, or of more of which they are a sample. Rows that are
    drawn in float32 are seen as they are, without another frame.
    """
    d = estimator.n_components
    posterior = with_plain_integers(estimator.make_posterior())
    likelihood = with_plain_integers(clone(estimator.make_likelihood()))
    check_rows(likelihood, X)
    likelihood.look(X, estimator.columns_of_rows)
    summary = summarise(X) if summary is None else summary
    frame = summary.plain_frame() if is_float32 else likelihood.frame(summary)
    summary = summary.in_frame(frame)
    shown = np.stack(extremes(X)) if is_stored(X) else X
    check_range(np.abs(summary.mean) + summary.std, shown)
    likelihood.build(summary)
    n_inputs = likelihood.n_inputs(summary.n_features)
    n_outputs = likelihood.n_outputs(summary.n_features)
    n_encoded = posterior.n_outputs(d)
    encoder = network.make_encoder(n_inputs, n_encoded, generator)
    decoder = network.make_decoder(d, n_outputs, generator)
    if is_foreign(network):
        owner = type(network).__name__
        adopt(encoder, owner, "encoder", n_inputs, n_encoded)
        adopt(decoder, owner, "decoder", d, n_outputs)
        probe(encoder, owner, "encoder", n_inputs)
        probe(decoder, owner, "decoder", d)
        if not is_foreign(likelihood):
            _warn_if_confined(decoder, d, owner)
    posterior.build(d, generator)
    module = AutoencoderModule(encoder, posterior, decoder, likelihood, summary, d)
    return estimator.finish_module(module.reading(X), generator)


def check_rows(likelihood: Any, X: Any) -> None:
    """Raise ValueError for rows that a likelihood cannot have.

    Stored rows have been looked at before, but for their bounds, which are known.
    """
    if not is_stored(X) or draws_in(likelihood):
        likelihood.check_support(X)


def is_foreign(part: Any) -> bool:
    """Tell whether a part is the user's own, or made of modules that are."""
    package = type(part).__module__.partition(".")[0]
    return package != "skvae" or isinstance(part, CustomNetwork)


def _warn_if_confined(decoder: nn.Module, n_components: int, owner: str) -> None:
    end = confining_end(decoder, n_components)
    if end is not None:
        warn(
            f"The decoder of {owner} ends in {end}, which confines its outputs, but "
            "they are standardised: the mean of p(x|z) is the training mean plus the "
            "spread times the output, or logits where X is bounded. Leave the last "
            "layer out; for X between bounds take GaussianLikelihood(bounds=(low, "
            "high)), which adds a sigmoid itself."
        )


def describe_parts(estimator: Any, network: Network) -> dict[str, str]:
    """Describe what the module is made of, by the parameters that say so."""
    parts = {
        "n_components": estimator.n_components,
        "network": network,
        "likelihood": estimator.make_likelihood(),
        "posterior": estimator.make_posterior(),
    }
    return {name: _described(part) for name, part in parts.items()}


def check_same_parts(now: dict[str, str], before: dict[str, str]) -> None:
    """Raise ValueError if the parts are not those that a fit began with."""
    for name, part in now.items():
        if part != before[name]:
            raise ValueError(
                "warm_start and partial_fit go on with the networks that are "
                f"there, but {name} has changed: {part} instead of {before[name]}. "
                "Set it back, or fit a clone with warm_start=False."
            )


def _described(part: Any) -> str:
    """Spell out a part with all its parameters, in the same words in every process.

    The `repr` of scikit-learn leaves out what is at its default, if its configuration
    says so, and the middle of what is long.
    """
    if not hasattr(part, "get_params"):
        return repr(part)
    parameters = part.get_params(deep=False).items()
    text = ", ".join(f"{name}={plain(value)!r}" for name, value in parameters)
    return f"{type(part).__name__}({without_addresses(text)})"


def without_addresses(text: str) -> str:
    """Return the `repr` of an object without addresses in memory."""
    return _ADDRESS.sub("", text)
