"""Kernels and the maximum mean discrepancy, as functions of tensors."""

from collections.abc import Callable

import torch
from torch import Tensor

Kernel = Callable[[Tensor], Tensor]

# Relative squared length scales of the inverse multiquadratic kernel.
IMQ_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared Euclidean distances: (n, d), (m, d) -> (n, m)."""
    with torch.autocast(x.device.type, enabled=False):
        inner = x @ y.T
    x2, y2 = x.square().sum(-1), y.square().sum(-1)
    return (x2[:, None] + y2[None, :] - 2 * inner).clamp(min=0)


def imq_kernel(
    distance: Tensor, n_components: int, squared_bandwidth: float = 1.0
) -> Tensor:
    """Sum of seven inverse multiquadratic kernels C / (C + ||a - b||^2).

    Parameters
    ----------
    distance : Tensor or ndarray
        Squared distances.
    n_components : int
        Dimension d of the points; C = 2 d b^2 s for the scales s in `IMQ_SCALES`, where
        2 d b^2 is the mean squared distance under N(0, b^2 I).
    squared_bandwidth : float, default=1.0
        The b^2 above.

    Returns
    -------
    k : Tensor or ndarray of the same shape
        At most 7.

    References
    ----------
    Tolstikhin et al., "Wasserstein Auto-Encoders", ICLR 2018, section 4, with the
    scales of the authors' code. https://arxiv.org/abs/1711.01558
    """
    scale = 2 * n_components * squared_bandwidth
    return sum(s * scale / (s * scale + distance) for s in IMQ_SCALES)


def rbf_kernel(distance: Tensor, squared_bandwidth: float | Tensor) -> Tensor:
    """Gaussian kernel exp(-||a - b||^2 / (2 b^2)) of squared distances."""
    return torch.exp(-distance / (2 * squared_bandwidth))


def mmd_squared(x: Tensor, y: Tensor, kernel: Kernel) -> Tensor:
    """Unbiased estimate of the squared maximum mean discrepancy; may be negative.

    Parameters
    ----------
    x, y : Tensor of shape (n, d) and (m, d), n and m at least 2
        Independent samples of two distributions.
    kernel : callable
        A function of squared distances, elementwise.

    Returns
    -------
    estimate : Tensor of shape ()
        Mean of k(x_i, x_j) over i != j, plus that of k(y_i, y_j) over i != j, minus
        twice that of k(x_i, y_j) over all i, j.

    References
    ----------
    Gretton et al., "A Kernel Two-Sample Test", JMLR 2012, eq. 3.
    """
    within_x = _mean_off_diagonal(kernel(squared_distances(x, x)))
    within_y = _mean_off_diagonal(kernel(squared_distances(y, y)))
    return within_x + within_y - 2 * kernel(squared_distances(x, y)).mean()


def mmd_of_codes(z: Tensor, prior: Tensor, kernel: str) -> Tensor:
    """Estimate the squared discrepancy between codes and as many draws of N(0, I).

    Parameters
    ----------
    z, prior : Tensor of shape (n, d)
    kernel : {"imq", "rbf"}
        "imq" is `imq_kernel`; "rbf" is Gaussian, its squared bandwidth the sum of the
        medians of the squared distances between codes and draws, and among codes.

    Returns
    -------
    estimate : Tensor of shape ()
        As of `mmd_squared`; zero for one code, of which there is no such estimate.
    """
    if len(z) == 1:
        return 0 * z.sum()
    if kernel == "imq":
        return mmd_squared(z, prior, lambda r: imq_kernel(r, z.shape[1]))
    squared_bandwidth = _median_distances(z.detach(), prior)
    return mmd_squared(z, prior, lambda r: rbf_kernel(r, squared_bandwidth))


def _median_distances(z: Tensor, prior: Tensor) -> Tensor:
    row, column = torch.triu_indices(len(z), len(z), 1, device=z.device)
    among = squared_distances(z, z)[row, column].median()
    return squared_distances(z, prior).median() + among


def _mean_off_diagonal(k: Tensor) -> Tensor:
    n = len(k)
    return (k.sum() - k.diagonal().sum()) / (n * (n - 1))
