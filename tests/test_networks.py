"""Networks for images: the papers' layer lists, by hand; sizes; normalisation."""

import copy
import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch
from conftest import IMAGE_NETWORKS, assert_same, describe, outputs
from sklearn.base import clone
from torch import nn

from skvae import RAE, VAE
from skvae.networks import (
    MLP,
    ConvNet,
    InfoGANNet,
    RAENet,
    ResNet,
    WAENet,
    make_linear,
)
from skvae.networks._layers import Layers
from skvae.networks._normalisation import BatchNorm, WeightNormalised
from skvae.networks._spectral import SpectrallyNormalised

SHAPES = [(1, 28, 28), (3, 28, 28), (1, 32, 32), (3, 32, 32), (1, 64, 64), (3, 64, 64)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def make(network, shape, n_outputs=10, n_components=5):
    """Return the encoder and the decoder of a network for images of that shape."""
    network, n = network.for_shape(shape), int(np.prod(shape))
    return (
        network.make_encoder(n, n_outputs, generator()),
        network.make_decoder(n_components, n, generator()),
    )


def count(module):
    return sum(p.numel() for p in module.parameters())


def images(shape=(1, 9, 11), n=40, seed=0):
    """Return blurred random images, in bytes."""
    rng = np.random.default_rng(seed)
    h = rng.standard_normal((n, 3)) @ rng.standard_normal((3, int(np.prod(shape))))
    return (255 / (1 + np.exp(-h))).astype(np.uint8).reshape(n, *shape)


SMALL = {"batch_size": 16, "max_epochs": 3, "device": "cpu", "random_state": 0}
TINY = {"channels": (3, 4), "hidden_layer_sizes": (6,)}


# ----------------------------------------------------------------- the papers' layers


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


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("shape", SHAPES)
def test_infogan_net_has_the_layers_of_lucic_et_al(shape):
    c, h, w = shape
    quarter = 128 * (h // 4) * (w // 4)
    encoder, decoder = make(InfoGANNet(), shape)
    assert count(encoder) == sum(
        [
            *(conv(c, 64, 4), conv(64, 128, 4), bn(128)),
            *(dense(quarter, 1024), bn(1024), dense(1024, 10)),
        ]
    )
    assert count(decoder) == sum(
        [
            *(dense(5, 1024), bn(1024), dense(1024, quarter), bn(quarter)),
            *(conv(128, 64, 4), bn(64), conv(64, c, 4)),
        ]
    )


def test_batch_norm_of_the_infogan_nets_dense_images_is_by_value_as_in_the_code():
    _, decoder = make(InfoGANNet(), (1, 28, 28))
    sizes = [len(m.weight) for m in decoder.modules() if isinstance(m, BatchNorm)]
    assert sizes == [1024, 128 * 7 * 7, 64]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("cls", "bn_of_dense"), [(WAENet, 0), (RAENet, 1)])
def test_wae_and_rae_nets_have_the_layers_of_their_papers(cls, bn_of_dense, shape):
    c, h, _ = shape
    k, n_doublings = (5, 3) if h == 64 else (4, 2)
    smallest = {28: 2, 32: 2, 64: 4}[h]
    start = {28: 7, 32: 8, 64: 8}[h]
    encoder, decoder = make(cls(), shape)
    widths = [c, 128, 256, 512, 1024]
    assert count(encoder) == dense(1024 * smallest**2, 10) + sum(
        conv(a, b, k) + bn(b) for a, b in pairwise(widths)
    )
    first = 1024 * start**2
    widths = [1024, 512, 256, 128][: n_doublings + 1]
    assert count(decoder) == dense(5, first) + bn_of_dense * bn(first) + sum(
        conv(a, b, k) + bn(b) for a, b in pairwise(widths)
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
        return 3 * conv(n, n, 3) + 2 * bn(n)

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


# ------------------------------------------------------------------------ every size


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


# -------------------------------------------------------------------- initial weights


def weights_of(module, kind):
    return [m.weight.detach() for m in module.modules() if isinstance(m, kind)]


def test_initial_weights_of_the_named_networks_are_their_papers():
    encoder, decoder = make(InfoGANNet(), (1, 28, 28))
    (linear, *_), convolution = weights_of(encoder, nn.Linear), None
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


# --------------------------------------------------------------------- normalisation


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


@pytest.mark.parametrize("network", IMAGE_NETWORKS, ids=describe)
def test_fit_bears_a_last_batch_of_one_row_and_data_of_one_row(network):
    X = images(n=17)
    model = VAE(2, network=network, **SMALL).fit(X)
    assert np.isfinite(model.history_["loss"]).all()
    one = VAE(2, network=network, **SMALL).fit(X[:1])
    assert np.isfinite(one.reconstruct(X)).all()


def test_evaluation_uses_the_averages_and_not_the_batch():
    network = ConvNet(**TINY, normalization="batch")
    model = VAE(2, network=network, **SMALL, early_stopping=True).fit(images())
    assert np.isfinite(model.history_["validation_loss"]).all()
    X = images(n=50, seed=1)
    one_by_one = [model.transform(X[i : i + 1])[0] for i in range(50)]
    np.testing.assert_allclose(model.transform(X), one_by_one, rtol=0, atol=1e-6)


def test_best_weights_come_back_with_their_averages():
    network = ConvNet(**TINY, normalization="batch")
    options = {**SMALL, "max_epochs": 30, "learning_rate": 0.1, "kl_warmup": 0}
    stop = {"early_stopping": True, "n_iter_no_change": 3}
    model = VAE(2, network=network, **options, **stop).fit(images())
    best = int(np.argmin(model.history_["validation_loss"])) + 1
    assert best < model.n_epochs_
    short = VAE(2, network=network, **{**options, "max_epochs": best}, **stop)
    assert_same(outputs(model, images()), outputs(short.fit(images()), images()))


def test_an_undone_epoch_leaves_no_trace_in_the_averages(monkeypatch):
    network = ConvNet(**TINY, normalization="batch")
    seen, original = [], VAE.loss

    def poisoned(self, module, x, generator, annealing):
        terms = original(self, module, x, generator, annealing)
        sums = [m.sum_mean for m in module.modules() if isinstance(m, BatchNorm)]
        seen.append(torch.cat(sums).clone())
        if len(seen) == 5:  # the second step of the second epoch
            terms["kl"] = terms["kl"] * float("nan")
        return terms

    monkeypatch.setattr(VAE, "loss", poisoned)
    options = {**SMALL, "max_epochs": 2}
    with pytest.warns(RuntimeWarning, match="undone"):
        VAE(2, network=network, **options).fit(images())
    # steps 0 to 2 are the first epoch, 3 to 5 the undone one, 6 to 8 its repetition
    assert torch.equal(seen[3], seen[6])


@pytest.mark.parametrize("network", IMAGE_NETWORKS, ids=describe)
def test_models_survive_pickling_copies_and_resumption(network):
    X = images()
    model = VAE(2, network=network, **SMALL).fit(X)
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert_same(outputs(twin, X), outputs(model, X))
    step_by_step = VAE(2, network=network, **SMALL)
    for _ in range(SMALL["max_epochs"]):
        step_by_step.partial_fit(X)
    assert_same(outputs(step_by_step, X), outputs(model, X))
    warm = VAE(2, network=network, **SMALL, warm_start=True).fit(X).fit(X)
    assert warm.n_epochs_ == 6
    assert not np.array_equal(warm.transform(X), model.transform(X))


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
    assert not any(isinstance(m.layer, SpectrallyNormalised) for m in layers)


# ---------------------------------------------------------- rows do not see their like


@pytest.mark.parametrize("network", IMAGE_NETWORKS, ids=describe)
@pytest.mark.parametrize("shape", [(1, 9, 9), (3, 10, 13)])
def test_every_row_has_the_same_bits_wherever_it_stands(network, shape):
    X = images(shape, n=150)
    model = VAE(3, network=network, **{**SMALL, "max_epochs": 1}).fit(X)
    order = np.random.default_rng(1).permutation(150)
    for method in (model.transform, model.reconstruct, model.score_samples):
        whole = method(X)
        np.testing.assert_array_equal(method(X[order]), whole[order])
        # Other numbers of rows may have blocks of other sizes, which round differently.
        tolerance = {"rtol": 0, "atol": 4 * np.finfo(np.float32).eps * abs(whole).max()}
        np.testing.assert_allclose(method(X[7:8]), whole[7:8], **tolerance)
        np.testing.assert_allclose(method(X[40:99]), whole[40:99], **tolerance)


def test_blocks_are_smaller_where_a_row_needs_more_memory():
    def block(network, shape):
        X = np.zeros((4, *shape), dtype=np.uint8)
        return VAE(2, network=network, max_epochs=1).fit(X).module_.block

    assert block(MLP(), (1, 28, 28)) == 512
    assert block(ConvNet(), (1, 28, 28)) == 128  # 16 x 14 x 14 values a row
    wide = ConvNet(channels=(64, 2), hidden_layer_sizes=())
    assert block(wide, (3, 64, 64)) == 16
