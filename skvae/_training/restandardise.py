"""Other statistics for the maps of a trained module, which stays the same function."""

from __future__ import annotations

import torch
from torch import nn

from skvae._utils.rows import DataSummary
from skvae.module import AutoencoderModule


@torch.no_grad()
def restandardise(module: AutoencoderModule, summary: DataSummary) -> None:
    """Centre and scale by other statistics; the outermost layers make up for it.

    ``encode`` of complete rows and ``decode`` stay the same functions, to rounding.
    Networks without affine outermost layers, such as those of images, keep their maps.

    Parameters
    ----------
    module : AutoencoderModule
    summary : DataSummary
        In the units of X.
    """
    summary = summary.in_frame(module.frame)
    last = getattr(module.decoder, "last_layer", None)
    outputs = None
    if isinstance(last, nn.Linear):
        outputs = module.likelihood.restandardise(summary)
    if outputs is not None:  # the layer puts out gain * h + offset in the place of h
        gain, offset = map(last.weight.new_tensor, outputs)
        last.weight.mul_(gain[:, None])
        last.bias.mul_(gain).add_(offset)
    first = getattr(module.encoder, "first_layers", ())
    if not first or module.likelihood.has_inputs:
        return
    factor, shift = module.factor.double(), module.shift.double()
    module.standardise(summary)
    # The layers take gain * input + offset, which is what their input was before.
    gain = factor / module.factor
    offset = shift - gain * module.shift
    for layer, columns in first:
        weight = layer.weight[:, columns]
        layer.bias.add_(weight.double() @ offset)
        weight.mul_(gain)
