"""Networks for images of every size; what they refuse."""

import numpy as np
import pytest
import torch
from conftest import IMAGE_NETWORKS, describe
from image_networks import SHAPES, generator, images, make
from torch import nn

from skvae import VAE
from skvae.networks import ConvNet, InfoGANNet, RAENet, ResNet, WAENet


@pytest.mark.parametrize("network", IMAGE_NETWORKS, ids=describe)
@pytest.mark.parametrize(
    "shape", [*SHAPES, (2, 9, 9), (1, 10, 17), (4, 33, 12), (1, 65, 64)]
)
def test_outputs_have_the_shape_asked_for(network, shape):
    n = int(np.prod(shape))
    encoder, decoder = make(network, shape)
    assert encoder(torch.zeros(2, n)).shape == (2, 10)
    assert decoder(torch.zeros(2, 5)).shape == (2, n)
    twice = network.for_shape(shape).make_decoder(5, 2 * n, generator())
    assert twice(torch.zeros(2, 5)).shape == (2, 2 * n)


@pytest.mark.parametrize("kernel", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("size", [5, 6, 7, 8, 13])
def test_convolutions_pad_as_tensorflows_same_and_transposed_ones_are_their_adjoints(
    kernel, size
):
    network = ConvNet(channels=(1,), kernel_size=kernel, hidden_layer_sizes=())
    shape = (1, size, size)
    half = -(-size // 2)
    encoder = nn.Sequential(*list(make(network, shape)[0])[:-3]).double()
    decoder = nn.Sequential(*list(make(network, shape, 1, 1)[1])[3:]).double()
    convolution = next(m for m in encoder if isinstance(m, nn.Conv2d))
    transposed = next(m for m in decoder if isinstance(m, nn.ConvTranspose2d))
    with torch.no_grad():
        transposed.weight.copy_(convolution.weight)
    x = torch.randn(1, size**2, generator=generator(1), dtype=torch.float64)
    y = torch.randn(1, 1, half, half, generator=generator(2), dtype=torch.float64)
    # <C x, y> = <x, C' y>
    there, back = (encoder(x) * y).sum(), (x * decoder(y).flatten(1)).sum()
    torch.testing.assert_close(there, back)
    # By hand: the kernel's corner starts `before` pixels outside, from which on it
    # covers every second pixel (Dumoulin & Visin; TensorFlow's documentation).
    total = max((half - 1) * 2 + kernel - size, 0)
    padded = np.zeros((size + total, size + total))
    before = total // 2
    padded[before : before + size, before : before + size] = x.reshape(size, size)
    w = convolution.weight.detach().numpy()[0, 0]
    by_hand = [
        [
            (padded[2 * i : 2 * i + kernel, 2 * j : 2 * j + kernel] * w).sum()
            for j in range(half)
        ]
        for i in range(half)
    ]
    np.testing.assert_allclose(encoder(x)[0, 0].detach(), by_hand, rtol=1e-10)


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (ConvNet(channels=(4, 4, 4)), (1, 4, 9), r"3 times.*than 4 pixels.*4 x 9"),
        (InfoGANNet(), (1, 2, 2), "longer than 2 pixels.*2 x 2"),
        (WAENet(), (1, 8, 8), "longer than 8 pixels.*8 x 8"),
        (RAENet(), (1, 8, 8), "longer than 8 pixels.*8 x 8"),
        (ResNet(n_scales=5), (1, 8, 8), "longer than 8 pixels.*8 x 8"),
    ],
    ids=str,
)
def test_images_that_are_too_small_are_refused_with_the_rule(network, shape, message):
    with pytest.raises(ValueError, match=message):
        VAE(network=network).fit(np.zeros((5, *shape), dtype=np.uint8))


@pytest.mark.parametrize(
    ("network", "error", "message"),
    [
        (ConvNet(channels=()), ValueError, r"'channels'.*at least one"),
        (ConvNet(channels=(0,)), ValueError, r"'channels'.*>= 1.*\(0,\)"),
        (ConvNet(kernel_size=1), ValueError, r"'kernel_size'.*>= 2. Got 1"),
        (ConvNet(activation="swish9"), ValueError, "'activation'.*'relu'.*swish9"),
        (ConvNet(normalization="layer"), ValueError, "'batch'.*'layer'"),
        (ConvNet(image_shape=(9,)), ValueError, r"'image_shape'.*Got \(9,\)"),
        (ConvNet(image_shape=9), ValueError, "'image_shape'.*Got 9"),
        (InfoGANNet(base_channels=0), ValueError, "'base_channels'.*Got 0"),
        (InfoGANNet(spectral_norm=1), TypeError, "'spectral_norm'.*Got 1"),
        (RAENet(batch_norm_momentum=2), ValueError, r"\(0, 1\]. Got 2"),
        (WAENet(first_stride=3), ValueError, "'first_stride'.*Got 3"),
        (ResNet(n_blocks=0), ValueError, "'n_blocks'.*Got 0"),
        (ResNet(n_scales=0), ValueError, "'n_scales'.*Got 0"),
    ],
    ids=str,
)
def test_bad_parameters_are_refused_before_training(network, error, message):
    model = VAE(network=network)
    with pytest.raises(error, match=message):
        model.fit(images())
    assert not hasattr(model, "module_")
