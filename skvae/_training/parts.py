"""What a module is made of: built from an estimator's parameters, and described."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
from sklearn.base import clone

from skvae._utils.rows import summarise
from skvae._utils.validation import plain, with_plain_integers
from skvae.likelihoods import resolve_likelihood
from skvae.module import AutoencoderModule
from skvae.networks import Network

_ADDRESS = re.compile(" at 0x[0-9a-f]+")  # differs after unpickling


def new_module(
    estimator: Any, network: Network, X: np.ndarray, generator: torch.Generator
) -> AutoencoderModule:
    """Build the module of an estimator for the rows of X, on the CPU."""
    summary, d = summarise(X), estimator.n_components
    posterior = with_plain_integers(estimator.make_posterior())
    likelihood = with_plain_integers(clone(resolve_likelihood(estimator.likelihood)))
    likelihood.check_support(X)
    likelihood.build(summary)
    n_outputs = likelihood.outputs_per_feature * summary.n_features
    n_encoded = posterior.n_outputs(d)
    encoder = network.make_encoder(summary.n_features, n_encoded, generator)
    decoder = network.make_decoder(d, n_outputs, generator)
    posterior.build(d, generator)
    module = AutoencoderModule(encoder, posterior, decoder, likelihood, summary, d)
    return estimator.finish_module(module, generator)


def describe_parts(estimator: Any, network: Network) -> dict[str, str]:
    """Describe what the module is made of, by the parameters that say so."""
    parts = {
        "n_components": estimator.n_components,
        "network": network,
        "likelihood": resolve_likelihood(estimator.likelihood),
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
    return f"{type(part).__name__}({_ADDRESS.sub('', text)})"
