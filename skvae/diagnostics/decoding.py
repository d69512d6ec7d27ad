"""How well a decoder decodes, apart from the density of its codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr, rel_entr

from skvae._utils.float32 import check_finite
from skvae._utils.random import draw_seed
from skvae._utils.rows import value_beyond
from skvae._utils.validation import check_choice
from skvae.diagnostics.codes import posterior_factors
from skvae.estimators.base import BaseAutoencoder
from skvae.metrics import (
    OptimalDecoderWeights,
    frechet_distance,
    optimal_decoder_weights,
    slerp,
)


class ReconstructionMatching(NamedTuple):
    """Whether reconstructions resemble their input or an average of training rows."""

    closer_to_input: float
    """Share of rows whose reconstruction is nearer to the row than to the average."""
    error_to_input: NDArray[np.float64]
    """From the row itself, shape (m,): a mean over features of squares, or a sum over
    features in nats."""
    error_to_average: NDArray[np.float64]
    """From the optimal decoder's output, shape (m,)."""
    perplexity: NDArray[np.float64]
    """Number of training rows that the average mixes, shape (m,)."""


class DecodingScores(NamedTuple):
    """Distances of decoded codes from real rows; lower is better."""

    reconstruction: float
    """Of reconstructions of the rows."""
    interpolation: float
    """Of decoded midpoints between the codes of pairs of rows."""
    floor: float
    """Of the rows themselves: what perfect decoding would score."""
    n: int
    """Rows, and pairs."""
    n_reference: int
    """Rows of the reference."""


def optimal_decoder(
    estimator: BaseAutoencoder,
    X: Any,
    X_train: Any,
    *,
    leave_out: Any = None,
    keep_weights: bool = False,
) -> OptimalDecoderWeights:
    """Decode rows as the best decoder for the estimator's encoder would.

    The best one maximises the mean of E[log p(x_i|z)] over the training rows, in which
    z is drawn from q(z|x_i), and may be any function. At the code z of every row of X,
    it gives an average of the training rows x_i with the weights
    q(z|x_i) / sum_j q(z|x_j).

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted, with normal posteriors, full covariances included, and a likelihood for
        which an average is the optimum (see Notes).
    X : array-like or Tensor of shape (m, n_features)
    X_train : array-like or Tensor of shape (n, n_features)
        The rows that the estimator was fitted to.
    leave_out : array-like of int of shape (m,), default=None
        Training row that may have no weight for each row of X; -1 for none.
    keep_weights : bool, default=False
        Whether to return all weights, of shape (m, n).

    Returns
    -------
    result : OptimalDecoderWeights
        Named tuple (perplexity, max_weight, heaviest, averages, weights); see
        `skvae.metrics.optimal_decoder_weights`. The averages compare with
        ``estimator.reconstruct(X)``.

    Raises
    ------
    TypeError
        If the posterior is not normal, or the likelihood has no such optimum.

    Notes
    -----
    The theorem needs a p(x|z) of an exponential family with the sufficient statistic
    T(x), of which the decoder sets all natural parameters freely: the optimum then has
    the weighted mean of T(x_i) as its expectation of T. Where T(x) = x, it is the mean
    of rows: for "bernoulli", "continuous_bernoulli", and "gaussian" with one scale or
    one for each feature, whatever these are. A predicted scale, for which T(x) =
    (x, x^2), changes the optimal variance, not the mean. All of this is about the noise
    of training: where noise depends on the mean, as it does between bounds once it has
    been calibrated, the mean is not quite the optimum.

    For "laplace", which is of no such family, weighted medians are the optimum. Of
    "discretized_logistic" there is no closed form, and it is refused. A likelihood of
    one's own says by `optimal_average` which it has; of its subclasses, those with
    another distribution must say it anew.

    The theorem is about the evidence lower bound, for any weight of its KL divergence.
    `IWAE` with more than one importance sample trains its decoder for another bound. Of
    a `TwoStageVAE`, encoder and decoder are those of the first stage.

    References
    ----------
    Bozkurt et al., "Can VAEs generate novel examples?", 2018, theorem 1.
    https://arxiv.org/abs/1812.09624

    Examples
    --------
    >>> import numpy as np
    >>> from skvae import VAE
    >>> from skvae.diagnostics import optimal_decoder
    >>> X = np.random.default_rng(0).normal(size=(64, 3))
    >>> vae = VAE(2, max_epochs=2, random_state=0).fit(X)
    >>> optimal_decoder(vae, X[:5], X).averages.shape
    (5, 3)
    """
    likelihood = estimator._fitted_module().likelihood
    if likelihood.optimal_average is None:
        raise TypeError(
            "optimal_decoder needs a likelihood for which a weighted mean or median of "
            f"rows is the optimum, but {type(likelihood).__name__} has no "
            "`optimal_average`, and categories have no average. Fit an array of "
            "numbers with likelihood='gaussian', or set it in a likelihood of your "
            "own. Weights and perplexities alone need none: "
            "skvae.plotting.PerplexityDisplay draws them."
        )
    return weights_of_training_rows(
        estimator,
        X,
        X_train,
        average=likelihood.optimal_average,
        leave_out=leave_out,
        keep_weights=keep_weights,
    )


