"""Networks from modules of the user's own."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from skvae._utils.images import image_shape_of
from skvae.networks._foreign import adopt
from skvae.networks.base import Network, check_one_image, with_image_shape


class CustomNetwork(Network):
    """Encoder and decoder of the user's own.

    Parameters
    ----------
    encoder : nn.Module or callable
        A module from (n, n_features) to (n, n_outputs), where ``n_outputs`` is what the
        posterior asks for (``2 * n_components`` for the diagonal one), or a callable
        ``encoder(n_features, n_outputs)`` that returns one. A module is copied, and
        its weights are where training starts; a callable starts afresh in every fit,
        under `random_state`.
    decoder : nn.Module or callable
        Likewise, from (n, n_components) to (n, n_outputs), where ``n_outputs`` is
        ``n_features`` (twice that for a predicted scale).
    image_shape : tuple of int or None, default=None
        (H, W) or (C, H, W), for rows that are flattened images. Images that are not
        flattened say their shape themselves.

    Notes
    -----
    The encoder is given rows that are centred and scaled, and returns one tensor of
    what the posterior reads: for the diagonal one the means, then the logarithms of
    the standard deviations, ``torch.cat([mean, log_scale], dim=1)``. It draws nothing.

    The decoder returns one tensor in standardised units, for which the mean of p(x|z)
    is the training mean plus the spread times the output, or, where X is bounded,
    logits relative to those of the training mean. It must be able to take any real
    value: a decoder that ends in Sigmoid, Tanh, ReLU or the like cannot reach half of
    the data, whatever their range is, and a warning says so. Leave the last layer out:
    where X is bounded, the likelihood adds a sigmoid itself. It finds the bounds of
    bytes, and is told others by ``GaussianLikelihood(bounds=(0, 1))``.

    Modules are in float32. Each is called with a few rows before training: outputs that
    cannot be trained, such as detached ones, are refused; a warning says if a row gives
    other numbers in every call, or beside other rows.

    Where the modules have torch's batch normalisation, a batch of one row, which has no
    variance, is normalised by the running averages.

    Where the rows are images, the encoder is given (n, C, H, W), also with one channel,
    and the decoder may return (n, C, H, W) or rows. Callables are given the same
    numbers as ever, with ``n_features = C * H * W``.

    Layers that draw random numbers while training (dropout) are reproducible too: such
    a fit runs under a copy of torch's global generator that `random_state` seeds.

    Examples
    --------
    >>> from torch import nn
    >>> from skvae import VAE
    >>> from skvae.networks import CustomNetwork
    >>> def encoder(n_in, n_out):
    ...     return nn.Sequential(nn.LayerNorm(n_in), nn.Linear(n_in, n_out))
    >>> model = VAE(network=CustomNetwork(encoder=encoder, decoder=nn.Linear))
    """

    def __init__(
        self,
        encoder: nn.Module | Callable[[int, int], nn.Module] | None = None,
        decoder: nn.Module | Callable[[int, int], nn.Module] | None = None,
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        self.encoder = encoder
        self.decoder = decoder
        self.image_shape = image_shape

    def __getstate__(self) -> dict[str, Any]:
        """Return the parameters, with copies on the CPU of modules that are elsewhere.

        Tensors of a device that does not exist cannot be unpickled.
        """
        state = super().__getstate__()
        return {name: _on_cpu(value) for name, value in state.items()}

    def make_encoder(
        self, n_features: int, n_outputs: int, generator: torch.Generator
    ) -> nn.Module:
        """Return the user's encoder; raise ValueError where its shape is wrong."""
        module, shape = self._make("encoder", n_features, n_outputs), None
        if self.image_shape is not None:
            shape = image_shape_of(self.image_shape, "CustomNetwork")
            check_one_image("CustomNetwork", shape, n_features)
            module = nn.Sequential(nn.Unflatten(1, shape), module)
        return adopt(module, "CustomNetwork", "encoder", n_features, n_outputs, shape)

    def make_decoder(
        self, n_components: int, n_outputs: int, generator: torch.Generator
    ) -> nn.Module:
        """Return the user's decoder; raise ValueError where its shape is wrong."""
        module = self._make("decoder", n_components, n_outputs)
        if self.image_shape is not None:
            module = nn.Sequential(module, nn.Flatten())
        return adopt(module, "CustomNetwork", "decoder", n_components, n_outputs)

    def for_shape(self, shape: tuple[int, ...]) -> CustomNetwork:
        """Return the network for rows that had this shape before they were flattened.

        Raises
        ------
        ValueError
            If `image_shape` says otherwise.
        """
        return with_image_shape(self, shape)

    def _make(self, name: str, n_in: int, n_out: int) -> nn.Module:
        recipe = getattr(self, name)
        if isinstance(recipe, nn.Module):
            module = copy.deepcopy(recipe)
        elif callable(recipe):
            module = recipe(n_in, n_out)
        else:
            raise TypeError(
                f"The {name!r} parameter of CustomNetwork must be an nn.Module or a "
                f"callable that returns one. Got {recipe!r} instead."
            )
        if not isinstance(module, nn.Module):
            raise TypeError(
                f"The {name!r} parameter of CustomNetwork, called with ({n_in}, "
                f"{n_out}), must return an nn.Module. Got {module!r} instead."
            )
        return module


def _on_cpu(value: Any) -> Any:
    if not isinstance(value, nn.Module):
        return value
    tensors = *value.parameters(), *value.buffers()
    elsewhere = any(tensor.device.type != "cpu" for tensor in tensors)
    return copy.deepcopy(value).cpu() if elsewhere else value
