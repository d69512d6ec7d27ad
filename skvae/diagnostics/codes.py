"""Codes of rows, their posteriors, and how they compare with the prior."""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skvae._distributions.normal import (
    DiagonalNormal,
    FullNormal,
    rsample_with_log_prob,
)
from skvae._utils.random import (
    DiagnosticStream,
    draw_seed,
    make_generator,
    numpy_seed,
    standard_normal,
)
from skvae._utils.rows import without_values
from skvae.estimators.base import BaseAutoencoder
from skvae.metrics import (
    LatentSpectrum,
    MaximumMeanDiscrepancy,
    TypicalSetGap,
    aggregated_posterior_mmd,
    latent_spectrum,
)
from skvae.metrics.latent import entropy_gap
from skvae.module import AutoencoderModule
from skvae.pipeline._abilities import last_step

_ENTROPY_DRAWS = 16


class LatentDiagnostics(NamedTuple):
    """Measures of the codes of a fitted estimator."""

    mmd: MaximumMeanDiscrepancy
    """Of the aggregated posterior from N(0, I)."""
    spectrum: LatentSpectrum
    """Singular values of the codes, which N(0, I) would make 1."""
    typical_set_gap: TypicalSetGap | None
    """Of draws from their posteriors; None for a deterministic encoder."""


def latent_diagnostics(
    estimator: BaseAutoencoder, X: Any, *, random_state: Any = None
) -> LatentDiagnostics:
    """Measure how one draw z ~ q(z|x) for every row compares with the prior.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted, with any posterior.
    X : array-like or Tensor of shape (n_samples, n_features)
        At least two rows.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    diagnostics : LatentDiagnostics
        Named tuple (mmd, spectrum, typical_set_gap). For the codes of a second stage,
        pass ``model.second_stage_`` and draws of the first's.

    Notes
    -----
    The gap is ``100 |-log q(z|x) / d - h| / |h|`` with h the entropy of q(z|x) by
    component, exact for normal posteriors, full covariances included. That of a flow is
    a mean over 16 draws, of which only the log-determinant varies.

    References
    ----------
    Dai & Wipf, "Diagnosing and Enhancing VAE Models", ICLR 2019, table 3 and figure 2.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae import VAE
    >>> from skvae.diagnostics import latent_diagnostics
    >>> X = np.random.default_rng(0).normal(size=(64, 3))
    >>> vae = VAE(2, max_epochs=2, random_state=0).fit(X)
    >>> latent_diagnostics(vae, X, random_state=0).spectrum.singular_values.shape
    (2,)
    """
    module, X = estimator._fitted_module(), estimator._validate(X)
    seed, d = draw_seed(random_state), module.n_components
    generator = make_generator(seed, DiagnosticStream.CODES, device=module.device)

    def draw(module: AutoencoderModule, x: Tensor) -> Tensor:
        q, shape = module.encode(x), (_ENTROPY_DRAWS, len(x), d)
        noise = standard_normal(*shape, generator=generator, device=x.device)
        if module.posterior.deterministic:
            return q.rsample(noise[0])
        z, log_q = rsample_with_log_prob(q, noise)
        # log q of a normal distribution is its entropy and this, for every draw.
        beyond = 0.5 * (d - noise.square().sum(-1))
        entropy = (beyond - log_q).mean(0)
        return torch.cat([z[0], log_q[0, :, None], entropy[:, None]], 1)

    drawn = module.blockwise(draw, X, draws=True).astype(np.float64)
    Z, by_row = drawn[:, :d], drawn[:, d:] / d
    return LatentDiagnostics(
        aggregated_posterior_mmd(
            Z, random_state=numpy_seed(seed, DiagnosticStream.PRIOR)
        ),
        latent_spectrum(Z),
        entropy_gap(*by_row.T) if by_row.size else None,
    )


