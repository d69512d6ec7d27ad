"""A fitted estimator as a code: its stages, and the order in which they are coded."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skvae._distributions.normal import DiagonalNormal, FullNormal
from skvae.compression._grid import Grid
from skvae.compression._levels import Encoder, Levels, NormalCodes
from skvae.compression._stack import MOST_BITS, Floats, Stack, Symbols
from skvae.densities import StandardNormal
from skvae.estimators.base import BaseAutoencoder
from skvae.module import AutoencoderModule

# Probabilities of one block: 4 MB in float32, which a processor's cache may hold.
_MOST_PROBABILITIES = 2**20
_MOST_VALUES = 2**16  # of a feature: the coder's probabilities are multiples of 2^-24


class Model:
    """Codes rows by a model of them, their codes by a model of these, and so on.

    Parameters
    ----------
    estimator : BaseAutoencoder
    grid : Grid
        Of the codes.

    Attributes
    ----------
    support : ndarray of shape (n_values,)
        Values of a feature.
    n_features : int
    most_doublings : int
        The k of the largest block, of 2^k rows.
    fingerprint : bytes
        Hash of the weights of all stages.
    most_bits : int
        Most bits by which the codes of a row are drawn.
    """

    def __init__(self, estimator: Any, grid: Grid) -> None:
        self.grid = grid
        modules = [_on_cpu(stage.module_) for stage in _stages(estimator)]
        self.encoders = [Encoder(module, grid) for module in modules]
        first = Levels(modules[0], grid)
        self.likelihoods = [first, *(NormalCodes(m, grid) for m in modules[1:])]
        self.support, self.n_features = first.support, modules[0].n_features
        n_rows = _MOST_PROBABILITIES // (self.n_features * len(self.support))
        n_rows = max(1, min(modules[0].block, n_rows))
        self.most_doublings = n_rows.bit_length() - 1
        self.most_bits = MOST_BITS * sum(module.n_components for module in modules)
        self.fingerprint = _fingerprint(modules)

    def push(self, stack: Stack, symbols: Symbols) -> None:
        """Push a block of rows.

        At every stage, a code is drawn from q(z|x), x is pushed by p(x|z), and the code
        takes its place; the last code is pushed by the prior.
        """
        for encoder, likelihood in zip(self.encoders, self.likelihoods, strict=True):
            codes = encoder.draw(stack, likelihood.values(symbols))
            likelihood.push(stack, symbols, codes)
            symbols = codes
        self.grid.push(stack, symbols, *_prior(symbols.shape))

    def pop(self, stack: Stack, n_rows: int) -> Symbols:
        """Pop a block of rows: every step of `push` undone, the last first."""
        shape = n_rows, self.encoders[-1].module.n_components
        symbols = self.grid.pop(stack, *_prior(shape))
        stages = zip(self.encoders, self.likelihoods, strict=True)
        for encoder, likelihood in reversed([*stages]):
            codes, symbols = symbols, likelihood.pop(stack, symbols)
            encoder.undraw(stack, likelihood.values(symbols), codes)
        return symbols


def _prior(shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    return np.zeros(shape), np.ones(shape)


def _stages(estimator: Any) -> list[BaseAutoencoder]:
    """Return the model of rows, that of its codes if there is one, and so on.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        If the estimator cannot code rows.
    """
    if not isinstance(estimator, BaseAutoencoder):
        raise TypeError(
            "The estimator must be a VAE, an IWAE or a TwoStageVAE, got "
            f"{type(estimator).__name__}. Of a pipeline pass the last step, and rows "
            "that the steps before have transformed; of a search best_estimator_."
        )
    check_is_fitted(estimator)
    stages, density = [], estimator
    while isinstance(density, BaseAutoencoder):
        stages.append(density)
        _check_posterior(density)
        check_likelihood = _check_normal if stages[1:] else _check_support
        check_likelihood(density)
        density = density.latent_density_
    if not isinstance(density, StandardNormal):
        raise TypeError(
            "Codes can be written under the prior N(0, I) or by a second stage, but "
            f"{type(stages[-1]).__name__} has the latent density {density!r}. Use "
            "set_params(latent_density=None).fit_latent_density(X), or a TwoStageVAE."
        )
    return stages


def _check_posterior(stage: BaseAutoencoder) -> None:
    module, name = stage.module_, type(stage).__name__
    if module.posterior.deterministic:
        raise TypeError(
            f"The codes of {name} have no spread to draw them from, which bits back "
            "coding needs. Use a VAE, an IWAE or a TwoStageVAE."
        )
    x = torch.zeros((2, module.n_features), device=module.device)
    with torch.inference_mode():
        q = module.encode(x)
    if not isinstance(q, DiagonalNormal | FullNormal):
        raise TypeError(
            f"The posterior q(z|x) must be normal, but {name} was fitted with "
            f"{type(module.posterior).__name__}. Use posterior='diagonal' or 'full'."
        )


def _check_support(stage: BaseAutoencoder) -> None:
    likelihood = stage.likelihood_
    name, support = type(likelihood).__name__, likelihood.support
    if support is None:
        raise TypeError(
            f"The likelihood must give probabilities to few values, but {name} has no "
            "`support`. Use likelihood='bernoulli' for X of 0 and 1, "
            "'discretized_logistic' for levels, or one of your own: docs/adding.md. "
            "For a table with categories there is none: compress arrays of numbers."
        )
    support = np.asarray(support, dtype=np.float64)
    is_valid = support.ndim == 1 and 2 <= len(support) <= _MOST_VALUES
    if not (is_valid and np.isfinite(support).all() and (np.diff(support) > 0).all()):
        raise ValueError(
            f"`support` of {name} must be 2 to {_MOST_VALUES:,} finite values that "
            f"rise, got {support}. Use fewer levels."
        )


def _check_normal(stage: BaseAutoencoder) -> None:
    module = stage.module_
    u = torch.zeros((2, module.n_components), device=module.device)
    with torch.inference_mode():
        p = module.decode(u)
    if not isinstance(p, DiagonalNormal):
        raise TypeError(
            "A stage that models codes must have a normal likelihood, got "
            f"{type(stage.likelihood_).__name__}. Use likelihood='gaussian' for it."
        )


def _on_cpu(module: AutoencoderModule) -> AutoencoderModule:
    """Return the module on the CPU, a copy if it is elsewhere."""
    return module if module.device.type == "cpu" else copy.deepcopy(module).cpu()


def _fingerprint(modules: list[AutoencoderModule]) -> bytes:
    """Return a hash of all weights and buffers."""
    digest = hashlib.blake2b(digest_size=8)
    for module in modules:
        tensors = {k: v for k, v in module.state_dict().items() if torch.is_tensor(v)}
        for name, tensor in tensors.items():
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
            digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy())
    return digest.digest()
