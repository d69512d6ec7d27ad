"""Diagnostics of latent codes, as functions of arrays."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from skvae._utils.arrays import LARGEST, FloatArray, as_finite, as_rows
from skvae._utils.random import RandomState, random_state_of
from skvae._utils.validation import check_integer
from skvae.metrics.mmd import MaximumMeanDiscrepancy, maximum_mean_discrepancy


class LatentSpectrum(NamedTuple):
    """Singular values of codes, beside what N(0, I) gives."""

    singular_values: FloatArray
    """Of Z / sqrt(n), descending, shape (min(n, n_components),)."""
    lower: float
    """Lower edge for n draws from N(0, I)."""
    upper: float
    """Upper edge for n draws from N(0, I)."""
    n: int
    """Number of codes."""


class ActiveComponents(NamedTuple):
    """Which latent components carry information about the data."""

    by_scale: NDArray[np.bool_]
    """Mean posterior variance below 0.5, shape (n_components,)."""
    by_mean: NDArray[np.bool_]
    """Variance of the posterior means above 0.01, shape (n_components,)."""
    n: int
    """Number of posteriors."""


class TypicalSetGap(NamedTuple):
    """Distance of codes from the typical set of their posteriors."""

    value: float
    """Median of `percent`."""
    percent: FloatArray
    """Gap per component, in percent of the entropy, shape (n,)."""
    entropy: FloatArray
    """Entropy per component of each posterior, in nats, shape (n,)."""


def latent_spectrum(Z: ArrayLike | Tensor) -> LatentSpectrum:
    """Singular values of latent codes, scaled to be 1 for the prior N(0, I).

    Parameters
    ----------
    Z : array-like or Tensor of shape (n, n_components)
        Codes, drawn from q(z|x) over a data set. They are not centred, as the prior has
        mean 0.

    Returns
    -------
    result : LatentSpectrum
        Named tuple (singular_values, lower, upper, n); codes that fill the prior have
        their singular values between the edges ``1 -+ sqrt(n_components / n)``.

    Raises
    ------
    ValueError
        If `Z` is empty or not finite.

    References
    ----------
    Dai and Wipf 2019, Diagnosing and enhancing VAE models, figure 2, arXiv:1903.05789.

    Examples
    --------
    >>> from skvae.metrics import latent_spectrum
    >>> latent_spectrum([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])[0].round(2)
    array([1.41, 0.71])
    """
    Z = as_rows(Z, "Z")
    n, width = Z.shape
    values = np.linalg.svd(Z / np.sqrt(n), compute_uv=False)
    spread = np.sqrt(width / n)
    return LatentSpectrum(values, float(max(0.0, 1 - spread)), float(1 + spread), n)


def active_components(
    means: ArrayLike | Tensor, standard_deviations: ArrayLike | Tensor
) -> ActiveComponents:
    """Find the latent components that a Gaussian posterior q(z|x) uses.

    Parameters
    ----------
    means : array-like or Tensor of shape (n, n_components)
        Posterior means over a data set.
    standard_deviations : array-like or Tensor, broadcast to (n, n_components)
        Posterior standard deviations, above 0.

    Returns
    -------
    result : ActiveComponents
        Named tuple (by_scale, by_mean, n) of masks.

    Raises
    ------
    ValueError
        If the arrays are not finite or do not fit, or a deviation is not above 0.

    References
    ----------
    By scale: Dai and Wipf 2019, arXiv:1903.05789. By mean: Burda et al.
    2016, Importance weighted autoencoders, section 5.2, arXiv:1509.00519.

    Examples
    --------
    >>> from skvae.metrics import active_components
    >>> result = active_components([[-1.0, 0.0], [1.0, 0.0]], [[0.1, 1.0]])
    >>> result.by_scale, result.by_mean
    (array([ True, False]), array([ True, False]))
    """
    means = as_rows(means, "means")
    deviations = broadcast_deviations(standard_deviations, means)
    by_scale = np.mean(deviations**2, axis=0) < 0.5
    return ActiveComponents(by_scale, means.var(axis=0) > 0.01, len(means))


def slerp(
    a: ArrayLike | Tensor, b: ArrayLike | Tensor, t: ArrayLike | Tensor = 0.5
) -> FloatArray:
    """Interpolate between codes along a great circle.

    ``sin((1 - t) w) / sin(w) a + sin(t w) / sin(w) b``, with w the angle between a and
    b, which are not normalised. Straight where the angle is 0 or 180 degrees, or one
    of the two is 0.

    Parameters
    ----------
    a : array-like or Tensor of shape (..., n_components)
        Start.
    b : array-like or Tensor of shape (..., n_components)
        End.
    t : float or array-like, default=0.5
        Position, 0 at `a` and 1 at `b`, broadcast against all but the last axis.

    Returns
    -------
    codes : ndarray of shape (..., n_components)

    Raises
    ------
    ValueError
        If an input is not finite or the shapes do not fit.

    References
    ----------
    Shoemake 1985, Animating rotation with quaternion curves. White 2016, Sampling
    generative networks, arXiv:1609.04468.

    Examples
    --------
    >>> from skvae.metrics import slerp
    >>> slerp([2.0, 0.0], [0.0, 2.0]).round(2)
    array([1.41, 1.41])
    >>> slerp([1.0, 0.0], [0.0, 1.0], [0.0, 1 / 3, 1.0]).round(2)
    array([[1.  , 0.  ],
           [0.87, 0.5 ],
           [0.  , 1.  ]])
    """
    a, b = as_finite(a, "a"), as_finite(b, "b")
    t = as_finite(t, "t")[..., None]
    if a.ndim == 0 or b.ndim == 0 or a.shape[-1] != b.shape[-1]:
        raise ValueError(
            "a and b must have the same number of components on their last axis, got "
            f"shapes {a.shape} and {b.shape}."
        )
    leading = a.shape[:-1], b.shape[:-1], t.shape[:-1]
    try:
        np.broadcast_shapes(*leading)
    except ValueError as error:
        raise ValueError(
            "a, b and t must broadcast, apart from the components, got leading shapes "
            "{}, {} and {}. Pass t as a column for several pairs.".format(*leading)
        ) from error
    angle = _angle(a, b)[..., None]
    sine = np.sin(angle)
    straight = sine < 1e-8  # where the two forms agree to rounding, or w is 180 degrees
    sine = np.where(straight, 1.0, sine)
    from_a = np.where(straight, 1 - t, np.sin((1 - t) * angle) / sine)
    from_b = np.where(straight, t, np.sin(t * angle) / sine)
    return from_a * a + from_b * b


def typical_set_gap(
    Z: ArrayLike | Tensor,
    means: ArrayLike | Tensor,
    standard_deviations: ArrayLike | Tensor,
) -> TypicalSetGap:
    """Gap between the log density of codes and the entropy of their posteriors.

    ``100 |-log q(z|x) / d - h| / |h|``, with h the entropy of q(z|x) per component, d
    the number of components and q Gaussian.

    Parameters
    ----------
    Z : array-like or Tensor of shape (n, n_components)
        One draw from each posterior.
    means : array-like or Tensor of shape (n, n_components)
        Posterior means.
    standard_deviations : array-like or Tensor, broadcast to (n, n_components)
        Posterior standard deviations, above 0.

    Returns
    -------
    result : TypicalSetGap
        Named tuple (value, percent, entropy). A gap is nan where h is within 1e-6 of 0,
        as it is for a standard deviation of ``1 / sqrt(2 pi e)`` = 0.242.

    Raises
    ------
    ValueError
        If the arrays are not finite or do not fit, or a deviation is not above 0.

    Notes
    -----
    The gap shrinks as 1 / sqrt(d) for every Gaussian: its expectation is about
    ``100 / (sqrt(pi d) |h|)``. It says nothing about the model.

    References
    ----------
    Cover and Thomas 2006, Elements of information theory, section 8.2.

    Examples
    --------
    >>> from skvae.metrics import typical_set_gap
    >>> result = typical_set_gap([[1.0, 1.0], [1.0, 2.0]], [[0.0, 0.0]] * 2, 1.0)
    >>> result.percent.round(1)
    array([ 0. , 52.9])
    """
    Z, means = as_rows(Z, "Z"), as_rows(means, "means")
    if Z.shape != means.shape:
        raise ValueError(
            f"Z and means must have the same shape, got {Z.shape} and {means.shape}."
        )
    deviations = broadcast_deviations(standard_deviations, means)
    entropy = np.mean(0.5 * np.log(2 * np.pi * np.e * deviations**2), axis=1)
    noise = (Z - means) / deviations
    return entropy_gap((1 - np.mean(noise**2, axis=1)) / 2 - entropy, entropy)


def entropy_gap(log_density: FloatArray, entropy: FloatArray) -> TypicalSetGap:
    """Gap of log densities of draws, (n,), from entropies, (n,), both per component."""
    gap = np.abs(log_density + entropy)
    defined = np.abs(entropy) > 1e-6
    percent = np.full(len(gap), np.nan)
    percent[defined] = 100 * gap[defined] / np.abs(entropy[defined])
    value = float(np.median(percent[defined])) if defined.any() else np.nan
    return TypicalSetGap(value, percent, entropy)


def aggregated_posterior_mmd(
    Z: ArrayLike | Tensor,
    *,
    n_prior: int | None = None,
    n_permutations: int = 0,
    random_state: RandomState = None,
) -> MaximumMeanDiscrepancy:
    """Squared maximum mean discrepancy of codes from the prior N(0, I).

    Unbiased, with the sum of inverse multiquadratic kernels of the Wasserstein
    autoencoder.

    Parameters
    ----------
    Z : array-like or Tensor of shape (n, n_components)
        Codes, drawn from q(z|x) over a data set, at least two.
    n_prior : int, default=None
        Draws from the prior; None is n.
    n_permutations : int, default=0
        Relabellings behind the p-value; 0 for none.
    random_state : int, RandomState or None, default=None
        Draws from the prior and the relabellings.

    Returns
    -------
    result : MaximumMeanDiscrepancy
        Named tuple (value, p_value, bandwidth, n_real, n_generated), with the draws
        from the prior as the real rows. 0 on average where codes follow the prior.

    Raises
    ------
    ValueError
        If `Z` has fewer than two rows or is not finite, or `n_prior` is below 2.

    References
    ----------
    Tolstikhin et al. 2018, Wasserstein auto-encoders, section 4, arXiv:1711.01558. Dai
    and Wipf 2019, table 3, arXiv:1903.05789.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae.metrics import aggregated_posterior_mmd
    >>> Z = np.random.RandomState(0).normal(size=(200, 2))
    >>> near = aggregated_posterior_mmd(Z, random_state=1)
    >>> far = aggregated_posterior_mmd(Z / 2, random_state=1)
    >>> near.value < 0.05 < far.value
    True
    """
    Z = as_rows(Z, "Z", min_rows=2)
    n_prior = len(Z) if n_prior is None else n_prior
    n_prior = check_integer("aggregated_posterior_mmd", "n_prior", n_prior, 2)
    rng = random_state_of(random_state)
    prior = rng.normal(size=(n_prior, Z.shape[1]))
    return maximum_mean_discrepancy(
        prior,
        Z,
        kernel="imq",
        bandwidth=1.0,
        n_permutations=n_permutations,
        random_state=rng,
    )


def broadcast_deviations(
    standard_deviations: ArrayLike | Tensor, means: FloatArray
) -> FloatArray:
    """Read standard deviations, broadcast to the shape of `means`; all above 0."""
    deviations = as_finite(standard_deviations, "standard_deviations")
    if deviations.size and not deviations.min() >= 1 / LARGEST:
        raise ValueError(
            f"standard_deviations must be > 0, got {deviations.min()}, whose square is "
            "not. Pass standard deviations, not their logarithms."
        )
    try:
        return np.broadcast_to(deviations, means.shape)
    except ValueError:
        raise ValueError(
            "standard_deviations must fit means, got shapes "
            f"{deviations.shape} and {means.shape}."
        ) from None


def _angle(a: FloatArray, b: FloatArray) -> FloatArray:
    """Angle between vectors, accurate near 0 and pi; 0 where one of them is 0."""
    norm_a = np.linalg.norm(a, axis=-1, keepdims=True)
    norm_b = np.linalg.norm(b, axis=-1, keepdims=True)
    u, v = a * norm_b, b * norm_a
    apart, together = np.linalg.norm(u - v, axis=-1), np.linalg.norm(u + v, axis=-1)
    return 2 * np.arctan2(apart, together)
