"""Encoders and decoders of the user's own, which are given images."""

import pickle

import numpy as np
import pytest
import torch
from conftest import ESTIMATORS, assert_same, outputs, small
from small_images import C, H, W, make_images
from torch import nn

from skvae.likelihoods import GaussianLikelihood
from skvae.networks import MLP, CustomNetwork, Network


@pytest.fixture(scope="module")
def X():
    return make_images()


class Encoder(nn.Module):
    """An encoder of images, as users write them."""

    def __init__(self, n_out):
        super().__init__()
        self.conv = nn.Conv2d(C, 4, 3, stride=2, padding=1)
        self.head = nn.Linear(4 * 3 * 3, n_out)

    def forward(self, x):
        assert x.shape[1:] == (C, H, W)
        return self.head(self.conv(x).relu().flatten(1))


class Decoder(nn.Module):
    """A decoder to images."""

    def __init__(self, n_channels=C):
        super().__init__()
        self.first = nn.Linear(2, 4 * H * W)
        self.conv = nn.Conv2d(4, n_channels, 3, padding=1)

    def forward(self, z):
        return self.conv(self.first(z).reshape(-1, 4, H, W).relu())


def make_encoder(n_in, n_out):
    assert n_in == C * H * W
    return Encoder(n_out)


def make_decoder(n_in, n_out):
    return Decoder(n_out // (H * W))


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_modules_of_the_user_are_given_images(cls, X):
    network = CustomNetwork(make_encoder, make_decoder)
    model = small(cls, network=network).fit(X)
    assert model.reconstruct(X).shape == X.shape
    twin = pickle.loads(pickle.dumps(model))
    assert_same(outputs(twin, X), outputs(model, X))
    flat = small(cls, network=CustomNetwork(make_encoder, make_decoder, (C, H, W)))
    rows = X.reshape(len(X), -1)
    np.testing.assert_array_equal(flat.fit(rows).transform(rows), model.transform(X))


def test_modules_themselves_are_copied_and_trained_on_images(X):
    encoder, decoder = Encoder(4), Decoder()
    before = encoder.conv.weight.clone()
    model = small(network=CustomNetwork(encoder, decoder)).fit(X)
    assert torch.equal(encoder.conv.weight, before)
    assert model.sample(3).shape == (3, C, H, W)


def test_decoder_of_the_user_with_two_values_a_pixel(X):
    network = CustomNetwork(make_encoder, make_decoder)
    likelihood = GaussianLikelihood("predicted")
    model = small(network=network, likelihood=likelihood).fit(X)
    assert model.sample(3).shape == (3, C, H, W)


def test_a_module_for_rows_is_told_that_it_is_given_images(X):
    network = CustomNetwork(nn.Linear, nn.Linear)
    with pytest.raises(ValueError, match=r"\(n, 2, 6, 5\) to \(n, 4\).*nn.Flatten"):
        small(network=network).fit(X)
    flattening = CustomNetwork(
        lambda n_in, n_out: nn.Sequential(nn.Flatten(), nn.Linear(n_in, n_out)),
        nn.Linear,
    )
    assert small(network=flattening).fit(X).sample().shape == (1, C, H, W)


class Rows(Network):
    """A network of the user's own that knows nothing of images."""

    def make_encoder(self, n_features, n_outputs, generator):
        return nn.utils.skip_init(nn.Linear, n_features, n_outputs)

    def make_decoder(self, n_components, n_outputs, generator):
        return nn.utils.skip_init(nn.Linear, n_components, n_outputs)


def test_networks_that_know_no_images_are_given_rows(X):
    encoder = Rows().for_shape((C, H, W)).make_encoder(C * H * W, 4, None)
    assert encoder(torch.zeros(2, C * H * W)).shape == (2, 4)
    assert small(network=MLP((4,))).fit(X).sample().shape == (1, C, H, W)
