"""The papers' networks have their papers' layers and initial weights."""

from itertools import pairwise

import pytest
import torch
from conftest import IMAGE_NETWORKS, describe
from image_networks import SHAPES, generator, make
from torch import nn

from skvae.networks import ConvNet, InfoGANNet, RAENet, ResNet, WAENet
from skvae.networks._layers import Layers
from skvae.networks._normalisation import BatchNorm


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.fixture
def undrawn(monkeypatch):
    """Leave weights as they are: drawing millions takes seconds."""
    monkeypatch.setattr(Layers, "_draw", lambda self, *args: None)


def conv(n_in, n_out, k):
    """Return the parameters of a convolution, transposed or not, with its biases."""
    return n_in * n_out * k * k + n_out


def dense(n_in, n_out):
    return n_in * n_out + n_out


def bn(n):
    return 2 * n


def conv_bn(n_in, n_out, k):
    """Return those of a convolution, without biases, and its batch normalisation."""
    return conv(n_in, n_out, k) - n_out + bn(n_out)


def dense_bn(n_in, n_out):
    return dense(n_in, n_out) - n_out + bn(n_out)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("shape", SHAPES)
def test_infogan_net_has_the_layers_of_lucic_et_al(shape):
    c, h, w = shape
    quarter = 128 * (h // 4) * (w // 4)
    encoder, decoder = make(InfoGANNet(), shape)
    assert count(encoder) == sum(
        [
            *(conv(c, 64, 4), conv_bn(64, 128, 4)),
            *(dense_bn(quarter, 1024), dense(1024, 10)),
        ]
    )
    assert count(decoder) == sum(
        [
            *(dense_bn(5, 1024), dense_bn(1024, quarter)),
            *(conv_bn(128, 64, 4), conv(64, c, 4)),
        ]
    )


def test_batch_norm_of_the_infogan_nets_dense_images_is_by_value_as_in_the_code():
    _, decoder = make(InfoGANNet(), (1, 28, 28))
    sizes = [len(m.weight) for m in decoder.modules() if isinstance(m, BatchNorm)]
    assert sizes == [1024, 128 * 7 * 7, 64]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("cls", "first"), [(WAENet, dense), (RAENet, dense_bn)])
def test_wae_and_rae_nets_have_the_layers_of_their_papers(cls, first, shape):
    c, h, _ = shape
    k, n_doublings = (5, 3) if h == 64 else (4, 2)
    smallest = {28: 2, 32: 2, 64: 4}[h]
    start = {28: 7, 32: 8, 64: 8}[h]
    encoder, decoder = make(cls(), shape)
    widths = [c, 128, 256, 512, 1024]
    assert count(encoder) == dense(1024 * smallest**2, 10) + sum(
        conv_bn(a, b, k) for a, b in pairwise(widths)
    )
    widths = [1024, 512, 256, 128][: n_doublings + 1]
    assert count(decoder) == first(5, 1024 * start**2) + sum(
        conv_bn(a, b, k) for a, b in pairwise(widths)
    ) + conv(widths[-1], c, k)


@pytest.mark.usefixtures("undrawn")
def test_dai_and_wipfs_version_of_the_wae_net_starts_at_stride_1():
    encoder, _ = make(WAENet(first_stride=1), (3, 64, 64))
    plain, _ = make(WAENet(), (3, 64, 64))
    # 8 x 8 pixels instead of 4 x 4 before the dense layer
    assert count(encoder) - count(plain) == 1024 * (64 - 16) * 10


@pytest.mark.parametrize("shape", SHAPES)
def test_resnet_has_the_layers_of_dai_and_wipfs_code(shape):
    c, h, _ = shape
    encoder, decoder = make(ResNet(), shape)

    def block(n):
        return bn(n) + conv_bn(n, n, 3) + 2 * conv(n, n, 3)

    widths = [16, 32, 64, 128] if h == 64 else [16, 32, 64]
    pairs = list(pairwise(widths))
    assert count(encoder) == sum(
        [
            *(conv(c, 16, 3), dense(512, 10)),
            *map(block, widths),
            *(conv(a, b, 3) for a, b in pairs),
            *(dense(widths[-1], 512), dense(512, 512), dense(widths[-1], 512)),
        ]
    )
    # 2, 4, ..., 32 or 64 pixels (28: 2, 4, 7, 14, 28), with the channels in reverse
    widths = [16 * 2**i for i in range(6 if h == 64 else 5)][::-1]
    pairs = list(pairwise(widths))
    assert count(decoder) == sum(
        [
            *(dense(5, 2 * 2 * widths[0]), conv(16, c, 3)),
            *(conv(a, b, 3) + block(b) for a, b in pairs),
        ]
    )


