"""Features of images of ten classes: the last hidden layer of a small classifier.

A Fréchet distance between them is no FID, which is that of Inception features: such
distances compare with each other alone, and only for the same classifier.
"""

import numpy as np
import torch
from torch import nn


class Classifier(nn.Module):
    """Two convolutions and a layer of 64, whose outputs are the features."""

    def __init__(self, image_shape):
        super().__init__()
        *channels, side, _ = image_shape
        n_channels, quarter = sum(channels) or 1, -(-side // 4)  # two strides of 2
        self.features = nn.Sequential(
            nn.Unflatten(1, (n_channels, side, side)),
            nn.Conv2d(n_channels, 16, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(16, 32, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * quarter**2, 64),
            nn.ReLU(),
        )
        self.head = nn.Linear(64, 10)

    def transform(self, X):
        with torch.no_grad():
            blocks = torch.from_numpy(np.asarray(X, np.float32)).split(1000)
            return torch.cat([self.features(x) for x in blocks]).double().numpy()


def train_classifier(X, y, image_shape, n_epochs=2):
    """Train on labelled images, with a seed of its own that never changes."""
    torch.manual_seed(0)
    network = Classifier(image_shape)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    x, y = torch.from_numpy(X), torch.from_numpy(y.astype(np.int64))
    for _ in range(n_epochs):
        for rows in torch.randperm(len(x)).split(128):
            optimizer.zero_grad()
            logits = network.head(network.features(x[rows]))
            nn.functional.cross_entropy(logits, y[rows]).backward()
            optimizer.step()
    return network.eval()
