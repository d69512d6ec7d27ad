"""How much each latent component moves what the decoder gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skvae._utils.rows import row_slices
from skvae.diagnostics.codes import refuse_posterior
from skvae.estimators.base import BaseAutoencoder
from skvae.module import AutoencoderModule
from skvae.pipeline._tables import features_for

FloatArray = NDArray[np.float64]

# Posterior variances nearer than this to 0 or 1 are called near.
_NEAR = 0.1
# Of the largest decoded variance: components below this share move nothing.
_LEAST_INFLUENCE = 0.01
# Gauss-Hermite quadrature is exact for decoders of degree 8 in a component.
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
# Rows of Z that are decoded at once, at all nodes.
_ROWS = 512


class ComponentInfluence(NamedTuple):
    """What each latent component knows of rows, and what it does to decoded ones."""

    posterior_variance: FloatArray
    """Mean variance of q(z_j|x) over rows, shape (n_components,)."""
    decoded_variance: FloatArray
    """Variance of decoded rows for z_j ~ N(0, 1), summed over features, in squared
    units of X, or of its `TableFeatures` where it is a table, (n_components,)."""
    share: FloatArray
    """Of the sum of `decoded_variance`, shape (n_components,)."""
    n_near_zero: int
    """Components with a posterior variance below 0.1: informative ones."""
    n_near_one: int
    """Components with a posterior variance above 0.9: superfluous ones."""
    n_used: int
    """Informative components with a decoded variance of at least 1 % of the largest."""


def component_influence(estimator: BaseAutoencoder, X: Any) -> ComponentInfluence:
    """Measure what each latent component knows of rows and does to decoded ones.

    A component that is superfluous keeps the prior, with a posterior variance near 1,
    and the decoder ignores it. One that carries information has a posterior variance
    near 0, and noise in its place changes the decoded row. Dai & Wipf expect every
    component to be one or the other where the scale of the likelihood is learned.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted, with normal posteriors or points.
    X : array-like or Tensor of shape (n_samples, n_features)
        Rows at whose codes the components are varied, one at a time; some hundreds
        suffice. The other components stay at the mean of q(z|x).

    Returns
    -------
    influence : ComponentInfluence
        Named tuple (posterior_variance, decoded_variance, share, n_near_zero,
        n_near_one, n_used).

    Raises
    ------
    TypeError
        If the variance of q(z|x) is not known, as that of a flow.

    Notes
    -----
    The variance of decoded rows, the means of p(x|z), is
    ``E_x sum_f Var(D_f(z) | z_j ~ N(0, 1))``. It is computed by Gauss-Hermite
    quadrature with 9 nodes, without random numbers, and takes 9 decoded rows for each
    row and component. For a linear decoder it is the squared norm of a column of
    weights, and the sum over components is the variance of samples from N(0, I).

    Rows of a table are decoded to means and likeliest categories, whose features are
    those of `skvae.metrics.TableFeatures` of X. Categories change in steps, so that the
    quadrature is coarse.

    A deterministic encoder has posterior variances of 0, and codes whose scale is not
    that of N(0, 1).

    See Also
    --------
    skvae.plotting.LatentTraversalDisplay : Pictures of the same.

    References
    ----------
    Dai & Wipf, "Diagnosing and Enhancing VAE Models", ICLR 2019, figure 1b, theorem 4.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae import VAE
    >>> from skvae.diagnostics import component_influence
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 1)) @ [[1.0, 2.0, 3.0]]
    >>> X += 0.1 * rng.normal(size=X.shape)
    >>> vae = VAE(2, max_epochs=10, random_state=0).fit(X)
    >>> influence = component_influence(vae, X[:100])
    >>> influence.n_near_zero, influence.n_used, bool(influence.share.max() > 0.95)
    (1, 1, True)
    """
    variances, Z = _posterior_variances(estimator, X), estimator.transform(X)
    decoded = decoded_variances(_decoder(estimator, X), Z)
    posterior = variances.mean(axis=0, dtype=np.float64)
    near_zero, total = posterior < _NEAR, decoded.sum()
    used = near_zero & (decoded > 0) & (decoded >= _LEAST_INFLUENCE * decoded.max())
    return ComponentInfluence(
        posterior,
        decoded,
        decoded / total if total > 0 else np.zeros_like(decoded),
        int(near_zero.sum()),
        int((posterior > 1 - _NEAR).sum()),
        int(used.sum()),
    )


def _decoder(estimator: BaseAutoencoder, X: Any) -> Callable[[Any], Any]:
    """Return what decodes to rows of numbers, the features of a table."""
    features = features_for([estimator], None, X=X)
    if features is None:
        return estimator.inverse_transform
    return lambda Z: features(estimator.inverse_transform(Z))


def _posterior_variances(estimator: BaseAutoencoder, X: Any) -> NDArray[np.float32]:
    module, X = estimator._fitted_module(), estimator._validate(X)

    def variances(module: AutoencoderModule, x: Tensor) -> Tensor:
        q = module.encode(x)
        if not hasattr(q, "variance"):
            refuse_posterior(estimator, "posteriors with a known variance")
        return torch.as_tensor(q.variance)

    return module.blockwise(variances, X)


def decoded_variances(decode: Callable[[Any], Any], Z: NDArray[Any]) -> FloatArray:
    """Variances of decoded rows when one component is N(0, 1), the others as in `Z`.

    Parameters
    ----------
    decode : callable, ndarray (m, n_components) -> array of shape (m, ...)
    Z : ndarray of shape (n, n_components)

    Returns
    -------
    variances : ndarray of shape (n_components,)
        Summed over all that is decoded, means over the rows of `Z`.
    """
    n, d = Z.shape
    variances = np.zeros(d)
    for j in range(d):
        for rows in row_slices(n, 1, _ROWS):
            codes = np.repeat(Z[rows], len(_NODES), axis=0)
            codes[:, j] = np.tile(_NODES, len(codes) // len(_NODES))
            decoded = np.asarray(decode(codes), dtype=np.float64)
            decoded = decoded.reshape(-1, len(_NODES), decoded[0].size)
            decoded -= decoded[:, [len(_NODES) // 2]]  # exactly 0 if it is constant
            decoded -= np.einsum("k,nkf->nf", _WEIGHTS, decoded)[:, None]
            variances[j] += np.einsum("k,nkf,nkf->", _WEIGHTS, decoded, decoded)
    return variances / n
