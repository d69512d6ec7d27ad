"""Encoder and decoder networks, and the door for modules of the user's own."""

from typing import Any

from skvae.networks._layers import make_linear as make_linear
from skvae.networks.base import ImageNetwork, Network
from skvae.networks.convnet import ConvNet
from skvae.networks.custom import CustomNetwork
from skvae.networks.mlp import MLP
from skvae.networks.papers import InfoGANNet, RAENet, WAENet
from skvae.networks.resnet import ResNet

__all__ = [
    "MLP",
    "ConvNet",
    "CustomNetwork",
    "ImageNetwork",
    "InfoGANNet",
    "Network",
    "RAENet",
    "ResNet",
    "WAENet",
]

_NAMES = {"mlp": MLP, "convnet": ConvNet}


def resolve_network(network: Any) -> Network:
    """Return a network from its name, or the given one itself."""
    if isinstance(network, Network):
        return network
    if isinstance(network, str) and network in _NAMES:
        return _NAMES[network]()
    names = ", ".join(map(repr, _NAMES))
    raise ValueError(
        f"The 'network' parameter must be one of {names} or a Network, such as "
        f"MLP(hidden_layer_sizes=(256, 256)). Got {network!r} instead."
    )
