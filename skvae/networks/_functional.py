"""A layer with other parameters than its own, which nobody else sees."""

from __future__ import annotations

from torch import Tensor, nn


def with_parameters(layer: nn.Module, **parameters: Tensor) -> nn.Module:
    """Return a twin of a layer that shares all but the given parameters.

    Unlike ``torch.func.functional_call``, which swaps the parameters of the layer
    itself and swaps them back, nothing is changed: other threads may use the layer at
    the same time, and an interrupt leaves it whole.

    Parameters
    ----------
    layer : nn.Module
    **parameters : Tensor
        What takes the place of parameters of these names.

    Returns
    -------
    twin : nn.Module
        To be called, and dropped.
    """
    twin = object.__new__(type(layer))
    twin.__dict__ |= layer.__dict__
    own = layer._parameters.items()
    twin._parameters = {name: p for name, p in own if name not in parameters}
    twin.__dict__ |= parameters
    return twin
