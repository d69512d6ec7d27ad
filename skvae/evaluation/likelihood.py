"""The likelihood of held-out rows, in units that can be compared."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from skvae._utils.arrays import as_rows
from skvae._utils.columns import is_frame
from skvae._utils.validation import check_integer
from skvae._utils.warn import warn
from skvae.evaluation._importance import (
    bias_of,
    median_sample_size,
    standard_error,
    too_low,
)
from skvae.metrics import bits_per_dimension
from skvae.pipeline._abilities import (
    as_fitted,
    can_score,
    check_divisor,
    last_step,
    log_likelihoods,
)
from skvae.pipeline._scores import check_scores
from skvae.pipeline._tables import features_for
from skvae.scorers._reference import to_array


class LikelihoodEvaluation(NamedTuple):
    """Negative log-likelihood of held-out rows; lower is better."""

    nll: float
    """Mean over rows, in nats, in the units of X."""
    standard_error: float
    """Standard error of `nll` over rows; nan for one row."""
    bits_per_dimension: float
    """The same in bits per feature, in the units of X times `divisor`."""
    bits_standard_error: float
    """Standard error of `bits_per_dimension`; nan for one row."""
    n: int
    """Number of rows."""
    n_features: int
    """Number of features per row."""
    effective_sample_size: float
    """Median over rows of the importance samples that count; nan if nll is exact."""
    bias: float
    """By how much `nll` is too high because importance samples are few, in nats, as far
    as they show it: see the notes."""


def evaluate_likelihood(
    estimator: Any,
    X: Any,
    *,
    n_importance_samples: int | None = None,
    divisor: Any = 1.0,
) -> LikelihoodEvaluation:
    """Negative log-likelihood of held-out rows, in nats and in bits per dimension.

    The change of variables made by a pipeline's scalers is included, so that models
    with and without scaling can be compared.

    Parameters
    ----------
    estimator : object
        Fitted estimator with ``score_samples``, or a Pipeline of scalers that ends in
        one.
    X : array-like of shape (n, n_features)
        Held-out rows, as the estimator takes them.
    n_importance_samples : int, default=None
        Draws z ~ q(z|x) per row, for estimators that sample; None is their default.
        More draws give a lower, tighter bound.
    divisor : float or array-like of shape (n_features,), default=1.0
        What X was divided by beforehand, such as 255 for grey levels in [0, 1], so that
        the bits are those of the levels.

    Returns
    -------
    evaluation : LikelihoodEvaluation
        Named tuple (nll, standard_error, bits_per_dimension, bits_standard_error, n,
        n_features, effective_sample_size, bias).

    Raises
    ------
    TypeError
        If the estimator has no likelihood, or a step of the pipeline does more than
        scale features.
    ValueError
        If X or the parameters are not as above, a log-likelihood is not finite, or
        `divisor` is given for a model of discrete data or of a table with categories,
        whose probabilities have no unit.

    Warns
    -----
    UserWarning
        If importance samples are so few that the bias shows beside the standard error.

    Notes
    -----
    Of a row with missing values, the likelihood is that of the values that are there.
    Of a table, it is a product of probabilities of categories, and of densities or
    probabilities of numbers: bits per dimension then are bits per column.

    The standard error is of the sampling of rows alone. The bias of importance sampling
    is the mean over rows of ``(1 / E - 1 / K) / 2``, with E of K samples that count; in
    simulations, it is twice this and more where q(z|x) is too narrow. The warning
    begins at a quarter of the standard error, or at a median E of 5.

    See Also
    --------
    skvae.metrics.importance_sampled_nll : The same from your own weights.

    References
    ----------
    Burda, Grosse and Salakhutdinov 2016, Importance weighted autoencoders, eq. 8,
    arXiv:1509.00519. Theis et al. 2016, section 3.1, arXiv:1511.01844.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.mixture import GaussianMixture
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skvae.evaluation import evaluate_likelihood
    >>> X = load_iris().data
    >>> plain = GaussianMixture(reg_covar=0).fit(X)
    >>> scaled = make_pipeline(StandardScaler(), GaussianMixture(reg_covar=0)).fit(X)
    >>> round(evaluate_likelihood(plain, X).nll, 4)
    2.5328
    >>> round(evaluate_likelihood(scaled, X).nll, 4)
    2.5328
    """
    if not can_score(estimator):
        raise TypeError(
            "evaluate_likelihood needs an estimator that has score_samples, but "
            f"{type(last_step(estimator)).__name__} has none. Compare its samples "
            "instead, by evaluate."
        )
    if n_importance_samples is not None:
        n_importance_samples = check_integer(
            "evaluate_likelihood", "n_importance_samples", n_importance_samples, 1
        )
    check_divisor(estimator, divisor)
    X = as_fitted(estimator, X)
    rows = X if is_frame(X) else to_array(X)
    if features_for([estimator], None, X=rows) is None:
        as_rows(X, "X")  # checks them
    n, d = to_array(X).reshape(len(X), -1).shape
    found = log_likelihoods(estimator, X, n_importance_samples)
    check_scores(type(last_step(estimator)).__name__, found.values)
    nll, error = -found.values.mean(), standard_error(found.values)
    if words := too_low(found, error):
        warn(
            "The importance samples of evaluate_likelihood have an effective sample "
            f"size of {median_sample_size(found):.3g} of {found.n_importance_samples}: "
            f"{words}. Raise n_importance_samples."
        )
    return LikelihoodEvaluation(
        nll=float(nll),
        standard_error=error,
        bits_per_dimension=float(bits_per_dimension(nll, d, divisor=divisor)),
        bits_standard_error=float(error / d / np.log(2)),
        n=n,
        n_features=d,
        effective_sample_size=median_sample_size(found),
        bias=bias_of(found),
    )
