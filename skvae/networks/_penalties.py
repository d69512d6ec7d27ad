"""Penalties that keep a network smooth."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from skvae._utils.random import standard_normal


def squared_weights(network: nn.Module) -> Tensor:
    """Sum of all squared weights, without biases and other vectors; shape ()."""
    return sum(w.square().sum() for w in network.parameters() if w.ndim > 1)


def gradient_penalty(
    decode: Callable[[Tensor], Tensor], z: Tensor, generator: torch.Generator
) -> Tensor:
    """Hutchinson's estimate of the squared Frobenius norm of the decoder's Jacobian.

    Parameters
    ----------
    decode : callable, Tensor (n, d) -> Tensor (n, n_features)
        The derivative is by its argument, row by row.
    z : Tensor of shape (n, d)
    generator : torch.Generator

    Returns
    -------
    penalty : Tensor of shape (n,)
        ||J'v||^2 for one v ~ N(0, I) per row, in expectation ||J||_F^2.

    Notes
    -----
    The authors' code penalises the derivative of ||D(z)||^2 instead. Layers that couple
    the rows of a batch, such as batch normalisation, make the penalty approximate.

    References
    ----------
    Ghosh et al. 2020, section 3 ("gradient penalty"); Hutchinson 1990.
    """
    with torch.enable_grad():
        z = z if z.requires_grad else z.detach().requires_grad_()
        x = decode(z)
        v = standard_normal(*x.shape, generator=generator, device=x.device)
        (gradient,) = torch.autograd.grad((x * v).sum(), z, create_graph=True)
    return gradient.square().sum(-1)