def weights_of_training_rows(
    estimator: BaseAutoencoder, X: Any, X_train: Any, **options: Any
) -> OptimalDecoderWeights:
    """Weigh the training rows at the code of every row of X, for any likelihood."""
    means, factors = posterior_factors(estimator, X_train)
    codes = estimator.transform(X).astype(np.float64)
    # Rows that no average is known of, such as those of tables, have codes.
    is_known = estimator.likelihood_.optimal_average is not None
    rows = X_train if is_known else means
    return optimal_decoder_weights(codes, means, factors, rows, **options)


def reconstruction_matching(
    estimator: BaseAutoencoder, X: Any, X_train: Any, *, error: str = "squared"
) -> ReconstructionMatching:
    """Compare reconstructions with their input and with the optimal decoder's output.

    A decoder that has memorised the training rows answers a row it has not seen, of an
    unknown class for example, with an average of training rows.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted; see `optimal_decoder` for which posteriors and likelihoods.
    X : array-like or Tensor of shape (m, n_features)
        Rows that the estimator has not seen.
    X_train : array-like or Tensor of shape (n, n_features)
        The rows that it was fitted to.
    error : {"squared", "cross_entropy", "excess_cross_entropy"}, default="squared"
        What the reconstruction p has from a target t, the row or the average:

        - "squared": mean over features of (p - t)^2
        - "cross_entropy": H(t, p), the sum over features of
          -t log p - (1 - t) log(1 - p), in nats; the figure of the paper
        - "excess_cross_entropy": H(t, p) less its least value H(t, t), the entropy of
          the target, which is the divergence KL(t || p)

    Returns
    -------
    result : ReconstructionMatching
        Named tuple (closer_to_input, error_to_input, error_to_average, perplexity).

    Raises
    ------
    TypeError
        If `optimal_decoder` is not known for the posterior or the likelihood.
    ValueError
        If a cross-entropy is asked for, and rows, averages or reconstructions leave
        [0, 1].

    Notes
    -----
    The least cross-entropy is 0 for a target of zeros and ones and log 2 for each
    feature of 1/2. Averages are greyer than rows, so that their cross-entropies are
    greater even for a decoder that gives the average itself: by "cross_entropy", more
    reconstructions count as nearer to the row. The other two are 0 where p is t.

    Reconstructions of exactly 0 or 1, which float32 has rounded, are taken to be 2^-24
    away.

    References
    ----------
    Bozkurt et al., "Can VAEs generate novel examples?", 2018, figure 2.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae import VAE
    >>> from skvae.diagnostics import reconstruction_matching
    >>> X = np.random.default_rng(0).normal(size=(64, 3))
    >>> vae = VAE(2, max_epochs=2, random_state=0).fit(X[:50])
    >>> reconstruction_matching(vae, X[50:], X[:50]).error_to_input.shape
    (14,)
    """
    check_choice("reconstruction_matching", "error", error, tuple(_ERRORS))
    best = optimal_decoder(estimator, X, X_train)
    rows = np.asarray(estimator._validate(X), dtype=np.float64)
    check_finite(rows)
    reconstructed = estimator.reconstruct(X).reshape(rows.shape).astype(np.float64)
    if error != "squared":
        _check_unit_interval(rows, "X")
        _check_unit_interval(best.averages, "the averages of X_train")
        _check_unit_interval(reconstructed, "the reconstructions")
    to_input = _ERRORS[error](rows, reconstructed)
    to_average = _ERRORS[error](best.averages, reconstructed)
    share = float(np.mean(to_input < to_average))
    return ReconstructionMatching(share, to_input, to_average, best.perplexity)


