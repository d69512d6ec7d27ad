"""Perceptrons at the start of training."""

import pytest
import torch

from skvae.networks import MLP


def make(network, n_in=30, n_out=40):
    return network.make_decoder(n_in, n_out, torch.Generator().manual_seed(0)).eval()


@torch.no_grad()
def nonlinearity(module, n_in=30):
    """Return |f(x + y) - f(x) - f(y)| over |f(x + y)| for random x and y."""
    x, y = torch.randn((2, 50, n_in), generator=torch.Generator().manual_seed(1))
    whole = module(x + y)
    return ((whole - module(x) - module(y)).norm() / whole.norm()).item()


@pytest.mark.parametrize("sizes", [(16,), (256, 256)])
def test_training_starts_at_a_linear_map_of_unit_gain(sizes):
    module = make(MLP(hidden_layer_sizes=sizes))
    assert nonlinearity(module) < 1e-6
    assert nonlinearity(make(MLP(hidden_layer_sizes=sizes, skip=False))) > 0.1
    x = torch.randn((4000, 30), generator=torch.Generator().manual_seed(2))
    assert module(x).var().item() == pytest.approx(1, rel=0.2)


def test_hidden_layers_learn_what_is_not_linear():
    module = make(MLP(hidden_layer_sizes=(32,)), 2, 1).train()
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    x = torch.randn((500, 2), generator=torch.Generator().manual_seed(1))
    y = x.prod(1, keepdim=True)  # without any linear part
    for _ in range(300):
        optimizer.zero_grad()
        loss = (module(x) - y).square().mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05 * y.var().item()


def test_without_hidden_layers_there_is_one_linear_map():
    module = make(MLP(hidden_layer_sizes=()))
    assert sum(p.numel() for p in module.parameters()) == 31 * 40
