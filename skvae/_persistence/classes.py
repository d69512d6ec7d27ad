"""The classes that a file may name: no other is ever looked for.

A name does not say where a class is defined, so that a file outlives a move of the
code. A class that is given another name keeps the old one, too, in `FORMER_NAMES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sklearn.compose import make_column_selector
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.neighbors import KernelDensity
from torch import nn

from skvae import densities, likelihoods, networks, posteriors
from skvae._distributions.categorical import Levels
from skvae._distributions.flows import InverseAutoregressiveFlow
from skvae._distributions.normal_scores import ScoreMap
from skvae._training.stream import RowSample
from skvae._utils import layers
from skvae._utils.ends import Ends
from skvae._utils.float32 import Frame
from skvae._utils.rows import Statistics
from skvae.densities._normal import Normal
from skvae.likelihoods._locations import Bounded, Unbounded
from skvae.likelihoods._noise import FixedNoise, NoiseByLocation
from skvae.module import AutoencoderModule
from skvae.networks._discriminator import Discriminator
from skvae.networks._foreign import SingleRowBatchNorm1d, SingleRowBatchNorm2d
from skvae.networks._layers import AlignedLinear
from skvae.networks._normalisation import BatchNorm, WeightNormalised
from skvae.networks._spectral import SpectrallyNormalised
from skvae.networks.mlp import Perceptron
from skvae.networks.resnet import Residual


class WrongPartError(ValueError):
    """A part that the caller supplies is not the one that a file was saved with."""


@dataclass(frozen=True)
class Supplied:
    """What stands in a file for a parameter that the caller of `load` supplies.

    Attributes
    ----------
    name : str
        Of the parameter, as `get_params` gives it.
    """

    name: str


class Weights(nn.Module):
    """What stands in a file for a network that is made by code of the user's own.

    Parameters
    ----------
    network : nn.Module
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.tensors = dict(network.state_dict())
        self.training = network.training


_PUBLIC = [
    part
    for room in (networks, likelihoods, posteriors, densities)
    for part in (getattr(room, name) for name in room.__all__)
    if isinstance(part, type)
]
_PRIVATE = [
    *(AlignedLinear, AutoencoderModule, BatchNorm, Bounded, Discriminator, FixedNoise),
    *(
        Ends,
        Frame,
        InverseAutoregressiveFlow,
        Levels,
        NoiseByLocation,
        Normal,
        Perceptron,
    ),
    *(Residual, RowSample, ScoreMap, SingleRowBatchNorm1d, SingleRowBatchNorm2d),
    *(SpectrallyNormalised, Statistics, Supplied, Unbounded, WeightNormalised),
    Weights,
    *(layers.Conv2d, layers.ConvTranspose2d, layers.Linear),
]
_TORCH = [
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AvgPool1d, nn.AvgPool2d),
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConstantPad1d, nn.ConstantPad2d, nn.ConvTranspose1d, nn.ConvTranspose2d),
    *(nn.ConvTranspose3d, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.ELU, nn.Embedding),
    *(nn.Flatten, nn.GELU, nn.GroupNorm, nn.Hardtanh, nn.Identity, nn.LayerNorm),
    *(nn.LeakyReLU, nn.Linear, nn.MaxPool1d, nn.MaxPool2d, nn.Mish, nn.ModuleDict),
    *(nn.ModuleList, nn.PReLU, nn.RMSNorm, nn.ReLU, nn.ReLU6, nn.SELU, nn.Sequential),
    *(nn.SiLU, nn.Sigmoid, nn.Softplus, nn.Tanh, nn.Unflatten, nn.Upsample),
    *(nn.UpsamplingBilinear2d, nn.UpsamplingNearest2d, nn.ZeroPad1d, nn.ZeroPad2d),
]
_SKLEARN = [
    *(BayesianGaussianMixture, GaussianMixture, KernelDensity),
    make_column_selector,
]

CLASSES: dict[str, type] = {
    f"{library}.{cls.__name__}": cls
    for library, classes in (
        ("skvae", [*_PUBLIC, *_PRIVATE]),
        ("torch", _TORCH),
        ("sklearn", _SKLEARN),
    )
    for cls in classes
}
"""The classes by their names in files."""

FORMER_NAMES: dict[str, str] = {}
"""Names in older files, and what they are called now."""


def names_of_classes(classes: dict[str, type]) -> dict[type, str]:
    """Return the names in files by class."""
    return {cls: name for name, cls in classes.items()}


def class_of(name: Any, classes: dict[str, type]) -> type:
    """Return the class that a file names.

    Raises
    ------
    WrongPartError
        If it is the class of a part that the caller supplies, but of another one.
    ValueError
        If it is not one of those that a file may name.
    """
    found = classes.get(FORMER_NAMES.get(name, name))
    if found is None and ":" in name:
        part, _, kind = name.partition(":")
        raise WrongPartError(
            f"parts[{part!r}] must be, or hold, an object of the class {kind}, with "
            "which the file was saved. Supply what the model was fitted with."
        )
    if found is None:
        raise ValueError(f"{name!r} is no class that a file of skvae may name.")
    return found
