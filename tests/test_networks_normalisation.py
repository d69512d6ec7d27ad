"""Batch, weight and spectral normalisation of networks for images."""

import numpy as np
import pytest
import torch
from conftest import describe
from image_networks import SMALL, TINY, generator, images
from sklearn.base import clone
from torch import nn

from skvae import RAE, VAE
from skvae.networks import ConvNet, InfoGANNet, RAENet, make_linear
from skvae.networks._normalisation import BatchNorm, WeightNormalised
from skvae.networks._spectral import SpectrallyNormalised


def test_batch_norm_equals_torchs_after_its_first_steps():
    ours, theirs = BatchNorm(3), nn.BatchNorm2d(3)
    x = 5 + 2 * torch.randn(100, 8, 3, 4, 4, generator=generator())
    for batch in x:
        torch.testing.assert_close(ours(batch), theirs(batch))
    ours.eval(), theirs.eval()
    torch.testing.assert_close(ours(x[0]), theirs(x[0]), rtol=1e-3, atol=1e-3)


def test_averages_of_batch_norm_are_right_from_the_first_step_on():
    layer = BatchNorm(3, momentum=0.001)
    x = 5 + 2 * torch.randn(64, 3, generator=generator())
    layer.eval()
    torch.testing.assert_close(layer(x), x, rtol=1e-4, atol=1e-4)  # nothing seen yet
    layer.train()
    layer(x)
    layer.eval()
    expected = (x - x.mean(0)) / x.std(0)
    torch.testing.assert_close(layer(x), expected, rtol=1e-3, atol=1e-3)
    layer.train()
    for _ in range(20):
        layer(x + 1)
    layer.eval()
    expected = (x - x.mean(0) - 20 / 21) / x.std(0)
    torch.testing.assert_close(layer(x), expected, rtol=1e-2, atol=2e-2)


def test_batch_norm_takes_a_batch_of_one_row_by_its_averages():
    layer, x = BatchNorm(3), torch.randn(64, 3, generator=generator())
    assert torch.isfinite(layer(x[:1])).all()
    layer(x)
    before = layer.sum_mean.clone()
    out = layer(x[:1])
    assert torch.equal(before, layer.sum_mean)
    layer.eval()
    torch.testing.assert_close(out, layer(x[:1]))


def test_weight_normalised_layers_start_as_they_were_and_ignore_the_lengths():
    layers = [make_linear(4, 3, generator()), nn.ConvTranspose2d(4, 3, 3)]
    for layer, axes in zip(layers, ((1,), (0, 2, 3)), strict=True):
        normalised = WeightNormalised(layer)
        torch.testing.assert_close(normalised.weight, layer.weight)
        with torch.no_grad():
            normalised.norm.fill_(2.0)
            layer.weight *= torch.rand(1, generator=generator()) + 1
        lengths = torch.linalg.vector_norm(normalised.weight, dim=axes)
        torch.testing.assert_close(lengths, torch.full((3,), 2.0))


def matrix(layer):
    """Return Miyato et al.'s matrix: (outputs, inputs times pixels of the kernel)."""
    weight = layer.weight.detach()
    if isinstance(layer.layer, nn.ConvTranspose2d):
        weight = weight.transpose(0, 1)
    return weight.reshape(len(weight), -1)


@pytest.mark.parametrize(
    ("model", "part", "n_layers"),
    [
        (RAE(2, network=ConvNet(**TINY), regularizer="spectral_norm"), "decoder", 4),
        (VAE(2, network=ConvNet(**TINY, normalization="spectral")), "encoder", 4),
        (VAE(2, network=ConvNet(**TINY, normalization="spectral")), "decoder", 4),
        (VAE(2, network=InfoGANNet(2, spectral_norm=True)), "encoder", 4),
        (RAE(2, network=RAENet(1), regularizer="spectral_norm"), "decoder", 4),
    ],
    ids=describe,
)
def test_spectrally_normalised_layers_have_largest_singular_value_one(
    model, part, n_layers
):
    model = clone(model).set_params(**SMALL).fit(images())
    modules = list(getattr(model.module_, part).modules())
    layers = [m for m in modules if isinstance(m, SpectrallyNormalised)]
    kinds = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    assert len(layers) == n_layers == sum(isinstance(m, kinds) for m in modules)
    for layer in layers:
        largest = np.linalg.svd(matrix(layer).numpy(), compute_uv=False)[0]
        assert largest == pytest.approx(1, abs=1e-5)


def test_spectral_normalisation_is_not_applied_twice():
    network = ConvNet(**TINY, normalization="spectral")
    rae = RAE(2, network=network, regularizer="spectral_norm", **SMALL).fit(images())
    layers = rae.module_.decoder.modules()
    layers = [m for m in layers if isinstance(m, SpectrallyNormalised)]
    assert len(layers) == 4
    assert not any(isinstance(m.layer, SpectrallyNormalised) for m in layers)
