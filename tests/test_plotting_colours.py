"""Colours that readers can tell apart, whatever their vision."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from skvae.plotting._axes import COLOURS

# Machado, Oliveira and Fernandes 2009, severity 1, of linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
# Ottosson 2020, A perceptual color space for image processing.
TO_CONES = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
TO_LAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]


def oklab(colours, vision="normal"):
    rgb = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(VISIONS[vision]), 0, 1)
    return np.cbrt(seen @ np.transpose(TO_CONES)) @ np.transpose(TO_LAB)


def least_distance(colours, vision):
    lab = oklab(colours, vision)
    return min(np.linalg.norm(a - b) for a, b in itertools.combinations(lab, 2))


def test_the_space_of_colours_is_oklab():
    lab = oklab(["white", "black", "red"])
    np.testing.assert_allclose(lab[0], [1, 0, 0], atol=1e-3)
    np.testing.assert_allclose(lab[1], 0, atol=1e-3)
    np.testing.assert_allclose(lab[2], [0.628, 0.225, 0.126], atol=1e-3)


@pytest.mark.parametrize("vision", VISIONS)
def test_no_two_colours_are_alike(vision):
    # 0.09, 0.08, 0.06 and 0.07 for the palette of Petroff 2021.
    assert least_distance(COLOURS, vision) > (0.18 if vision == "normal" else 0.11)


def test_none_is_grey_and_all_are_seen_on_white():
    lightness, *ab = oklab(COLOURS).T
    assert np.hypot(*ab).min() > 0.06
    assert lightness.max() < 0.85
    assert len(COLOURS) == 10
