"""Architectures of encoders and decoders.

The parameter `network` of an estimator takes an object, or a name for its defaults:

- ``"mlp"``: multi-layer perceptrons, for rows
- ``"convnet"``: convolutions, for images

`CustomNetwork` is for modules of one's own; the other classes are those of papers.
"""

from typing import Any

from skvae._utils.validation import resolve_named
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

NAMES = {"mlp": MLP, "convnet": ConvNet}


def resolve_network(network: Any) -> Network:
    """Return a network from its name, or the given one itself."""
    example = ", such as MLP(hidden_layer_sizes=(256, 256))"
    return resolve_named("network", network, Network, NAMES, example)
