"""How many importance samples count, and what it means if these are few."""

from __future__ import annotations

import numpy as np

from skvae._utils.arrays import FloatArray
from skvae.evaluation._rows import NO_INTERVAL, EvaluationRow, make_row
from skvae.metrics.likelihood import importance_sampling_bias
from skvae.pipeline._abilities import LogLikelihoods

# With a bias of half the standard error, a 95 % interval covers 92 %. Where q(z|x) is
# too narrow, the estimate of the bias is half of it or less.
_BIAS_OF_ERROR = 0.25
# The estimate is a series in 1 / ESS.
_FEW = 5.0


def median_sample_size(found: LogLikelihoods) -> float:
    """Return the median effective sample size over rows; nan for an exact density."""
    sizes = found.effective_sample_sizes
    return np.nan if sizes is None else float(np.median(sizes))


def bias_of(found: LogLikelihoods) -> float:
    """Estimate by how many nats the mean is too low; 0 for an exact density."""
    sizes, k = found.effective_sample_sizes, found.n_importance_samples
    return 0.0 if sizes is None else importance_sampling_bias(sizes, k)


def too_low(found: LogLikelihoods, error: float) -> str:
    """Say that the mean is biased, as seen beside its standard error; "" if it is not.

    Parameters
    ----------
    found : LogLikelihoods
    error : float
        Standard error of the mean over rows.

    Returns
    -------
    words : str
    """
    size, bias = median_sample_size(found), bias_of(found)
    if found.n_importance_samples == 1:
        return "one draw per row gives the evidence lower bound, not log p(x)"
    if size < _FEW or bias > _BIAS_OF_ERROR * error:
        return f"too few: log p(x) comes out too low, by {bias:.2g} nats or more"
    return ""


def sample_size_row(found: LogLikelihoods, error: float) -> EvaluationRow | None:
    """Return the row of a report; None for an exact density."""
    if found.effective_sample_sizes is None:
        return None
    words, k = too_low(found, error), found.n_importance_samples
    return make_row(
        "effective_sample_size",
        median_sample_size(found),
        NO_INTERVAL,
        np.nan,
        "higher",
        f"of {k} importance samples a row, median" + (words and f"; {words}"),
    )


def standard_error(values: FloatArray) -> float:
    """Return the standard error of a mean over rows; nan for one, or infinite ones."""
    n = len(values)
    if n < 2 or not np.isfinite(values).all():
        return np.nan
    return float(np.std(values, ddof=1) / np.sqrt(n))
