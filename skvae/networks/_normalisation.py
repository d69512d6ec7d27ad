"""Batch normalisation and weight normalisation."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skvae.networks._functional import with_parameters


class BatchNorm(nn.Module):
    """Batch normalisation of (n, C) or (n, C, H, W), good from the first step on.

    Evaluation uses means and variances that are averages over past batches with
    exponential weights. Unlike torch's layer, it divides by the sum of these
    weights, as Adam does with its moments: torch's averages start at 0 and 1, and stay
    near them for about 1 / momentum steps. A batch of one row has no variance of its
    own and is normalised by the averages, which it leaves alone.

    Parameters
    ----------
    n_channels : int
    momentum : float, default=0.1
        Weight of the newest batch; TensorFlow's ``decay`` is 1 - momentum.
    eps : float, default=1e-5

    Attributes
    ----------
    processes : Processes or None
        Those that share the rows of a batch, while a fit on several trains: means and
        variances are of the whole batch.

    References
    ----------
    Ioffe & Szegedy, "Batch Normalization", ICML 2015.
    """

    processes: Any = None

    def __init__(
        self, n_channels: int, momentum: float = 0.1, eps: float = 1e-5
    ) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        options = {"device": "cpu", "dtype": torch.float32}
        self.weight = nn.Parameter(torch.ones(n_channels, **options))
        self.bias = nn.Parameter(torch.zeros(n_channels, **options))
        self.register_buffer("sum_mean", torch.zeros(n_channels, **options))
        self.register_buffer("sum_variance", torch.zeros(n_channels, **options))
        self.register_buffer("sum_weights", torch.zeros((), **options))

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised batch."""
        if self.training and self.processes and self.processes.is_shared:
            return self._over_processes(x)
        if not self.training or len(x) == 1:
            mean, variance = self._averages()
            return F.batch_norm(
                x, mean, variance, self.weight, self.bias, False, 0.0, self.eps
            )
        with torch.no_grad():
            self.sum_weights.add_((1 - self.sum_weights) * self.momentum)
        return F.batch_norm(
            x,
            self.sum_mean,
            self.sum_variance,
            self.weight,
            self.bias,
            True,
            self.momentum,
            self.eps,
        )

    def _over_processes(self, x: Tensor) -> Tensor:
        """Return the share of a batch, normalised by the moments of all of it.

        Moments of the shares are merged as by Chan, Golub & LeVeque (1983).
        """
        values = x.float().transpose(0, 1).flatten(1)  # (C, values of a channel)
        variance, mean = torch.var_mean(values, 1, correction=0)
        own = torch.stack([mean, variance, torch.full_like(mean, values.shape[1])])
        means, variances, counts = self.processes.stack(own).unbind(1)  # (size, C)
        total = counts.sum(0)
        mean = (means * counts).sum(0) / total
        variance = ((variances + (means - mean) ** 2) * counts).sum(0) / total
        with torch.no_grad():
            self.sum_weights.lerp_(torch.ones_like(self.sum_weights), self.momentum)
            self.sum_mean.lerp_(mean, self.momentum)
            unbiased = variance * total / (total - 1)
            self.sum_variance.lerp_(unbiased, self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        like = -1, *(1,) * (x.ndim - 2)
        y = (x.float() - mean.view(like)) * scale.view(like) + self.bias.view(like)
        return y.to(x.dtype)

    def _averages(self) -> tuple[Tensor, Tensor]:
        total = self.sum_weights
        none_yet = total == 0
        factor = 1 / torch.where(none_yet, 1, total)
        # Clones, since a later pass changes the sums before any backward pass.
        return self.sum_mean * factor, self.sum_variance * factor + none_yet.float()


class WeightNormalised(nn.Module):
    """A layer whose weight has a learned norm and direction for every output channel.

    Unlike torch's parametrisation, it can be pickled.

    Parameters
    ----------
    layer : nn.Linear, nn.Conv2d or nn.ConvTranspose2d
        It starts with the weight that it has.

    References
    ----------
    Salimans & Kingma, "Weight Normalization", NeurIPS 2016, eq. 2.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
        self.axes = [i for i in range(layer.weight.ndim) if i != axis]
        self.norm = nn.Parameter(self._norms().detach())

    @property
    def weight(self) -> Tensor:
        """The normalised weight."""
        return self.layer.weight * (self.norm / self._norms())

    @property
    def bias(self) -> Tensor | None:
        """The bias of the layer."""
        return self.layer.bias

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer with its normalised weight."""
        return with_parameters(self.layer, weight=self.weight)(x)

    def _norms(self) -> Tensor:
        return torch.linalg.vector_norm(self.layer.weight, dim=self.axes, keepdim=True)
