"""Densities that are a mean of Gaussian kernels."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

_BLOCK = 64  # rows: with 10,000 centres, a block of 5 MB
# The least exponent, beside the largest of a row: exponentials of smaller ones are
# subnormal numbers in float32, on which processors are slow.
_LEAST_EXPONENT = -80.0


def kernel_log_density(
    X: NDArray[np.float64], centres: NDArray[np.float64], bandwidth: float
) -> NDArray[np.float64]:
    """Return the log of the mean of N(x; centre, bandwidth**2 I), for every row of X.

    Exponents are computed and compared in float64, and summed in float32. All blocks of
    rows have one shape, so that equal rows have equal bits wherever they stand.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    centres : ndarray of shape (n_centres, d)
    bandwidth : float

    Returns
    -------
    log_density : ndarray of shape (n,)
    """
    origin = centres.mean(0)
    points = torch.from_numpy((centres - origin) / bandwidth)
    rows = torch.from_numpy((X - origin) / bandwidth)
    halves, points = 0.5 * points.square().sum(1), points.T.contiguous()
    padded = F.pad(rows, (0, 0, 0, -len(rows) % _BLOCK))
    sums = [_log_sum(block, points, halves) for block in padded.split(_BLOCK)]
    log_volume = X.shape[1] * math.log(math.sqrt(2 * math.pi) * bandwidth)
    return torch.cat(sums)[: len(X)].numpy() - log_volume - math.log(len(centres))


def _log_sum(rows: Tensor, points: Tensor, halves: Tensor) -> Tensor:
    """Logarithm of the sum of exp(-|row - point|^2 / 2) over points, for every row."""
    exponents = torch.addmm(halves, rows, points, beta=-1)
    largest = exponents.amax(1, keepdim=True)
    weights = exponents.sub_(largest).clamp_(min=_LEAST_EXPONENT).float().exp_()
    logs = weights.sum(1).double().log()
    return logs + largest[:, 0] - 0.5 * rows.square().sum(1)
