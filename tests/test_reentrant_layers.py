"""Layers with computed weights: read by many threads, interrupted anywhere."""

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import numpy as np
import pytest
import torch
from conftest import describe, make_data, small

from skvae import RAE, VAE, WAE
from skvae.networks import ConvNet, ResNet
from skvae.networks._discriminator import Discriminator
from skvae.networks._functional import with_parameters

NETWORKS = [
    ConvNet(channels=(4,), hidden_layer_sizes=(8,), normalization="weight"),
    ConvNet(channels=(4,), hidden_layer_sizes=(8,), normalization="spectral"),
    ResNet(base_channels=1, n_hidden=4, normalization="weight"),
]
MODELS = [
    small(RAE, regularizer="spectral_norm"),
    *(small(VAE, network=network) for network in NETWORKS),
]


def rows_for(model):
    return make_data(80, 36).reshape(-1, 6, 6)


@pytest.mark.parametrize("model", MODELS, ids=describe)
def test_two_threads_read_one_model(model):
    X = rows_for(model)
    model.fit(X)
    alone = model.reconstruct(X)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: model.reconstruct(X), range(40)))
    assert all(np.array_equal(one, alone) for one in together)
    np.testing.assert_array_equal(model.reconstruct(X), alone)


def interrupt_at_line(n):
    """Return a tracer that raises KeyboardInterrupt at the n-th line of any layer."""
    lines = count()

    def trace(frame, event, argument):
        name = frame.f_globals.get("__name__", "")
        if not name.startswith(("skvae.networks", "torch.nn", "torch._functorch")):
            return None
        if event == "line" and next(lines) == n:
            raise KeyboardInterrupt
        return trace

    return trace


@pytest.mark.parametrize("model", MODELS[:3], ids=describe)
def test_interrupted_read_leaves_the_model_whole(model):
    X = rows_for(model)[:4]
    model.fit(rows_for(model))
    before = model.reconstruct(X)
    for n in range(0, 10_000, 7):
        sys.settrace(interrupt_at_line(n))
        try:
            model.reconstruct(X)
        except KeyboardInterrupt:
            interrupted = True
        else:
            interrupted = False
        finally:
            sys.settrace(None)
        np.testing.assert_array_equal(model.reconstruct(X), before)
        if not interrupted:
            break
    assert n > 7


@pytest.mark.parametrize("model", [*MODELS, small(WAE, divergence="gan")], ids=describe)
def test_callers_default_device_does_not_matter(model):
    X = rows_for(model)
    expected = model.fit(X).transform(X)
    with torch.device("meta"):
        np.testing.assert_array_equal(model.fit(X).transform(X), expected)


def test_twin_computes_with_the_other_weight_and_gradients_reach_it():
    layer, weight = torch.nn.Linear(3, 2), torch.ones(2, 3, requires_grad=True)
    own, x = layer.weight.detach().clone(), torch.randn(5, 3)
    out = with_parameters(layer, weight=weight)(x)
    torch.testing.assert_close(out, x @ weight.T + layer.bias)
    out.sum().backward()
    torch.testing.assert_close(weight.grad, x.sum(0).expand(2, 3))
    assert torch.equal(layer.weight, own)
    assert layer.weight.grad is None
    assert dict(layer.named_parameters()).keys() == {"weight", "bias"}


def test_frozen_adversary_has_the_same_logits_and_no_gradients():
    critic = Discriminator(3, torch.Generator().manual_seed(0))
    z = torch.randn(5, 3, requires_grad=True)
    torch.testing.assert_close(critic.frozen(z), critic(z), rtol=0, atol=0)
    critic.frozen(z).sum().backward()
    assert z.grad.abs().sum() > 0
    assert all(p.grad is None for p in critic.parameters())