def _check_unit_interval(values: NDArray[np.float64], name: str) -> None:
    """Raise ValueError for values that leave [0, 1] by more than rounding."""
    if (found := value_beyond(values, 0.0, 1.0)) is not None:
        feature, value = found
        raise ValueError(
            f"Cross-entropies need values in [0, 1], but feature {feature} of {name} "
            f"has the value {value:.6g}. Use error='squared', or fit to X in [0, 1] "
            "with likelihood='bernoulli' or GaussianLikelihood(bounds=(0, 1))."
        )


def _squared_error(t: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[Any]:
    return np.square(p - t).mean(axis=1)


def _excess_cross_entropy(
    t: NDArray[np.float64], p: NDArray[np.float64]
) -> NDArray[Any]:
    t, p = np.clip(t, 0, 1), np.clip(p, 2.0**-24, 1 - 2.0**-24)
    return (rel_entr(t, p) + rel_entr(1 - t, 1 - p)).sum(axis=1)


def _cross_entropy(t: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[Any]:
    t = np.clip(t, 0, 1)
    return _excess_cross_entropy(t, p) + (entr(t) + entr(1 - t)).sum(axis=1)


_ERRORS = {
    "squared": _squared_error,
    "cross_entropy": _cross_entropy,
    "excess_cross_entropy": _excess_cross_entropy,
}


def decoding_scores(
    estimator: BaseAutoencoder,
    X: Any,
    X_reference: Any,
    *,
    distance: Callable[[Any, Any], float] = frechet_distance,
    random_state: Any = None,
) -> DecodingScores:
    """Measure reconstructions and interpolations against other real rows.

    Neither needs a latent density: they tell a decoder's quality apart from that of the
    samples, which also need a density that fits the codes.

    Parameters
    ----------
    estimator : BaseAutoencoder
        Fitted.
    X : array-like or Tensor of shape (n, n_features)
        Held-out rows, at least two: each is reconstructed, and paired with another one.
    X_reference : array-like or Tensor of shape (n_reference, n_features)
        Other real rows.
    distance : callable, default=frechet_distance
        Called with (X_reference, X_decoded).
    random_state : int, RandomState instance or None, default=None
        Draws the pairs.

    Returns
    -------
    scores : DecodingScores
        Named tuple (reconstruction, interpolation, floor, n, n_reference).

    References
    ----------
    Ghosh et al., "From Variational to Deterministic Autoencoders", table 1, columns
    "Rec." and "Interp.": midpoints of spherical interpolations.

    Examples
    --------
    >>> import numpy as np
    >>> from skvae import VAE
    >>> from skvae.diagnostics import decoding_scores
    >>> X = np.random.default_rng(0).normal(size=(90, 3))
    >>> vae = VAE(2, max_epochs=2, random_state=0).fit(X[:30])
    >>> decoding_scores(vae, X[30:60], X[60:], random_state=0).n
    30
    """
    Z = estimator.transform(X)
    if len(Z) < 2:
        raise ValueError(f"X needs at least 2 rows to form pairs, but has {len(Z)}.")
    order = np.random.default_rng(draw_seed(random_state)).permutation(len(Z))
    middle = slerp(Z[order], Z[np.roll(order, 1)])  # no row is its own partner
    return DecodingScores(
        float(distance(X_reference, estimator.inverse_transform(Z))),
        float(distance(X_reference, estimator.inverse_transform(middle))),
        float(distance(X_reference, X)),
        len(Z),
        len(X_reference),
    )
