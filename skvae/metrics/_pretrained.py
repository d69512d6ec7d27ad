"""Layers of pretrained networks, and reading their weights from a file."""

import hashlib
from io import BytesIO
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skvae._utils.layers import Conv2d, Linear


class FrozenBatchNorm(nn.Module):
    """Batch normalisation by stored moments, in training and evaluation mode alike.

    Parameters
    ----------
    n_channels : int
        Channels of the maps.
    eps : float, default=1e-3
        Added to the variance.
    """

    def __init__(self, n_channels: int, eps: float = 1e-3) -> None:
        super().__init__()
        self.eps = eps
        for name in ("weight", "bias", "running_mean", "running_var"):
            self.register_buffer(name, zeros(n_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise maps of shape (n, n_channels, height, width)."""
        moments = self.running_mean, self.running_var
        return F.batch_norm(x, *moments, self.weight, self.bias, eps=self.eps)


def zeros(*shape: int) -> Tensor:
    """Zeros in float32 on the CPU, whatever the defaults of torch are."""
    return torch.zeros(shape, dtype=torch.float32, device="cpu")


def zero_conv(
    n_in: int,
    n_out: int,
    kernel: int | tuple[int, int],
    *,
    stride: int = 1,
    padding: int | tuple[int, int] = 0,
    groups: int = 1,
) -> nn.Conv2d:
    """Build a convolution without bias whose weights, to be loaded, are zero."""
    sizes = n_in, n_out, kernel, stride, padding
    conv = Conv2d(*sizes, groups=groups, bias=False, device="cpu")
    conv.weight = nn.Parameter(zeros(*conv.weight.shape), requires_grad=False)
    return conv


def zero_linear(n_in: int, n_out: int) -> nn.Linear:
    """Build a linear layer whose weights, to be loaded, are zero."""
    linear = Linear(n_in, n_out, device="cpu")
    linear.weight = nn.Parameter(zeros(n_out, n_in), requires_grad=False)
    linear.bias = nn.Parameter(zeros(n_out), requires_grad=False)
    return linear


def load_weights(
    network: nn.Module, path: str | PathLike[str], sha256: str
) -> nn.Module:
    """Fill a network from a checked file.

    Parameters
    ----------
    network : nn.Module
        Of frozen parts; filled in place and put into evaluation mode.
    path : str or path-like
        A state dict, as `torch.save` writes it.
    sha256 : str
        Hash that the file must have.

    Returns
    -------
    network : nn.Module
        The same.

    Raises
    ------
    ValueError
        If the file has another hash.
    """
    data = Path(path).read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{path} must have the sha256 {sha256}, but has {found} and "
            f"{len(data)} bytes: it is damaged, incomplete or another network. "
            "Delete it and get it again."
        )
    state = torch.load(BytesIO(data), map_location="cpu", weights_only=True)
    network.load_state_dict(without_counters(state))
    return network.eval()


def without_counters(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict without the batch counters of its normalisations."""
    return {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
