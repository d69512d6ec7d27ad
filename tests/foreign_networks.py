"""A small network in place of DINOv2 or CLIP, in the recipe of the user guide."""

import torch
from torch import nn


class Standardised(nn.Module):
    """The recipe of the user guide."""

    def __init__(self, network, mean, std):
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).reshape(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(3, 1, 1))

    def forward(self, images):
        return self.network((images - self.mean) / self.std)


def make_backbone():
    return nn.Sequential(nn.Conv2d(3, 4, 7, 7), nn.GELU(), nn.Flatten())
