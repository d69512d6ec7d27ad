"""The start of networks with a linear path: probabilistic PCA."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from skvae.module import AutoencoderModule

# Rows and values that components are computed from, at most.
_MOST_ROWS, _MOST_VALUES = 10_000, 2**23
# Least variance of the noise, as a share of that of the last component.
_LEAST_NOISE = 0.01
_N_FILLS = 10  # of missing values by the components of those before
# Where a location saturates, its slope stands for less than it could reach. Outputs
# of a component change by no more than its share of a feature's spread times this.
_LARGEST_STEP = 2.0
_FAR = 8  # outputs at which a location saturates


def start_at_pca(module: AutoencoderModule, X: np.ndarray, seed: int) -> None:
    """Let the linear paths of both networks begin at probabilistic PCA of X.

    The encoder's is the mean of the exact posterior of that model, with its standard
    deviations, and the decoder's its loadings, to first order where the likelihood is
    not linear in the decoder's outputs. Networks without linear paths stay as they are.

    Parameters
    ----------
    module : AutoencoderModule
        New, on the CPU.
    X : ndarray of shape (n_samples, n_features)
        Rows to train on, `most_rows` are enough.
    seed : int
        Below 2**32, of the randomised decomposition.

    References
    ----------
    Tipping & Bishop, "Probabilistic Principal Component Analysis", 1999, eq. 7 and 8.
    """
    paths = [getattr(n, "linear_path", None) for n in (module.encoder, module.decoder)]
    if len(X) < 2 or any(path is None for path in paths):
        return
    with torch.no_grad():
        x = _seen(module, X)
        missing, parts = np.isnan(x), None
        for _ in range(_N_FILLS if missing.any() else 1):
            x[missing] = _expected(x, parts)[missing]
            x -= x.mean(0)
            parts = _components(x, module.n_components, seed)
        _start(module, *paths, x.var(0), *parts)


def _start(
    module: AutoencoderModule,
    encode: Tensor,
    decode: Tensor,
    feature_variances: np.ndarray,
    V: np.ndarray,
    variances: np.ndarray,
    noise: float,
) -> None:
    """Write the start into the linear paths, views of the weights."""
    d, n = module.n_components, len(variances)
    root = np.sqrt(variances - noise)
    loadings = V * root  # inputs of the encoder are loadings @ z
    encode[:d], decode[:] = 0, 0
    encode[:n] = _tensor((V * (root / variances)).T)
    rows, unit = module.likelihood.start_outputs(loadings), 1.0
    if rows is None:
        unit = 1 / module.factor.double().numpy()
        rows = _locations(module, loadings, np.sqrt(feature_variances))
    decode[: len(rows), :n] = _tensor(rows)
    log_scale = np.zeros(d)
    log_scale[:n] = np.log(noise / variances) / 2
    module.posterior.start(module.encoder.output, _tensor(log_scale))
    errors = np.maximum(feature_variances - np.square(loadings).sum(1), 0)
    module.likelihood.start(errors * np.square(unit))


def _locations(
    module: AutoencoderModule, loadings: np.ndarray, deviations: np.ndarray
) -> np.ndarray:
    """Return what locations of p(x|z) begin with, for loadings of the encoder's input.

    Deviations are those of the same input.
    """
    spread = 1 / module.factor.double().numpy()
    gain, steepest = _gains(module.likelihood, module.n_features) / spread
    least = np.minimum(deviations / _LARGEST_STEP, steepest)
    gain = np.maximum(gain, np.maximum(least, 1e-12))
    return loadings / gain[:, None]


def most_rows(n_features: int) -> int:
    """Return how many rows are enough to compute components from."""
    return max(2, min(_MOST_ROWS, _MOST_VALUES // n_features))


def _seen(module: AutoencoderModule, X: np.ndarray) -> np.ndarray:
    """Return rows as the encoder sees them, in float64, NaN where they are missing."""
    return module.inputs(module.frame.read(X)).double().numpy()


def _expected(x: np.ndarray, parts: Any) -> np.ndarray:
    """Return what principal components make of centred rows, 0 without any."""
    if parts is None:
        return np.zeros_like(x)
    V, variances, noise = parts
    return (x @ V * (1 - noise / variances)) @ V.T


def _components(
    x: np.ndarray, n_components: int, seed: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return components, shape (n_features, n), their variances and that of noise."""
    if not x.any():
        return np.empty((x.shape[1], 0)), np.empty(0), 0.0
    n = min(n_components, *x.shape)
    pca = PCA(n, random_state=seed).fit(x)
    variances, total = np.square(pca.singular_values_) / len(x), x.var(0).sum()
    variances = variances[variances > 1e-9 * total]
    n, n_rest = len(variances), x.shape[1] - len(variances)
    noise = max(total - variances.sum(), 0) / max(n_rest, 1)
    noise = min(max(noise, _LEAST_NOISE * variances[-1]), 0.99 * variances[-1])
    return pca.components_[:n].T, variances, noise


def _gains(likelihood: nn.Module, n_features: int) -> np.ndarray:
    """Return how fast the mean of p(x|z) changes with outputs, around 0 and at most.

    Differences over one unit: where a mean saturates, they say more than a slope.
    """
    h = torch.arange(-_FAR, _FAR + 2, device="cpu") - 0.5
    shape = len(h), likelihood.outputs_per_feature * n_features
    raw = torch.zeros(shape, dtype=torch.float32, device="cpu")
    raw[:, :n_features] = h[:, None]
    steps = likelihood(raw).mean.double().numpy()
    steps = steps[1:] - steps[:-1]
    return np.stack([steps[_FAR], steps.max(0)])


def _tensor(values: Any) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))
