"""What the tests of networks for images share."""

import numpy as np
import torch

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


def images(shape=(1, 9, 11), n=40, seed=0):
    """Return blurred random images, in bytes."""
    rng = np.random.default_rng(seed)
    h = rng.standard_normal((n, 3)) @ rng.standard_normal((3, int(np.prod(shape))))
    return (255 / (1 + np.exp(-h))).astype(np.uint8).reshape(n, *shape)


SMALL = {"batch_size": 16, "max_epochs": 3, "device": "cpu", "random_state": 0}
TINY = {"channels": (3, 4), "hidden_layer_sizes": (6,)}
