"""No parameter of a network is one that the loss does not depend on."""

import pytest
import torch
from conftest import NETWORKS, describe
from image_networks import generator
from torch import nn

from skvae.networks import ConvNet, ResNet

NORMALIZATIONS = (None, "batch", "weight", "spectral")
NORMALISED = [
    cls(normalization=how, image_shape=(9, 9), **sizes)
    for how in NORMALIZATIONS
    for cls, sizes in [
        (ConvNet, {"channels": (2, 3), "hidden_layer_sizes": (5,)}),
        (ResNet, {"base_channels": 2, "n_hidden": 4, "n_blocks": 2}),
    ]
]


def randomised(module):
    """Return a module at random weights, in float64: no gradient is 0 by chance."""
    module = module.double().train()
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator(), dtype=p.dtype))
    return module


def gradients(module, n_in):
    """Return the sizes of the gradients of a loss, by parameter, beside the largest."""
    x = torch.randn((12, n_in), generator=generator(1), dtype=torch.float64)
    y = module(x)
    target = torch.randn(y.shape, generator=generator(2), dtype=torch.float64)
    (y - target).square().sum().backward()
    sizes = {name: p.grad.abs().max() for name, p in module.named_parameters()}
    largest = max(sizes.values())
    return {name: float(size / largest) for name, size in sizes.items()}


@pytest.mark.parametrize("network", [*NETWORKS, *NORMALISED], ids=describe)
def test_the_loss_depends_on_every_parameter(network):
    for module, n_in in [
        (network.make_encoder(81, 3, generator()), 81),
        (network.make_decoder(3, 81, generator()), 3),
    ]:
        found = gradients(randomised(module), n_in)
        assert all(size > 1e-10 for size in found.values()), found


def test_a_bias_before_batch_normalisation_would_be_found():
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU())
    found = gradients(randomised(module), 3)
    assert found.pop("0.bias") < 1e-12
    assert all(size > 1e-10 for size in found.values())


def biases(network):
    """Tell of every layer of a network's encoder and decoder whether it has a bias."""
    kinds = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    encoder = network.make_encoder(81, 3, generator())
    decoder = network.make_decoder(3, 81, generator())
    layers = [*encoder.modules(), *decoder.modules()]
    return [layer.bias is not None for layer in layers if isinstance(layer, kinds)]


@pytest.mark.parametrize("network", NORMALISED, ids=describe)
def test_layers_have_a_bias_unless_batch_normalisation_follows(network):
    found = biases(network)
    if network.normalization != "batch":
        assert all(found)
    elif isinstance(network, ConvNet):  # all but the outputs
        assert found == [False, False, False, True] * 2
    else:  # the first convolution of every block, in three and four scales
        assert found.count(False) == network.n_blocks * (3 + 3)