def posterior_moments(
    estimator: BaseAutoencoder, X: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means and standard deviations of q(z|x) for every row.

    Parameters
    ----------
    estimator : BaseAutoencoder
    X : array-like or Tensor of shape (n_samples, n_features)

    Returns
    -------
    means, deviations : ndarray of shape (n_samples, n_components)
        The deviations of a deterministic encoder are 0.

    Raises
    ------
    TypeError
        If the posterior is neither normal with independent components nor a point.
    """
    module, X = estimator._fitted_module(), estimator._validate(X)

    def moments(module: AutoencoderModule, x: Tensor) -> Tensor:
        q = module.encode(x)
        if not (isinstance(q, DiagonalNormal) or module.posterior.deterministic):
            refuse_posterior(estimator, "normal posteriors with independent components")
        return torch.stack([q.mean, q.variance.sqrt()], 1)

    means, deviations = module.blockwise(moments, X).swapaxes(0, 1)
    nothing = without_values(X)  # of which the prior is what is known
    means[nothing], deviations[nothing] = 0, 0 if module.posterior.deterministic else 1
    return means.astype(np.float64), deviations.astype(np.float64)


def posterior_draws(
    estimator: BaseAutoencoder, X: Any, *, random_state: Any = None
) -> NDArray[np.float64]:
    """Draw one code z ~ q(z|x) for every row.

    Draws, not means, are what a latent density should resemble: together they are the
    aggregated posterior.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted, with any posterior.
    X : array-like or Tensor of shape (n_samples, n_features)
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    Z : ndarray of shape (n_samples, n_components)
        The means, where the encoder is deterministic.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae import VAE
    >>> from skvae.diagnostics import posterior_draws
    >>> X = np.random.default_rng(0).normal(size=(64, 3))
    >>> vae = VAE(2, max_epochs=2, random_state=0).fit(X)
    >>> posterior_draws(vae, X, random_state=0).shape
    (64, 2)
    """
    module, X = estimator._fitted_module(), estimator._validate(X)
    generator = make_generator(
        draw_seed(random_state), DiagnosticStream.CODES, device=module.device
    )
    return module.draw_codes(X, generator)[:, 0].astype(np.float64)


def posterior_factors(
    estimator: BaseAutoencoder, X: Any
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Means and factors of normal posteriors: deviations, or triangular matrices."""
    module, X = estimator._fitted_module(), estimator._validate(X)

    def moments(module: AutoencoderModule, x: Tensor) -> Tensor:
        q = module.encode(x)
        if isinstance(q, FullNormal):
            return torch.cat([q.mean.unsqueeze(1), q.factor], 1)
        if not isinstance(q, DiagonalNormal):
            refuse_posterior(estimator, "normal posteriors")
        return torch.stack([q.mean, q.variance.sqrt()], 1)

    means_and_factors = module.blockwise(moments, X)
    factors = means_and_factors[:, 1:]
    return means_and_factors[:, 0], factors[:, 0] if factors.shape[1] == 1 else factors


def autoencoder_of(owner: str, estimator: Any) -> BaseAutoencoder:
    """Return a fitted autoencoder, which may stand at the end of a pipeline."""
    last = last_step(estimator)
    if not isinstance(last, BaseAutoencoder):
        end = "one that ends in " if isinstance(estimator, Pipeline) else ""
        raise TypeError(
            f"{owner} needs an autoencoder of skvae, such as VAE, or a Pipeline that "
            f"ends in one, got {end}a {type(last).__name__}."
        )
    check_is_fitted(last)
    return last


def refuse_posterior(estimator: BaseAutoencoder, what: str) -> NoReturn:
    """Raise a TypeError that says what posterior is needed."""
    posterior, name = estimator.module_.posterior, type(estimator).__name__
    remedy = "Fit with posterior='diagonal'."
    if posterior.deterministic:
        remedy = f"{name} has codes without a spread: use a VAE."
    raise TypeError(
        f"This function needs {what}, but {name} was fitted with a "
        f"{type(posterior).__name__}. {remedy}"
    )
