"""Other statistics for the maps of a trained module, which stays the same function."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from skvae._utils.rows import Statistics
from skvae.module import AutoencoderModule


@torch.no_grad()
def restandardise(
    module: AutoencoderModule, optimizer: Any, statistics: Statistics
) -> None:
    """Centre and scale by other statistics; the outermost layers make up for it.

    ``encode`` of complete rows and ``decode`` stay the same functions, to rounding, and
    the optimizer's moments become those of the new weights. Networks without affine
    outermost layers, such as those of images, keep their maps.

    Parameters
    ----------
    module : AutoencoderModule
    optimizer : Adam
        Of the networks.
    statistics : Statistics
        In the units of X.
    """
    summary = statistics.summary().in_frame(module.frame)
    last = getattr(module.decoder, "last_layer", None)
    if isinstance(last, nn.Linear):
        outputs = module.likelihood.restandardise(summary)
        if outputs is not None:
            _make_up_for_outputs(last, *map(last.weight.new_tensor, outputs), optimizer)
    first = getattr(module.encoder, "first_layers", ())
    if first and not module.likelihood.has_inputs:
        factor, shift = module.factor.double(), module.shift.double()
        module.standardise(summary)
        # What was factor * x + shift is gain * input + offset.
        gain = factor / module.factor
        offset = shift - gain * module.shift
        for layer, columns in first:
            _make_up_for_inputs(layer, columns, gain, offset, optimizer)


def _make_up_for_outputs(
    layer: nn.Linear, gain: Tensor, offset: Tensor, optimizer: Any
) -> None:
    """Let a layer put out gain * h + offset in the place of h."""
    layer.weight.mul_(gain[:, None])
    layer.bias.mul_(gain).add_(offset)
    for power, (weight, bias) in _moments(layer, optimizer):
        weight.div_(gain[:, None] ** power)
        bias.div_(gain**power)


def _make_up_for_inputs(
    layer: nn.Linear, columns: slice, gain: Tensor, offset: Tensor, optimizer: Any
) -> None:
    """Let a layer take gain * x + offset for its inputs x in some columns.

    The gradient of its weight then is the sum of two terms, (g - g_bias * offset) /
    gain; of squares, the expectation is taken as if these were independent.
    """
    weight = layer.weight[:, columns]
    layer.bias.add_((weight.double() @ offset).to(layer.bias))
    weight.mul_(gain)
    for power, (weight, bias) in _moments(layer, optimizer):
        sign = -1 if power == 1 else 1
        part = weight[:, columns]
        part.add_(sign * bias[:, None] * offset**power).div_(gain**power)


def _moments(
    layer: nn.Linear, optimizer: Any
) -> Iterator[tuple[int, tuple[Tensor, Tensor]]]:
    """Yield the power and the averages of gradients of a layer's weight and bias."""
    states = [optimizer.state[p] for p in (layer.weight, layer.bias)]
    for power, name in enumerate(("exp_avg", "exp_avg_sq"), 1):
        yield power, tuple(state[name] for state in states)
