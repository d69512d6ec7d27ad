"""Networks from modules of the user's own."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from skvae._utils.images import image_shape_of
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

    def make_encoder(
        self, n_features: int, n_outputs: int, generator: torch.Generator
    ) -> nn.Module:
        """Return the user's encoder; raise ValueError where its shape is wrong."""
        module, shape = self._make("encoder", n_features, n_outputs), None
        if self.image_shape is not None:
            shape = image_shape_of(self.image_shape, "CustomNetwork")
            check_one_image("CustomNetwork", shape, n_features)
            module = nn.Sequential(nn.Unflatten(1, shape), module)
        _check_shape(module, "encoder", n_features, n_outputs, shape)
        return module

    def make_decoder(
        self, n_components: int, n_outputs: int, generator: torch.Generator
    ) -> nn.Module:
        """Return the user's decoder; raise ValueError where its shape is wrong."""
        module = self._make("decoder", n_components, n_outputs)
        if self.image_shape is not None:
            module = nn.Sequential(module, nn.Flatten())
        _check_shape(module, "decoder", n_components, n_outputs, None)
        return module

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


def _check_shape(
    module: nn.Module, name: str, n_in: int, n_out: int, images: Any
) -> None:
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            out = module(torch.zeros((2, n_in), dtype=torch.float32, device="cpu"))
        shape = tuple(out.shape)
    except RuntimeError as error:
        shape = str(error).splitlines()[0]
    module.train(training)
    if shape == (2, n_out):
        return
    sizes = ", ".join(map(str, images or (n_in,)))
    flatten = " Begin with nn.Flatten() to be given rows." if images else ""
    raise ValueError(
        f"The {name} of CustomNetwork must map (n, {sizes}) to (n, {n_out}), but for "
        f"an input of shape (2, {sizes}) it gave {shape}. Build it with the sizes that "
        f"the callable form {name}(n_in, n_out) is given.{flatten}"
    )