def test_conv_net_has_the_layers_it_documents():
    network = ConvNet(channels=(4, 6, 8), kernel_size=3, hidden_layer_sizes=(20, 12))
    encoder, decoder = make(network, (3, 20, 12))
    n_last = 8 * 3 * 2  # sides 20, 10, 5, 3 and 12, 6, 3, 2
    convolutions = conv(4, 6, 3) + conv(6, 8, 3)
    assert count(encoder) == sum(
        [
            *(conv(3, 4, 3), convolutions),
            *(dense(n_last, 20), dense(20, 12), dense(12, 10)),
        ]
    )
    assert count(decoder) == sum(
        [
            *(dense(5, 12), dense(12, 20), dense(20, n_last)),
            *(conv(8, 6, 3), conv(6, 4, 3), conv(4, 3, 3)),
        ]
    )


def test_default_conv_net_is_small():
    encoder, decoder = make(ConvNet(), (1, 28, 28), 32, 16)
    assert 100_000 < count(encoder) + count(decoder) < 500_000


def weights_of(module, kind):
    return [m.weight.detach() for m in module.modules() if isinstance(m, kind)]


def test_initial_weights_of_the_named_networks_are_their_papers():
    encoder, decoder = make(InfoGANNet(), (1, 28, 28))
    linear = weights_of(encoder, nn.Linear)[0]
    convolution = weights_of(encoder, nn.Conv2d)[1]
    transposed = weights_of(decoder, nn.ConvTranspose2d)[0]
    assert linear.std().item() == pytest.approx(0.02, rel=0.01)
    assert transposed.std().item() == pytest.approx(0.02, rel=0.01)
    assert transposed.abs().max() > 0.06
    # A normal distribution cut at two deviations has 0.8796 of the deviation.
    assert convolution.std().item() == pytest.approx(0.8796 * 0.02, rel=0.01)
    assert convolution.abs().max() <= 0.04
    encoder, decoder = make(RAENet(), (1, 32, 32))
    for module, kind in ((encoder, nn.Conv2d), (decoder, nn.ConvTranspose2d)):
        w = weights_of(module, kind)[1]
        fans = 16 * (w.shape[0] + w.shape[1])
        bound = (6 / fans) ** 0.5
        assert w.abs().max().item() == pytest.approx(bound, rel=1e-3)
        assert w.std().item() == pytest.approx(bound / 3**0.5, rel=0.01)
    encoder, _ = make(WAENet(), (1, 28, 28))
    assert weights_of(encoder, nn.Linear)[0].std().item() == pytest.approx(0.01, 0.05)


def test_initial_conv_net_keeps_the_variance_through_rectifiers():
    network = ConvNet((64, 64, 64), hidden_layer_sizes=(64,), activation="relu")
    encoder, decoder = make(network, (3, 64, 64), 200, 200)
    x = torch.randn(16, 3 * 64 * 64, generator=generator(1))
    z = torch.randn(64, 200, generator=generator(2))
    with torch.no_grad():
        assert 0.5 < encoder(x).var().item() < 2
        inner = decoder(z).reshape(64, 3, 64, 64)[..., 8:-8, 8:-8]
        assert 0.3 < inner.var().item() < 3


@pytest.mark.parametrize("network", IMAGE_NETWORKS, ids=describe)
def test_weights_come_from_the_generator_alone(network):
    state = torch.get_rng_state()
    one = make(network, (1, 9, 9))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(5)
    two = make(network, (1, 9, 9))
    torch.set_rng_state(state)
    for a, b in zip(one, two, strict=True):
        for p, q in zip(a.parameters(), b.parameters(), strict=True):
            assert torch.equal(p, q)
