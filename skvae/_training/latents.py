"""The codes of a trained module: their density, and how much they say about X."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from skvae._distributions.normal import rsample_with_kl
from skvae._utils.random import Stream, make_generator, numpy_seed, standard_normal
from skvae._utils.rows import spacing
from skvae._utils.sources import every
from skvae.densities._adapter import check_enough_codes, fit_density
from skvae.module import AutoencoderModule

_MAX_DIAGNOSED = 4096
_MIN_ENCODED, _MAX_ENCODED = 10_000, 200_000
_ACTIVE_VARIANCE = 0.01
_DIAGNOSTIC_DRAWS = 16


def fit_latent_density(
    estimator: Any,
    module: AutoencoderModule,
    X: np.ndarray,
    seed: int,
    labels: np.ndarray | None = None,
) -> Any:
    """Return the estimator's latent density, fitted to the codes of the rows of X."""
    check_density_of(estimator, len(X))
    density = estimator.make_latent_density(len(X))
    codes, n_draws = np.zeros((1, module.n_components)), 1
    if density is not None:
        step = -(-len(X) // _MAX_ENCODED)
        codes, n_draws = _encoded_draws(module, every(X, step), seed)
        labels = None if labels is None else np.repeat(labels[::step], n_draws)
    density_seed = numpy_seed(seed, Stream.DENSITY)
    return fit_density(density, codes, density_seed, labels, n_draws)


def check_density_of(estimator: Any, n_rows: int) -> None:
    """Raise ValueError if so many rows are too few for the latent density."""
    deterministic = estimator.make_posterior().deterministic
    n_codes = min(n_rows, _MAX_ENCODED) * _draws_per_row(n_rows, deterministic)
    check_enough_codes(estimator.make_latent_density(n_rows), n_rows, n_codes)


def diagnosis(
    module: AutoencoderModule, X: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    """Summarise the posterior on (at most 4,096 of) the training rows."""
    X = every(X, spacing(X, _MAX_DIAGNOSED))
    generator = make_generator(seed, Stream.DIAGNOSE, device=module.device)

    def moments(module: AutoencoderModule, x: Tensor) -> Tensor:
        q = module.encode(x)
        shape = (_DIAGNOSTIC_DRAWS, *q.mean.shape)
        noise = standard_normal(*shape, generator=generator, device=x.device)
        return torch.stack([rsample_with_kl(q, noise)[1], q.mean], 1)

    summary = module.blockwise(moments, X, draws=True).astype(np.float64)
    kl, mean = summary.swapaxes(0, 1)
    active = np.flatnonzero(mean.var(0) > _ACTIVE_VARIANCE)
    return {"kl_per_component_": kl.mean(0), "active_components_": active}


def _encoded_draws(
    module: AutoencoderModule, X: np.ndarray, seed: int
) -> tuple[np.ndarray, int]:
    """Draw z ~ q(z|x) for rows, more than once if they are few; return how often."""
    n_draws = _draws_per_row(len(X), module.posterior.deterministic)
    generator = make_generator(seed, Stream.ENCODE, device=module.device)
    Z = module.draw_codes(X, generator, n_draws)
    return Z.reshape(-1, module.n_components).astype(np.float64), n_draws


def _draws_per_row(n_rows: int, deterministic: bool) -> int:
    return 1 if deterministic else min(10, -(-_MIN_ENCODED // n_rows))
