"""Means over rows, and over the aggregate of their posteriors, by the jackknife.

A statistic is an array of shape (n + 1,): its value for n rows, and its values without
each of them. Differences of statistics are statistics.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skvae._utils.arrays import FloatArray
from skvae.metrics._posteriors import log_density_blocks, read_posteriors


class Estimate(NamedTuple):
    """A mean over rows."""

    value: float
    """In the unit of the figure."""
    standard_error: float
    """Over samples of as many rows."""


def mean_over_rows(values: FloatArray) -> FloatArray:
    """Statistic of the mean of values, (n,)."""
    n, total = len(values), values.sum()
    return np.concatenate([[total / n], (total - values) / (n - 1)])


def mean_log_densities(
    Z: FloatArray, means: FloatArray, factors: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Statistics of the means of log q(z|x_i) and log q(z), at draws z ~ q(z|x_i).

    q(z) is the mean of q(z|x_j) over all rows j. Without a row, its draws have left the
    means and its posterior has left q(z).

    Parameters
    ----------
    Z : ndarray of shape (n, n_draws, n_components)
    means : ndarray of shape (n, n_components)
    factors : ndarray of shape (n, n_components) or (n, n_components, n_components)
        Standard deviations, or factors of covariances.

    Returns
    -------
    log_own, log_aggregate : ndarray of shape (n + 1,)
        In nats.
    """
    n, n_draws, d = Z.shape
    own = np.repeat(np.arange(n), n_draws)
    log_own, log_sum, lost = np.empty(len(own)), np.empty(len(own)), np.zeros(n)
    posteriors = read_posteriors(means, factors)
    for rows, log_q in log_density_blocks(Z.reshape(-1, d), posteriors):
        of_own = np.arange(len(log_q)), own[rows]
        log_own[rows] = log_q[of_own]
        peak = log_q.max(axis=1, keepdims=True)
        log_q -= peak
        share = np.exp(log_q, out=log_q)
        total = share.sum(axis=1, keepdims=True)
        log_sum[rows] = (peak + np.log(total))[:, 0]
        share /= total
        share[of_own] = 0.0  # gone with the draw itself
        np.negative(share, out=share)
        lost += np.log1p(share, out=share).sum(axis=0)
    shape = n, n_draws
    aggregate = mean_over_rows(log_sum.reshape(shape).mean(axis=1))
    aggregate[0] -= np.log(n)
    aggregate[1:] += lost / (n_draws * (n - 1)) - np.log(n - 1)
    return mean_over_rows(log_own.reshape(shape).mean(axis=1)), aggregate


def estimate(statistic: FloatArray) -> Estimate:
    """Return the value of a statistic and its standard error by the jackknife."""
    value, without = statistic[0], statistic[1:]
    n = len(without)
    error = np.sqrt((n - 1) * np.var(without))
    return Estimate(float(value), float(error))
